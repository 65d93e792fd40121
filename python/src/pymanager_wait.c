/* Pro._promp.Manager: wait objects, and ending what runs. */
#include "pymanager.h"

/* What promp_manager_abort waits beyond its time-out for the node to end the worker, ms. */
#define LINGER 1000
/* Wait objects of ended workers that may gather before they are looked for. */
#define SWEEP 16

/* What libpromp gives back to the functions below. It lives in a capsule in self->waits. */
typedef struct {
    promp_pymanager_t *self;
    int timeout; /* of an abort, ms */
    PyObject
        *mirror; /* has _progress(int), _text(str), _aborted() -> bool; refers to the user's object weakly */
} wait_arg_t;

/* Calls a method of the mirror with argument, which is released and may be NULL with an exception, or none at all. The
 * call may replace the wait object, so nothing of arg is used after it. */
static PyObject *call_mirror(const wait_arg_t *arg, const char *name, PyObject *argument)
{
    promp_pymanager_t *self = arg->self;
    PyObject *mirror = Py_NewRef(arg->mirror), *result = NULL;
    if (argument)
        result = PyObject_CallMethod(mirror, name, "O", argument);
    else if (!PyErr_Occurred())
        result = PyObject_CallMethod(mirror, name, NULL);
    if (!result)
        promp_pymanager_keep(self);
    Py_XDECREF(argument);
    Py_DECREF(mirror);
    return result;
}

static void on_progress(void *arg, int value)
{
    PyGILState_STATE gil = PyGILState_Ensure();
    Py_XDECREF(call_mirror(arg, "_progress", PyLong_FromLong(value)));
    PyGILState_Release(gil);
}

static void on_text(void *arg, const char *text)
{
    PyGILState_STATE gil = PyGILState_Ensure();
    Py_XDECREF(call_mirror(arg, "_text", promp_state_text(text)));
    PyGILState_Release(gil);
}

static bool on_aborted(void *arg)
{
    PyGILState_STATE gil = PyGILState_Ensure();
    PyObject *result = call_mirror(arg, "_aborted", NULL);
    bool aborted = result == Py_True;
    Py_XDECREF(result);
    PyGILState_Release(gil);
    return aborted;
}

static void free_arg(PyObject *capsule)
{
    wait_arg_t *arg = PyCapsule_GetPointer(capsule, NULL);
    Py_XDECREF(arg->mirror);
    PyMem_Free(arg);
}

/* PROMP_ERR_NO_WORKER: there is no such worker, or all of its progress has been shown and it is not mirrored any more. */
static promp_err_t mirror_worker(promp_pymanager_t *self, uint32_t worker, wait_arg_t *arg)
{
    promp_wait_object_t wait = {.arg = arg,
                                .progress = on_progress,
                                .text = on_text,
                                .aborted = on_aborted,
                                .abort_timeout = arg->timeout};
    return promp_manager_set_wait_object(self->manager, worker, &wait);
}

/* Drops the capsules of workers that have ended, now and then, so that it costs little. 0, or -1 with an exception. */
static int sweep(promp_pymanager_t *self)
{
    if (PyDict_Size(self->waits) < self->sweep_at)
        return 0;
    PyObject *workers = PyDict_Keys(self->waits);
    Py_ssize_t count = workers ? PyList_Size(workers) : 0;
    int result = workers ? 0 : -1;
    for (Py_ssize_t i = 0; i < count && result == 0; i++) {
        PyObject *worker = PyList_GetItem(workers, i);
        wait_arg_t *arg = PyCapsule_GetPointer(PyDict_GetItem(self->waits, worker), NULL);
        uint32_t id = (uint32_t)PyLong_AsUnsignedLong(worker);
        if (mirror_worker(self, id, arg) == PROMP_ERR_NO_WORKER)
            result = PyDict_DelItem(self->waits, worker);
    }
    self->sweep_at = 2 * PyDict_Size(self->waits) + SWEEP;
    Py_XDECREF(workers);
    return result;
}

static PyObject *new_arg(promp_pymanager_t *self, PyObject *mirror)
{
    wait_arg_t *arg = PyMem_Malloc(sizeof *arg);
    if (!arg)
        return PyErr_NoMemory();
    *arg = (wait_arg_t){.self = self};
    PyObject *capsule = PyCapsule_New(arg, NULL, free_arg);
    if (capsule)
        arg->mirror = Py_NewRef(mirror);
    else
        PyMem_Free(arg);
    return capsule;
}

/* The capsule of a worker, kept by the manager: one for the worker's whole life, because a call-back that uses it may be what
 * leads here. A new reference. */
static PyObject *capsule_of(promp_pymanager_t *self, PyObject *worker, PyObject *mirror)
{
    PyObject *capsule = PyDict_GetItemWithError(self->waits, worker);
    if (capsule) {
        wait_arg_t *arg = PyCapsule_GetPointer(capsule, NULL);
        PyObject *before = arg->mirror;
        arg->mirror = Py_NewRef(mirror);
        Py_XDECREF(before);
        return Py_NewRef(capsule);
    }
    if (PyErr_Occurred() || !(capsule = new_arg(self, mirror)))
        return NULL;
    if (PyDict_SetItem(self->waits, worker, capsule) < 0)
        Py_CLEAR(capsule);
    return capsule;
}

/* set_wait(worker, mirror, abort_timeout); an unknown worker is nobody's wait object. */
PyObject *promp_pymanager_set_wait(promp_pymanager_t *self, PyObject *args)
{
    uint32_t worker;
    int timeout;
    PyObject *mirror, *key = NULL, *capsule = NULL, *result = NULL;
    promp_manager_t *manager = promp_pymanager_get(self);
    if (!manager || !PyArg_ParseTuple(args, "O&OO&:set_wait", promp_state_worker_id, &worker, &mirror,
                                      promp_state_ms, &timeout))
        return NULL;
    if (!self->waits && !(self->waits = PyDict_New()))
        return NULL;
    if (sweep(self) < 0)
        return NULL;
    if (!(key = PyLong_FromUnsignedLong(worker)) || !(capsule = capsule_of(self, key, mirror)))
        goto out;
    wait_arg_t *arg = PyCapsule_GetPointer(capsule, NULL);
    arg->timeout = timeout;
    promp_err_t error = mirror_worker(self, worker, arg);
    if (error == PROMP_ERR_NO_WORKER && PyDict_DelItem(self->waits, key) < 0)
        goto out;
    if (error == PROMP_OK || error == PROMP_ERR_NO_WORKER)
        result = Py_NewRef(Py_None);
    else
        promp_pymanager_raise(self, error);
out:
    Py_XDECREF(key);
    Py_XDECREF(capsule);
    return result;
}

/* abort(worker, timeout): until it is over, output and wait objects being served meanwhile. */
PyObject *promp_pymanager_abort(promp_pymanager_t *self, PyObject *args)
{
    uint32_t worker;
    int timeout;
    if (!promp_pymanager_get(self) ||
        !PyArg_ParseTuple(args, "O&O&:abort", promp_state_worker_id, &worker, promp_state_ms, &timeout))
        return NULL;
    long long begin = promp_state_now();
    promp_err_t error;
    for (;;) {
        long long left = timeout < 0 ? -1 : timeout - (promp_state_now() - begin);
        promp_manager_t *manager = promp_pymanager_get(self); /* a signal's handler may have closed it */
        if (!manager)
            return NULL;
        self->inside++;
        Py_BEGIN_ALLOW_THREADS
        error = promp_manager_abort(manager, worker, timeout < 0 ? timeout : left < 0 ? 0 : (int)left);
        Py_END_ALLOW_THREADS
        self->inside--;
        if (error != PROMP_ERR_STATE)
            break;
        if (PyErr_CheckSignals() < 0) /* the abort goes on by itself */
            return NULL;
        if (timeout >= 0 && promp_state_now() - begin >= (long long)timeout + LINGER) {
            error = PROMP_ERR_TIMEOUT;
            break;
        }
    }
    if (error && !self->pending[0])
        return promp_pymanager_raise(self, error);
    return promp_pymanager_done(self);
}

PyObject *promp_pymanager_abort_async(promp_pymanager_t *self, PyObject *args)
{
    uint32_t worker;
    int timeout;
    promp_manager_t *manager = promp_pymanager_get(self);
    if (!manager ||
        !PyArg_ParseTuple(args, "O&O&:abort_async", promp_state_worker_id, &worker, promp_state_ms, &timeout))
        return NULL;
    promp_err_t error = promp_manager_abort_async(manager, worker, timeout);
    return error ? promp_pymanager_raise(self, error) : Py_NewRef(Py_None);
}
