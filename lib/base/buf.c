#include "buf.h"

#include <stdlib.h>

#define SMALLEST 256

promp_err_t promp_buf_reserve(promp_buf_t *buf, size_t extra)
{
    if (extra <= buf->capacity - buf->size)
        return PROMP_OK;
    if (extra > PTRDIFF_MAX - buf->size)
        return PROMP_ERR_MEMORY;

    size_t need = buf->size + extra;
    size_t capacity = buf->capacity > PTRDIFF_MAX / 2 ? PTRDIFF_MAX : 2 * buf->capacity;
    if (capacity < need)
        capacity = need < SMALLEST ? SMALLEST : need;

    uint8_t *data = realloc(buf->data, capacity);
    if (!data)
        return PROMP_ERR_MEMORY;
    buf->data = data;
    buf->capacity = capacity;
    return PROMP_OK;
}

promp_err_t promp_buf_append(promp_buf_t *buf, const void *data, size_t size)
{
    if (size == 0)
        return PROMP_OK;
    promp_err_t error = promp_buf_reserve(buf, size);
    if (error)
        return error;
    memcpy(buf->data + buf->size, data, size);
    buf->size += size;
    return PROMP_OK;
}

void promp_buf_consume(promp_buf_t *buf, size_t size)
{
    if (size == 0)
        return;
    buf->size -= size;
    if (buf->size)
        memmove(buf->data, buf->data + size, buf->size);
}

void promp_buf_free(promp_buf_t *buf)
{
    if (!buf)
        return;
    free(buf->data);
    *buf = (promp_buf_t){0};
}
