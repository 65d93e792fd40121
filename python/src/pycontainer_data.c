/* Pro._promp.Container: what it is made of, and the buffer protocol. */
#include "pycontainer.h"

PyObject *promp_pycontainer_set_data(promp_pycontainer_t *self, PyObject *args, PyObject *names)
{
    static char *words[] = {"data", NULL};
    Py_buffer data;
    promp_error_t error = {0};
    promp_container_t *container;
    if (!PyArg_ParseTupleAndKeywords(args, names, "y*:setData", words, &data))
        return NULL;
    if (self->remote) {
        PyBuffer_Release(&data);
        Py_RETURN_FALSE;
    }
    Py_BEGIN_ALLOW_THREADS
    container = promp_container_bytes(data.buf, (size_t)data.len, &error);
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&data);
    if (!container)
        return promp_pycontainer_raise(self->state, &error);
    promp_pycontainer_set(self, container, NULL);
    Py_RETURN_TRUE;
}

PyObject *promp_pycontainer_set_range(promp_pycontainer_t *self, PyObject *args, PyObject *names)
{
    static char *words[] = {"offset", "size", NULL};
    uint64_t offset, size;
    promp_error_t error = {0};
    if (!PyArg_ParseTupleAndKeywords(args, names, "O&O&:setRange", words, promp_state_u64, &offset,
                                     promp_state_u64, &size))
        return NULL;
    if (!self->container || offset > promp_container_size(self->container))
        Py_RETURN_FALSE;
    pid_t owner = self->owner;
    promp_container_t *whole = promp_pycontainer_get(self);
    promp_container_t *range = whole ? promp_container_range(whole, offset, size, &error) : NULL;
    promp_container_drop(&whole);
    if (!range)
        return PyErr_Occurred() ? NULL : promp_pycontainer_raise(self->state, &error);
    promp_pycontainer_set(self, range, NULL);
    self->owner = owner;
    Py_RETURN_TRUE;
}

/* _open_file(path) -> bool */
PyObject *promp_pycontainer_open_file(promp_pycontainer_t *self, PyObject *args)
{
    PyObject *path;
    promp_error_t error = {0};
    promp_container_t *container;
    if (!PyArg_ParseTuple(args, "O&:createContainerFromFile", PyUnicode_FSConverter, &path))
        return NULL;
    const char *bytes = PyBytes_AsString(path);
    Py_BEGIN_ALLOW_THREADS
    container = promp_container_file(bytes, &error);
    Py_END_ALLOW_THREADS
    Py_DECREF(path);
    if (!container && error.code == PROMP_ERR_MEMORY)
        return promp_pycontainer_raise(self->state, &error);
    return promp_pycontainer_set(self, container, &error) < 0 ? NULL : PyBool_FromLong(container != NULL);
}

/* _view() -> a Container of the same bytes, whatever becomes of this one */
PyObject *promp_pycontainer_view(promp_pycontainer_t *self, PyObject *unused)
{
    (void)unused;
    promp_container_t *container = promp_pycontainer_get(self);
    promp_pycontainer_t *view =
        container ? (promp_pycontainer_t *)PyType_GenericAlloc(self->state->container, 0) : NULL;
    if (!view) {
        promp_container_drop(&container);
        return NULL;
    }
    view->state = self->state;
    view->container = container;
    view->remote = self->remote;
    view->owner = self->owner;
    return (PyObject *)view;
}

/* _advise(advice, offset, size): advice is one of promp_advice_t. */
PyObject *promp_pycontainer_advise(promp_pycontainer_t *self, PyObject *args)
{
    int advice;
    uint64_t offset, size;
    if (!PyArg_ParseTuple(args, "iO&O&:advise", &advice, promp_state_u64, &offset, promp_state_u64, &size))
        return NULL;
    promp_container_t *container = promp_pycontainer_get(self);
    if (!container)
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    promp_container_advise(container, (promp_advice_t)advice, offset, size);
    Py_END_ALLOW_THREADS
    promp_container_drop(&container);
    Py_RETURN_NONE;
}

/* --- the buffer protocol: each view keeps what it shows --- */

int promp_pycontainer_get_buffer(promp_pycontainer_t *self, Py_buffer *view, int flags)
{
    view->obj = NULL;
    promp_container_t *container = promp_pycontainer_get(self);
    if (!container)
        return -1;
    const void *data = promp_container_data(container);
    uint64_t size = promp_container_size(container);
    if (!data && size) {
        PyErr_SetString(PyExc_BufferError,
                        "the container is not mapped in this process: use read() or open()");
        goto err0;
    }
    if (PyBuffer_FillInfo(view, (PyObject *)self, data ? (void *)data : "", (Py_ssize_t)size, 1, flags) < 0)
        goto err0;
    view->internal = container;
    return 0;

err0:
    promp_container_drop(&container);
    return -1;
}

void promp_pycontainer_release_buffer(promp_pycontainer_t *self, Py_buffer *view)
{
    (void)self;
    promp_container_t *container = view->internal;
    view->internal = NULL;
    promp_container_drop(&container);
}
