/* Pro._promp: libpromp for Python. Pro.MP is the interface; what is here is not meant for users. */
#include <string.h>

#include "pycontainer.h"
#include "pyvalue.h"
#include "pyworker.h"
#include "state.h"

static PyObject *worker_open(PyObject *module, PyObject *unused)
{
    (void)unused;
    return promp_pyworker_open(module);
}

/* encode(value) -> bytes, decode(bytes) -> value: what travels, for tests and for the start of a worker. */
static PyObject *encode(PyObject *module, PyObject *value)
{
    promp_pyvalue_t encoded;
    if (promp_pyvalue_encode(promp_state_of_module(module), value, &encoded) < 0)
        return NULL;
    PyObject *bytes = PyBytes_FromStringAndSize((const char *)encoded.data, (Py_ssize_t)encoded.size);
    promp_pyvalue_free(&encoded);
    return bytes;
}

static PyObject *decode(PyObject *module, PyObject *args)
{
    Py_buffer data;
    if (!PyArg_ParseTuple(args, "y*:decode", &data))
        return NULL;
    PyObject *value = promp_pyvalue_decode(promp_state_of_module(module), data.buf, (size_t)data.len);
    PyBuffer_Release(&data);
    return value;
}

/* error(number, detail or None) -> ProMPError with the text of docs/errors.md, not raised */
static PyObject *error(PyObject *module, PyObject *args)
{
    int number;
    const char *detail;
    if (!PyArg_ParseTuple(args, "iz:error", &number, &detail))
        return NULL;
    const char *text = promp_error_text((promp_err_t)number), *name = promp_error_name((promp_err_t)number);
    PyObject *sentence;
    if (detail && strncmp(detail, text, strlen(text)) == 0)
        sentence = promp_state_text(detail); /* libpromp's own, which begins with it */
    else
        sentence = PyUnicode_FromFormat(detail ? "%s: %s" : "%s", text, detail);
    return promp_state_error(promp_state_of_module(module), number, name, sentence);
}

static PyMethodDef functions[] = {
    {"serve", promp_pycontainer_serve, METH_O, NULL}, {"error", error, METH_VARARGS, NULL},
    {"worker_open", worker_open, METH_NOARGS, NULL},  {"encode", encode, METH_O, NULL},
    {"decode", decode, METH_VARARGS, NULL},           {NULL, NULL, 0, NULL},
};

static int add_number(PyObject *module, const char *name, unsigned long long value)
{
    PyObject *number = PyLong_FromUnsignedLongLong(value);
    int result = number ? PyModule_AddObjectRef(module, name, number) : -1;
    Py_XDECREF(number);
    return result;
}

static int add_numbers(PyObject *module)
{
    static const struct {
        const char *name;
        unsigned long long value;
    } numbers[] = {
        {"WORKER_INVALID", PROMP_WORKER_INVALID},
        {"WORKER_ANY", PROMP_WORKER_ANY},
        {"WORKER_ALL", PROMP_WORKER_ALL},
        {"MESSAGE_INVALID", PROMP_MESSAGE_INVALID},
        {"MESSAGE_MAX", PROMP_MESSAGE_MAX},
        {"OPT_REDIRECT", PROMP_OPT_REDIRECT},
        {"OPT_ATOMIC", PROMP_OPT_ATOMIC},
        {"TASK_CODE", PROMP_TASK_CODE},
        {"TASK_FUNCTION", PROMP_TASK_FUNCTION},
        {"TASK_TEST", PROMP_TASK_TEST},
        {"TASK_TEST_BOX", PROMP_TASK_TEST_BOX},
        {"ERR_NOT_FOUND", PROMP_ERR_NOT_FOUND},
        {"ERR_NO_BROKER", PROMP_ERR_NO_BROKER},
        {"ERR_NO_PLACE", PROMP_ERR_NO_PLACE},
        {"ERR_CONTAINER_NAME", PROMP_ERR_CONTAINER_NAME},
        {"TASK_NATIVE", PROMP_TASK_NATIVE},
        {"CONTAINER_NOWHERE", PROMP_CONTAINER_NOWHERE},
        {"ADVISE_NORMAL", PROMP_ADVISE_NORMAL},
        {"ADVISE_SEQUENTIAL", PROMP_ADVISE_SEQUENTIAL},
        {"ADVISE_RANDOM", PROMP_ADVISE_RANDOM},
        {"ADVISE_SOON", PROMP_ADVISE_SOON},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (add_number(module, numbers[i].name, numbers[i].value) < 0)
            return -1;
    return 0;
}

static int exec_module(PyObject *module)
{
    promp_state_t *state = promp_state_of_module(module);
    PyObject *number = (PyObject *)&PyLong_Type;
    state->to_bytes = PyObject_GetAttrString(number, "to_bytes");
    state->from_bytes = PyObject_GetAttrString(number, "from_bytes");
    state->bit_length = PyObject_GetAttrString(number, "bit_length");
    state->invert = PyObject_GetAttrString(number, "__invert__");
    state->error = PyErr_NewExceptionWithDoc(
        "Pro.MP.ProMPError",
        "What promp refused or lost: attributes number, name (of docs/errors.md); the text begins with both.",
        PyExc_RuntimeError, NULL);
    if (!state->to_bytes || !state->from_bytes || !state->bit_length || !state->invert || !state->error)
        return -1;
    if (PyModule_AddObjectRef(module, "ProMPError", state->error) < 0 || add_numbers(module) < 0)
        return -1;
    if (promp_manager_type_add(module, state) < 0 || promp_worker_type_add(module, state) < 0)
        return -1;
    if (promp_output_types_add(module, state) < 0 || promp_container_type_add(module, state) < 0 ||
        PyModule_AddStringConstant(module, "VERSION", promp_version()) < 0)
        return -1;
    return promp_task_type_add(module, state);
}

static int traverse(PyObject *module, visitproc visit, void *arg)
{
    promp_state_t *state = promp_state_of_module(module);
    Py_VISIT(state->error);
    Py_VISIT(state->manager);
    Py_VISIT(state->worker);
    Py_VISIT(state->task);
    Py_VISIT(state->output);
    Py_VISIT(state->buffer);
    Py_VISIT(state->container);
    Py_VISIT(state->container_error);
    Py_VISIT(state->to_bytes);
    Py_VISIT(state->from_bytes);
    Py_VISIT(state->bit_length);
    Py_VISIT(state->invert);
    return 0;
}

static int clear(PyObject *module)
{
    promp_state_t *state = promp_state_of_module(module);
    Py_CLEAR(state->error);
    Py_CLEAR(state->manager);
    Py_CLEAR(state->worker);
    Py_CLEAR(state->task);
    Py_CLEAR(state->output);
    Py_CLEAR(state->buffer);
    Py_CLEAR(state->container);
    Py_CLEAR(state->container_error);
    Py_CLEAR(state->to_bytes);
    Py_CLEAR(state->from_bytes);
    Py_CLEAR(state->bit_length);
    Py_CLEAR(state->invert);
    return 0;
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, exec_module},
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,           .m_name = "Pro._promp", .m_doc = "libpromp for Python; use Pro.MP.",
    .m_size = sizeof(promp_state_t), .m_methods = functions, .m_slots = slots,
    .m_traverse = traverse,          .m_clear = clear,
};

/* A derived type knows no module; that a base's is ours has to be looked at, since others may be in between. */
promp_state_t *promp_state_of_base(PyTypeObject *type)
{
    for (; type; type = PyType_GetSlot(type, Py_tp_base)) {
        PyObject *module = PyType_GetModule(type);
        if (module && PyModule_GetDef(module) == &definition)
            return PyModule_GetState(module);
        PyErr_Clear();
    }
    PyErr_SetString(PyExc_TypeError, "not a type of Pro._promp");
    return NULL;
}

PyMODINIT_FUNC PyInit__promp(void);
PyMODINIT_FUNC PyInit__promp(void)
{
    return PyModuleDef_Init(&definition);
}
