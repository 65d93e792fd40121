/* Search. What is mapped is searched where it lies, all else in a buffer; in pieces, so that it can be stopped. Pieces
 * overlap by the pattern but a byte, and are no shorter than the pattern, so that the work stays proportional. */
#include <stdlib.h>

#include "container_inside.h"
#include "limits.h"

#define MAPPED_PIECE (16 * PROMP_MIB) /* a few ms */
#define READ_PIECE   (1 * PROMP_MIB)
#define FIRST_PIECE  (16 * PROMP_KIB) /* reads double from here on: many a search ends soon */

typedef struct {
    promp_container_t *container;
    const uint8_t *pattern;
    size_t size;   /* of the pattern; at least 1, at most to - from */
    uint64_t from; /* it may begin here first */
    uint64_t to;
    bool (*stop)(void *arg);
    void *arg;
} search_t;

static size_t smaller(uint64_t a, uint64_t b)
{
    return (size_t)(a < b ? a : b);
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* TASK_ABORTED when it is to end. */
static promp_err_t ask(const search_t *s, promp_error_t *error)
{
    return s->stop && s->stop(s->arg) ? promp_error_set(error, PROMP_ERR_TASK_ABORTED, 0, NULL) : PROMP_OK;
}

static promp_err_t in_mapped(search_t *s, const uint8_t *data, uint64_t *at, promp_error_t *error)
{
    promp_err_t e;
    size_t piece = larger(MAPPED_PIECE, s->size);

    for (;;) {
        size_t have = smaller(s->to - s->from, (uint64_t)piece + s->size - 1);
        const uint8_t *found = memmem(data + s->from, have, s->pattern, s->size);
        if (found) {
            *at = (uint64_t)(found - data);
            return PROMP_OK;
        }
        if (have == s->to - s->from)
            return PROMP_OK;
        s->from += have - (s->size - 1);
        if ((e = ask(s, error)))
            return e;
    }
}

/* Reads on behind *have bytes of buffer, which begins at from, until there are want. */
static promp_err_t fill(const search_t *s, uint8_t *buffer, size_t *have, size_t want, promp_error_t *error)
{
    while (*have < want) {
        size_t got = 0;
        promp_err_t e = promp_container_read(s->container, s->from + *have, buffer + *have,
                                             smaller(want - *have, READ_PIECE), &got, error);
        *have += got;
        if (e && e != PROMP_ERR_STATE)
            return e;
        if ((e || *have < want) && (e = ask(s, error)))
            return e;
    }
    return PROMP_OK;
}

static promp_err_t in_read(search_t *s, uint8_t *buffer, size_t room, uint64_t *at, promp_error_t *error)
{
    size_t step = larger(FIRST_PIECE, s->size);
    size_t have = 0;

    for (;;) {
        size_t want = smaller(smaller(s->to - s->from, room), (uint64_t)step + s->size - 1);
        promp_err_t e = fill(s, buffer, &have, want, error);
        if (e)
            return e;
        const uint8_t *found = memmem(buffer, have, s->pattern, s->size);
        if (found) {
            *at = s->from + (uint64_t)(found - buffer);
            return PROMP_OK;
        }
        if (have == s->to - s->from)
            return PROMP_OK;
        size_t keep = s->size - 1;
        memmove(buffer, buffer + (have - keep), keep);
        s->from += have - keep;
        have = keep;
        step = smaller(2 * (uint64_t)step, larger(READ_PIECE, s->size));
        if ((e = ask(s, error)))
            return e;
    }
}

static promp_err_t search(search_t *s, uint64_t *at, promp_error_t *error)
{
    const uint8_t *data = promp_container_data(s->container);
    if (data)
        return in_mapped(s, data, at, error);

    size_t room = smaller(s->to - s->from, (uint64_t)larger(READ_PIECE, s->size) + s->size - 1);
    uint8_t *buffer = malloc(room);
    if (!buffer)
        return promp_error_set(error, PROMP_ERR_MEMORY, 0, "%zu bytes to search in", room);
    promp_err_t e = in_read(s, buffer, room, at, error);
    free(buffer);
    return e;
}

promp_err_t promp_container_find(promp_container_t *container, const void *pattern, size_t size,
                                 uint64_t from, uint64_t to, bool (*stop)(void *arg), void *arg, uint64_t *at,
                                 promp_error_t *error)
{
    if (!container || (!pattern && size) || !at)
        return promp_error_set(error, PROMP_ERR_ARGUMENT, 0, "a container, a pattern and at are needed");
    *at = PROMP_CONTAINER_NOWHERE;
    if (to > container->size)
        to = container->size;
    if (from > to || size > to - from)
        return PROMP_OK;
    if (size == 0) {
        *at = from;
        return PROMP_OK;
    }
    search_t s = {container, pattern, size, from, to, stop, arg};
    return search(&s, at, error);
}
