/* Pro._promp.Manager: messages, and waiting. */
#include "pymanager.h"

PyObject *promp_pymanager_send(promp_pymanager_t *self, PyObject *args)
{
    uint32_t worker;
    unsigned id;
    Py_buffer data;
    promp_manager_t *manager = promp_pymanager_get(self);
    if (!manager || !PyArg_ParseTuple(args, "O&Iy*:send", promp_state_worker_id, &worker, &id, &data))
        return NULL;
    promp_err_t error = promp_manager_send(manager, worker, id, data.buf, (size_t)data.len);
    PyBuffer_Release(&data);
    if (error == PROMP_ERR_MEMORY)
        return promp_pymanager_raise(self, error);
    return PyBool_FromLong(error == PROMP_OK);
}

/* receive(worker) -> (id, bytes, worker) or None */
PyObject *promp_pymanager_receive(promp_pymanager_t *self, PyObject *args)
{
    uint32_t worker;
    promp_message_user_t message;
    promp_manager_t *manager = promp_pymanager_get(self);
    if (!manager || !PyArg_ParseTuple(args, "O&:receive", promp_state_worker_id, &worker))
        return NULL;
    if (!promp_manager_receive(manager, worker, &message))
        Py_RETURN_NONE;
    PyObject *made =
        Py_BuildValue("Iy#I", (unsigned)message.id, message.data ? (const char *)message.data : "",
                      (Py_ssize_t)message.size, (unsigned)message.worker);
    promp_message_user_free(&message);
    return made;
}

PyObject *promp_pymanager_has_message(promp_pymanager_t *self, PyObject *args)
{
    uint32_t worker;
    promp_manager_t *manager = promp_pymanager_get(self);
    if (!manager || !PyArg_ParseTuple(args, "O&:has_message", promp_state_worker_id, &worker))
        return NULL;
    return PyBool_FromLong(promp_manager_has_message(manager, worker));
}

/* One wait in slices, each until it gives something else than TIMEOUT or STATE. */
static PyObject *wait_in_slices(promp_pymanager_t *self, int message, uint32_t worker, int timeout)
{
    long long deadline = timeout < 0 ? -1 : promp_state_now() + timeout;
    for (;;) {
        int slice = promp_state_slice(deadline);
        promp_manager_t *manager = promp_pymanager_get(self); /* a signal's handler may have closed it */
        promp_err_t error;
        if (!manager)
            return NULL;
        self->inside++;
        Py_BEGIN_ALLOW_THREADS
        error =
            message ? promp_manager_wait_message(manager, worker, slice) : promp_manager_wait(manager, slice);
        Py_END_ALLOW_THREADS
        self->inside--;
        if (error == PROMP_OK)
            Py_RETURN_TRUE;
        if (PyErr_CheckSignals() < 0)
            return NULL;
        if (error == PROMP_ERR_NO_WORKER)
            Py_RETURN_FALSE;
        if (error != PROMP_ERR_TIMEOUT && error != PROMP_ERR_STATE)
            return promp_pymanager_raise(self, error);
        if (deadline >= 0 && promp_state_now() >= deadline)
            Py_RETURN_FALSE;
    }
}

PyObject *promp_pymanager_wait_message(promp_pymanager_t *self, PyObject *args)
{
    uint32_t worker;
    int timeout;
    if (!promp_pymanager_get(self) || !PyArg_ParseTuple(args, "O&O&:wait_message", promp_state_worker_id,
                                                        &worker, promp_state_ms, &timeout))
        return NULL;
    return wait_in_slices(self, 1, worker, timeout);
}

PyObject *promp_pymanager_wait(promp_pymanager_t *self, PyObject *args)
{
    int timeout;
    if (!promp_pymanager_get(self) || !PyArg_ParseTuple(args, "O&:wait", promp_state_ms, &timeout))
        return NULL;
    return wait_in_slices(self, 0, 0, timeout);
}
