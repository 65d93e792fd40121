#include "pool.h"

#include <stdlib.h>

promp_err_t promp_pool_take(promp_pool_t *pool, promp_buf_t *buf)
{
    uint8_t *data = pool->count ? pool->spare[--pool->count] : malloc(pool->size);
    if (!data)
        return PROMP_ERR_MEMORY;
    *buf = (promp_buf_t){.data = data, .capacity = pool->size};
    return PROMP_OK;
}

void promp_pool_give(promp_pool_t *pool, uint8_t *data)
{
    if (pool->count < PROMP_POOL_SPARE)
        pool->spare[pool->count++] = data;
    else
        free(data);
}

void promp_pool_clear(promp_pool_t *pool)
{
    while (pool->count)
        free(pool->spare[--pool->count]);
}
