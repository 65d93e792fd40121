#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "reader_rig.h"

#define PAGE PROMP_CHUNK_PAGE

/* Bytes from the end of what is asked for or here back to offset; all that is under way is answered. */
static uint64_t ahead_of(rig_t *rig, uint64_t offset)
{
    uint64_t end = offset;

    for (rig_take(rig); rig->count; rig_take(rig)) {
        end =
            rig->asked[0].offset + rig->asked[0].size > end ? rig->asked[0].offset + rig->asked[0].size : end;
        rig_answer(rig, 0, PROMP_OK);
    }
    return end - offset;
}

static void windows_double_to_the_largest(void **state)
{
    /* Aim: the first read at offset 0 and a read that goes on begin a small window; each next one is larger, up to
     * PROMP_READ_AHEAD; large ones consist of whole chunks. */
    (void)state;
    for (uint64_t start = 0; start <= 777 * PAGE; start += 777 * PAGE) {
        rig_t rig;
        rig_begin(&rig, PROMP_CACHE);
        promp_remote_t *remote = rig_open(&rig, 1, RIG_TIB);
        uint64_t at = start, last = 0, windows = 0;

        if (start) {
            assert_int_equal(rig_read(&rig, remote, at, PAGE), 1);
            assert_int_equal(rig.count, 0); /* nothing but its page */
            at += PAGE;
        }
        assert_int_equal(rig_read(&rig, remote, at, PAGE), 1);
        assert_int_equal(rig.bytes,
                         (start ? 1 : 0) * PAGE + 4 * PAGE); /* one request, with three pages ahead */
        assert_int_equal(rig.requests, start ? 2 : 1);
        for (at += PAGE; at < start + 40 * PROMP_MIB; at += PAGE) {
            uint64_t before = rig.bytes;
            assert_int_equal(rig_read(&rig, remote, at, PAGE), 0);
            for (size_t i = 0; i < rig.count && at > start + 4 * PROMP_MIB; i++)
                rig_expect(&rig, i, rig.asked[i].offset / PROMP_CHUNK * PROMP_CHUNK, PROMP_CHUNK);
            rig_settle(&rig);
            if (rig.bytes == before)
                continue;
            assert_true(rig.bytes - before >=
                        (last < PROMP_READ_AHEAD - PROMP_CHUNK ? last : last - PROMP_CHUNK));
            last = rig.bytes - before;
            windows++;
        }
        assert_int_equal(last, PROMP_READ_AHEAD);
        assert_in_range(windows, 12, 20); /* 16 KiB, 64, 256, 1 MiB, 2, 4, 4 ... */
        promp_reader_close(rig.reader, &remote);
        rig_end(&rig);
    }
}

static void a_slow_owner_is_asked_in_time(void **state)
{
    /* Aim: a sequential reader, be its reads small or large, waits in the beginning only: 8 requests at least are under way
     * while it reads on, when each answer comes as late as that. */
    (void)state;
    static const size_t sizes[] = {1000, 4096, 65536, 300001, PROMP_LIMIT_FETCH};

    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        rig_t rig;
        uint64_t waits = 0, late = 0, least = UINT64_MAX, total = 64 * PROMP_MIB;
        rig_begin(&rig, PROMP_CACHE);
        promp_remote_t *remote = rig_open(&rig, 1, RIG_TIB);
        for (uint64_t at = 0; at < total; at += sizes[s]) {
            promp_fetch_t fetch;
            promp_fetch_begin(rig.reader, remote, at, sizes[s], &fetch);
            for (rig_take(&rig); promp_fetch_state(&fetch) == PROMP_ERR_TIMEOUT; rig_take(&rig)) {
                waits++;
                late += at > 8 * PROMP_MIB;
                rig_answer(&rig, 0, PROMP_OK);
            }
            promp_fetch_end(rig.reader, &fetch);
            /* The owner answers as fast as the reader reads, one answer for a chunk's bytes, and keeps 8 for itself. */
            while (rig.count > 8 && rig.asked[0].offset < at + sizes[s] + PROMP_MIB) {
                rig_answer(&rig, 0, PROMP_OK);
                rig_take(&rig);
            }
            if (at > 8 * PROMP_MIB && rig.count < least)
                least = rig.count;
        }
        assert_in_range(rig.bytes, total, total + 3 * PROMP_READ_AHEAD);
        if (sizes[s] <= PROMP_MIB) {
            assert_true(waits < 10);
            assert_int_equal(late, 0);
        }
        assert_true(least >= 8);
        rig_settle(&rig);
        promp_reader_close(rig.reader, &remote);
        rig_end(&rig);
    }
}

static void random_reads_are_exact(void **state)
{
    /* Aim: 2,000 reads at random places of a large container ask for their own pages only, in as many requests. */
    (void)state;
    rig_t rig;
    uint64_t seed = 7;
    rig_begin(&rig, PROMP_CACHE);
    promp_remote_t *remote = rig_open(&rig, 1, RIG_TIB);
    for (int i = 0; i < 2000; i++)
        rig_read(&rig, remote, rig_random(&seed) % (RIG_TIB / PAGE) * PAGE + 100, 3000);
    rig_settle(&rig);
    assert_int_equal(rig.requests, 2000);
    assert_int_equal(rig.bytes, 2000 * PAGE);

    /* The same place again, and backward, is no stream either. */
    for (uint64_t at = PROMP_GIB; at > PROMP_GIB - 64 * PAGE; at -= PAGE)
        rig_read(&rig, remote, at, 100);
    assert_int_equal(rig.bytes, 2064 * PAGE);
    promp_reader_close(rig.reader, &remote);
    rig_end(&rig);
}

static void interleaved_streams_are_told_apart(void **state)
{
    /* Aim: PROMP_LIMIT_CONTAINER_STREAM sequential readers by turns have a window each, also with random reads between
     * them; of twice as many each goes on by the pages that it left behind. */
    (void)state;
    for (int many = 0; many < 3; many++) {
        rig_t rig;
        uint64_t seed = 5, streams = PROMP_LIMIT_CONTAINER_STREAM * (many == 2 ? 2 : 1);
        uint64_t waits = 0, late = 0, size = 16 * PAGE, rounds = 256;
        rig_begin(&rig, PROMP_CACHE);
        promp_remote_t *remote = rig_open(&rig, 1, RIG_TIB);
        for (uint64_t i = 0; i < rounds; i++) {
            for (uint64_t s = 0; s < streams; s++) {
                unsigned wait = rig_read(&rig, remote, (s + 1) * PROMP_GIB + i * size, size);
                waits += wait;
                late += wait && i > rounds / 2;
                rig_settle(&rig);
            }
            if (many == 1)
                rig_read(&rig, remote, rig_random(&seed) % RIG_TIB / 2 + RIG_TIB / 3, 10);
        }
        if (many == 0)
            assert_true(waits < streams * 4 && late == 0);
        else if (many == 1)
            assert_true(waits < streams * rounds / 16);
        else
            assert_true(waits < streams * rounds / 4);
        promp_reader_close(rig.reader, &remote);
        rig_end(&rig);
    }
}

static void a_stream_is_found_by_what_it_left_behind(void **state)
{
    /* Aim: when a stream was forgotten, for random reads, its next read begins with a window as large as what is here of
     * it. */
    (void)state;
    rig_t rig;
    rig_begin(&rig, PROMP_CACHE);
    promp_remote_t *remote = rig_open(&rig, 1, RIG_TIB);
    promp_remote_advise(remote, PROMP_ADVISE_RANDOM, 0, 0);
    for (uint64_t i = 0; i < 100; i++)
        rig_read(&rig, remote, PROMP_GIB + i * PAGE, PAGE);
    assert_int_equal(rig.bytes, 100 * PAGE);
    promp_remote_advise(remote, PROMP_ADVISE_NORMAL, 0, 0);
    rig_read(&rig, remote, PROMP_GIB + 100 * PAGE, PAGE);
    rig_settle(&rig);
    assert_in_range(rig.bytes, 150 * PAGE, 202 * PAGE);
    promp_reader_close(rig.reader, &remote);
    rig_end(&rig);
}

static void small_steps_forward_go_on(void **state)
{
    /* Aim: a reader that skips a little within its window keeps its stream. */
    (void)state;
    rig_t rig;
    uint64_t waits = 0;
    rig_begin(&rig, PROMP_CACHE);
    promp_remote_t *remote = rig_open(&rig, 1, RIG_TIB);
    for (uint64_t at = 0; at < 64 * PAGE; at += PAGE)
        rig_read(&rig, remote, at, PAGE);
    rig_settle(&rig);
    for (uint64_t at = 64 * PAGE; at < 16 * PROMP_MIB; at += 5 * PAGE) {
        waits += rig_read(&rig, remote, at, PAGE);
        rig_settle(&rig);
    }
    assert_int_equal(waits, 0);
    promp_reader_close(rig.reader, &remote);
    rig_end(&rig);
}

static void advice_is_followed(void **state)
{
    /* Aim: SEQUENTIAL reads far ahead from the first read on, wherever; RANDOM never; SOON fetches its range, cut to the end
     * and to a quarter of the cache. */
    (void)state;
    rig_t rig;
    rig_begin(&rig, PROMP_CACHE);
    promp_remote_t *remote = rig_open(&rig, 1, RIG_TIB);

    promp_remote_advise(remote, PROMP_ADVISE_SEQUENTIAL, 0, 0);
    rig_read(&rig, remote, PROMP_GIB, PAGE);
    uint64_t ahead = ahead_of(&rig, PROMP_GIB);
    assert_in_range(ahead, PROMP_READ_AHEAD - PROMP_CHUNK, PROMP_READ_AHEAD + PROMP_CHUNK);

    promp_remote_advise(remote, PROMP_ADVISE_RANDOM, 0, 0);
    uint64_t before = rig.bytes;
    for (uint64_t i = 0; i < 50; i++)
        rig_read(&rig, remote, i * PAGE, PAGE);
    rig_settle(&rig);
    assert_int_equal(rig.bytes - before, 50 * PAGE);

    before = rig.bytes;
    promp_remote_advise(remote, PROMP_ADVISE_SOON, 5 * PROMP_GIB + 1, 3 * PROMP_MIB);
    rig_settle(&rig);
    assert_int_equal(rig.bytes - before, 3 * PROMP_MIB + PAGE);
    assert_int_equal(rig_read(&rig, remote, 5 * PROMP_GIB + 1, PROMP_MIB), 0);
    promp_remote_advise(remote, PROMP_ADVISE_SOON, RIG_TIB - 10, UINT64_MAX);
    promp_remote_advise(remote, PROMP_ADVISE_SOON, RIG_TIB, 10);
    promp_remote_advise(remote, PROMP_ADVISE_SOON, UINT64_MAX, UINT64_MAX);
    promp_remote_advise(remote, PROMP_ADVISE_SOON, 0, 0);
    rig_settle(&rig);
    assert_int_equal(rig.bytes - before, 3 * PROMP_MIB + 2 * PAGE);

    before = rig.bytes;
    promp_remote_advise(remote, PROMP_ADVISE_SOON, 50 * PROMP_GIB, UINT64_MAX);
    rig_settle(&rig);
    assert_int_equal(rig.bytes - before, PROMP_CACHE / 4);
    before = rig.bytes;
    for (uint64_t i = 100; i < 200; i++)
        promp_remote_advise(remote, PROMP_ADVISE_SOON, i * PROMP_GIB, UINT64_MAX);
    rig_settle(&rig);
    assert_in_range(rig.bytes - before, PROMP_CACHE / 4, PROMP_CACHE / 2 + PROMP_CHUNK);
    promp_reader_close(rig.reader, &remote);
    rig_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_double_to_the_largest),
        cmocka_unit_test(a_slow_owner_is_asked_in_time),
        cmocka_unit_test(random_reads_are_exact),
        cmocka_unit_test(interleaved_streams_are_told_apart),
        cmocka_unit_test(a_stream_is_found_by_what_it_left_behind),
        cmocka_unit_test(small_steps_forward_go_on),
        cmocka_unit_test(advice_is_followed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
