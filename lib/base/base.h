/* base.h - the few small types that every part uses: slices, identities, times. Pure; any thread. */
#ifndef PROMP_BASE_BASE_H
#define PROMP_BASE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "promp_error.h"

/* Public symbols of libpromp; everything else is hidden. */
#ifndef PROMP_EXPORT
#define PROMP_EXPORT __attribute__((visibility("default")))
#endif

#define PROMP_NEVER INT64_MAX /* a time that does not come */

/* Bytes that somebody else owns. data may be NULL only when size is 0. */
typedef struct {
    const uint8_t *data;
    size_t size;
} promp_slice_t;

static inline promp_slice_t promp_slice(const void *data, size_t size)
{
    promp_slice_t s = {(const uint8_t *)data, size};
    return s;
}

static inline promp_slice_t promp_slice_str(const char *text)
{
    return promp_slice(text, text ? strlen(text) : 0);
}

/* 128 random bits: a session, a node. All zero: none. */
typedef struct {
    uint8_t b[16];
} promp_id_t;

static inline bool promp_id_equal(const promp_id_t *a, const promp_id_t *b)
{
    return memcmp(a->b, b->b, sizeof a->b) == 0;
}

static inline bool promp_id_is_none(const promp_id_t *id)
{
    static const promp_id_t none;
    return promp_id_equal(id, &none);
}

/* Fills id with random bits of the kernel. Returns PROMP_OK or PROMP_ERR_SYSTEM. */
promp_err_t promp_id_make(promp_id_t *id);

/* Writes 32 hexadecimal digits and a NUL into text; returns text. */
char *promp_id_text(const promp_id_t *id, char text[33]);

/* Monotonic time in milliseconds / microseconds. Cores never call these; shells do. */
int64_t promp_clock_ms(void);
int64_t promp_clock_us(void);

static inline int64_t promp_min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t promp_max64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* "ARGUMENT" and "an argument is not valid"; never NULL, an unknown number gives "UNKNOWN". Static strings.
 */
PROMP_EXPORT const char *promp_error_name(promp_err_t error);
PROMP_EXPORT const char *promp_error_text(promp_err_t error);

#endif
