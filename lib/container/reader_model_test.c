/* Aim: hundreds of random lives of a reader, with readers of all manners, answers late, in any order, with errors or to
 * what was cancelled, fetches given up, containers closed: no wrong byte, no bound passed, nobody forgotten, nothing left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "reader_rig.h"

enum { CONTAINERS = 6, ACTORS = 20, STEPS = 1500 };

static const uint64_t sizes[CONTAINERS] = {
    1, 100001, 3 * PROMP_MIB + 7, 64 * PROMP_MIB, PROMP_GIB + 4096, RIG_TIB};

typedef struct {
    bool active;
    unsigned container;
    unsigned life; /* of the container, when the fetch began */
    promp_fetch_t fetch;
    promp_err_t state; /* as last seen */
    uint64_t pos;      /* where a sequential one goes on */
} actor_t;

typedef struct {
    rig_t rig;
    uint64_t cache;
    uint64_t seed;
    uint64_t pace; /* of 10 answers that could come so many do */
    promp_remote_t *remote[CONTAINERS];
    unsigned opens[CONTAINERS];
    unsigned life[CONTAINERS]; /* counts its last closes */
    actor_t actor[ACTORS];
    uint64_t checked; /* fetches */
} world_t;

static uint64_t below(world_t *w, uint64_t n)
{
    return (rig_random(&w->seed) >> 11) % n;
}

/* --- what must always hold --- */

/* Fetches keep state and bytes unless something concerns them. */
static void check_states(world_t *w)
{
    for (int i = 0; i < ACTORS; i++)
        if (w->actor[i].active)
            assert_int_equal(promp_fetch_state(&w->actor[i].fetch), w->actor[i].state);
}

static bool holds(const actor_t *a)
{
    return a->active && (a->state == PROMP_OK || a->state == PROMP_ERR_TIMEOUT);
}

static bool same_chunk(const actor_t *a, const actor_t *b, uint64_t index)
{
    return holds(b) && a->container == b->container && a->life == b->life &&
           b->fetch.offset / PROMP_CHUNK <= index &&
           (b->fetch.offset + b->fetch.size - 1) / PROMP_CHUNK >= index;
}

static uint64_t chunks_held(const world_t *w)
{
    uint64_t chunks = 0;

    for (int i = 0; i < ACTORS; i++) {
        const actor_t *a = &w->actor[i];
        if (!holds(a))
            continue;
        for (uint64_t at = a->fetch.offset / PROMP_CHUNK;
             at <= (a->fetch.offset + a->fetch.size - 1) / PROMP_CHUNK; at++) {
            bool counted = false;
            for (int j = 0; j < i && !counted; j++)
                counted = same_chunk(a, &w->actor[j], at);
            chunks += !counted;
        }
    }
    return chunks;
}

static void check_bounds(world_t *w)
{
    uint64_t under_way = 0;
    uint64_t all = promp_reader_held(w->rig.reader) + promp_reader_under_way(w->rig.reader);

    for (size_t i = 0; i < w->rig.count; i++)
        under_way += w->rig.asked[i].size;
    assert_true(promp_reader_under_way(w->rig.reader) <= under_way); /* a cancel may not be told yet */
    if (all > w->cache)
        assert_true(all <= chunks_held(w) * PROMP_CHUNK);
}

static bool overlaps(const actor_t *a, const promp_reader_out_t *out)
{
    promp_id_t id = rig_id(a->container);
    return promp_id_equal(&out->id, &id) && a->fetch.offset < out->offset + out->size &&
           out->offset < a->fetch.offset + a->fetch.size;
}

/* --- what happens --- */

static void take(world_t *w, uint64_t times)
{
    while (times-- > 0) {
        size_t count = w->rig.count;
        if (!rig_next(&w->rig))
            return;
        if (w->rig.count <= count)
            continue;
        const promp_reader_out_t *out = &w->rig.asked[count];
        for (int i = 0; i < ACTORS; i++) { /* what somebody has is not asked for again */
            actor_t *a = &w->actor[i];
            if (a->active && !a->state && a->life == w->life[a->container])
                assert_false(overlaps(a, out));
        }
    }
}

static void begin(world_t *w, actor_t *a, int manner)
{
    uint64_t size = 1 + below(w, below(w, 30) == 0 ? PROMP_LIMIT_FETCH : below(w, 2) ? 100000 : 5000);
    uint64_t whole, offset;

    if (manner != 0 || w->opens[a->container] == 0 || a->pos >= sizes[a->container])
        a->container = (unsigned)below(w, CONTAINERS);
    if (w->opens[a->container] == 0)
        return;
    whole = sizes[a->container];
    if (manner == 0) /* goes on */
        offset = a->pos % whole;
    else if (manner == 1) /* a stride, over a border of pages or chunks */
        offset = (a->pos + PROMP_CHUNK * below(w, 3) + below(w, 3) * PROMP_CHUNK_PAGE) % whole;
    else if (manner == 2) /* a place that many go to */
        offset = below(w, 8) * (PROMP_CHUNK - 1) % whole;
    else
        offset = below(w, whole);
    size = size < whole - offset ? size : whole - offset;
    a->pos = offset + size;
    a->life = w->life[a->container];
    a->active = true;
    promp_fetch_begin(w->rig.reader, w->remote[a->container], offset, size, &a->fetch);
    a->state = promp_fetch_state(&a->fetch);
    assert_true(a->state == PROMP_OK || a->state == PROMP_ERR_TIMEOUT);
}

static void end(world_t *w, actor_t *a)
{
    if (!a->active)
        return;
    if (!a->state) {
        rig_check(&a->fetch);
        w->checked++;
    }
    promp_fetch_end(w->rig.reader, &a->fetch);
    a->active = false;
}

/* An error fails those that wait for its pages, and nobody else; bytes fail nobody. */
static void answer(world_t *w, size_t at, promp_err_t error)
{
    promp_reader_out_t out = w->rig.asked[at];

    /* The reader may have cancelled it and not told yet: then nobody waits. */
    uint64_t before = promp_reader_under_way(w->rig.reader);
    rig_answer(&w->rig, at, error);
    bool taken = promp_reader_under_way(w->rig.reader) < before;
    for (int i = 0; i < ACTORS; i++) {
        actor_t *a = &w->actor[i];
        if (!a->active || !taken || a->state != PROMP_ERR_TIMEOUT || a->life != w->life[a->container] ||
            !overlaps(a, &out))
            continue;
        if (!error)
            a->state = promp_fetch_state(&a->fetch);
        else
            a->state = error;
        assert_true(a->state == error || a->state == PROMP_ERR_TIMEOUT);
    }
}

/* An answer to a request that was cancelled: bytes that are none of ours, or an error. */
static void answer_late(world_t *w)
{
    uint8_t *body = malloc(PROMP_CHUNK);
    assert_non_null(body);
    memset(body, 0xee, PROMP_CHUNK);
    uint32_t number = w->rig.cancelled[below(w, w->rig.cancels < 4096 ? w->rig.cancels : 4096)];
    promp_slice_t data = promp_slice(body, below(w, 2) ? PROMP_CHUNK : PROMP_CHUNK_PAGE);
    promp_err_t error = below(w, 3) ? PROMP_OK : PROMP_ERR_SYSTEM;
    assert_int_equal(promp_reader_answer(w->rig.reader, number, error, data, &body), PROMP_OK);
    free(body);
}

static void open_close(world_t *w)
{
    unsigned c = (unsigned)below(w, CONTAINERS);

    if (w->opens[c] == 0 || (w->opens[c] < 3 && below(w, 2))) {
        w->remote[c] = rig_open(&w->rig, c, sizes[c]);
        w->opens[c]++;
        return;
    }
    promp_remote_t *remote = w->remote[c];
    bool last = promp_reader_close(w->rig.reader, &remote);
    assert_int_equal(last, --w->opens[c] == 0);
    if (!last)
        return;
    for (int i = 0; i < ACTORS; i++) {
        actor_t *a = &w->actor[i];
        if (a->active && a->container == c && a->life == w->life[c] && a->state == PROMP_ERR_TIMEOUT)
            a->state = PROMP_ERR_CLOSED;
    }
    w->life[c]++;
}

static void advise(world_t *w)
{
    static const promp_advice_t advice[] = {PROMP_ADVISE_NORMAL, PROMP_ADVISE_SEQUENTIAL,
                                            PROMP_ADVISE_RANDOM, PROMP_ADVISE_SOON,
                                            PROMP_ADVISE_SOON,   PROMP_ADVISE_NORMAL};
    unsigned c = (unsigned)below(w, CONTAINERS);
    if (w->opens[c])
        promp_remote_advise(w->remote[c], advice[below(w, 6)], below(w, sizes[c]),
                            below(w, 2) ? UINT64_MAX : 300000);
}

static void step(world_t *w)
{
    actor_t *a = &w->actor[below(w, ACTORS)];
    uint64_t what = below(w, 100);

    if (what < 35) {
        if (!a->active)
            begin(w, a, (a - w->actor) % 2 ? 0 : (int)below(w, 4));
        else if (a->state != PROMP_ERR_TIMEOUT || below(w, 4) == 0)
            end(w, a);
    } else if (what < 55) {
        take(w, 1 + below(w, 8));
    } else if (what < 92) {
        for (uint64_t n = below(w, 4); n-- > 0 && w->rig.count && below(w, 10) < w->pace;)
            answer(w, below(w, w->rig.count), below(w, 30) ? PROMP_OK : PROMP_ERR_CONTAINER_SOURCE);
    } else if (what < 96) {
        if (w->rig.cancels)
            answer_late(w);
    } else if (what < 98) {
        open_close(w);
    } else if (what < 99) {
        advise(w);
    } else if (a->active && !a->state) {
        rig_check(&a->fetch);
    }
    check_states(w);
    check_bounds(w);
}

/* All who still wait get their bytes when all is answered; then nothing is left. */
static void finish(world_t *w)
{
    for (take(w, SIZE_MAX); w->rig.count; take(w, SIZE_MAX)) {
        uint64_t under_way = 0;
        for (size_t i = 0; i < w->rig.count; i++)
            under_way += w->rig.asked[i].size;
        assert_int_equal(promp_reader_under_way(w->rig.reader), under_way);
        answer(w, below(w, w->rig.count), PROMP_OK);
        check_bounds(w);
    }
    for (int i = 0; i < ACTORS; i++) {
        assert_true(!w->actor[i].active || w->actor[i].state != PROMP_ERR_TIMEOUT);
        end(w, &w->actor[i]);
        check_bounds(w);
    }
    for (int c = 0; c < CONTAINERS; c++)
        while (w->opens[c]) {
            promp_remote_t *remote = w->remote[c];
            promp_reader_close(w->rig.reader, &remote);
            w->opens[c]--;
        }
    rig_end(&w->rig);
}

static void lives(void **state)
{
    (void)state;
    static world_t w;
    uint64_t checked = 0, cancels = 0;
    const char *seeds = getenv("PROMP_TEST_SEEDS");
    uint64_t count = seeds ? strtoull(seeds, NULL, 10) : 500;

    for (uint64_t seed = 1; seed <= count; seed++) {
        memset(&w, 0, sizeof w);
        w.seed = seed * 0x9e3779b97f4a7c15;
        w.cache = (4 + below(&w, 13)) * PROMP_CHUNK;
        w.pace = 1 + below(&w, 10);
        rig_begin(&w.rig, w.cache);
        print_message("seed %llu\r", (unsigned long long)seed);
        for (int i = 0; i < 2 * CONTAINERS; i++)
            open_close(&w);
        for (int i = 0; i < STEPS; i++)
            step(&w);
        checked += w.checked;
        cancels += w.rig.cancels;
        finish(&w);
    }
    print_message("%llu fetches checked, %llu requests cancelled\n", (unsigned long long)checked,
                  (unsigned long long)cancels);
    assert_true(checked > count * 50 && cancels > count * 10); /* it does test something */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(lives)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
