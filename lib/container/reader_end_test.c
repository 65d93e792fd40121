#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "reader_rig.h"

#define PAGE PROMP_CHUNK_PAGE

static void an_error_fails_who_waits_for_it(void **state)
{
    /* Aim: an error fails the fetches that wait for its pages and no other, and a later fetch asks again. */
    (void)state;
    rig_t rig;
    promp_fetch_t a, b, c;
    rig_begin(&rig, PROMP_CACHE);
    promp_remote_t *remote = rig_open(&rig, 1, RIG_TIB);
    promp_remote_advise(remote, PROMP_ADVISE_RANDOM, 0, 0);

    promp_fetch_begin(rig.reader, remote, 10 * PAGE, PAGE, &a);
    promp_fetch_begin(rig.reader, remote, 20 * PAGE, PAGE, &b);
    promp_fetch_begin(rig.reader, remote, 20 * PAGE, 40 * PAGE, &c);
    rig_take(&rig);
    assert_int_equal(rig.count, 2);
    rig_answer(&rig, 1, PROMP_ERR_CONTAINER_SOURCE);
    assert_int_equal(promp_fetch_state(&a), PROMP_ERR_TIMEOUT);
    assert_int_equal(promp_fetch_state(&b), PROMP_ERR_CONTAINER_SOURCE);
    assert_int_equal(promp_fetch_state(&c), PROMP_ERR_CONTAINER_SOURCE);
    promp_fetch_end(rig.reader, &b);
    assert_int_equal(rig_read(&rig, remote, 20 * PAGE, PAGE), 2);
    rig_check(&a);
    assert_int_equal(promp_fetch_state(&c), PROMP_ERR_CONTAINER_SOURCE);
    promp_fetch_end(rig.reader, &a);
    promp_fetch_end(rig.reader, &c);
    promp_reader_close(rig.reader, &remote);
    rig_end(&rig);
}

static void the_end_of_a_fetch_cancels_what_it_alone_waits_for(void **state)
{
    /* Aim: what another fetch waits for too goes on, and a request that was not sent yet is not sent. */
    (void)state;
    rig_t rig;
    promp_fetch_t a, b, c;
    rig_begin(&rig, PROMP_CACHE);
    promp_remote_t *remote = rig_open(&rig, 1, RIG_TIB);
    promp_remote_advise(remote, PROMP_ADVISE_RANDOM, 0, 0);

    promp_fetch_begin(rig.reader, remote, PROMP_CHUNK - PAGE, 2 * PAGE, &a);
    promp_fetch_begin(rig.reader, remote, PROMP_CHUNK, PAGE, &b);
    rig_take(&rig);
    assert_int_equal(rig.count, 2);
    promp_fetch_begin(rig.reader, remote, 100 * PROMP_CHUNK, PAGE, &c);
    promp_fetch_end(rig.reader, &c);
    promp_fetch_end(rig.reader, &a);
    rig_take(&rig);
    assert_int_equal(rig.cancels, 1);
    assert_int_equal(rig.requests, 2);
    assert_int_equal(rig.count, 1);
    rig_expect(&rig, 0, PROMP_CHUNK, PAGE);
    assert_int_equal(promp_reader_under_way(rig.reader), PAGE);
    rig_answer(&rig, 0, PROMP_OK);
    rig_check(&b);
    promp_fetch_end(rig.reader, &b);
    promp_reader_close(rig.reader, &remote);
    rig_end(&rig);
}

static void a_late_answer_is_not_taken_for_another(void **state)
{
    /* Aim: the answer to a cancelled request is ignored, also when its page was asked for anew: its bytes, its error. */
    (void)state;
    uint8_t wrong[PAGE] = {0}, *body = NULL;
    rig_t rig;
    promp_fetch_t a;
    rig_begin(&rig, PROMP_CACHE);
    promp_remote_t *remote = rig_open(&rig, 1, RIG_TIB);

    for (int with_error = 0; with_error < 2; with_error++) {
        uint64_t at = (uint64_t)(with_error + 5) * PROMP_CHUNK;
        promp_fetch_begin(rig.reader, remote, at, PAGE, &a);
        rig_take(&rig);
        uint32_t old = rig.asked[0].request;
        promp_fetch_end(rig.reader, &a);
        promp_fetch_begin(rig.reader, remote, at, PAGE, &a);
        rig_take(&rig);
        assert_int_equal(rig.cancelled[rig.cancels - 1], old);
        assert_true(rig.asked[0].request != old);
        promp_err_t error = with_error ? PROMP_ERR_SYSTEM : PROMP_OK;
        assert_int_equal(promp_reader_answer(rig.reader, old, error, promp_slice(wrong, PAGE), &body),
                         PROMP_OK);
        assert_int_equal(promp_fetch_state(&a), PROMP_ERR_TIMEOUT);
        assert_int_equal(promp_reader_under_way(rig.reader), PAGE);
        rig_answer(&rig, 0, PROMP_OK);
        rig_check(&a);
        promp_fetch_end(rig.reader, &a);
    }
    promp_reader_close(rig.reader, &remote);
    rig_end(&rig);
}

static void an_answer_before_its_cancel_saves_the_cancel(void **state)
{
    /* Aim: a request that was answered needs no cancel any more. */
    (void)state;
    uint8_t data[PAGE] = {0}, *body = NULL;
    rig_t rig;
    promp_fetch_t a;
    promp_reader_out_t out;
    rig_begin(&rig, PROMP_CACHE);
    promp_remote_t *remote = rig_open(&rig, 1, RIG_TIB);
    promp_fetch_begin(rig.reader, remote, 5 * PROMP_CHUNK, PAGE, &a);
    assert_true(promp_reader_next(rig.reader, &out));
    promp_fetch_end(rig.reader, &a);
    assert_int_equal(promp_reader_answer(rig.reader, out.request, PROMP_OK, promp_slice(data, PAGE), &body),
                     PROMP_OK);
    assert_false(promp_reader_next(rig.reader, &out));
    assert_int_equal(promp_reader_held(rig.reader), 0);
    promp_reader_close(rig.reader, &remote);
    rig_end(&rig);
}

static void after_a_failure_only_the_cache_answers(void **state)
{
    /* Aim: promp_reader_fail fails all fetches that wait, now and later; what is here can be read on; nothing is sent. */
    (void)state;
    rig_t rig;
    promp_fetch_t a, b, c;
    rig_begin(&rig, PROMP_CACHE);
    promp_remote_t *remote = rig_open(&rig, 1, RIG_TIB);
    promp_remote_t *other = rig_open(&rig, 2, RIG_TIB);

    rig_read(&rig, remote, 0, PAGE);
    rig_settle(&rig);
    promp_fetch_begin(rig.reader, remote, 0, PAGE, &a);
    promp_fetch_begin(rig.reader, remote, 5 * PROMP_CHUNK, PAGE, &b);
    promp_fetch_begin(rig.reader, other, 0, 3 * PROMP_CHUNK, &c);
    promp_remote_advise(other, PROMP_ADVISE_SOON, PROMP_GIB,
                        2 * PROMP_READ_WINDOW); /* not all of it is sent */
    rig_take(&rig);
    promp_reader_fail(rig.reader, PROMP_ERR_CONTAINER_GONE);
    rig.count = 0;
    rig_check(&a);
    assert_int_equal(promp_fetch_state(&b), PROMP_ERR_CONTAINER_GONE);
    assert_int_equal(promp_fetch_state(&c), PROMP_ERR_CONTAINER_GONE);
    assert_int_equal(promp_reader_under_way(rig.reader), 0);
    assert_false(rig_next(&rig));
    promp_fetch_end(rig.reader, &a);
    promp_fetch_end(rig.reader, &b);
    promp_fetch_end(rig.reader, &c);

    assert_int_equal(rig_read(&rig, remote, 0, PAGE), 0);
    promp_fetch_begin(rig.reader, remote, 9 * PROMP_CHUNK, PAGE, &a);
    assert_int_equal(promp_fetch_state(&a), PROMP_ERR_CONTAINER_GONE);
    promp_remote_advise(other, PROMP_ADVISE_SOON, PROMP_GIB, PROMP_MIB);
    assert_false(rig_next(&rig));
    promp_fetch_end(rig.reader, &a);
    promp_reader_close(rig.reader, &remote);
    promp_reader_close(rig.reader, &other);
    rig_end(&rig);
}

static void opened_twice_is_one(void **state)
{
    /* Aim: opens are counted and share what is here; another size is refused; after the last close all begins afresh. */
    (void)state;
    rig_t rig;
    rig_begin(&rig, PROMP_CACHE);
    promp_remote_t *a = rig_open(&rig, 1, RIG_TIB);
    promp_remote_t *b = rig_open(&rig, 1, RIG_TIB);
    promp_id_t id = rig_id(1);

    assert_ptr_equal(a, b);
    assert_true(promp_id_equal(promp_remote_id(a), &id));
    assert_null(promp_reader_open(rig.reader, &id, RIG_TIB - 1));
    rig_read(&rig, a, 5 * PROMP_CHUNK, PAGE);
    assert_false(promp_reader_close(rig.reader, &a));
    assert_null(a);
    assert_int_equal(rig_read(&rig, b, 5 * PROMP_CHUNK, PAGE), 0);
    assert_true(promp_reader_close(rig.reader, &b));
    assert_int_equal(promp_reader_held(rig.reader), 0);

    a = rig_open(&rig, 1, 100);
    assert_int_equal(rig_read(&rig, a, 0, 100), 1);
    assert_true(promp_reader_close(rig.reader, &a));
    rig_end(&rig);
}

static void the_last_close_ends_what_is_under_way(void **state)
{
    /* Aim: requests are cancelled, fetches that wait fail with CLOSED, one that has its bytes keeps them until its end, and
     * the container opened anew in the meantime has nothing to do with them. */
    (void)state;
    rig_t rig;
    promp_fetch_t here, sent, unsent;
    rig_begin(&rig, PROMP_CACHE);
    promp_remote_t *remote = rig_open(&rig, 1, RIG_TIB);
    promp_remote_t *other = rig_open(&rig, 2, RIG_TIB);

    rig_read(&rig, remote, 5 * PROMP_CHUNK, PROMP_CHUNK);
    promp_fetch_begin(rig.reader, remote, 5 * PROMP_CHUNK + 9, 100000, &here);
    promp_fetch_begin(rig.reader, remote, 0, PROMP_MIB, &sent);
    rig_take(&rig);
    size_t under_way = rig.count;
    assert_true(under_way >= 4);
    promp_fetch_begin(rig.reader, remote, 50 * PROMP_CHUNK, PROMP_MIB, &unsent);
    assert_true(promp_reader_close(rig.reader, &remote));
    rig_take(&rig);
    assert_int_equal(rig.cancels, under_way);
    assert_int_equal(rig.count, 0);
    assert_int_equal(promp_fetch_state(&sent), PROMP_ERR_CLOSED);
    assert_int_equal(promp_fetch_state(&unsent), PROMP_ERR_CLOSED);
    rig_check(&here);

    remote = rig_open(&rig, 1, RIG_TIB);
    assert_int_equal(rig_read(&rig, remote, 5 * PROMP_CHUNK + 9, 10), 1);
    assert_int_equal(rig_read(&rig, other, 5 * PROMP_CHUNK + 9, 10), 1);
    rig_check(&here);
    promp_fetch_end(rig.reader, &here);
    promp_fetch_end(rig.reader, &sent);
    promp_fetch_end(rig.reader, &unsent);
    assert_int_equal(promp_reader_held(rig.reader), 2 * PAGE);
    promp_reader_close(rig.reader, &remote);
    promp_reader_close(rig.reader, &other);
    rig_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_error_fails_who_waits_for_it),
        cmocka_unit_test(the_end_of_a_fetch_cancels_what_it_alone_waits_for),
        cmocka_unit_test(a_late_answer_is_not_taken_for_another),
        cmocka_unit_test(an_answer_before_its_cancel_saves_the_cancel),
        cmocka_unit_test(after_a_failure_only_the_cache_answers),
        cmocka_unit_test(opened_twice_is_one),
        cmocka_unit_test(the_last_close_ends_what_is_under_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
