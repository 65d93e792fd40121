/* Pro._promp.Manager: its life, and the call-backs that end in Python. */
#include "pymanager.h"

#include "pycontainer.h"

#include <string.h>

/* --- call-backs of libpromp: they run in the calling thread; the GIL may or may not be held --- */

void promp_pymanager_keep(promp_pymanager_t *self)
{
    if (!self->pending[0])
        PyErr_Fetch(&self->pending[0], &self->pending[1], &self->pending[2]);
    else
        PyErr_WriteUnraisable(NULL); /* self may be on its way out */
}

PyObject *promp_pymanager_done(promp_pymanager_t *self)
{
    if (promp_state_interrupted(self->state) < 0)
        return NULL;
    if (!self->pending[0])
        Py_RETURN_NONE;
    PyErr_Restore(self->pending[0], self->pending[1], self->pending[2]);
    memset(self->pending, 0, sizeof self->pending);
    return NULL;
}

void promp_pymanager_on_output(void *arg, uint32_t worker, int stream, const char *text, size_t size)
{
    (void)worker;
    PyGILState_STATE gil = PyGILState_Ensure();
    int out = stream == PROMP_STREAM_STDOUT || stream == PROMP_STREAM_NATIVE_STDOUT;
    PyObject *target = PySys_GetObject(out ? "stdout" : "stderr"), *result = NULL;
    if (target && target != Py_None) {
        Py_INCREF(target);
        PyObject *decoded = PyUnicode_DecodeUTF8(text, (Py_ssize_t)size, "replace");
        if (decoded)
            result = PyObject_CallMethod(target, "write", "O", decoded);
        if (!result)
            promp_pymanager_keep(arg);
        Py_XDECREF(decoded);
        Py_DECREF(target);
    }
    Py_XDECREF(result);
    PyGILState_Release(gil);
}

/* --- what may be asked --- */

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
    if (promp_state_interrupted(self->state) < 0)
        return NULL;
    const promp_error_t *last = self->manager ? promp_manager_error(self->manager) : NULL;
    return promp_state_raise(self->state, error, last && last->code == error ? last->text : NULL);
}

/* check(): raises what every call would raise. */
PyObject *promp_pymanager_check(promp_pymanager_t *self, PyObject *args)
{
    (void)args;
    return promp_pymanager_get(self) ? Py_NewRef(Py_None) : NULL;
}

/* --- life --- */

static void leave_parent(promp_pymanager_t *self)
{
    if (self->parent)
        self->parent->users--;
    Py_CLEAR(self->parent);
}

static void close_manager(promp_pymanager_t *self)
{
    promp_manager_t *manager = self->manager;
    self->manager = NULL;
    if (!manager)
        return;
    Py_BEGIN_ALLOW_THREADS
    promp_manager_destroy(&manager);
    Py_END_ALLOW_THREADS
    leave_parent(self);
}

/* Manager(parent Worker or None, node_program or None, broker or None, config or None) */
static PyObject *manager_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *parent, *given, *folder, *program = NULL, *keys = NULL, *made = NULL;
    const char *broker;
    promp_state_t *state = PyType_GetModuleState(type);
    if (kwargs && PyDict_Size(kwargs)) {
        PyErr_SetString(PyExc_TypeError, "Manager takes no keyword arguments");
        return NULL;
    }
    if (!PyArg_ParseTuple(args, "OOzO:Manager", &parent, &given, &broker, &folder))
        return NULL;
    promp_manager_config_t config = {.broker = broker};
    if (parent != Py_None && !(config.parent = promp_worker_of(state, parent)))
        return NULL;
    if ((given != Py_None && !PyUnicode_FSConverter(given, &program)) ||
        (folder != Py_None && !PyUnicode_FSConverter(folder, &keys)))
        goto out;
    config.node_program = program ? PyBytes_AsString(program) : NULL;
    config.config = keys ? PyBytes_AsString(keys) : NULL;
    promp_pymanager_t *self = (promp_pymanager_t *)PyType_GenericAlloc(type, 0);
    if (!self)
        goto out;
    self->state = state;
    if (config.parent) {
        self->parent = (promp_pyworker_t *)Py_NewRef(parent);
        self->parent->users++;
    }
    promp_error_t error = {0};
    Py_BEGIN_ALLOW_THREADS
    self->manager = promp_manager_new(&config, &error);
    Py_END_ALLOW_THREADS
    if (!self->manager) {
        promp_state_raise(state, error.code, error.text);
        leave_parent(self);
        Py_DECREF((PyObject *)self);
        goto out;
    }
    promp_manager_on_output(self->manager, promp_pymanager_on_output, self);
    made = (PyObject *)self;
out:
    Py_XDECREF(program);
    Py_XDECREF(keys);
    return made;
}

static PyObject *manager_close(promp_pymanager_t *self, PyObject *unused)
{
    (void)unused;
    if (!self->manager)
        Py_RETURN_NONE;
    promp_err_t error = promp_manager_check(self->manager);
    if (error && error != PROMP_ERR_FORKED)
        return promp_state_raise(self->state, error, NULL);
    if (self->inside) {
        PyErr_SetString(PyExc_RuntimeError, "the manager is in one of its calls");
        return NULL;
    }
    close_manager(self);
    return promp_pymanager_done(self);
}

/* At the end of the interpreter: from any thread, but not under the feet of one that is inside. */
static PyObject *manager_end(promp_pymanager_t *self, PyObject *unused)
{
    (void)unused;
    if (!self->inside)
        close_manager(self);
    return promp_pymanager_done(self);
}

static int manager_traverse(promp_pymanager_t *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE((PyObject *)self));
    Py_VISIT(self->waits);
    return 0;
}

static int manager_clear(promp_pymanager_t *self)
{
    (void)
        self; /* the wait objects' capsules are needed until the manager is closed, and refer to nothing strongly */
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
    Py_CLEAR(self->waits);
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
    promp_pycontainer_reap(self->state);
    promp_err_t error;
    self->inside++;
    /* An object's read waits for its turn, and who has it may wait for the GIL. */
    Py_BEGIN_ALLOW_THREADS
    error = promp_manager_process(manager);
    Py_END_ALLOW_THREADS
    self->inside--;
    if (error && !self->pending[0])
        return promp_pymanager_raise(self, error);
    return promp_pymanager_done(self);
}

static PyMethodDef methods[] = {
    {"close", (PyCFunction)manager_close, METH_NOARGS, NULL},
    {"end", (PyCFunction)manager_end, METH_NOARGS, NULL},
#define ROW(name, flags)                                                                                     \
    {                                                                                                        \
#name, (PyCFunction)promp_pymanager_##name, flags, NULL                                              \
    }
    ROW(start, METH_VARARGS),
    ROW(stop, METH_VARARGS),
    ROW(task, METH_VARARGS),
    ROW(abort, METH_VARARGS),
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
    ROW(remote, METH_NOARGS),
    ROW(is_busy, METH_NOARGS),
    ROW(worker_alive, METH_VARARGS),
    ROW(worker_busy, METH_VARARGS),
    ROW(worker_ready, METH_VARARGS),
    ROW(workers_alive, METH_NOARGS),
    ROW(workers_busy, METH_NOARGS),
    ROW(worker_pid, METH_VARARGS),
    ROW(worker_waits, METH_VARARGS),
    ROW(last_error, METH_NOARGS),
    ROW(check, METH_NOARGS),
    ROW(share, METH_VARARGS),
    ROW(unshare, METH_VARARGS),
    ROW(shares, METH_VARARGS),
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
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = slots,
};

int promp_manager_type_add(PyObject *module, promp_state_t *state)
{
    state->manager = (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, NULL);
    return state->manager ? PyModule_AddType(module, state->manager) : -1;
}
