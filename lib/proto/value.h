/* value.h - values on the wire: CBOR (RFC 8949) out of and into promp_value_t trees (promp_value.h). Pure; any thread. */
#ifndef PROMP_PROTO_VALUE_H
#define PROMP_PROTO_VALUE_H

#include "base.h"
#include "buf.h"
#include "promp_value.h"

/* Appends the CBOR of value to out: OK, MEMORY, VALUE_SIZE (bytes, items); on failure out is as before. (A tree that is
 * too deep cannot be built.) Each item takes its shortest form, floats eight bytes. */
promp_err_t promp_value_encode(const promp_value_t *value, promp_buf_t *out);

/* Reads exactly one value that fills data. OK, CBOR (malformed, trailing bytes, not ours), VALUE_DEPTH, VALUE_SIZE
 * (too many items or bytes), MEMORY; *value is NULL on failure. Memory is taken as items come, never by what data claims:
 * at most some 100 bytes per byte of data, for lists of one item each, and 24 to 48 for an array of small numbers. */
promp_err_t promp_value_decode(promp_slice_t data, promp_value_t **value);

#endif
