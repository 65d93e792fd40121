/* promp_value.h - the values that travel: none, bool, int of any size, float, bytes, str, and lists and dicts of these.
 *
 * On the wire they are CBOR (RFC 8949): integers as major types 0 and 1 or tags 2 and 3, floats as binary64, dict keys
 * int or text; of equal keys the last value counts. The decoder is libcbor's streaming one under our limits on depth,
 * items and bytes; indefinite lengths, other tags and other simple values are refused, half and single floats are read.
 * A value is a tree with one owner. Any thread, one at a time per tree.
 */
#ifndef PROMP_VALUE_H
#define PROMP_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "promp_error.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifndef PROMP_EXPORT
#define PROMP_EXPORT __attribute__((visibility("default")))
#endif

typedef struct promp_value promp_value_t;

typedef enum {
    PROMP_VALUE_NONE,
    PROMP_VALUE_BOOL,
    PROMP_VALUE_INT,    /* fits int64_t */
    PROMP_VALUE_BIGINT, /* does not */
    PROMP_VALUE_FLOAT,
    PROMP_VALUE_BYTES,
    PROMP_VALUE_STR, /* UTF-8; may hold NUL */
    PROMP_VALUE_LIST,
    PROMP_VALUE_DICT
} promp_value_type_t;

/* Makers return NULL without memory (or, _str, when text is not UTF-8). What they are given is copied. */
PROMP_EXPORT promp_value_t *promp_value_none(void);
PROMP_EXPORT promp_value_t *promp_value_bool(bool v);
PROMP_EXPORT promp_value_t *promp_value_int(int64_t v);
/* magnitude: big-endian bytes; the value is its negation when negative. Becomes an INT where it fits. */
PROMP_EXPORT promp_value_t *promp_value_bigint(bool negative, const uint8_t *magnitude, size_t size);
PROMP_EXPORT promp_value_t *promp_value_float(double v);
PROMP_EXPORT promp_value_t *promp_value_bytes(const void *data, size_t size);
PROMP_EXPORT promp_value_t *promp_value_str(const char *text, size_t size);
PROMP_EXPORT promp_value_t *promp_value_list(void);
PROMP_EXPORT promp_value_t *promp_value_dict(void);

/* Moves item into list; *item is NULL afterwards, also on failure (then it was freed). Items borrowed from list before
 * are no longer valid. ARGUMENT: not a list or NULL, VALUE_DEPTH, VALUE_SIZE (too many items), MEMORY. */
PROMP_EXPORT promp_err_t promp_value_append(promp_value_t *list, promp_value_t **item);
/* Likewise moves key (INT, BIGINT or STR) and item into dict, behind what is there; where the key is there already its
 * value is replaced in its place. Takes the same time however large the dict is. */
PROMP_EXPORT promp_err_t promp_value_insert(promp_value_t *dict, promp_value_t **key, promp_value_t **item);

/* Frees the tree; NULL and *value NULL are fine; *value is NULL afterwards. Needs no deep stack. */
PROMP_EXPORT void promp_value_free(promp_value_t **value);

/* Its type; NULL reads as a NONE. */
PROMP_EXPORT promp_value_type_t promp_value_type(const promp_value_t *value);
/* NULL reads as a NONE. Each gives the zero of its type when the value is of another one. */
PROMP_EXPORT bool promp_value_as_bool(const promp_value_t *value);
PROMP_EXPORT int64_t promp_value_as_int(const promp_value_t *value);
PROMP_EXPORT double promp_value_as_float(const promp_value_t *value); /* also of an INT */
/* BYTES, STR, and the magnitude of a BIGINT. Borrowed; a STR is NUL-ended behind its size. */
PROMP_EXPORT const uint8_t *promp_value_data(const promp_value_t *value, size_t *size);
PROMP_EXPORT bool promp_value_is_negative(const promp_value_t *value); /* INT and BIGINT */
/* Number of items of a LIST or pairs of a DICT; items and keys are borrowed, NULL beyond the end. */
PROMP_EXPORT size_t promp_value_count(const promp_value_t *value);
PROMP_EXPORT const promp_value_t *promp_value_at(const promp_value_t *value, size_t index);
PROMP_EXPORT const promp_value_t *promp_value_key_at(const promp_value_t *dict, size_t index);
/* Value of a STR key, NULL when there is none. */
PROMP_EXPORT const promp_value_t *promp_value_find(const promp_value_t *dict, const char *key);

#ifdef __cplusplus
}
#endif
#endif
