#include "state.h"

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

PyObject *promp_state_raise(promp_state_t *state, promp_err_t error, const char *text)
{
    if (!text || !*text)
        text = promp_error_text(error);
    PyObject *type = exception_for(state, error);
    PyObject *exception = PyObject_CallFunction(type, "s", text);
    if (exception && type == state->error) {
        PyObject *number = PyLong_FromLong(error), *name = PyUnicode_FromString(promp_error_name(error));
        if (number && name) {
            PyObject_SetAttrString(exception, "number", number);
            PyObject_SetAttrString(exception, "name", name);
        }
        Py_XDECREF(number);
        Py_XDECREF(name);
    }
    if (exception)
        PyErr_SetObject(type, exception);
    Py_XDECREF(exception);
    return NULL;
}

promp_state_t *promp_state_of_module(PyObject *module)
{
    return PyModule_GetState(module);
}
