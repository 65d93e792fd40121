/* pool.h - buffers of one size that are used again: a large malloc is new memory each time, which the kernel clears page by
 * page. Keeps a few; who takes more gets them from malloc. One thread (or lock) at a time. */
#ifndef PROMP_BASE_POOL_H
#define PROMP_BASE_POOL_H

#include "buf.h"

#define PROMP_POOL_SPARE 8

typedef struct {
    size_t size; /* of each buffer */
    size_t count;
    uint8_t *spare[PROMP_POOL_SPARE];
} promp_pool_t; /* to begin with: its size, else zero */

/* An empty buffer with capacity for pool->size bytes: the caller's, free() ends it as well. OK or MEMORY. */
promp_err_t promp_pool_take(promp_pool_t *pool, promp_buf_t *buf);

/* Is it one that _give would keep? */
static inline bool promp_pool_fits(const promp_pool_t *pool, const promp_buf_t *buf)
{
    return buf->capacity == pool->size;
}

/* Takes over data of pool->size malloc'd bytes: keeps or frees it. */
void promp_pool_give(promp_pool_t *pool, uint8_t *data);

void promp_pool_clear(promp_pool_t *pool); /* frees what is kept */

#endif
