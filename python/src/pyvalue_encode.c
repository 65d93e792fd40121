#include "pyvalue.h"

#include <cbor/encoding.h>
#include <string.h>

#include "limits.h"

static int reserve(promp_pyvalue_t *out, size_t extra)
{
    if (extra > PROMP_LIMIT_VALUE || out->size > PROMP_LIMIT_VALUE - extra) {
        PyErr_SetString(PyExc_OverflowError, "the value is too large to travel");
        return -1;
    }
    if (out->capacity - out->size >= extra)
        return 0;
    size_t want = out->capacity ? out->capacity * 2 : 128;
    if (want < out->size + extra)
        want = out->size + extra;
    unsigned char *grown = PyMem_Realloc(out->data, want);
    if (!grown) {
        PyErr_NoMemory();
        return -1;
    }
    out->data = grown;
    out->capacity = want;
    return 0;
}

typedef size_t head_fn(uint64_t, unsigned char *, size_t);

/* A head of up to 9 bytes and then size bytes of content. */
static int put(promp_pyvalue_t *out, head_fn *head, uint64_t argument, const void *content, size_t size)
{
    if (reserve(out, 9 + size) < 0)
        return -1;
    out->size += head(argument, out->data + out->size, 9);
    if (size)
        memcpy(out->data + out->size, content, size);
    out->size += size;
    return 0;
}

static size_t head_uint(uint64_t v, unsigned char *p, size_t n)
{
    return cbor_encode_uint(v, p, n);
}

static size_t head_negint(uint64_t v, unsigned char *p, size_t n)
{
    return cbor_encode_negint(v, p, n);
}

static size_t head_bytes(uint64_t v, unsigned char *p, size_t n)
{
    return cbor_encode_bytestring_start((size_t)v, p, n);
}

static size_t head_string(uint64_t v, unsigned char *p, size_t n)
{
    return cbor_encode_string_start((size_t)v, p, n);
}

static size_t head_array(uint64_t v, unsigned char *p, size_t n)
{
    return cbor_encode_array_start((size_t)v, p, n);
}

static size_t head_map(uint64_t v, unsigned char *p, size_t n)
{
    return cbor_encode_map_start((size_t)v, p, n);
}

static size_t head_tag(uint64_t v, unsigned char *p, size_t n)
{
    return cbor_encode_tag(v, p, n);
}

/* Beyond 64 bits: tag 2 (n) or 3 (-1 - n) and the big-endian magnitude. */
static int encode_bigint(promp_state_t *state, PyObject *object, int negative, promp_pyvalue_t *out)
{
    int result = -1;
    PyObject *magnitude = NULL, *bits = NULL, *bytes = NULL;
    magnitude = negative ? PyObject_CallFunctionObjArgs(state->invert, object, NULL) : Py_NewRef(object);
    if (!magnitude || !(bits = PyObject_CallFunctionObjArgs(state->bit_length, magnitude, NULL)))
        goto out;
    Py_ssize_t size = PyLong_AsSsize_t(bits);
    if (size < 0)
        goto out;
    size = size / 8 + 1;
    if ((size_t)size > PROMP_LIMIT_VALUE) {
        PyErr_SetString(PyExc_OverflowError, "the value is too large to travel");
        goto out;
    }
    if (!(bytes = PyObject_CallFunction(state->to_bytes, "Ons", magnitude, size, "big")))
        goto out;
    const char *digits = PyBytes_AsString(bytes);
    while (size > 1 && digits[0] == 0)
        digits++, size--;
    if (put(out, head_tag, negative ? 3 : 2, NULL, 0) < 0)
        goto out;
    result = put(out, head_bytes, (uint64_t)size, digits, (size_t)size);
out:
    Py_XDECREF(bytes);
    Py_XDECREF(bits);
    Py_XDECREF(magnitude);
    return result;
}

static int encode_int(promp_state_t *state, PyObject *object, promp_pyvalue_t *out)
{
    int overflow;
    long long v = PyLong_AsLongLongAndOverflow(object, &overflow);
    if (v == -1 && !overflow && PyErr_Occurred())
        return -1;
    if (overflow)
        return encode_bigint(state, object, overflow < 0, out);
    if (v >= 0)
        return put(out, head_uint, (uint64_t)v, NULL, 0);
    return put(out, head_negint, (uint64_t)(-1 - v), NULL, 0);
}

static int encode_float(PyObject *object, promp_pyvalue_t *out)
{
    if (reserve(out, 9) < 0)
        return -1;
    out->size += cbor_encode_double(PyFloat_AsDouble(object), out->data + out->size, 9);
    return 0;
}

static int encode_buffer(PyObject *object, promp_pyvalue_t *out)
{
    Py_buffer view;
    if (PyObject_GetBuffer(object, &view, PyBUF_SIMPLE) < 0)
        return -1;
    int result = put(out, head_bytes, (uint64_t)view.len, view.buf, (size_t)view.len);
    PyBuffer_Release(&view);
    return result;
}

static int encode_str(PyObject *object, promp_pyvalue_t *out)
{
    Py_ssize_t size;
    const char *text =
        PyUnicode_AsUTF8AndSize(object, &size); /* lone surrogates: UnicodeEncodeError, a ValueError */
    return text ? put(out, head_string, (uint64_t)size, text, (size_t)size) : -1;
}

static int encode(promp_state_t *state, PyObject *object, promp_pyvalue_t *out, int depth);

static int encode_list(promp_state_t *state, PyObject *object, promp_pyvalue_t *out, int depth)
{
    Py_ssize_t count = PySequence_Size(object);
    if (count < 0 || put(out, head_array, (uint64_t)count, NULL, 0) < 0)
        return -1;
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *item = PySequence_GetItem(object, i); /* an IndexError where it shrinks meanwhile */
        if (!item)
            return -1;
        int result = encode(state, item, out, depth + 1);
        Py_DECREF(item);
        if (result < 0)
            return -1;
    }
    return 0;
}

static int encode_key(promp_state_t *state, PyObject *key, promp_pyvalue_t *out)
{
    if (PyUnicode_Check(key))
        return encode_str(key, out);
    if (PyLong_Check(key) && !PyBool_Check(key))
        return encode_int(state, key, out);
    PyErr_SetString(PyExc_TypeError, "the keys of a dict that travels are str or int");
    return -1;
}

static int encode_dict(promp_state_t *state, PyObject *object, promp_pyvalue_t *out, int depth)
{
    Py_ssize_t count = PyDict_Size(object), at = 0;
    PyObject *key, *item;
    if (put(out, head_map, (uint64_t)count, NULL, 0) < 0)
        return -1;
    while (PyDict_Next(object, &at, &key, &item)) {
        /* A subclass of int or list can run code, and that could change the dict under us. */
        Py_INCREF(key);
        Py_INCREF(item);
        int result = encode_key(state, key, out);
        if (result == 0)
            result = encode(state, item, out, depth + 1);
        Py_DECREF(key);
        Py_DECREF(item);
        if (result < 0)
            return -1;
        if (PyDict_Size(object) != count) {
            PyErr_SetString(PyExc_RuntimeError, "the dict changed while it was encoded");
            return -1;
        }
    }
    return 0;
}

static int encode(promp_state_t *state, PyObject *object, promp_pyvalue_t *out, int depth)
{
    if (depth > PROMP_LIMIT_VALUE_DEPTH) {
        PyErr_SetString(PyExc_ValueError, "the value is nested too deeply to travel");
        return -1;
    }
    if (object == Py_None || PyBool_Check(object)) {
        if (reserve(out, 1) < 0)
            return -1;
        out->data[out->size++] = object == Py_None ? 0xF6 : object == Py_True ? 0xF5 : 0xF4;
        return 0;
    }
    if (PyLong_Check(object))
        return encode_int(state, object, out);
    if (PyUnicode_Check(object))
        return encode_str(object, out);
    if (PyFloat_Check(object))
        return encode_float(object, out);
    if (PyBytes_Check(object) || PyByteArray_Check(object) || PyMemoryView_Check(object))
        return encode_buffer(object, out);
    if (PyList_Check(object) || PyTuple_Check(object))
        return encode_list(state, object, out, depth);
    if (PyDict_Check(object))
        return encode_dict(state, object, out, depth);
    PyObject *name = PyObject_GetAttrString((PyObject *)Py_TYPE(object), "__name__");
    if (name)
        PyErr_Format(
            PyExc_TypeError,
            "a value of type '%U' cannot travel (None, bool, int, float, bytes, str, list, dict can)", name);
    Py_XDECREF(name);
    return -1;
}

int promp_pyvalue_encode(promp_state_t *state, PyObject *object, promp_pyvalue_t *out)
{
    memset(out, 0, sizeof *out);
    if (encode(state, object, out, 0) == 0)
        return 0;
    promp_pyvalue_free(out);
    return -1;
}

void promp_pyvalue_free(promp_pyvalue_t *value)
{
    PyMem_Free(value->data);
    memset(value, 0, sizeof *value);
}
