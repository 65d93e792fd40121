/* state.h - what the extension module Pro._promp keeps: types and exceptions made at import. One per interpreter. */
#ifndef PROMP_PYTHON_STATE_H
#define PROMP_PYTHON_STATE_H

#ifndef Py_LIMITED_API
#define Py_LIMITED_API 0x030B0000
#endif
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "promp.h"

typedef struct {
    PyObject *error;       /* Pro._promp.ProMPError, a subclass of RuntimeError */
    PyTypeObject *manager; /* Pro._promp.Manager */
    PyTypeObject *worker;  /* Pro._promp.Worker */
    PyTypeObject *task;    /* Pro._promp.Task */
    PyObject *to_bytes;    /* int.to_bytes */
    PyObject *from_bytes;  /* int.from_bytes */
} promp_state_t;

promp_state_t *promp_state_of_module(PyObject *module);

/* Sets a Python exception for error and returns NULL: ARGUMENT and MESSAGE_ID give ValueError, VALUE_* TypeError or
 * ValueError, MEMORY MemoryError, THREAD, FORKED, CLOSED, STATE RuntimeError, all else ProMPError(text) with
 * attributes number, name and text. text may be NULL. */
PyObject *promp_state_raise(promp_state_t *state, promp_err_t error, const char *text);

/* The worker inside a Worker object; NULL with an exception when it is another kind of object or closed. */
promp_worker_t *promp_worker_of(promp_state_t *state, PyObject *object);

/* How long a waiting call sleeps at most before it looks for signals again, ms. A signal that comes between that look and
 * the system call would otherwise be noticed only at the end of the wait. */
#define PROMP_PY_SLICE 200

/* Types, made by the module's exec slot. 0, or -1 with an exception. */
int promp_manager_type_add(PyObject *module, promp_state_t *state);
int promp_worker_type_add(PyObject *module, promp_state_t *state);
int promp_task_type_add(PyObject *module, promp_state_t *state);

#endif
