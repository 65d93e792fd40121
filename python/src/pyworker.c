/* Pro._promp.Worker: the calls of promp_worker_* for Pro.MP.ProWorker and for the worker's main loop. */
#include "pyworker.h"

#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "pycontainer.h"
#include "pyvalue.h"

/* How long the end waits for calls of other threads, ms. */
#define LINGER 1000

promp_worker_t *promp_worker_of(promp_state_t *state, PyObject *object)
{
    if (!PyObject_TypeCheck(object, state->worker)) {
        PyErr_SetString(PyExc_TypeError, "not a worker");
        return NULL;
    }
    return promp_pyworker_get((promp_pyworker_t *)object);
}

promp_worker_t *promp_pyworker_get(promp_pyworker_t *self)
{
    if (!self->worker)
        PyErr_SetString(PyExc_RuntimeError, "the worker is closed");
    return self->worker;
}

PyThreadState *promp_pyworker_let(promp_pyworker_t *self)
{
    atomic_fetch_add(&self->inside, 1);
    return PyEval_SaveThread();
}

void promp_pyworker_back(promp_pyworker_t *self, PyThreadState *saved)
{
    atomic_fetch_sub(&self->inside, 1); /* first: at the end of the interpreter the GIL may never come back */
    PyEval_RestoreThread(saved);
}

/* Runs in the thread that drives the link, without the GIL: only a signal to the main thread. */
static void on_interrupt(void *arg, uint64_t task)
{
    promp_pyworker_t *self = arg;
    atomic_store(&self->interrupted, task);
    pthread_kill(self->main, SIGINT);
}

PyObject *promp_pyworker_open(PyObject *module)
{
    promp_state_t *state = promp_state_of_module(module);
    promp_error_t error = {0};
    promp_worker_t *worker;
    Py_BEGIN_ALLOW_THREADS
    worker = promp_worker_open(&error);
    Py_END_ALLOW_THREADS
    if (!worker)
        return promp_state_raise(state, error.code, error.text);
    promp_pyworker_t *self = (promp_pyworker_t *)PyType_GenericAlloc(state->worker, 0);
    if (!self) {
        promp_worker_close(&worker);
        return NULL;
    }
    self->state = state;
    self->worker = worker;
    self->main = pthread_self();
    self->pid = getpid();
    promp_worker_on_interrupt(worker, on_interrupt, self);
    return (PyObject *)self;
}

static PyObject *refuse_error(promp_pyworker_t *self, promp_err_t error)
{
    return promp_state_raise(self->state, error, NULL);
}

/* next() -> Task, or None when the worker shall end. Signals are looked at between slices. */
static PyObject *worker_next(promp_pyworker_t *self, PyObject *unused)
{
    (void)unused;
    for (;;) {
        promp_worker_t *worker = promp_pyworker_get(self);
        promp_task_t *task = NULL;
        if (!worker)
            return NULL;
        PyThreadState *saved = promp_pyworker_let(self);
        promp_err_t error = promp_worker_next(worker, -1, &task);
        promp_pyworker_back(self, saved);
        if (error == PROMP_OK)
            return promp_pytask_new(self, task);
        if (error == PROMP_ERR_CLOSED)
            Py_RETURN_NONE;
        if (PyErr_CheckSignals() < 0)
            return NULL;
        if (error != PROMP_ERR_STATE && error != PROMP_ERR_TIMEOUT)
            return refuse_error(self, error);
    }
}

/* interrupted() -> number of the task that an interrupt was meant for, 0: none so far */
static PyObject *worker_interrupted(promp_pyworker_t *self, PyObject *unused)
{
    (void)unused;
    return PyLong_FromUnsignedLongLong(atomic_load(&self->interrupted));
}

/* True when no other thread is in a call any more. A stop ends such calls at once; else they end by their slices. */
static bool wait_for_others(promp_pyworker_t *self)
{
    const struct timespec nap = {.tv_nsec = 1000000};
    long long deadline = promp_state_now() + LINGER;
    while (atomic_load(&self->inside) && promp_state_now() < deadline)
        nanosleep(&nap, NULL);
    return !atomic_load(&self->inside);
}

/* At the end of the process daemon threads may still be in calls, and managers of theirs open: then what is queued is
 * sent, and the memory is left to the system. */
static void close_worker(promp_pyworker_t *self)
{
    promp_worker_t *worker = self->worker;
    self->worker = NULL;
    if (!worker)
        return;
    bool used = self->users > 0, is_fork = self->pid != getpid(); /* where nobody but us came along */
    Py_BEGIN_ALLOW_THREADS
    if (is_fork || (wait_for_others(self) && !used)) {
        promp_worker_close(&worker);
    } else {
        promp_worker_on_interrupt(worker, NULL, NULL); /* we may be gone before the worker is */
        promp_worker_flush(worker);
    }
    Py_END_ALLOW_THREADS
}

static PyObject *worker_close(promp_pyworker_t *self, PyObject *unused)
{
    (void)unused;
    close_worker(self);
    Py_RETURN_NONE;
}

/* print(stream, text) */
static PyObject *worker_print(promp_pyworker_t *self, PyObject *args)
{
    int stream;
    PyObject *text;
    if (!promp_pyworker_get(self) || !PyArg_ParseTuple(args, "iU:print", &stream, &text))
        return NULL;
    if (stream != PROMP_STREAM_STDOUT && stream != PROMP_STREAM_STDERR)
        return refuse_error(self, PROMP_ERR_ARGUMENT);
    return promp_pyoutput_write(self, stream, text) < 0 ? NULL : Py_NewRef(Py_None);
}

/* output(stream) -> an object for sys.stdout or sys.stderr */
static PyObject *worker_output(promp_pyworker_t *self, PyObject *args)
{
    int stream;
    if (!promp_pyworker_get(self) || !PyArg_ParseTuple(args, "i:output", &stream))
        return NULL;
    if (stream != PROMP_STREAM_STDOUT && stream != PROMP_STREAM_STDERR)
        return refuse_error(self, PROMP_ERR_ARGUMENT);
    return promp_pyoutput_new(self, stream);
}

static PyObject *worker_send(promp_pyworker_t *self, PyObject *args)
{
    unsigned id;
    Py_buffer data;
    promp_worker_t *worker = promp_pyworker_get(self);
    if (!worker || !PyArg_ParseTuple(args, "Iy*:send", &id, &data))
        return NULL;
    PyThreadState *saved = promp_pyworker_let(self);
    promp_err_t error = promp_worker_send(worker, id, data.buf, (size_t)data.len);
    promp_pyworker_back(self, saved);
    PyBuffer_Release(&data);
    if (error == PROMP_ERR_MEMORY)
        return PyErr_NoMemory();
    return PyBool_FromLong(error == PROMP_OK);
}

static PyObject *worker_receive(promp_pyworker_t *self, PyObject *unused)
{
    (void)unused;
    promp_message_user_t message;
    promp_worker_t *worker = promp_pyworker_get(self);
    if (!worker)
        return NULL;
    if (!promp_worker_receive(worker, &message))
        Py_RETURN_NONE;
    PyObject *made = Py_BuildValue("Iy#", (unsigned)message.id,
                                   message.data ? (const char *)message.data : "", (Py_ssize_t)message.size);
    promp_message_user_free(&message);
    return made;
}

static PyObject *worker_wait_message(promp_pyworker_t *self, PyObject *args)
{
    int timeout;
    if (!promp_pyworker_get(self) || !PyArg_ParseTuple(args, "O&:wait_message", promp_state_ms, &timeout))
        return NULL;
    long long deadline = timeout < 0 ? -1 : promp_state_now() + timeout;
    for (;;) {
        promp_worker_t *worker = promp_pyworker_get(self);
        if (!worker)
            return NULL;
        PyThreadState *saved = promp_pyworker_let(self);
        promp_err_t error = promp_worker_wait_message(worker, promp_state_slice(deadline));
        promp_pyworker_back(self, saved);
        if (error == PROMP_OK)
            Py_RETURN_TRUE;
        if (PyErr_CheckSignals() < 0)
            return NULL;
        if (error == PROMP_ERR_FORKED)
            return refuse_error(self, error);
        if (error != PROMP_ERR_TIMEOUT && error != PROMP_ERR_STATE)
            Py_RETURN_FALSE; /* stop or abort came */
        if (deadline >= 0 && promp_state_now() >= deadline)
            Py_RETURN_FALSE;
    }
}

#define QUERY(name, make)                                                                                    \
    static PyObject *worker_##name(promp_pyworker_t *self, PyObject *unused)                                 \
    {                                                                                                        \
        (void)unused;                                                                                        \
        promp_worker_t *worker = promp_pyworker_get(self);                                                   \
        return worker ? make(promp_worker_##name(worker)) : NULL;                                            \
    }
QUERY(id, PyLong_FromUnsignedLong)
QUERY(level, PyLong_FromUnsignedLong)
QUERY(options, PyLong_FromUnsignedLong)
QUERY(timeout, PyLong_FromLong)
QUERY(is_busy, PyBool_FromLong)
QUERY(stopped, PyBool_FromLong)
QUERY(aborted, PyBool_FromLong)
QUERY(has_message, PyBool_FromLong)
QUERY(address, PyUnicode_DecodeFSDefault)

static PyObject *worker_extra(promp_pyworker_t *self, PyObject *unused)
{
    (void)unused;
    size_t size;
    promp_worker_t *worker = promp_pyworker_get(self);
    if (!worker)
        return NULL;
    const uint8_t *data = promp_worker_extra(worker, &size);
    return size ? promp_pyvalue_decode(self->state, data, size) : Py_NewRef(Py_None);
}

static PyObject *worker_progress(promp_pyworker_t *self, PyObject *args)
{
    int value;
    promp_worker_t *worker = promp_pyworker_get(self);
    if (!worker || !PyArg_ParseTuple(args, "i:progress", &value))
        return NULL;
    promp_err_t error = promp_worker_progress(worker, value);
    return error == PROMP_ERR_MEMORY ? PyErr_NoMemory() : Py_NewRef(Py_None);
}

static PyObject *worker_text(promp_pyworker_t *self, PyObject *args)
{
    const char *text;
    promp_worker_t *worker = promp_pyworker_get(self);
    if (!worker || !PyArg_ParseTuple(args, "s:text", &text))
        return NULL;
    promp_err_t error = promp_worker_text(worker, text);
    return error == PROMP_ERR_MEMORY ? PyErr_NoMemory() : Py_NewRef(Py_None);
}

static void worker_dealloc(promp_pyworker_t *self)
{
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    close_worker(self);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

static PyMethodDef methods[] = {
#define ROW(name, flags)                                                                                     \
    {                                                                                                        \
#name, (PyCFunction)worker_##name, flags, NULL                                                       \
    }
    ROW(next, METH_NOARGS),
    ROW(interrupted, METH_NOARGS),
    ROW(close, METH_NOARGS),
    ROW(print, METH_VARARGS),
    ROW(send, METH_VARARGS),
    ROW(receive, METH_NOARGS),
    ROW(has_message, METH_NOARGS),
    ROW(wait_message, METH_VARARGS),
    ROW(id, METH_NOARGS),
    ROW(level, METH_NOARGS),
    ROW(options, METH_NOARGS),
    ROW(timeout, METH_NOARGS),
    ROW(is_busy, METH_NOARGS),
    ROW(stopped, METH_NOARGS),
    ROW(aborted, METH_NOARGS),
    ROW(address, METH_NOARGS),
    ROW(extra, METH_NOARGS),
    ROW(progress, METH_VARARGS),
    ROW(text, METH_VARARGS),
    ROW(output, METH_VARARGS),
#undef ROW
    {"container", promp_pyworker_container, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_dealloc, worker_dealloc},
    {Py_tp_methods, methods},
    {Py_tp_doc, "The calls of libpromp's worker; see Pro.MP.ProWorker."},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "Pro._promp.Worker",
    .basicsize = sizeof(promp_pyworker_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = slots,
};

int promp_worker_type_add(PyObject *module, promp_state_t *state)
{
    state->worker = (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, NULL);
    return state->worker ? PyModule_AddType(module, state->worker) : -1;
}
