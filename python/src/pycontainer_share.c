/* Pro._promp.Manager and Worker: containers that are shared. */
#include "pycontainer.h"
#include "pymanager.h"

/* share(name, container) */
PyObject *promp_pymanager_share(promp_pymanager_t *self, PyObject *args)
{
    const char *name;
    PyObject *object;
    promp_manager_t *manager = promp_pymanager_get(self);
    if (!manager || !PyArg_ParseTuple(args, "sO:share", &name, &object))
        return NULL;
    promp_pycontainer_t *holder = promp_pycontainer_of(self->state, object);
    promp_container_t *container = holder ? promp_pycontainer_get(holder) : NULL;
    if (!container)
        return NULL;
    promp_err_t error = promp_manager_share(manager, name, container);
    promp_container_drop(&container);
    return error ? promp_pymanager_raise(self, error) : Py_NewRef(Py_None);
}

/* unshare(name); an unknown one is not shared either. */
PyObject *promp_pymanager_unshare(promp_pymanager_t *self, PyObject *args)
{
    const char *name;
    promp_manager_t *manager = promp_pymanager_get(self);
    if (!manager || !PyArg_ParseTuple(args, "s:unshare", &name))
        return NULL;
    promp_err_t error = promp_manager_unshare(manager, name);
    return error && error != PROMP_ERR_CONTAINER_NAME ? promp_pymanager_raise(self, error)
                                                      : Py_NewRef(Py_None);
}

/* shares(name) -> bool */
PyObject *promp_pymanager_shares(promp_pymanager_t *self, PyObject *args)
{
    const char *name;
    promp_manager_t *manager = promp_pymanager_get(self);
    if (!manager || !PyArg_ParseTuple(args, "s:shares", &name))
        return NULL;
    return PyBool_FromLong(promp_manager_shares(manager, name));
}

/* container(target, name) -> bool: target, a Container, becomes what the manager shares, or null with the reason. */
PyObject *promp_pyworker_container(PyObject *object, PyObject *args)
{
    promp_pyworker_t *self = (promp_pyworker_t *)object;
    PyObject *target;
    const char *name;
    promp_container_t *container = NULL;
    promp_error_t error;
    promp_err_t e;
    if (!PyArg_ParseTuple(args, "Os:container", &target, &name))
        return NULL;
    promp_pycontainer_t *holder = promp_pycontainer_of(self->state, target);
    if (!holder)
        return NULL;
    do {
        promp_worker_t *worker = promp_pyworker_get(self); /* a signal's handler may have closed it */
        if (!worker)
            return NULL;
        error = (promp_error_t){0};
        PyThreadState *saved = promp_pyworker_let(self);
        e = promp_worker_container(worker, name, &container, &error);
        promp_pyworker_back(self, saved);
        if (e == PROMP_ERR_STATE && PyErr_CheckSignals() < 0)
            return NULL;
    } while (e == PROMP_ERR_STATE);
    if (e == PROMP_ERR_FORKED || e == PROMP_ERR_MEMORY)
        return promp_pycontainer_raise(self->state, &error);
    if (promp_pycontainer_set(holder, container, &error) < 0)
        return NULL;
    holder->remote = container != NULL;
    return PyBool_FromLong(container != NULL);
}
