#include "pymanager.h"

#define QUERY(name, make)                                                                                    \
    PyObject *promp_pymanager_##name(promp_pymanager_t *self, PyObject *args)                                \
    {                                                                                                        \
        (void)args;                                                                                          \
        promp_manager_t *manager = promp_pymanager_get(self);                                                \
        return manager ? make(promp_manager_##name(manager)) : NULL;                                         \
    }
#define QUERY_WORKER(name, make)                                                                             \
    PyObject *promp_pymanager_##name(promp_pymanager_t *self, PyObject *args)                                \
    {                                                                                                        \
        unsigned worker;                                                                                     \
        promp_manager_t *manager = promp_pymanager_get(self);                                                \
        if (!manager || !PyArg_ParseTuple(args, "I", &worker))                                               \
            return NULL;                                                                                     \
        return make(promp_manager_##name(manager, worker));                                                  \
    }

QUERY(is_busy, PyBool_FromLong)
QUERY(workers_alive, PyLong_FromSize_t)
QUERY(workers_busy, PyLong_FromSize_t)
QUERY(options, PyLong_FromUnsignedLong)
QUERY(timeout, PyLong_FromLong)
QUERY(level, PyLong_FromUnsignedLong)
QUERY_WORKER(worker_alive, PyBool_FromLong)
QUERY_WORKER(worker_busy, PyBool_FromLong)
QUERY_WORKER(worker_ready, PyBool_FromLong)
QUERY_WORKER(worker_pid, PyLong_FromUnsignedLong)

PyObject *promp_pymanager_set_options(promp_pymanager_t *self, PyObject *args)
{
    unsigned options;
    promp_manager_t *manager = promp_pymanager_get(self);
    if (!manager || !PyArg_ParseTuple(args, "I:set_options", &options))
        return NULL;
    promp_err_t error = promp_manager_set_options(manager, options);
    return error ? promp_pymanager_raise(self, error) : Py_NewRef(Py_None);
}

PyObject *promp_pymanager_set_timeout(promp_pymanager_t *self, PyObject *args)
{
    int timeout;
    promp_manager_t *manager = promp_pymanager_get(self);
    if (!manager || !PyArg_ParseTuple(args, "i:set_timeout", &timeout))
        return NULL;
    promp_err_t error = promp_manager_set_timeout(manager, timeout);
    return error ? promp_pymanager_raise(self, error) : Py_NewRef(Py_None);
}

PyObject *promp_pymanager_fileno(promp_pymanager_t *self, PyObject *args)
{
    (void)args;
    promp_manager_t *manager = promp_pymanager_get(self);
    if (!manager)
        return NULL;
    int fd = promp_manager_fd(manager);
    return fd < 0 ? promp_pymanager_raise(self, PROMP_ERR_DESCRIPTORS) : PyLong_FromLong(fd);
}

/* last_error() -> (number, name, text) or None */
PyObject *promp_pymanager_last_error(promp_pymanager_t *self, PyObject *args)
{
    (void)args;
    promp_manager_t *manager = promp_pymanager_get(self);
    if (!manager)
        return NULL;
    const promp_error_t *error = promp_manager_error(manager);
    if (!error->code)
        Py_RETURN_NONE;
    return Py_BuildValue("iss", (int)error->code, promp_error_name(error->code), error->text);
}

/* worker_exit(worker) -> (cause, code, signal, memory, text, tail, lost) or None */
PyObject *promp_pymanager_worker_exit(promp_pymanager_t *self, PyObject *args)
{
    unsigned worker;
    promp_worker_exit_t end;
    promp_manager_t *manager = promp_pymanager_get(self);
    if (!manager || !PyArg_ParseTuple(args, "I:worker_exit", &worker))
        return NULL;
    if (!promp_manager_worker_exit(manager, worker, &end))
        Py_RETURN_NONE;
    return Py_BuildValue("iiiKsy#K", (int)end.cause, end.code, end.signal, (unsigned long long)end.memory,
                         end.text, end.tail ? (const char *)end.tail : "", (Py_ssize_t)end.tail_size,
                         (unsigned long long)end.lost_output);
}

/* --- wait objects: the Python object is kept in a dict by worker; libpromp's struct carries only the manager --- */

typedef struct {
    promp_pymanager_t *self;
    uint32_t worker;
} wait_arg_t;

/* The mirror object of a worker, a new reference; NULL without an exception when there is none. */
static PyObject *mirror_of(const wait_arg_t *wait)
{
    PyObject *key = PyLong_FromUnsignedLong(wait->worker), *mirror = NULL;
    if (key && wait->self->waits)
        mirror = PyDict_GetItemWithError(wait->self->waits, key);
    Py_XINCREF(mirror);
    Py_XDECREF(key);
    return mirror;
}

static PyObject *call_mirror(const wait_arg_t *wait, const char *method, const char *format, const void *text,
                             int value)
{
    PyObject *mirror = mirror_of(wait), *result = NULL;
    if (mirror)
        result = text     ? PyObject_CallMethod(mirror, method, format, text)
                 : format ? PyObject_CallMethod(mirror, method, format, value)
                          : PyObject_CallMethod(mirror, method, NULL);
    if (!result && PyErr_Occurred()) {
        if (!wait->self->pending[0])
            PyErr_Fetch(&wait->self->pending[0], &wait->self->pending[1], &wait->self->pending[2]);
        else
            PyErr_WriteUnraisable(mirror);
    }
    Py_XDECREF(mirror);
    return result;
}

static void on_progress(void *arg, int value)
{
    PyGILState_STATE gil = PyGILState_Ensure();
    Py_XDECREF(call_mirror(arg, "_progress", "i", NULL, value));
    PyGILState_Release(gil);
}

static void on_text(void *arg, const char *text)
{
    PyGILState_STATE gil = PyGILState_Ensure();
    Py_XDECREF(call_mirror(arg, "_text", "s", text, 0));
    PyGILState_Release(gil);
}

static bool on_aborted(void *arg)
{
    PyGILState_STATE gil = PyGILState_Ensure();
    PyObject *result = call_mirror(arg, "_aborted", NULL, NULL, 0);
    bool aborted = result && PyObject_IsTrue(result) > 0;
    Py_XDECREF(result);
    PyGILState_Release(gil);
    return aborted;
}

static void free_wait_arg(PyObject *capsule)
{
    PyMem_Free(PyCapsule_GetPointer(capsule, NULL));
}

/* set_wait(worker, mirror or None, abort_timeout): mirror has _progress(int), _text(str), _aborted() -> bool */
PyObject *promp_pymanager_set_wait(promp_pymanager_t *self, PyObject *args)
{
    unsigned worker;
    PyObject *mirror, *key = NULL, *capsule = NULL;
    int abort_timeout;
    promp_manager_t *manager = promp_pymanager_get(self);
    if (!manager || !PyArg_ParseTuple(args, "IOi:set_wait", &worker, &mirror, &abort_timeout))
        return NULL;
    if (!self->waits && !(self->waits = PyDict_New()))
        return NULL;
    if (!(key = PyLong_FromUnsignedLong(worker)))
        return NULL;
    wait_arg_t *arg = NULL;
    promp_wait_object_t wait = {
        .progress = on_progress, .text = on_text, .aborted = on_aborted, .abort_timeout = abort_timeout};
    if (mirror != Py_None) {
        /* The argument lives as long as the manager: a capsule of it stays in the dict under a key of its own. */
        if (!(arg = PyMem_Malloc(sizeof *arg)) || !(capsule = PyCapsule_New(arg, NULL, free_wait_arg))) {
            PyMem_Free(arg);
            Py_DECREF(key);
            return PyErr_Occurred() ? NULL : PyErr_NoMemory();
        }
        *arg = (wait_arg_t){self, worker};
        wait.arg = arg;
        PyObject *held = PyTuple_Pack(2, Py_None, key);
        int failed = !held || PyDict_SetItem(self->waits, held, capsule) < 0 ||
                     PyDict_SetItem(self->waits, key, mirror) < 0;
        Py_XDECREF(held);
        Py_DECREF(capsule);
        if (failed) {
            Py_DECREF(key);
            return NULL;
        }
    } else if (PyDict_GetItemWithError(self->waits, key)) {
        PyDict_DelItem(self->waits, key);
    }
    Py_DECREF(key);
    promp_err_t error = promp_manager_set_wait_object(manager, worker, mirror == Py_None ? NULL : &wait);
    return error && error != PROMP_ERR_NO_WORKER ? promp_pymanager_raise(self, error) : Py_NewRef(Py_None);
}
