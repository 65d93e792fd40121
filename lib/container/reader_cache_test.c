#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "reader_rig.h"

#define PAGE PROMP_CHUNK_PAGE

static void the_cache_is_bounded(void **state)
{
    /* Aim: however much is read, in whatever pieces, no more is held than was allowed. */
    (void)state;
    static const size_t sizes[] = {1, 5000, 100000, PROMP_CHUNK, PROMP_LIMIT_FETCH};
    uint64_t seed = 3;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        rig_t rig;
        rig_begin(&rig, 8 * PROMP_MIB);
        promp_remote_t *remote = rig_open(&rig, 1, RIG_TIB);
        for (uint64_t i = 0; i < 4000 && i * sizes[s] < 64 * PROMP_MIB; i++) {
            rig_read(&rig, remote, rig_random(&seed) % (RIG_TIB / 2), sizes[s]);
            assert_true(promp_reader_held(rig.reader) + promp_reader_under_way(rig.reader) <= 8 * PROMP_MIB);
        }
        assert_true(promp_reader_held(rig.reader) > 6 * PROMP_MIB);
        promp_reader_close(rig.reader, &remote);
        rig_end(&rig);
    }
}

static void what_is_held_stays(void **state)
{
    /* Aim: fetches may hold more than the cache, none loses a byte by others; with their end the bound holds again. */
    (void)state;
    enum { FETCHES = 12 };
    promp_fetch_t fetch[FETCHES];
    rig_t rig;
    rig_begin(&rig, 4 * PROMP_CHUNK);
    promp_remote_t *remote = rig_open(&rig, 1, RIG_TIB);
    for (uint64_t i = 0; i < FETCHES; i++) {
        promp_fetch_begin(rig.reader, remote, (i + 1) * PROMP_GIB, PROMP_LIMIT_FETCH, &fetch[i]);
        rig_settle(&rig);
        for (uint64_t at = 0; at < 20; at++)
            rig_read(&rig, remote, (i + 100) * PROMP_GIB + at * PROMP_CHUNK, PROMP_CHUNK);
    }
    assert_in_range(promp_reader_held(rig.reader), FETCHES * PROMP_LIMIT_FETCH,
                    FETCHES * PROMP_LIMIT_FETCH + PROMP_CHUNK);
    for (int i = 0; i < FETCHES; i++) {
        rig_check(&fetch[i]);
        promp_fetch_end(rig.reader, &fetch[i]);
    }
    assert_true(promp_reader_held(rig.reader) <= 4 * PROMP_CHUNK);
    promp_reader_close(rig.reader, &remote);
    rig_end(&rig);
}

/* Reads a page of one of 16 hot chunks and, between two of them, much that is read once. Returns how many of the last 1000
 * were here. */
static unsigned hot_hits(rig_t *rig, promp_remote_t *remote)
{
    uint64_t scan = 100 * PROMP_GIB, seed = 11;
    unsigned hits = 0;

    for (unsigned i = 0; i < 2000; i++) {
        uint64_t chunk = rig_random(&seed) % 16;
        bool here = rig_read(rig, remote, chunk * 10 * PROMP_CHUNK + chunk * PAGE, 100) == 0;
        hits += here && i >= 1000;
        rig_read(rig, remote, scan, PROMP_CHUNK);
        scan += PROMP_CHUNK;
    }
    return hits;
}

static void a_scan_does_not_push_out_what_is_used(void **state)
{
    /* Aim: chunks that are used again and again stay while thirty times the cache is read through, be it read ahead. */
    (void)state;
    for (int ahead = 0; ahead < 2; ahead++) {
        rig_t rig;
        rig_begin(&rig, 16 * PROMP_MIB);
        promp_remote_t *remote = rig_open(&rig, 1, RIG_TIB);
        promp_remote_advise(remote, ahead ? PROMP_ADVISE_NORMAL : PROMP_ADVISE_RANDOM, 0, 0);
        assert_true(hot_hits(&rig, remote) >= 995);
        rig_settle(&rig);
        promp_reader_close(rig.reader, &remote);
        rig_end(&rig);
    }
}

#define READ(chunk) rig_read(&rig, remote, (uint64_t)(chunk)*PROMP_CHUNK, PROMP_CHUNK)

static void first_in_is_first_out(void **state)
{
    /* Aim: what was read once goes in the order in which it came, however often it was read meanwhile or was in use when its
     * time came; what comes back is kept. */
    (void)state;
    enum { CHUNKS = 16 };
    rig_t rig;
    promp_fetch_t held;
    rig_begin(&rig, CHUNKS * PROMP_CHUNK);
    promp_remote_t *remote = rig_open(&rig, 1, RIG_TIB);
    promp_remote_advise(remote, PROMP_ADVISE_RANDOM, 0, 0);
    for (int i = 0; i < CHUNKS; i++)
        assert_int_equal(READ(i), 1);
    assert_int_equal(READ(0), 0);
    promp_fetch_begin(rig.reader, remote, PROMP_CHUNK, 10, &held); /* chunk 1 is in use */
    assert_int_equal(READ(100), 1);                                /* instead of 0 */
    assert_int_equal(READ(101), 1);                                /* instead of 2 */
    rig_check(&held);
    promp_fetch_end(rig.reader, &held);
    assert_int_equal(READ(102), 1); /* instead of 1 */
    for (int i = 3; i < CHUNKS; i++)
        assert_int_equal(READ(i), 0);
    for (int i = 0; i < 3; i++) /* remembered: they are kept from now on, instead of 3, 4, 5 */
        assert_int_equal(READ(i), 1);
    for (int i = 200; i < 200 + CHUNKS; i++)
        assert_int_equal(READ(i), 1);
    for (int i = 2; i >= 0; i--)
        assert_int_equal(READ(i), 0);
    promp_reader_close(rig.reader, &remote);
    rig_end(&rig);
}

static void what_is_kept_goes_by_last_use(void **state)
{
    /* Aim: where a quarter of the cache was read once, what comes back takes the place of what was used least recently. */
    (void)state;
    rig_t rig;
    rig_begin(&rig, 16 * PROMP_CHUNK);
    promp_remote_t *remote = rig_open(&rig, 1, RIG_TIB);
    promp_remote_advise(remote, PROMP_ADVISE_RANDOM, 0, 0);
    for (int i = 0; i < 8; i++)
        READ(i);
    for (int i = 100; i < 116; i++) /* push these out */
        READ(i);
    for (int i = 0; i < 8; i++) /* instead of 100 to 107 */
        assert_int_equal(READ(i), 1);
    for (int i = 100; i < 104; i++) /* instead of 108 to 111 */
        assert_int_equal(READ(i), 1);
    assert_int_equal(READ(0), 0);
    assert_int_equal(READ(104), 1); /* instead of 1 */
    for (int i = 112; i < 116; i++)
        assert_int_equal(READ(i), 0);
    for (int i = 0; i < 8; i++)
        if (i != 1)
            assert_int_equal(READ(i), 0);
    assert_int_equal(READ(1), 1);
    promp_reader_close(rig.reader, &remote);
    rig_end(&rig);
}

static void another_page_of_a_chunk_is_no_second_use(void **state)
{
    /* Aim: random reads that meet a chunk again, at another page, do not push out what is kept. */
    (void)state;
    rig_t rig;
    rig_begin(&rig, 4 * PROMP_MIB);
    promp_remote_t *remote = rig_open(&rig, 1, RIG_TIB);
    promp_remote_advise(remote, PROMP_ADVISE_RANDOM, 0, 0);
    for (uint64_t i = 0; i < 8 + 16 + 8; i++) /* the last eight come back, and are kept */
        rig_read(&rig, remote, RIG_TIB / 2 + i % 24 * PROMP_CHUNK, PROMP_CHUNK);
    for (unsigned i = 0; i < 20000; i++) /* each page once, in an order of its own */
        rig_read(&rig, remote, (i * 7919ULL % 20011) * PAGE, 10);
    unsigned here = 0;
    for (uint64_t i = 0; i < 8; i++)
        here += rig_read(&rig, remote, RIG_TIB / 2 + i * PROMP_CHUNK, PROMP_CHUNK) == 0;
    assert_int_equal(here, 8);
    promp_reader_close(rig.reader, &remote);
    rig_end(&rig);
}

static void a_stream_takes_a_quarter(void **state)
{
    /* Aim: of a container that does not fit, what a stream has read leaves beyond a quarter of the cache though there is room;
     * one that fits stays whole, and so does what is read at random. */
    (void)state;
    rig_t rig;
    rig_begin(&rig, 16 * PROMP_MIB);
    promp_remote_t *fits = rig_open(&rig, 1, 8 * PROMP_MIB), *large = rig_open(&rig, 2, RIG_TIB);
    for (uint64_t at = 0; at < 100 * PROMP_MIB; at += PROMP_CHUNK) {
        rig_read(&rig, large, at, PROMP_CHUNK);
        assert_true(promp_reader_held(rig.reader) <= (4 + 2) * PROMP_MIB); /* the quarter, and a window */
    }
    promp_reader_close(rig.reader, &large);
    for (int round = 0; round < 2; round++)
        for (uint64_t at = 0; at < 8 * PROMP_MIB; at += PROMP_CHUNK)
            rig_read(&rig, fits, at, PROMP_CHUNK);
    assert_int_equal(promp_reader_held(rig.reader), 8 * PROMP_MIB);
    promp_reader_close(rig.reader, &fits);
    rig_end(&rig);
}

static void many_containers_are_no_slower(void **state)
{
    /* Aim: with PROMP_LIMIT_CONTAINERS_OPEN containers and hundreds of fetches under way 100,000 reads are done in the time
     * of the test (a walk through all at each would take minutes), and all is freed. */
    (void)state;
    enum { FETCHES = 300 };
    static promp_remote_t *remote[PROMP_LIMIT_CONTAINERS_OPEN];
    static promp_fetch_t fetch[FETCHES];
    rig_t rig;
    uint64_t seed = 1;
    rig_begin(&rig, PROMP_CACHE);
    for (unsigned i = 0; i < PROMP_LIMIT_CONTAINERS_OPEN; i++) {
        remote[i] = rig_open(&rig, i + 16, RIG_TIB);
        rig_read(&rig, remote[i], 0, 10);
    }
    for (unsigned i = 0; i < 100000; i++) {
        promp_fetch_t *f = &fetch[i % FETCHES];
        if (i >= FETCHES) {
            while (promp_fetch_state(f) == PROMP_ERR_TIMEOUT) {
                rig_take(&rig);
                rig_answer(&rig, 0, PROMP_OK);
            }
            rig_check(f);
            promp_fetch_end(rig.reader, f);
        }
        promp_fetch_begin(rig.reader, remote[rig_random(&seed) % PROMP_LIMIT_CONTAINERS_OPEN],
                          rig_random(&seed) % 64 * PAGE, 100, f);
    }
    rig_settle(&rig);
    for (int i = 0; i < FETCHES; i++)
        promp_fetch_end(rig.reader, &fetch[i]);
    for (unsigned i = 0; i < PROMP_LIMIT_CONTAINERS_OPEN; i++)
        assert_true(promp_reader_close(rig.reader, &remote[i]));
    rig_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_cache_is_bounded),
        cmocka_unit_test(what_is_held_stays),
        cmocka_unit_test(a_scan_does_not_push_out_what_is_used),
        cmocka_unit_test(first_in_is_first_out),
        cmocka_unit_test(what_is_kept_goes_by_last_use),
        cmocka_unit_test(another_page_of_a_chunk_is_no_second_use),
        cmocka_unit_test(a_stream_takes_a_quarter),
        cmocka_unit_test(many_containers_are_no_slower),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
