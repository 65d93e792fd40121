#include "pymanager.h"

#include <string.h>

/* --- call-backs of libpromp: they run in the calling thread; the GIL may or may not be held --- */

static void keep_exception(promp_pymanager_t *self)
{
    if (!self->pending[0])
        PyErr_Fetch(&self->pending[0], &self->pending[1], &self->pending[2]);
    else
        PyErr_WriteUnraisable((PyObject *)self);
}

static void on_output(void *arg, uint32_t worker, int stream, const char *text, size_t size)
{
    promp_pymanager_t *self = arg;
    PyGILState_STATE gil = PyGILState_Ensure();
    if (self->output && self->output != Py_None) {
        PyObject *result =
            PyObject_CallFunction(self->output, "Iiy#", (unsigned)worker, stream, text, (Py_ssize_t)size);
        if (!result)
            keep_exception(self);
        Py_XDECREF(result);
    }
    PyGILState_Release(gil);
}

promp_manager_t *promp_pymanager_get(promp_pymanager_t *self)
{
    if (!self->manager) {
        PyErr_SetString(PyExc_RuntimeError, "the manager is closed");
        return NULL;
    }
    promp_err_t error = promp_manager_check(self->manager);
    if (error) {
        promp_state_raise(self->state, error, NULL);
        return NULL;
    }
    return self->manager;
}

PyObject *promp_pymanager_raise(promp_pymanager_t *self, promp_err_t error)
{
    const promp_error_t *last = self->manager ? promp_manager_error(self->manager) : NULL;
    return promp_state_raise(self->state, error, last && last->code == error ? last->text : NULL);
}

/* --- life --- */

static PyObject *manager_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    (void)args;
    (void)kwargs;
    promp_pymanager_t *self = (promp_pymanager_t *)PyType_GenericAlloc(type, 0);
    return (PyObject *)self;
}

/* open(state_module, parent or None, node_program or None, no_start, output) */
static PyObject *manager_open(promp_pymanager_t *self, PyObject *args)
{
    PyObject *module, *parent, *output;
    const char *program;
    int no_start;
    if (!PyArg_ParseTuple(args, "OOzpO:open", &module, &parent, &program, &no_start, &output))
        return NULL;
    if (self->manager) {
        PyErr_SetString(PyExc_RuntimeError, "the manager is open");
        return NULL;
    }
    promp_manager_config_t config = {.node_program = program, .no_start = no_start};
    self->state = promp_state_of_module(module);
    Py_XDECREF(self->module);
    self->module = Py_NewRef(module);
    Py_XDECREF(self->output);
    self->output = Py_NewRef(output);
    if (parent != Py_None && !(config.parent = promp_worker_of(self->state, parent)))
        return NULL;
    promp_error_t error = {0};
    Py_BEGIN_ALLOW_THREADS self->manager = promp_manager_new(&config, &error);
    Py_END_ALLOW_THREADS if (!self->manager) return promp_state_raise(self->state, error.code, error.text);
    promp_manager_on_output(self->manager, on_output, self);
    Py_RETURN_NONE;
}

static void close_manager(promp_pymanager_t *self)
{
    promp_manager_t *manager = self->manager;
    self->manager = NULL;
    if (!manager)
        return;
    Py_BEGIN_ALLOW_THREADS promp_manager_destroy(&manager);
    Py_END_ALLOW_THREADS
}

static PyObject *raise_pending(promp_pymanager_t *self)
{
    if (!self->pending[0])
        Py_RETURN_NONE;
    PyErr_Restore(self->pending[0], self->pending[1], self->pending[2]);
    memset(self->pending, 0, sizeof self->pending);
    return NULL;
}

static PyObject *manager_close(promp_pymanager_t *self, PyObject *unused)
{
    (void)unused;
    close_manager(self);
    return raise_pending(self);
}

static int manager_traverse(promp_pymanager_t *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE((PyObject *)self));
    Py_VISIT(self->module);
    Py_VISIT(self->output);
    Py_VISIT(self->waits);
    return 0;
}

static int manager_clear(promp_pymanager_t *self)
{
    Py_CLEAR(self->output);
    Py_CLEAR(self->waits);
    return 0;
}

static void manager_dealloc(promp_pymanager_t *self)
{
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    PyObject_GC_UnTrack(self);
    PyObject *kept[3];
    PyErr_Fetch(&kept[0], &kept[1], &kept[2]);
    close_manager(self);
    if (self->pending[0]) {
        PyErr_Restore(self->pending[0], self->pending[1], self->pending[2]);
        PyErr_WriteUnraisable(NULL);
    }
    PyErr_Restore(kept[0], kept[1], kept[2]);
    manager_clear(self);
    Py_CLEAR(self->module);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

PyObject *promp_pymanager_process(promp_pymanager_t *self, PyObject *args)
{
    (void)args;
    promp_manager_t *manager = promp_pymanager_get(self);
    if (!manager)
        return NULL;
    promp_err_t error = promp_manager_process(manager);
    if (self->pending[0])
        return raise_pending(self);
    if (error)
        return promp_pymanager_raise(self, error);
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"open", (PyCFunction)manager_open, METH_VARARGS, NULL},
    {"close", (PyCFunction)manager_close, METH_NOARGS, NULL},
#define ROW(name, flags)                                                                                     \
    {                                                                                                        \
#name, (PyCFunction)promp_pymanager_##name, flags, NULL                                              \
    }
    ROW(start, METH_VARARGS),
    ROW(stop, METH_VARARGS),
    ROW(task, METH_VARARGS),
    ROW(abort_async, METH_VARARGS),
    ROW(send, METH_VARARGS),
    ROW(receive, METH_VARARGS),
    ROW(has_message, METH_VARARGS),
    ROW(wait_message, METH_VARARGS),
    ROW(has_results, METH_NOARGS),
    ROW(take_result, METH_VARARGS),
    ROW(has_errors, METH_NOARGS),
    ROW(take_error, METH_VARARGS),
    ROW(process, METH_NOARGS),
    ROW(wait, METH_VARARGS),
    ROW(fileno, METH_NOARGS),
    ROW(worker_exit, METH_VARARGS),
    ROW(set_wait, METH_VARARGS),
    ROW(set_options, METH_VARARGS),
    ROW(options, METH_NOARGS),
    ROW(set_timeout, METH_VARARGS),
    ROW(timeout, METH_NOARGS),
    ROW(level, METH_NOARGS),
    ROW(is_busy, METH_NOARGS),
    ROW(worker_alive, METH_VARARGS),
    ROW(worker_busy, METH_VARARGS),
    ROW(worker_ready, METH_VARARGS),
    ROW(workers_alive, METH_NOARGS),
    ROW(workers_busy, METH_NOARGS),
    ROW(worker_pid, METH_VARARGS),
    ROW(last_error, METH_NOARGS),
#undef ROW
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_new, manager_new},
    {Py_tp_dealloc, manager_dealloc},
    {Py_tp_traverse, manager_traverse},
    {Py_tp_clear, manager_clear},
    {Py_tp_methods, methods},
    {Py_tp_doc, "The calls of libpromp's manager; see Pro.MP.ProManager."},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "Pro._promp.Manager",
    .basicsize = sizeof(promp_pymanager_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = slots,
};

int promp_manager_type_add(PyObject *module, promp_state_t *state)
{
    state->manager = (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, NULL);
    return state->manager ? PyModule_AddType(module, state->manager) : -1;
}
