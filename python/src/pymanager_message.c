#include "pymanager.h"

#include <time.h>

static long long now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

PyObject *promp_pymanager_send(promp_pymanager_t *self, PyObject *args)
{
    unsigned worker, id;
    Py_buffer data;
    promp_manager_t *manager = promp_pymanager_get(self);
    if (!manager || !PyArg_ParseTuple(args, "IIy*:send", &worker, &id, &data))
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
    unsigned worker;
    promp_message_user_t message;
    promp_manager_t *manager = promp_pymanager_get(self);
    if (!manager || !PyArg_ParseTuple(args, "I:receive", &worker))
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
    unsigned worker;
    promp_manager_t *manager = promp_pymanager_get(self);
    if (!manager || !PyArg_ParseTuple(args, "I:has_message", &worker))
        return NULL;
    return PyBool_FromLong(promp_manager_has_message(manager, worker));
}

/* One wait in slices: call(manager, worker, slice) until it gives something else than TIMEOUT or STATE. */
static PyObject *wait_in_slices(promp_pymanager_t *self, promp_manager_t *manager, int message,
                                unsigned worker, int timeout)
{
    long long deadline = timeout < 0 ? -1 : now_ms() + timeout;
    for (;;) {
        long long left = deadline < 0 ? PROMP_PY_SLICE : deadline - now_ms();
        int slice = left < 0 ? 0 : left > PROMP_PY_SLICE ? PROMP_PY_SLICE : (int)left;
        promp_err_t error;
        Py_BEGIN_ALLOW_THREADS error =
            message ? promp_manager_wait_message(manager, worker, slice) : promp_manager_wait(manager, slice);
        Py_END_ALLOW_THREADS if (error == PROMP_OK) Py_RETURN_TRUE;
        if (PyErr_CheckSignals() < 0)
            return NULL;
        if (error != PROMP_ERR_TIMEOUT && error != PROMP_ERR_STATE) {
            if (error == PROMP_ERR_NO_WORKER)
                Py_RETURN_FALSE;
            return promp_pymanager_raise(self, error);
        }
        if (deadline >= 0 && now_ms() >= deadline)
            Py_RETURN_FALSE;
    }
}

PyObject *promp_pymanager_wait_message(promp_pymanager_t *self, PyObject *args)
{
    unsigned worker;
    int timeout;
    promp_manager_t *manager = promp_pymanager_get(self);
    if (!manager || !PyArg_ParseTuple(args, "Ii:wait_message", &worker, &timeout))
        return NULL;
    return wait_in_slices(self, manager, 1, worker, timeout);
}

PyObject *promp_pymanager_wait(promp_pymanager_t *self, PyObject *args)
{
    int timeout;
    promp_manager_t *manager = promp_pymanager_get(self);
    if (!manager || !PyArg_ParseTuple(args, "i:wait", &timeout))
        return NULL;
    return wait_in_slices(self, manager, 0, 0, timeout);
}
