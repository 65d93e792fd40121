#include "pyvalue.h"

#include <cbor/callbacks.h>
#include <cbor/streaming.h>
#include <string.h>

#include "limits.h"

/* libcbor hands us one item at a time; containers that are still open stand on a stack. */
typedef struct {
    PyObject *object; /* list or dict under construction, owned */
    PyObject *key;    /* dict: key that waits for its item */
    uint64_t left;    /* items (dict: pairs) still to come */
} frame_t;

typedef struct {
    promp_state_t *state;
    frame_t stack[PROMP_LIMIT_VALUE_DEPTH + 1];
    int depth;
    PyObject *root; /* the finished value */
    int tag;        /* 0, 2 or 3: the next item must be the bytes of a big integer */
    int failed;     /* an exception is set */
    size_t left;    /* bytes of data behind the item in hand */
    uint64_t items;
} decoder_t;

static void fail(decoder_t *d, const char *text)
{
    if (!d->failed && !PyErr_Occurred())
        PyErr_SetString(PyExc_ValueError, text);
    d->failed = 1;
}

static int add_to_frame(decoder_t *d, frame_t *top, PyObject *object)
{
    if (PyList_Check(top->object)) {
        top->left--;
        return PyList_Append(top->object, object);
    }
    if (!top->key) {
        if (!PyUnicode_Check(object) && (!PyLong_Check(object) || PyBool_Check(object))) {
            fail(d, "the key of a dict is neither str nor int");
            return -1;
        }
        top->key = Py_NewRef(object);
        return 0;
    }
    int result = PyDict_SetItem(top->object, top->key, object);
    Py_CLEAR(top->key);
    top->left--;
    return result;
}

/* Puts a finished object where it belongs, and with it every container that it completes. Takes the reference. */
static void place(decoder_t *d, PyObject *object)
{
    while (object) {
        if (d->depth == 0) {
            d->root = object;
            return;
        }
        frame_t *top = &d->stack[d->depth - 1];
        int result = add_to_frame(d, top, object);
        Py_DECREF(object);
        if (result < 0) {
            d->failed = 1;
            return;
        }
        if (top->left || top->key)
            return;
        object = top->object;
        top->object = NULL;
        d->depth--;
    }
    d->failed = 1; /* NULL came in: an exception is set */
}

static int scalar(decoder_t *d)
{
    if (d->failed)
        return 0;
    if (d->tag) {
        fail(d, "a big integer without its bytes");
        return 0;
    }
    return 1;
}

static void on_uint(decoder_t *d, uint64_t v)
{
    if (scalar(d))
        place(d, PyLong_FromUnsignedLongLong(v));
}

static void on_uint8(void *c, uint8_t v)
{
    on_uint(c, v);
}

static void on_uint16(void *c, uint16_t v)
{
    on_uint(c, v);
}

static void on_uint32(void *c, uint32_t v)
{
    on_uint(c, v);
}

static void on_uint64(void *c, uint64_t v)
{
    on_uint(c, v);
}

static void on_negint(decoder_t *d, uint64_t v)
{
    if (!scalar(d))
        return;
    if (v <= INT64_MAX) {
        place(d, PyLong_FromLongLong(-1 - (int64_t)v));
        return;
    }
    PyObject *plain = PyLong_FromUnsignedLongLong(v);
    place(d, plain ? PyNumber_Invert(plain) : NULL);
    Py_XDECREF(plain);
}

static void on_negint8(void *c, uint8_t v)
{
    on_negint(c, v);
}

static void on_negint16(void *c, uint16_t v)
{
    on_negint(c, v);
}

static void on_negint32(void *c, uint32_t v)
{
    on_negint(c, v);
}

static void on_negint64(void *c, uint64_t v)
{
    on_negint(c, v);
}

static void on_bytes(void *context, cbor_data data, size_t size)
{
    decoder_t *d = context;
    if (d->failed)
        return;
    if (!d->tag) {
        place(d, PyBytes_FromStringAndSize((const char *)data, (Py_ssize_t)size));
        return;
    }
    PyObject *number = PyObject_CallFunction(d->state->from_bytes, "y#s", data, (Py_ssize_t)size, "big");
    if (number && d->tag == 3) {
        PyObject *inverted = PyNumber_Invert(number);
        Py_DECREF(number);
        number = inverted;
    }
    d->tag = 0;
    place(d, number);
}

static void on_string(void *context, cbor_data data, size_t size)
{
    decoder_t *d = context;
    if (scalar(d))
        place(d, PyUnicode_DecodeUTF8((const char *)data, (Py_ssize_t)size, NULL));
}

/* Every item takes at least one byte: what claims more than is left is a lie. */
static void open_container(decoder_t *d, PyObject *object, size_t claim, uint64_t least)
{
    if (!object || claim > d->left / least) {
        Py_XDECREF(object);
        fail(d, "a list or dict claims more items than there are bytes");
    } else if (claim == 0) {
        place(d, object);
    } else if (d->depth > PROMP_LIMIT_VALUE_DEPTH - 1) {
        Py_DECREF(object);
        fail(d, "the value is nested too deeply");
    } else {
        d->stack[d->depth++] = (frame_t){.object = object, .left = claim};
    }
}

static void on_array(void *context, size_t count)
{
    decoder_t *d = context;
    if (scalar(d))
        open_container(d, PyList_New(0), count, 1);
}

static void on_map(void *context, size_t count)
{
    decoder_t *d = context;
    if (scalar(d))
        open_container(d, PyDict_New(), count, 2);
}

static void on_tag(void *context, uint64_t tag)
{
    decoder_t *d = context;
    if (scalar(d)) {
        if (tag == 2 || tag == 3)
            d->tag = (int)tag;
        else
            fail(d, "an unknown CBOR tag");
    }
}

static void on_double(void *context, double v)
{
    if (scalar(context))
        place(context, PyFloat_FromDouble(v));
}

static void on_float(void *context, float v)
{
    on_double(context, v);
}

static void on_null(void *context)
{
    if (scalar(context))
        place(context, Py_NewRef(Py_None));
}

static void on_bool(void *context, bool v)
{
    if (scalar(context))
        place(context, Py_NewRef(v ? Py_True : Py_False));
}

static void on_unsupported(void *context)
{
    fail(context, "CBOR of a kind that does not travel");
}

static const struct cbor_callbacks callbacks = {
    .uint8 = on_uint8,
    .uint16 = on_uint16,
    .uint32 = on_uint32,
    .uint64 = on_uint64,
    .negint8 = on_negint8,
    .negint16 = on_negint16,
    .negint32 = on_negint32,
    .negint64 = on_negint64,
    .byte_string = on_bytes,
    .byte_string_start = on_unsupported,
    .string = on_string,
    .string_start = on_unsupported,
    .array_start = on_array,
    .indef_array_start = on_unsupported,
    .map_start = on_map,
    .indef_map_start = on_unsupported,
    .tag = on_tag,
    .float2 = on_float,
    .float4 = on_float,
    .float8 = on_double,
    .undefined = on_unsupported,
    .null = on_null,
    .boolean = on_bool,
    .indef_break = on_unsupported,
};

PyObject *promp_pyvalue_decode(promp_state_t *state, const unsigned char *data, size_t size)
{
    decoder_t d = {.state = state};
    size_t at = 0;
    while (!d.failed && !d.root && at < size) {
        /* What a container may claim is bounded by what is left behind its own head, at most 9 bytes. */
        d.left = size - at;
        if (++d.items > PROMP_LIMIT_VALUE_ITEMS) {
            fail(&d, "the value has too many items");
            break;
        }
        struct cbor_decoder_result result = cbor_stream_decode(data + at, size - at, &callbacks, &d);
        if (result.status != CBOR_DECODER_FINISHED) {
            fail(&d, "malformed CBOR");
            break;
        }
        at += result.read;
    }
    if (!d.failed && (!d.root || at != size))
        fail(&d, d.root ? "bytes behind the value" : "the value is cut short");
    while (d.depth > 0) {
        Py_XDECREF(d.stack[--d.depth].object);
        Py_XDECREF(d.stack[d.depth].key);
    }
    if (d.failed)
        Py_CLEAR(d.root);
    return d.root;
}
