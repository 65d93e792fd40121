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
        uint32_t worker;                                                                                     \
        promp_manager_t *manager = promp_pymanager_get(self);                                                \
        if (!manager || !PyArg_ParseTuple(args, "O&", promp_state_worker_id, &worker))                       \
            return NULL;                                                                                     \
        return make(promp_manager_##name(manager, worker));                                                  \
    }

QUERY(is_busy, PyBool_FromLong)
QUERY(workers_alive, PyLong_FromSize_t)
QUERY(workers_busy, PyLong_FromSize_t)
QUERY(options, PyLong_FromUnsignedLong)
QUERY(timeout, PyLong_FromLong)
QUERY(level, PyLong_FromUnsignedLong)
QUERY(remote, PyBool_FromLong)
QUERY_WORKER(worker_alive, PyBool_FromLong)
QUERY_WORKER(worker_busy, PyBool_FromLong)
QUERY_WORKER(worker_ready, PyBool_FromLong)
QUERY_WORKER(worker_pid, PyLong_FromUnsignedLong)

PyObject *promp_pymanager_set_options(promp_pymanager_t *self, PyObject *args)
{
    Py_ssize_t options;
    promp_manager_t *manager = promp_pymanager_get(self);
    if (!manager || !PyArg_ParseTuple(args, "n:set_options", &options))
        return NULL;
    if (options < 0 || options > UINT32_MAX)
        return promp_state_raise(self->state, PROMP_ERR_ARGUMENT, "options are a set of ProMPOpt_*");
    promp_err_t error = promp_manager_set_options(manager, (uint32_t)options);
    return error ? promp_pymanager_raise(self, error) : Py_NewRef(Py_None);
}

PyObject *promp_pymanager_set_timeout(promp_pymanager_t *self, PyObject *args)
{
    int timeout;
    promp_manager_t *manager = promp_pymanager_get(self);
    if (!manager || !PyArg_ParseTuple(args, "O&:set_timeout", promp_state_ms, &timeout))
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

/* last_error() -> (number, text) or None */
PyObject *promp_pymanager_last_error(promp_pymanager_t *self, PyObject *args)
{
    (void)args;
    promp_manager_t *manager = promp_pymanager_get(self);
    if (!manager)
        return NULL;
    const promp_error_t *error = promp_manager_error(manager);
    if (!error->code)
        Py_RETURN_NONE;
    return Py_BuildValue("iN", (int)error->code, promp_state_text(error->text));
}

/* worker_waits(worker) -> why, or None */
PyObject *promp_pymanager_worker_waits(promp_pymanager_t *self, PyObject *args)
{
    uint32_t worker;
    char text[256];
    promp_manager_t *manager = promp_pymanager_get(self);
    if (!manager || !PyArg_ParseTuple(args, "O&:worker_waits", promp_state_worker_id, &worker))
        return NULL;
    if (!promp_manager_worker_waits(manager, worker, text))
        Py_RETURN_NONE;
    return promp_state_text(text);
}

/* worker_exit(worker) -> (cause, code, signal, memory, text, tail, lost, unsure, node) or None */
PyObject *promp_pymanager_worker_exit(promp_pymanager_t *self, PyObject *args)
{
    uint32_t worker;
    promp_worker_exit_t end;
    promp_manager_t *manager = promp_pymanager_get(self);
    if (!manager || !PyArg_ParseTuple(args, "O&:worker_exit", promp_state_worker_id, &worker))
        return NULL;
    if (!promp_manager_worker_exit(manager, worker, &end))
        Py_RETURN_NONE;
    return Py_BuildValue("iiiKNy#KNN", (int)end.cause, end.code, end.signal, (unsigned long long)end.memory,
                         promp_state_text(end.text), end.tail ? (const char *)end.tail : "",
                         (Py_ssize_t)end.tail_size, (unsigned long long)end.lost_output,
                         PyBool_FromLong(end.unsure), promp_state_text(end.node));
}
