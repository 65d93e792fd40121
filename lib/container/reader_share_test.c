#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "reader_rig.h"

#define PAGE PROMP_CHUNK_PAGE

static void a_seek_cancels(void **state)
{
    /* Aim: what was read ahead where nobody reads any more is cancelled after some reads elsewhere, in the same container and
     * in another. */
    (void)state;
    for (unsigned elsewhere = 0; elsewhere < 2; elsewhere++) {
        rig_t rig;
        rig_begin(&rig, PROMP_CACHE);
        promp_remote_t *remote = rig_open(&rig, 1, RIG_TIB), *other = rig_open(&rig, 2, RIG_TIB);
        for (uint64_t at = 0; at < 16 * PROMP_MIB; at += PROMP_MIB)
            rig_read(&rig, remote, at, PROMP_MIB);
        rig_take(&rig);
        uint64_t before = rig.count;
        assert_true(before >= 12);
        uint64_t reads = 0;
        for (; rig.cancels == 0 && reads < 1000; reads++) {
            promp_fetch_t fetch;
            uint64_t requests = rig.requests;
            promp_fetch_begin(rig.reader, elsewhere ? other : remote, (reads + 1) * PROMP_GIB, 10, &fetch);
            rig_take(&rig);
            for (size_t i = rig.count; i-- > 0;)
                if (rig.asked[i].offset >= PROMP_GIB)
                    rig_answer(&rig, i, PROMP_OK);
            assert_true(rig.cancels || rig.requests == requests + 1);
            rig_check(&fetch);
            promp_fetch_end(rig.reader, &fetch);
        }
        assert_in_range(reads, elsewhere ? 100 : 8, elsewhere ? 300 : 16);
        assert_true(rig.cancels >= before);
        assert_int_equal(rig.count, 0);
        promp_reader_close(rig.reader, &remote);
        promp_reader_close(rig.reader, &other);
        rig_end(&rig);
    }
}

static void streams_share_a_quarter_of_the_cache(void **state)
{
    /* Aim: what is read ahead and not used yet stays near a quarter of the cache, with one stream or forty, and what is read
     * ahead is used, not pushed out by others. */
    (void)state;
    static const uint64_t caches[] = {4 * PROMP_CHUNK, 8 * PROMP_MIB, PROMP_CACHE};
    for (int c = 0; c < 3; c++)
        for (unsigned streams = 1; streams <= 40 && streams * PROMP_CHUNK <= caches[c]; streams += 13) {
            rig_t rig;
            promp_remote_t *remote[40];
            uint64_t used = 0;
            rig_begin(&rig, caches[c]);
            for (unsigned s = 0; s < streams; s++)
                remote[s] = rig_open(&rig, s, PROMP_GIB);
            for (uint64_t at = 0; at < 8 * PROMP_MIB; at += 64 * PROMP_KIB)
                for (unsigned s = 0; s < streams; s++) {
                    rig_read(&rig, remote[s], at, 64 * PROMP_KIB);
                    rig_settle(&rig);
                    used += 64 * PROMP_KIB;
                    /* the first windows were made when the streams were fewer */
                    if (at > 4 * PROMP_MIB)
                        assert_true(rig.bytes <= used + caches[c] / 4 + streams * 64 * PROMP_KIB);
                }
            for (unsigned s = 0; s < streams; s++)
                promp_reader_close(rig.reader, &remote[s]);
            rig_end(&rig);
        }
}

static void old_streams_take_no_share(void **state)
{
    /* Aim: after the heads of 300 containers were read, a reader of one has large windows again before long. */
    (void)state;
    rig_t rig;
    promp_remote_t *remote[300];
    rig_begin(&rig, PROMP_CACHE);
    for (unsigned i = 0; i < 300; i++) {
        remote[i] = rig_open(&rig, i + 16, RIG_TIB);
        rig_read(&rig, remote[i], 0, PAGE);
        rig_settle(&rig);
    }
    uint64_t before = 0, largest = 0;
    for (uint64_t at = 0; at < 40 * PROMP_MIB; at += PAGE) {
        before = rig.bytes;
        rig_read(&rig, remote[7], at, PAGE);
        rig_settle(&rig);
        largest = rig.bytes - before > largest ? rig.bytes - before : largest;
    }
    assert_int_equal(largest, PROMP_READ_AHEAD);
    for (unsigned i = 0; i < 300; i++)
        promp_reader_close(rig.reader, &remote[i]);
    rig_end(&rig);
}

static void read_ahead_gives_way(void **state)
{
    /* Aim: where fetches hold all that the cache may hold there is no read-ahead; what somebody waits for goes before what is
     * read ahead, and finds room among the requests under way. */
    (void)state;
    rig_t rig;
    promp_fetch_t fetch[3], last;
    rig_begin(&rig, 4 * PROMP_CHUNK);
    promp_remote_t *remote = rig_open(&rig, 1, RIG_TIB);
    for (unsigned i = 0; i < 3; i++)
        promp_fetch_begin(rig.reader, remote, i * PROMP_LIMIT_FETCH, PROMP_LIMIT_FETCH, &fetch[i]);
    rig_settle(&rig);
    assert_int_equal(rig.bytes, 3 * PROMP_LIMIT_FETCH);
    assert_int_equal(promp_reader_held(rig.reader), 3 * PROMP_LIMIT_FETCH);
    promp_fetch_begin(rig.reader, remote, 3 * PROMP_LIMIT_FETCH, 10, &last); /* goes on */
    rig_settle(&rig);
    assert_int_equal(rig.bytes, 3 * PROMP_LIMIT_FETCH + PAGE);
    promp_fetch_end(rig.reader, &last);
    for (unsigned i = 0; i < 3; i++) {
        rig_check(&fetch[i]);
        promp_fetch_end(rig.reader, &fetch[i]);
    }
    assert_true(promp_reader_held(rig.reader) <= 4 * PROMP_CHUNK);
    promp_reader_close(rig.reader, &remote);
    rig_end(&rig);

    rig_begin(&rig, 4 * PROMP_CACHE);
    remote = rig_open(&rig, 1, RIG_TIB);
    for (int small = 0; small < 2; small++) {
        promp_remote_t *other[200];
        for (unsigned i = 0; i < 200; i++) {
            other[i] = rig_open(&rig, i + 20, RIG_TIB);
            promp_remote_advise(other[i], PROMP_ADVISE_SOON, 0, small ? PAGE : PROMP_MIB);
        }
        rig_take(&rig);
        assert_true(rig.count < PROMP_LIMIT_READS);
        size_t count = rig.count;
        promp_fetch_begin(rig.reader, remote, (5 + (uint64_t)small) * PROMP_GIB, PROMP_CHUNK, &last);
        rig_take(&rig);
        assert_int_equal(rig.count, count + 1);
        rig_expect(&rig, count, last.offset, PROMP_CHUNK);
        rig_settle(&rig);
        rig_check(&last);
        promp_fetch_end(rig.reader, &last);
        for (unsigned i = 0; i < 200; i++)
            promp_reader_close(rig.reader, &other[i]);
    }
    promp_reader_close(rig.reader, &remote);
    rig_end(&rig);
}

static void a_lost_window_begins_anew(void **state)
{
    /* Aim: when what was read ahead fails, its reader gets the error of its own read only, and reads ahead again after. */
    (void)state;
    rig_t rig;
    rig_begin(&rig, PROMP_CACHE);
    promp_remote_t *remote = rig_open(&rig, 1, RIG_TIB);
    uint64_t at = 0;
    for (; at < 8 * PROMP_MIB; at += PAGE)
        rig_read(&rig, remote, at, PAGE);
    for (rig_take(&rig); rig.count; rig_take(&rig)) /* none is asked for again by itself */
        rig_answer(&rig, 0, PROMP_ERR_CONTAINER_SOURCE);
    uint64_t waits = 0;
    for (; at < 24 * PROMP_MIB; at += PAGE) {
        waits += rig_read(&rig, remote, at, PAGE);
        rig_settle(&rig);
    }
    assert_in_range(waits, 1, 2);
    promp_reader_close(rig.reader, &remote);
    rig_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_seek_cancels),
        cmocka_unit_test(streams_share_a_quarter_of_the_cache),
        cmocka_unit_test(old_streams_take_no_share),
        cmocka_unit_test(read_ahead_gives_way),
        cmocka_unit_test(a_lost_window_begins_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
