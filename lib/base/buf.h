/* buf.h - a growing run of bytes with one owner. Appending never loses what is there: on failure nothing changes. */
#ifndef PROMP_BASE_BUF_H
#define PROMP_BASE_BUF_H

#include "base.h"

typedef struct {
    uint8_t *data;
    size_t size;     /* bytes in use */
    size_t capacity; /* bytes allocated */
} promp_buf_t;       /* all zero is an empty one */

/* Makes room for extra more bytes. Returns PROMP_OK or PROMP_ERR_MEMORY. */
promp_err_t promp_buf_reserve(promp_buf_t *buf, size_t extra);

promp_err_t promp_buf_append(promp_buf_t *buf, const void *data, size_t size);

/* Takes size bytes off the front. size <= buf->size. */
void promp_buf_consume(promp_buf_t *buf, size_t size);

/* Frees the bytes and empties buf; NULL and an empty one are fine. */
void promp_buf_free(promp_buf_t *buf);

/* Little-endian words, as everything on the wire. */
static inline void promp_put16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

static inline void promp_put32(uint8_t *p, uint32_t v)
{
    promp_put16(p, (uint16_t)v);
    promp_put16(p + 2, (uint16_t)(v >> 16));
}

static inline void promp_put64(uint8_t *p, uint64_t v)
{
    promp_put32(p, (uint32_t)v);
    promp_put32(p + 4, (uint32_t)(v >> 32));
}

static inline uint16_t promp_get16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t promp_get32(const uint8_t *p)
{
    return promp_get16(p) | (uint32_t)promp_get16(p + 2) << 16;
}

static inline uint64_t promp_get64(const uint8_t *p)
{
    return promp_get32(p) | (uint64_t)promp_get32(p + 4) << 32;
}

#endif
