#include "state.h"

#include <limits.h>
#include <string.h>
#include <time.h>

static PyObject *exception_for(promp_state_t *state, promp_err_t error)
{
    switch (error) {
    case PROMP_ERR_ARGUMENT:
    case PROMP_ERR_MESSAGE_ID:
    case PROMP_ERR_VALUE_DEPTH:
    case PROMP_ERR_CBOR:
        return PyExc_ValueError;
    case PROMP_ERR_VALUE_TYPE:
        return PyExc_TypeError;
    case PROMP_ERR_VALUE_SIZE:
        return PyExc_OverflowError;
    case PROMP_ERR_MEMORY:
        return PyExc_MemoryError;
    case PROMP_ERR_THREAD:
    case PROMP_ERR_FORKED:
    case PROMP_ERR_CLOSED:
    case PROMP_ERR_STATE:
        return PyExc_RuntimeError;
    default:
        return state->error;
    }
}

PyObject *promp_state_text(const char *text)
{
    return PyUnicode_DecodeUTF8(text, (Py_ssize_t)strlen(text), "replace");
}

PyObject *promp_state_error(promp_state_t *state, int number, const char *name, PyObject *text)
{
    return promp_state_exception(state->error, number, name, text);
}

PyObject *promp_state_exception(PyObject *type, int number, const char *name, PyObject *text)
{
    PyObject *line = text ? PyUnicode_FromFormat("%d %s: %U", number, name, text) : NULL;
    PyObject *exception = line ? PyObject_CallFunctionObjArgs(type, line, NULL) : NULL;
    PyObject *value = PyLong_FromLong(number), *label = PyUnicode_FromString(name);
    if (!exception || !value || !label || PyObject_SetAttrString(exception, "number", value) < 0 ||
        PyObject_SetAttrString(exception, "name", label) < 0)
        Py_CLEAR(exception);
    Py_XDECREF(line);
    Py_XDECREF(label);
    Py_XDECREF(value);
    Py_XDECREF(text);
    return exception;
}

PyObject *promp_state_raise(promp_state_t *state, promp_err_t error, const char *text)
{
    if (!text || !*text)
        text = promp_error_text(error);
    PyObject *type = exception_for(state, error), *value = promp_state_text(text);
    if (type == state->error)
        value = promp_state_error(state, error, promp_error_name(error), value);
    if (value)
        PyErr_SetObject(type, value);
    Py_XDECREF(value);
    return NULL;
}

promp_state_t *promp_state_of_module(PyObject *module)
{
    return PyModule_GetState(module);
}

promp_state_t *promp_state_of(PyObject *object)
{
    return PyType_GetModuleState(Py_TYPE(object));
}

void promp_state_interrupt(promp_state_t *state)
{
    if (state->interrupt[0]) { /* of another thread, which has not got to it */
        PyErr_WriteUnraisable(NULL);
        return;
    }
    PyErr_Fetch(&state->interrupt[0], &state->interrupt[1], &state->interrupt[2]);
    state->interrupted = pthread_self();
}

int promp_state_interrupted(promp_state_t *state)
{
    if (!state->interrupt[0] || !pthread_equal(state->interrupted, pthread_self()))
        return 0;
    PyErr_Restore(state->interrupt[0], state->interrupt[1], state->interrupt[2]);
    memset(state->interrupt, 0, sizeof state->interrupt);
    return -1;
}

static PyObject *as_int(PyObject *object, const char *what)
{
    if (PyIndex_Check(object))
        return PyNumber_Index(object);
    PyObject *name = PyObject_GetAttrString((PyObject *)Py_TYPE(object), "__name__");
    if (name)
        PyErr_Format(PyExc_TypeError, "%s is an int, not '%U'", what, name);
    Py_XDECREF(name);
    return NULL;
}

int promp_state_u64(PyObject *object, void *value)
{
    PyObject *number = as_int(object, "an offset or a size");
    if (!number)
        return 0;
    int overflow;
    long long small = PyLong_AsLongLongAndOverflow(number, &overflow);
    unsigned long long wide = (unsigned long long)small;
    if (overflow > 0) {
        wide = PyLong_AsUnsignedLongLong(number);
        PyErr_Clear(); /* too large: it is ULLONG_MAX then, which lies beyond everything */
    }
    Py_DECREF(number);
    if (overflow < 0 || (!overflow && small < 0)) {
        PyErr_SetString(PyExc_ValueError, "an offset or a size is negative");
        return 0;
    }
    *(uint64_t *)value = wide;
    return 1;
}

int promp_state_worker_id(PyObject *object, void *id)
{
    PyObject *number = as_int(object, "a worker's id");
    if (!number)
        return 0;
    int overflow;
    long long value = PyLong_AsLongLongAndOverflow(number, &overflow);
    Py_DECREF(number);
    *(uint32_t *)id = overflow || value < 0 || value > UINT32_MAX ? PROMP_WORKER_INVALID : (uint32_t)value;
    return 1;
}

int promp_state_ms(PyObject *object, void *ms)
{
    PyObject *number = as_int(object, "a time in milliseconds");
    if (!number)
        return 0;
    int overflow;
    long long value = PyLong_AsLongLongAndOverflow(number, &overflow);
    Py_DECREF(number);
    if (overflow)
        value = overflow < 0 ? INT_MIN : INT_MAX;
    *(int *)ms = value < INT_MIN ? INT_MIN : value > INT_MAX ? INT_MAX : (int)value;
    return 1;
}

long long promp_state_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int promp_state_slice(long long deadline)
{
    long long left = deadline < 0 ? PROMP_PY_SLICE : deadline - promp_state_now();
    return left < 0 ? 0 : left > PROMP_PY_SLICE ? PROMP_PY_SLICE : (int)left;
}
