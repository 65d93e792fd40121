#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "reader_rig.h"

#define PAGE PROMP_CHUNK_PAGE

static void random_reads_ask_for_their_pages_only(void **state)
{
    /* Aim: a read somewhere asks for its own pages, whatever the container's size, and a second time for nothing. */
    (void)state;
    rig_t rig;
    promp_fetch_t fetch;
    rig_begin(&rig, PROMP_CACHE);
    promp_remote_t *remote = rig_open(&rig, 1, RIG_TIB);
    uint64_t far = 900 * PROMP_GIB + 5000;

    promp_fetch_begin(rig.reader, remote, far, 100, &fetch);
    assert_int_equal(promp_fetch_state(&fetch), PROMP_ERR_TIMEOUT);
    rig_take(&rig);
    assert_int_equal(rig.count, 1);
    rig_expect(&rig, 0, 900 * PROMP_GIB + PAGE, PAGE);
    assert_int_equal(promp_reader_under_way(rig.reader), PAGE);
    rig_answer(&rig, 0, PROMP_OK);
    rig_check(&fetch);
    promp_fetch_end(rig.reader, &fetch);
    assert_int_equal(promp_reader_held(rig.reader), PAGE);
    assert_int_equal(promp_reader_under_way(rig.reader), 0);
    assert_int_equal(rig_read(&rig, remote, far + 3000, 96), 0);
    assert_int_equal(rig.requests, 1);
    promp_reader_close(rig.reader, &remote);
    assert_null(remote);
    rig_end(&rig);
}

static void requests_end_at_chunks_and_at_the_end(void **state)
{
    /* Aim: a read over the border of chunks makes two requests, and the last page of a container may be short. */
    (void)state;
    rig_t rig;
    promp_fetch_t fetch;
    uint64_t size = 10 * PROMP_CHUNK + PAGE + 7;
    rig_begin(&rig, PROMP_CACHE);
    promp_remote_t *remote = rig_open(&rig, 1, size);

    promp_fetch_begin(rig.reader, remote, 3 * PROMP_CHUNK - 1, 2, &fetch);
    rig_take(&rig);
    assert_int_equal(rig.count, 2);
    rig_expect(&rig, 0, 3 * PROMP_CHUNK - PAGE, PAGE);
    rig_expect(&rig, 1, 3 * PROMP_CHUNK, PAGE);
    rig_answer(&rig, 1, PROMP_OK);
    assert_int_equal(promp_fetch_state(&fetch), PROMP_ERR_TIMEOUT);
    rig_answer(&rig, 0, PROMP_OK);
    assert_int_equal(promp_fetch_piece(&fetch, 3 * PROMP_CHUNK - 1).size, 1);
    rig_check(&fetch);
    promp_fetch_end(rig.reader, &fetch);

    promp_fetch_begin(rig.reader, remote, size - 1, 1, &fetch);
    rig_take(&rig);
    rig_expect(&rig, 0, 10 * PROMP_CHUNK + PAGE, 7);
    rig_answer(&rig, 0, PROMP_OK);
    rig_check(&fetch);
    promp_fetch_end(rig.reader, &fetch);
    assert_int_equal(promp_reader_held(rig.reader), 2 * PAGE + 7);
    promp_reader_close(rig.reader, &remote);
    rig_end(&rig);
}

static void what_is_no_read_of_the_container_fails(void **state)
{
    /* Aim: nothing, too much, and what lies beyond the end fail with ARGUMENT and ask for nothing. */
    (void)state;
    static const uint64_t reads[][2] = {
        {0, 0},          {0, PROMP_LIMIT_FETCH + 1}, {99, 2},  {100, 1}, {200, 1},
        {UINT64_MAX, 1}, {UINT64_MAX, 100},          {1, 100},
    };
    rig_t rig;
    promp_fetch_t fetch;
    rig_begin(&rig, PROMP_CACHE);
    promp_remote_t *remote = rig_open(&rig, 1, 100);
    for (size_t i = 0; i < sizeof reads / sizeof *reads; i++) {
        promp_fetch_begin(rig.reader, remote, reads[i][0], reads[i][1], &fetch);
        assert_int_equal(promp_fetch_state(&fetch), PROMP_ERR_ARGUMENT);
        promp_fetch_end(rig.reader, &fetch);
    }
    rig_take(&rig);
    assert_int_equal(rig.requests, 0);
    assert_int_equal(rig_read(&rig, remote, 0, 100), 1);
    promp_reader_close(rig.reader, &remote);
    rig_end(&rig);
}

static void the_longest_fetch_may_begin_anywhere(void **state)
{
    /* Aim: PROMP_LIMIT_FETCH bytes from the last byte of a chunk on touch as many chunks as a fetch can hold. */
    (void)state;
    rig_t rig;
    rig_begin(&rig, PROMP_CACHE);
    promp_remote_t *remote = rig_open(&rig, 1, 32 * PROMP_MIB);
    rig_read(&rig, remote, 6 * PROMP_CHUNK - 1, PROMP_LIMIT_FETCH);
    promp_reader_close(rig.reader, &remote);
    rig_end(&rig);
}

static void what_is_under_way_is_asked_for_once(void **state)
{
    /* Aim: several fetches wait for one request; one that wants more asks for the rest only. */
    (void)state;
    rig_t rig;
    promp_fetch_t a, b, c;
    rig_begin(&rig, PROMP_CACHE);
    promp_remote_t *remote = rig_open(&rig, 1, RIG_TIB);
    promp_remote_advise(remote, PROMP_ADVISE_RANDOM, 0, 0);

    promp_fetch_begin(rig.reader, remote, 10 * PAGE, PAGE, &a);
    rig_take(&rig);
    promp_fetch_begin(rig.reader, remote, 10 * PAGE + 5, 10, &b);
    promp_fetch_begin(rig.reader, remote, 8 * PAGE, 5 * PAGE, &c);
    rig_take(&rig);
    assert_int_equal(rig.count, 3);
    rig_expect(&rig, 1, 8 * PAGE, 2 * PAGE);
    rig_expect(&rig, 2, 11 * PAGE, 2 * PAGE);
    rig_answer(&rig, 0, PROMP_OK);
    rig_check(&a);
    rig_check(&b);
    assert_int_equal(promp_fetch_state(&c), PROMP_ERR_TIMEOUT);
    rig_settle(&rig);
    rig_check(&c);
    promp_fetch_end(rig.reader, &a);
    promp_fetch_end(rig.reader, &b);
    promp_fetch_end(rig.reader, &c);
    promp_reader_close(rig.reader, &remote);
    rig_end(&rig);
}

static void wrong_answers_are_refused(void **state)
{
    /* Aim: numbers never given and wrong sizes are MESSAGE_FIELD and change nothing. */
    (void)state;
    uint8_t data[2 * PAGE] = {0}, *body = NULL;
    rig_t rig;
    promp_fetch_t a;
    rig_begin(&rig, PROMP_CACHE);
    promp_remote_t *remote = rig_open(&rig, 1, RIG_TIB);
    promp_slice_t page = promp_slice(data, PAGE);

    assert_int_equal(promp_reader_answer(rig.reader, 0, PROMP_OK, page, &body), PROMP_ERR_MESSAGE_FIELD);
    assert_int_equal(promp_reader_answer(rig.reader, 1, PROMP_OK, page, &body), PROMP_ERR_MESSAGE_FIELD);
    assert_int_equal(promp_reader_answer(rig.reader, UINT32_MAX, PROMP_OK, page, &body),
                     PROMP_ERR_MESSAGE_FIELD);
    promp_fetch_begin(rig.reader, remote, 5 * PAGE, PAGE, &a);
    rig_take(&rig);
    uint32_t number = rig.asked[0].request;
    assert_int_equal(number, 1);
    assert_int_equal(promp_reader_answer(rig.reader, number + 1, PROMP_OK, page, &body),
                     PROMP_ERR_MESSAGE_FIELD);
    for (size_t size = 0; size <= 2 * PAGE; size += size < PAGE - 1 ? PAGE - 1 : size > PAGE ? PAGE - 1 : 2)
        assert_int_equal(promp_reader_answer(rig.reader, number, PROMP_OK, promp_slice(data, size), &body),
                         PROMP_ERR_MESSAGE_FIELD);
    assert_int_equal(promp_fetch_state(&a), PROMP_ERR_TIMEOUT);
    assert_int_equal(promp_reader_under_way(rig.reader), PAGE);
    rig_answer(&rig, 0, PROMP_OK);
    rig_check(&a);
    promp_fetch_end(rig.reader, &a);
    promp_reader_close(rig.reader, &remote);
    rig_end(&rig);
}

static void no_more_is_under_way_than_allowed(void **state)
{
    /* Aim: of many fetches PROMP_LIMIT_READS requests, or PROMP_READ_WINDOW bytes, are under way, and all end well. */
    (void)state;
    enum { FETCHES = 200 };
    static promp_fetch_t fetch[FETCHES];
    rig_t rig;
    rig_begin(&rig, 512 * PROMP_MIB);
    promp_remote_t *remote = rig_open(&rig, 1, RIG_TIB);
    promp_remote_advise(remote, PROMP_ADVISE_RANDOM, 0, 0);

    for (int large = 0; large < 2; large++) {
        for (uint64_t i = 0; i < FETCHES; i++)
            promp_fetch_begin(rig.reader, remote, (i * 20 + 1000 + (uint64_t)large * 10000) * PROMP_CHUNK,
                              large ? PROMP_MIB : 1, &fetch[i]);
        rig_take(&rig);
        if (large)
            assert_int_equal(promp_reader_under_way(rig.reader), PROMP_READ_WINDOW);
        else
            assert_int_equal(rig.count, PROMP_LIMIT_READS);
        for (size_t i = 1; i < rig.count; i++)
            assert_true(rig.asked[i].offset > rig.asked[i - 1].offset);
        rig_settle(&rig);
        for (int i = 0; i < FETCHES; i++) {
            rig_check(&fetch[i]);
            promp_fetch_end(rig.reader, &fetch[i]);
        }
    }
    promp_reader_close(rig.reader, &remote);
    rig_end(&rig);
}

static void large_answers_are_taken_over(void **state)
{
    /* Aim: the record of a whole chunk moves in instead of being copied, a small one is copied. */
    (void)state;
    rig_t rig;
    promp_fetch_t a;
    rig_begin(&rig, PROMP_CACHE);
    promp_remote_t *remote = rig_open(&rig, 1, RIG_TIB);
    for (int large = 0; large < 2; large++) {
        size_t size = large ? PROMP_CHUNK : PAGE;
        uint8_t *record = calloc(1, size + 9), *body = record;
        promp_fetch_begin(rig.reader, remote, (uint64_t)(7 + 2 * large) * PROMP_CHUNK, size, &a);
        rig_take(&rig);
        assert_int_equal(rig.count, 1);
        uint32_t number = rig.asked[--rig.count].request;
        assert_int_equal(
            promp_reader_answer(rig.reader, number, PROMP_OK, promp_slice(record + 9, size), &body),
            PROMP_OK);
        assert_int_equal(promp_fetch_state(&a), PROMP_OK);
        const uint8_t *data = promp_fetch_piece(&a, a.offset).data;
        assert_int_equal(data == record + 9, large);
        assert_int_equal(body == NULL, large);
        promp_fetch_end(rig.reader, &a);
        free(body);
    }
    promp_reader_close(rig.reader, &remote);
    rig_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_reads_ask_for_their_pages_only),
        cmocka_unit_test(requests_end_at_chunks_and_at_the_end),
        cmocka_unit_test(what_is_no_read_of_the_container_fails),
        cmocka_unit_test(the_longest_fetch_may_begin_anywhere),
        cmocka_unit_test(what_is_under_way_is_asked_for_once),
        cmocka_unit_test(wrong_answers_are_refused),
        cmocka_unit_test(no_more_is_under_way_than_allowed),
        cmocka_unit_test(large_answers_are_taken_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
