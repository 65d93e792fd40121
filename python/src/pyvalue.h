/* pyvalue.h - Python objects as CBOR values and back: None, bool, int of any size, float, bytes, str, list (tuple), dict with
 * int or str keys. GIL held. */
#ifndef PROMP_PYTHON_PYVALUE_H
#define PROMP_PYTHON_PYVALUE_H

#include "state.h"

typedef struct {
    unsigned char *data; /* PyMem_Malloc; promp_pyvalue_free frees it */
    size_t size;
    size_t capacity;
} promp_pyvalue_t;

/* Encodes object. 0; -1 with TypeError (kind that cannot travel, key of a dict), ValueError (nested too deeply,
 * lone surrogates), OverflowError (too large) or MemoryError. */
int promp_pyvalue_encode(promp_state_t *state, PyObject *object, promp_pyvalue_t *out);
void promp_pyvalue_free(promp_pyvalue_t *value);

/* A new object for exactly one value that fills data; NULL with ValueError where it is malformed or beyond the limits. */
PyObject *promp_pyvalue_decode(promp_state_t *state, const unsigned char *data, size_t size);

#endif
