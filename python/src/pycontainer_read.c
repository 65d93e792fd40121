/* Pro._promp.Container: reading and searching. Bytes go straight to where Python will have them. */
#include "pycontainer.h"

#include <string.h>

#define AT_ONCE  (64u * 1024) /* what is mapped and no longer is copied with the GIL held: that is cheaper */
#define PIECE    (16u * 1024 * 1024) /* after so many bytes signals are looked at */
#define STRIDE   4096                /* steps of a slice from here on: each byte is read alone */
#define STRIDING (256u * 1024)       /* bytes read at once for smaller steps */

static size_t smaller(uint64_t a, uint64_t b)
{
    return (size_t)(a < b ? a : b);
}

/* Fills buffer with size bytes at offset, all within the container. 0, or -1 with an exception. */
static int fill(promp_state_t *state, promp_container_t *container, uint64_t offset, void *buffer,
                size_t size)
{
    const char *data = size <= AT_ONCE ? promp_container_data(container) : NULL;
    if (data) {
        memcpy(buffer, data + offset, size);
        return 0;
    }
    for (size_t done = 0; done < size;) {
        promp_error_t error = {0};
        promp_err_t e;
        size_t got = 0;
        Py_BEGIN_ALLOW_THREADS
        e = promp_container_read(container, offset + done, (char *)buffer + done, smaller(size - done, PIECE),
                                 &got, &error);
        Py_END_ALLOW_THREADS
        done += got;
        if (promp_state_interrupted(state) < 0)
            return -1;
        if (e && e != PROMP_ERR_STATE) {
            promp_pycontainer_raise(state, &error);
            return -1;
        }
        if (done < size && PyErr_CheckSignals() < 0)
            return -1;
    }
    return 0;
}

static PyObject *take(promp_state_t *state, promp_container_t *container, uint64_t offset, uint64_t size)
{
    uint64_t whole = promp_container_size(container);
    size = offset < whole ? smaller(size, whole - offset) : 0;
    if (size > PY_SSIZE_T_MAX)
        return PyErr_NoMemory();
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
    if (bytes && fill(state, container, offset, PyBytes_AsString(bytes), (size_t)size) < 0)
        Py_CLEAR(bytes);
    return bytes;
}

PyObject *promp_pycontainer_read(promp_pycontainer_t *self, PyObject *args, PyObject *names)
{
    static char *words[] = {"offset", "size", NULL};
    uint64_t offset, size;
    if (!PyArg_ParseTupleAndKeywords(args, names, "O&O&:read", words, promp_state_u64, &offset,
                                     promp_state_u64, &size))
        return NULL;
    promp_container_t *container = promp_pycontainer_get(self);
    PyObject *bytes = container ? take(self->state, container, offset, size) : NULL;
    promp_container_drop(&container);
    return bytes;
}

/* _read_into(offset, buffer) -> how many bytes came */
PyObject *promp_pycontainer_read_into(promp_pycontainer_t *self, PyObject *args, PyObject *names)
{
    static char *words[] = {"offset", "buffer", NULL};
    uint64_t offset;
    Py_buffer buffer;
    if (!PyArg_ParseTupleAndKeywords(args, names, "O&w*:readinto", words, promp_state_u64, &offset, &buffer))
        return NULL;
    PyObject *result = NULL;
    promp_container_t *container = promp_pycontainer_get(self);
    if (container) {
        uint64_t whole = promp_container_size(container);
        size_t size = offset < whole ? smaller((uint64_t)buffer.len, whole - offset) : 0;
        if (fill(self->state, container, offset, buffer.buf, size) == 0)
            result = PyLong_FromSize_t(size);
        promp_container_drop(&container);
    }
    PyBuffer_Release(&buffer);
    return result;
}

/* --- indices and slices --- */

static PyObject *one(promp_pycontainer_t *self, promp_container_t *container, PyObject *key)
{
    Py_ssize_t at = PyNumber_AsSsize_t(key, PyExc_IndexError),
               size = (Py_ssize_t)promp_container_size(container);
    unsigned char byte;
    if (at == -1 && PyErr_Occurred())
        return NULL;
    if (at < 0)
        at += size;
    if (at < 0 || at >= size) {
        PyErr_SetString(PyExc_IndexError, "the index lies beyond the container");
        return NULL;
    }
    return fill(self->state, container, (uint64_t)at, &byte, 1) < 0 ? NULL : PyLong_FromLong(byte);
}

/* count bytes from first on, each step bytes apart; step > 1. */
static int stride(promp_state_t *state, promp_container_t *container, uint64_t first, uint64_t step,
                  size_t count, char *to)
{
    size_t batch = step >= STRIDE ? 1 : STRIDING / step, result = 0;
    char *room = batch > 1 ? PyMem_Malloc(batch * step) : NULL;
    if (batch > 1 && !room) {
        PyErr_NoMemory();
        return -1;
    }
    for (size_t done = 0; done < count && result == 0;) {
        size_t n = smaller(batch, count - done);
        char *at = room ? room : to + done;
        result = (size_t)fill(state, container, first + done * step, at, (n - 1) * step + 1);
        for (size_t i = 0; room && result == 0 && i < n; i++)
            to[done + i] = room[i * step];
        done += n;
    }
    PyMem_Free(room);
    return result ? -1 : 0;
}

static void turn_around(char *bytes, size_t size)
{
    for (size_t i = 0; i < size / 2; i++) {
        char byte = bytes[i];
        bytes[i] = bytes[size - 1 - i];
        bytes[size - 1 - i] = byte;
    }
}

static PyObject *slice(promp_pycontainer_t *self, promp_container_t *container, PyObject *key)
{
    Py_ssize_t start, stop, step;
    if (PySlice_Unpack(key, &start, &stop, &step) < 0)
        return NULL;
    Py_ssize_t count =
        PySlice_AdjustIndices((Py_ssize_t)promp_container_size(container), &start, &stop, step);
    if (step == 1 || count == 0)
        return take(self->state, container, (uint64_t)start, (uint64_t)count);
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, count);
    if (!bytes)
        return NULL;
    char *to = PyBytes_AsString(bytes);
    uint64_t wide = step < 0 ? 0 - (uint64_t)step : (uint64_t)step;
    uint64_t first = step < 0 ? (uint64_t)start - wide * (uint64_t)(count - 1) : (uint64_t)start;
    int result = wide == 1 ? fill(self->state, container, first, to, (size_t)count)
                           : stride(self->state, container, first, wide, (size_t)count, to);
    if (result < 0)
        Py_CLEAR(bytes);
    else if (step < 0)
        turn_around(to, (size_t)count);
    return bytes;
}

PyObject *promp_pycontainer_item(promp_pycontainer_t *self, PyObject *key)
{
    int is_slice = PyObject_TypeCheck(key, &PySlice_Type);
    if (!is_slice && !PyIndex_Check(key)) {
        PyErr_SetString(PyExc_TypeError, "an index of a container is an int or a slice");
        return NULL;
    }
    promp_container_t *container = promp_pycontainer_get(self);
    if (!container)
        return NULL;
    PyObject *item = NULL;
    if (promp_container_size(container) > PY_SSIZE_T_MAX)
        PyErr_SetString(PyExc_OverflowError, "the container is too large for indices: use read()");
    else
        item = is_slice ? slice(self, container, key) : one(self, container, key);
    promp_container_drop(&container);
    return item;
}

/* --- search --- */

/* Asked between two pieces, without the GIL: a signal's handler that raised ends the search. */
static bool stop(void *arg)
{
    PyThreadState **saved = arg;
    PyEval_RestoreThread(*saved);
    bool raised = PyErr_CheckSignals() < 0;
    *saved = PyEval_SaveThread();
    return raised;
}

/* _find(pattern, from, to) -> offset, or None */
PyObject *promp_pycontainer_find(promp_pycontainer_t *self, PyObject *args, PyObject *names)
{
    static char *words[] = {"pattern", "from", "to", NULL};
    Py_buffer pattern;
    uint64_t from, to, at = PROMP_CONTAINER_NOWHERE;
    if (!PyArg_ParseTupleAndKeywords(args, names, "y*O&O&:find", words, &pattern, promp_state_u64, &from,
                                     promp_state_u64, &to))
        return NULL;
    promp_container_t *container = promp_pycontainer_get(self);
    if (!container) {
        PyBuffer_Release(&pattern);
        return NULL;
    }
    promp_error_t error = {0};
    PyThreadState *saved = PyEval_SaveThread();
    promp_err_t e = promp_container_find(container, pattern.buf, (size_t)pattern.len, from, to, stop, &saved,
                                         &at, &error);
    PyEval_RestoreThread(saved);
    promp_container_drop(&container);
    PyBuffer_Release(&pattern);
    if (promp_state_interrupted(self->state) < 0 || PyErr_Occurred())
        return NULL;
    if (e)
        return promp_pycontainer_raise(self->state, &error);
    return at == PROMP_CONTAINER_NOWHERE ? Py_NewRef(Py_None) : PyLong_FromUnsignedLongLong(at);
}
