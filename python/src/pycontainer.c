/* Pro._promp.Container: its life, and the type. */
#include "pycontainer.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* --- errors --- */

PyObject *promp_pycontainer_error(promp_state_t *state, const promp_error_t *error)
{
    const char *text = error->text[0] ? error->text : promp_error_text(error->code);
    PyObject *sentence = PyUnicode_DecodeUTF8(text, (Py_ssize_t)strlen(text), "backslashreplace");
    PyObject *exception =
        promp_state_exception(state->container_error, error->code, promp_error_name(error->code), sentence);
    PyObject *number = exception && error->system ? PyLong_FromLong(error->system) : NULL;
    if (exception && error->system && (!number || PyObject_SetAttrString(exception, "errno", number) < 0))
        Py_CLEAR(exception);
    Py_XDECREF(number);
    return exception;
}

PyObject *promp_pycontainer_raise(promp_state_t *state, const promp_error_t *error)
{
    switch (error->code) {
    case PROMP_ERR_ARGUMENT:
    case PROMP_ERR_MEMORY:
    case PROMP_ERR_FORKED:
        return promp_state_raise(state, error->code, error->text);
    default:
        break;
    }
    PyObject *exception = promp_pycontainer_error(state, error);
    if (exception)
        PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
    Py_XDECREF(exception);
    return NULL;
}

/* --- life --- */

static PyObject *container_new(PyTypeObject *type, PyObject *args, PyObject *names)
{
    (void)args;
    (void)names;
    promp_state_t *state = promp_state_of_base(type);
    if (!state)
        return NULL;
    promp_pycontainer_reap(state);
    promp_pycontainer_t *self = (promp_pycontainer_t *)PyType_GenericAlloc(type, 0);
    if (self)
        self->state = state;
    return (PyObject *)self;
}

/* In a fork what waits for other threads would wait for ever: there it is left to the end of the process. */
static void let_go(promp_pycontainer_t *self)
{
    promp_container_t *container = self->container;
    self->container = NULL;
    if (!self->owner || self->owner == getpid())
        promp_container_drop(&container);
}

static void container_dealloc(promp_pycontainer_t *self)
{
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    let_go(self);
    PyMem_Free(self->error);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

promp_pycontainer_t *promp_pycontainer_of(promp_state_t *state, PyObject *object)
{
    if (PyObject_TypeCheck(object, state->container))
        return (promp_pycontainer_t *)object;
    PyErr_SetString(PyExc_TypeError, "a container is an NTContainer");
    return NULL;
}

int promp_pycontainer_set(promp_pycontainer_t *self, promp_container_t *container, const promp_error_t *error)
{
    promp_error_t *why = NULL;
    if (!container && error && !(why = PyMem_Malloc(sizeof *why))) {
        PyErr_NoMemory();
        return -1;
    }
    if (why)
        *why = *error;
    if (why && !why->text[0])
        snprintf(why->text, sizeof why->text, "%s", promp_error_text(why->code));
    let_go(self);
    PyMem_Free(self->error);
    self->container = container;
    self->error = why;
    self->owner = 0;
    return 0;
}

promp_container_t *promp_pycontainer_get(promp_pycontainer_t *self)
{
    if (self->owner && self->owner != getpid())
        return (promp_container_t *)promp_state_raise(self->state, PROMP_ERR_FORKED, NULL);
    if (self->container)
        return promp_container_keep(self->container);
    if (self->error)
        return (promp_container_t *)promp_pycontainer_raise(self->state, self->error);
    PyErr_SetString(PyExc_ValueError, "the container is null: it has no data");
    return NULL;
}

/* --- what it is --- */

static PyObject *container_size(promp_pycontainer_t *self, PyObject *unused)
{
    (void)unused;
    return PyLong_FromUnsignedLongLong(promp_container_size(self->container));
}

static PyObject *container_is_null(promp_pycontainer_t *self, PyObject *unused)
{
    (void)unused;
    return PyBool_FromLong(!self->container);
}

static PyObject *container_is_valid(promp_pycontainer_t *self, PyObject *unused)
{
    (void)unused;
    return PyBool_FromLong(self->container != NULL);
}

static Py_ssize_t container_length(promp_pycontainer_t *self)
{
    uint64_t size = promp_container_size(self->container);
    if (size <= PY_SSIZE_T_MAX)
        return (Py_ssize_t)size;
    PyErr_SetString(PyExc_OverflowError, "the container is larger than what len() can tell: use size()");
    return -1;
}

static int container_bool(promp_pycontainer_t *self)
{
    return promp_container_size(self->container) > 0;
}

static PyObject *container_repr(promp_pycontainer_t *self)
{
    PyObject *name = PyType_GetName(Py_TYPE((PyObject *)self)), *text = NULL;
    if (!name)
        return NULL;
    unsigned long long size = promp_container_size(self->container);
    const char *where = self->remote ? ", of the manager" : "";
    const char *how = promp_container_data(self->container) ? ", mapped" : "";
    if (self->container)
        text = PyUnicode_FromFormat("<%U: %llu bytes%s%s>", name, size, where, how);
    else if (self->error)
        text = PyUnicode_FromFormat("<%U: null, %d %s: %s>", name, (int)self->error->code,
                                    promp_error_name(self->error->code), self->error->text);
    else
        text = PyUnicode_FromFormat("<%U: null>", name);
    Py_DECREF(name);
    return text;
}

static PyObject *container_error(promp_pycontainer_t *self, void *unused)
{
    (void)unused;
    return self->error ? promp_pycontainer_error(self->state, self->error) : Py_NewRef(Py_None);
}

/* --- the type --- */

#define DOC(name, signature, text) name signature "\n--\n\n" text

static PyMethodDef methods[] = {
    {"size", (PyCFunction)container_size, METH_NOARGS,
     DOC("size", "($self)", "Returns the number of bytes; 0 when it is null. Reference: Remote Containers.")},
    {"isNull", (PyCFunction)container_is_null, METH_NOARGS,
     DOC("isNull", "($self)",
         "Returns True if there is nothing behind it. Reference: createContainerFromFile.")},
    {"isValid", (PyCFunction)container_is_valid, METH_NOARGS,
     DOC("isValid", "($self)", "Returns the opposite of isNull(). Reference: ProWorker.getSharedContainer.")},
    {"read", (PyCFunction)(void (*)(void))promp_pycontainer_read, METH_VARARGS | METH_KEYWORDS,
     DOC("read", "($self, offset, size)",
         "Reads bytes; other threads run meanwhile.\n\n"
         "Parameters: offset - of the first byte; size - how many. Beyond the end there are none: fewer "
         "come, or b''.\n"
         "Returns: bytes.\n"
         "Raises: NTContainerError (an OSError) where they cannot be had, ValueError for negative numbers "
         "and null\n"
         "containers, TypeError, MemoryError.\n"
         "Source: ours.")},
    {"setData", (PyCFunction)(void (*)(void))promp_pycontainer_set_data, METH_VARARGS | METH_KEYWORDS,
     DOC("setData", "($self, data)",
         "Makes this a container over a copy of bytes. Whoever got it before, a worker for one, keeps what "
         "it was.\n\n"
         "Parameters: data - bytes-like.\n"
         "Returns: False, with nothing changed, when it is the manager's.\n"
         "Raises: TypeError, BufferError, MemoryError.\n"
         "Reference: Remote Containers.")},
    {"setRange", (PyCFunction)(void (*)(void))promp_pycontainer_set_range, METH_VARARGS | METH_KEYWORDS,
     DOC("setRange", "($self, offset, size)",
         "Restricts this object, and nobody else's, to a part of what it is.\n\n"
         "Parameters: offset - where the part begins; size - how many bytes, cut to what there is.\n"
         "Returns: False, with nothing changed, when it is null or offset lies beyond the end.\n"
         "Raises: ValueError for negative numbers, TypeError, MemoryError.\n"
         "Source: published scripts for Cerbero Suite.")},
    {"_read_into", (PyCFunction)(void (*)(void))promp_pycontainer_read_into, METH_VARARGS | METH_KEYWORDS,
     NULL},
    {"_find", (PyCFunction)(void (*)(void))promp_pycontainer_find, METH_VARARGS | METH_KEYWORDS, NULL},
    {"_open_object", (PyCFunction)(void (*)(void))promp_pycontainer_open_object, METH_VARARGS | METH_KEYWORDS,
     NULL},
    {"_open_file", (PyCFunction)promp_pycontainer_open_file, METH_VARARGS, NULL},
    {"_view", (PyCFunction)promp_pycontainer_view, METH_NOARGS, NULL},
    {"_advise", (PyCFunction)promp_pycontainer_advise, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef properties[] = {
    {"error", (getter)container_error, NULL,
     "Why it is null: an NTContainerError that was not raised; None where nothing failed (ours).", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_new, container_new},
    {Py_tp_dealloc, container_dealloc},
    {Py_tp_methods, methods},
    {Py_tp_getset, properties},
    {Py_tp_repr, container_repr},
    {Py_tp_doc, "The calls of libpromp's containers; see Pro.Core.NTContainer."},
    {Py_mp_length, container_length},
    {Py_mp_subscript, promp_pycontainer_item},
    {Py_nb_bool, container_bool},
    {Py_bf_getbuffer, promp_pycontainer_get_buffer},
    {Py_bf_releasebuffer, promp_pycontainer_release_buffer},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "Pro._promp.Container",
    .basicsize = sizeof(promp_pycontainer_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = slots,
};

int promp_container_type_add(PyObject *module, promp_state_t *state)
{
    state->container = (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, NULL);
    PyObject *bases = state->container ? PyTuple_Pack(2, state->error, PyExc_OSError) : NULL;
    if (!bases)
        return -1;
    state->container_error =
        PyErr_NewExceptionWithDoc("Pro.Core.NTContainerError",
                                  "A container that cannot be had or read: attributes number and name (16xx "
                                  "of docs/errors.md), errno where the\n"
                                  "system refused something. It is an OSError and a ProMPError.",
                                  bases, NULL);
    Py_DECREF(bases);
    if (!state->container_error ||
        PyModule_AddObjectRef(module, "ContainerError", state->container_error) < 0)
        return -1;
    return PyModule_AddType(module, state->container);
}
