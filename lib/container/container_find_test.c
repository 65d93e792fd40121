/* Search: what memmem finds is found, wherever the pieces end, and nothing else. */
#include <unistd.h>

#include "container_rig.h"

/* The same bytes as each kind that is searched in its own way. */
enum { MAPPED, READ, SUPPLIED, PART, PART_MAPPED, WAYS };

static promp_err_t supply(void *arg, uint64_t offset, void *buffer, size_t size, promp_error_t *error)
{
    (void)error;
    memcpy(buffer, (const uint8_t *)arg + offset, size);
    return PROMP_OK;
}

/* Where it is a part of something, other bytes lie before and behind it. */
static void make(promp_container_t *ways[WAYS], const uint8_t *bytes, size_t size)
{
    const size_t margin = 70000;
    uint8_t *wide = malloc(size + 2 * margin);
    promp_container_object_t object = {.size = size, .read = supply, .arg = (void *)bytes};

    assert_non_null(wide);
    memset(wide, 'a', size + 2 * margin);
    memcpy(wide + margin, bytes, size);
    promp_container_t *file = promp_container_file(rig_file("wide", wide, size + 2 * margin), NULL);
    promp_container_t *memory = promp_container_bytes(wide, size + 2 * margin, NULL);
    ways[MAPPED] = promp_container_bytes(bytes, size, NULL);
    ways[READ] = promp_container_file(rig_file("file", bytes, size), NULL);
    ways[SUPPLIED] = promp_container_object(&object, NULL);
    ways[PART] = promp_container_range(file, margin, size, NULL);
    ways[PART_MAPPED] = promp_container_range(memory, margin, size, NULL);
    promp_container_drop(&file);
    promp_container_drop(&memory);
    free(wide);
}

static void drop(promp_container_t *ways[WAYS])
{
    for (int i = 0; i < WAYS; i++)
        promp_container_drop(&ways[i]);
}

static uint64_t find(promp_container_t *container, const void *pattern, size_t size, uint64_t from,
                     uint64_t to)
{
    promp_error_t error = {.text = ""};
    uint64_t at = 4711;

    if (promp_container_find(container, pattern, size, from, to, NULL, NULL, &at, &error))
        fail_msg("%s", error.text);
    return at;
}

/* All ways find what memmem does. */
static void check(promp_container_t *ways[WAYS], const uint8_t *bytes, size_t all, const void *pattern,
                  size_t size, uint64_t from, uint64_t to)
{
    uint64_t end = to < all ? to : all;
    const uint8_t *found = from <= end ? memmem(bytes + from, (size_t)(end - from), pattern, size) : NULL;
    uint64_t expected = found ? (uint64_t)(found - bytes) : PROMP_CONTAINER_NOWHERE;

    for (int i = 0; i < WAYS; i++) {
        uint64_t at = find(ways[i], pattern, size, from, to);
        if (at != expected)
            fail_msg("way %d: %zu bytes in [%lld, %lld): %lld instead of %lld", i, size, (long long)from,
                     (long long)to, (long long)at, (long long)expected);
    }
}

static void as_memmem_finds(void **state)
{
    /* Aim: in random bytes of few letters, patterns of any size in any range are found where memmem finds them. */
    const size_t size = 150000;
    uint8_t *bytes = malloc(size), *other = malloc(size);
    promp_container_t *ways[WAYS];
    uint64_t seed = 12345;
    (void)state;

    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)('a' + (rig_random(&seed, 300) == 0));
    make(ways, bytes, size);
    for (int i = 0; i < 800; i++) {
        size_t from = (size_t)rig_random(&seed, size + 3), to = (size_t)rig_random(&seed, size + 3);
        size_t length = 1 + (size_t)rig_random(&seed, (uint64_t[]){4, 1000, 40000}[i % 3]);
        size_t where = (size_t)rig_random(&seed, size - length + 1);
        if (i % 10 == 0)
            from = to > length ? to - length : 0; /* it just fits */
        memcpy(other, bytes + where, length);
        if (i % 4 == 0)
            other[rig_random(&seed, length)] ^= 3; /* most likely nowhere */
        check(ways, bytes, size, other, length, from, i % 7 ? to : UINT64_MAX);
    }
    drop(ways);
    free(other);
    free(bytes);
}

static void at_the_edges_of_pieces(void **state)
{
    /* Aim: a match on either side of, and across, the end of each piece of a search is found, and one that leaves the range by
     * a byte is not. */
    const size_t size = 33 * PROMP_MIB;
    const size_t edges[] = {0,
                            16 * PROMP_KIB,
                            48 * PROMP_KIB,
                            1008 * PROMP_KIB,
                            PROMP_MIB,
                            2 * PROMP_MIB + 1008 * PROMP_KIB,
                            16 * PROMP_MIB,
                            32 * PROMP_MIB,
                            size};
    const uint8_t pattern[] = "needle!!needle!?";
    const size_t length = sizeof pattern - 1;
    uint8_t *bytes = malloc(size);
    promp_container_t *ways[WAYS];
    (void)state;

    assert_non_null(bytes);
    memset(bytes, '.', size);
    for (size_t e = 0; e < sizeof edges / sizeof *edges; e++) {
        for (size_t back = 0; back <= length; back += back == 1 ? length - 2 : 1) {
            if (edges[e] < back || edges[e] - back > size - length)
                continue;
            size_t at = edges[e] - back;
            memcpy(bytes + at, pattern, length);
            promp_container_t *mapped = promp_container_inline(&(promp_id_t){{1}}, bytes, size, NULL);
            promp_container_object_t object = {.size = size, .read = supply, .arg = bytes};
            promp_container_t *supplied = promp_container_object(&object, NULL);
            ways[0] = mapped;
            ways[1] = supplied;
            for (int i = 0; i < 2; i++) {
                assert_int_equal(find(ways[i], pattern, length, 0, UINT64_MAX), at);
                assert_int_equal(find(ways[i], pattern, length, at, at + length), at);
                assert_int_equal(find(ways[i], pattern, length, at, at + length - 1),
                                 PROMP_CONTAINER_NOWHERE);
                assert_int_equal(find(ways[i], pattern, length, at + 1, size), PROMP_CONTAINER_NOWHERE);
            }
            promp_container_drop(&mapped);
            promp_container_drop(&supplied);
            memset(bytes + at, '.', length);
        }
    }
    free(bytes);
}

static void patterns_larger_than_a_piece(void **state)
{
    /* Aim: patterns of several pieces are found, with those that differ in one byte before them. */
    const size_t size = 12 * PROMP_MIB;
    const size_t lengths[] = {PROMP_MIB - 1, PROMP_MIB, PROMP_MIB + 1, 3 * PROMP_MIB + 17, size};
    uint8_t *bytes = malloc(size);
    promp_container_t *ways[WAYS];
    (void)state;

    assert_non_null(bytes);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(i % (5 * PROMP_MIB) == 777 ? i / PROMP_MIB : 'a');
    make(ways, bytes, size);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        const size_t starts[] = {0, 100, size - lengths[i], (size - lengths[i]) / 2};
        for (size_t j = 0; j < sizeof starts / sizeof *starts; j++) {
            if (starts[j] > size - lengths[i])
                continue;
            check(ways, bytes, size, bytes + starts[j], lengths[i], 0, size);
            check(ways, bytes, size, bytes + starts[j], lengths[i], starts[j], starts[j] + lengths[i]);
        }
    }
    drop(ways);
    free(bytes);
}

static void edges_of_the_range(void **state)
{
    /* Aim: empty patterns, empty ranges, ranges beyond the end or the wrong way round, patterns longer than the range. */
    promp_container_t *ways[WAYS];
    promp_container_t *empty = promp_container_bytes(NULL, 0, NULL);
    promp_error_t error;
    uint64_t at;
    (void)state;

    make(ways, (const uint8_t *)"abcabc", 6);
    for (int i = 0; i < WAYS; i++) {
        const uint64_t nowhere = PROMP_CONTAINER_NOWHERE;
        promp_container_t *c = ways[i];
        assert_int_equal(find(c, NULL, 0, 0, 6), 0);
        assert_int_equal(find(c, "", 0, 6, UINT64_MAX), 6);
        assert_int_equal(find(c, "", 0, 7, UINT64_MAX), nowhere);
        assert_int_equal(find(c, "", 0, 4, 3), nowhere);
        assert_int_equal(find(c, "", 0, UINT64_MAX, UINT64_MAX), nowhere);
        assert_int_equal(find(c, "abc", 3, 0, 6), 0);
        assert_int_equal(find(c, "abc", 3, 1, 6), 3);
        assert_int_equal(find(c, "abc", 3, 1, 5), nowhere);
        assert_int_equal(find(c, "c", 1, 5, 6), 5);
        assert_int_equal(find(c, "c", 1, 5, 5), nowhere);
        assert_int_equal(find(c, "a", 1, 6, UINT64_MAX), nowhere);
        assert_int_equal(find(c, "a", 1, UINT64_MAX, 0), nowhere);
        assert_int_equal(find(c, "abcabca", 7, 0, UINT64_MAX),
                         nowhere); /* what is behind a part is not of it */
        assert_int_equal(find(c, "aabc", 4, 0, UINT64_MAX), nowhere);
        assert_int_equal(promp_container_find(c, NULL, 1, 0, 6, NULL, NULL, &at, &error), PROMP_ERR_ARGUMENT);
        assert_int_equal(promp_container_find(c, "a", 1, 0, 6, NULL, NULL, NULL, &error), PROMP_ERR_ARGUMENT);
    }
    assert_int_equal(promp_container_find(NULL, "a", 1, 0, 6, NULL, NULL, &at, &error), PROMP_ERR_ARGUMENT);
    assert_int_equal(find(empty, "", 0, 0, 0), 0);
    assert_int_equal(find(empty, "a", 1, 0, 1), PROMP_CONTAINER_NOWHERE);
    promp_container_drop(&empty);
    drop(ways);
}

/* --- being stopped, and failing reads --- */

static bool stops(void *arg)
{
    int *left = arg;
    return (*left)-- == 0;
}

static void searches_can_be_stopped(void **state)
{
    /* Aim: every kind of search asks between its pieces and ends at once when told so. */
    const size_t size = 40 * PROMP_MIB;
    uint8_t *bytes = calloc(1, size);
    promp_container_t *ways[WAYS];
    (void)state;

    assert_non_null(bytes);
    make(ways, bytes, size);
    for (int i = 0; i < WAYS; i++)
        for (int after = 0; after < 2; after++) {
            promp_error_t error;
            int left = after;
            uint64_t at = 5;
            assert_int_equal(promp_container_find(ways[i], "x", 1, 0, size, stops, &left, &at, &error),
                             PROMP_ERR_TASK_ABORTED);
            assert_error(error, TASK_ABORTED);
            assert_int_equal(left, -1);
            assert_int_equal(at, PROMP_CONTAINER_NOWHERE);
        }
    int left = 1000; /* also within one long piece */
    uint64_t at;
    assert_int_equal(
        promp_container_find(ways[READ], bytes, 30 * PROMP_MIB, 1, size, stops, &left, &at, NULL), PROMP_OK);
    assert_int_equal(at, 1);
    assert_true(left <= 1000 - 29);
    drop(ways);
    free(bytes);
}

/* A container whose reads give a few bytes and are then interrupted; or fail at an offset. */
typedef struct {
    promp_container_t head;
    uint64_t fails_at;
    int reads;
} odd_t;

static promp_err_t odd_read(promp_container_t *container, uint64_t offset, void *buffer, size_t size,
                            size_t *got, promp_error_t *error)
{
    odd_t *odd = (odd_t *)container;
    bool whole = ++odd->reads % 3 == 0 && size < 1000;

    if (offset + size > odd->fails_at)
        return promp_error_set(error, PROMP_ERR_CONTAINER_GONE, 0, NULL);
    *got = whole ? size : size / 2;
    for (size_t i = 0; i < *got; i++)
        ((uint8_t *)buffer)[i] = rig_byte(offset + i);
    return whole ? PROMP_OK : promp_error_set(error, PROMP_ERR_STATE, 0, NULL);
}

static void interrupted_and_failing_reads(void **state)
{
    /* Aim: a search goes on behind the good bytes of an interrupted read, asks whether to stop, and reports real failures. */
    static const promp_container_ops_t ops = {.read = odd_read};
    const size_t size = 200000;
    odd_t odd = {.fails_at = UINT64_MAX};
    uint8_t *bytes = rig_bytes(0, size);
    promp_error_t error;
    int left;
    uint64_t at;
    (void)state;

    assert_int_equal(promp_container_init(&odd.head, &ops, NULL, size), PROMP_OK);
    for (size_t where = 0; where < size - 20; where += 9973) {
        assert_int_equal(find(&odd.head, bytes + where, 20, 0, size), where);
        assert_int_equal(find(&odd.head, bytes + where, 20, where + 1, size), PROMP_CONTAINER_NOWHERE);
    }
    left = 0;
    assert_int_equal(promp_container_find(&odd.head, "x", 1, 0, size, stops, &left, &at, &error),
                     PROMP_ERR_TASK_ABORTED);
    odd.fails_at = size / 2;
    assert_int_equal(promp_container_find(&odd.head, bytes + size - 20, 20, 0, size, NULL, NULL, &at, &error),
                     PROMP_ERR_CONTAINER_GONE);
    assert_error(error, CONTAINER_GONE);
    assert_int_equal(at, PROMP_CONTAINER_NOWHERE);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(as_memmem_finds),
        RIG_TEST(at_the_edges_of_pieces),
        RIG_TEST(patterns_larger_than_a_piece),
        RIG_TEST(edges_of_the_range),
        RIG_TEST(searches_can_be_stopped),
        RIG_TEST(interrupted_and_failing_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
