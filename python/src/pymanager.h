/* pymanager.h - Pro._promp.Manager: the calls of promp_manager_* for Pro.MP.ProManager. GIL held, let go while waiting. */
#ifndef PROMP_PYTHON_PYMANAGER_H
#define PROMP_PYTHON_PYMANAGER_H

#include "pyworker.h"
#include "state.h"

typedef struct {
    PyObject ob_base;
    promp_state_t *state;
    promp_manager_t *manager; /* NULL: closed */
    promp_pyworker_t *parent; /* NULL: a root manager */
    PyObject *waits;          /* dict: worker -> capsule with its wait object */
    Py_ssize_t sweep_at;      /* so many of them: time to look for those of ended workers */
    int inside;           /* calls under way that may let go of the GIL or call back: it must not be closed */
    PyObject *pending[3]; /* exception raised by a call-back, to be raised by the call that led to it */
} promp_pymanager_t;

/* The manager of self, or NULL with RuntimeError when it is closed, of another thread or forked. */
promp_manager_t *promp_pymanager_get(promp_pymanager_t *self);
/* NULL with the exception for the manager's last error. */
PyObject *promp_pymanager_raise(promp_pymanager_t *self, promp_err_t error);
/* In a call-back that failed: keeps the exception. */
void promp_pymanager_keep(promp_pymanager_t *self);
/* None, or NULL with the exception that a call-back raised meanwhile. */
PyObject *promp_pymanager_done(promp_pymanager_t *self);

/* promp_output_fn: writes to sys.stdout or sys.stderr. */
void promp_pymanager_on_output(void *arg, uint32_t worker, int stream, const char *text, size_t size);

/* Methods by subject, joined to one table in pymanager.c. */
#define PROMP_PYMANAGER_METHOD(name) PyObject *promp_pymanager_##name(promp_pymanager_t *self, PyObject *args)
PROMP_PYMANAGER_METHOD(start);
PROMP_PYMANAGER_METHOD(stop);
PROMP_PYMANAGER_METHOD(task);
PROMP_PYMANAGER_METHOD(abort);
PROMP_PYMANAGER_METHOD(abort_async);
PROMP_PYMANAGER_METHOD(send);
PROMP_PYMANAGER_METHOD(receive);
PROMP_PYMANAGER_METHOD(has_message);
PROMP_PYMANAGER_METHOD(wait_message);
PROMP_PYMANAGER_METHOD(has_results);
PROMP_PYMANAGER_METHOD(take_result);
PROMP_PYMANAGER_METHOD(has_errors);
PROMP_PYMANAGER_METHOD(take_error);
PROMP_PYMANAGER_METHOD(process);
PROMP_PYMANAGER_METHOD(wait);
PROMP_PYMANAGER_METHOD(fileno);
PROMP_PYMANAGER_METHOD(worker_exit);
PROMP_PYMANAGER_METHOD(set_wait);
PROMP_PYMANAGER_METHOD(set_options);
PROMP_PYMANAGER_METHOD(options);
PROMP_PYMANAGER_METHOD(set_timeout);
PROMP_PYMANAGER_METHOD(timeout);
PROMP_PYMANAGER_METHOD(level);
PROMP_PYMANAGER_METHOD(remote);
PROMP_PYMANAGER_METHOD(is_busy);
PROMP_PYMANAGER_METHOD(worker_alive);
PROMP_PYMANAGER_METHOD(worker_busy);
PROMP_PYMANAGER_METHOD(worker_ready);
PROMP_PYMANAGER_METHOD(workers_alive);
PROMP_PYMANAGER_METHOD(workers_busy);
PROMP_PYMANAGER_METHOD(worker_pid);
PROMP_PYMANAGER_METHOD(worker_waits);
PROMP_PYMANAGER_METHOD(last_error);
PROMP_PYMANAGER_METHOD(check);
PROMP_PYMANAGER_METHOD(share);
PROMP_PYMANAGER_METHOD(unshare);
PROMP_PYMANAGER_METHOD(shares);

#endif
