/* value.h - values on the wire: CBOR (RFC 8949) out of and into promp_value_t trees (promp_value.h). Pure; any thread. */
#ifndef PROMP_PROTO_VALUE_H
#define PROMP_PROTO_VALUE_H

#include "base.h"
#include "buf.h"
#include "promp_value.h"

/* Appends the CBOR of value to out: OK, MEMORY, VALUE_DEPTH, VALUE_SIZE; on failure out is as before. */
promp_err_t promp_value_encode(const promp_value_t *value, promp_buf_t *out);

/* Reads exactly one value that fills data. OK, CBOR (malformed, trailing bytes, not ours), VALUE_DEPTH, VALUE_SIZE
 * (too many items), MEMORY. Memory used is bounded by a small multiple of data.size whatever data claims. */
promp_err_t promp_value_decode(promp_slice_t data, promp_value_t **value);

#endif
