/* state.h - what the extension module Pro._promp keeps: types and exceptions made at import. One per interpreter. */
#ifndef PROMP_PYTHON_STATE_H
#define PROMP_PYTHON_STATE_H

#ifndef Py_LIMITED_API
#define Py_LIMITED_API 0x030B0000
#endif
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "promp.h"

#include <pthread.h>
#include <stdatomic.h>

typedef struct {
    PyObject *error;           /* Pro._promp.ProMPError, a subclass of RuntimeError */
    PyTypeObject *manager;     /* Pro._promp.Manager */
    PyTypeObject *worker;      /* Pro._promp.Worker */
    PyTypeObject *task;        /* Pro._promp.Task */
    PyTypeObject *output;      /* Pro._promp.Output */
    PyTypeObject *buffer;      /* Pro._promp.OutputBuffer */
    PyTypeObject *container;   /* Pro._promp.Container */
    PyObject *container_error; /* Pro.Core.NTContainerError, a subclass of error and of OSError */
    /* KeyboardInterrupt and its kind, raised in a call-back that can only fail, and the thread to go on with it. */
    PyObject *interrupt[3];
    pthread_t interrupted;
    _Atomic(struct promp_pysource *) ended; /* users' objects to be let go of; see promp_pycontainer_reap() */
    /* int's own methods, which no subclass can replace */
    PyObject *to_bytes, *from_bytes, *bit_length, *invert;
} promp_state_t;

promp_state_t *promp_state_of_module(PyObject *module);
/* Of an object whose type this module made; such types cannot be derived from. */
promp_state_t *promp_state_of(PyObject *object);
/* Of a type of this module, or of one that is derived from it; NULL with TypeError. */
promp_state_t *promp_state_of_base(PyTypeObject *type);

/* Sets a Python exception for error and returns NULL: ARGUMENT and MESSAGE_ID give ValueError, VALUE_* TypeError or
 * ValueError, MEMORY MemoryError, THREAD, FORKED, CLOSED, STATE RuntimeError, all else ProMPError(text) with
 * attributes number and name. text may be NULL. */
PyObject *promp_state_raise(promp_state_t *state, promp_err_t error, const char *text);

/* A str of what libpromp says; where paths in it are no UTF-8, or a long one was cut within a character, something is
 * replaced. NULL with an exception. */
PyObject *promp_state_text(const char *text);

/* A ProMPError with attributes number and name, a new reference, not raised; takes the reference to text, which may be
 * NULL with an exception. */
PyObject *promp_state_error(promp_state_t *state, int number, const char *name, PyObject *text);
/* Likewise of another class. */
PyObject *promp_state_exception(PyObject *type, int number, const char *name, PyObject *text);

/* An exception is set in a call-back whose caller will call promp_state_interrupted: takes it. */
void promp_state_interrupt(promp_state_t *state);
/* -1 with the exception that a call-back in this thread left, else 0. */
int promp_state_interrupted(promp_state_t *state);

/* The worker inside a Worker object; NULL with an exception when it is another kind of object or closed. */
promp_worker_t *promp_worker_of(promp_state_t *state, PyObject *object);

/* Converters for "O&". An offset or size (uint64_t *): ValueError where it is negative, cut to what fits. A worker's id (uint32_t *): an int that is no id at all becomes PROMP_WORKER_INVALID, the id of nobody.
 * A time (int *): milliseconds, cut to what an int holds. All: TypeError for what is no int. */
int promp_state_u64(PyObject *object, void *number);
int promp_state_worker_id(PyObject *object, void *id);
int promp_state_ms(PyObject *object, void *ms);

/* CLOCK_MONOTONIC in milliseconds. */
long long promp_state_now(void);

/* How long a waiting call sleeps at most before it looks for signals again, ms. A signal that comes between that look and
 * the system call would otherwise be noticed only at the end of the wait. */
#define PROMP_PY_SLICE 200
/* What is left of a wait, at most a slice; deadline -1: none. */
int promp_state_slice(long long deadline);

/* Types, made by the module's exec slot. 0, or -1 with an exception. */
int promp_manager_type_add(PyObject *module, promp_state_t *state);
int promp_worker_type_add(PyObject *module, promp_state_t *state);
int promp_task_type_add(PyObject *module, promp_state_t *state);
int promp_output_types_add(PyObject *module, promp_state_t *state);
int promp_container_type_add(PyObject *module, promp_state_t *state);

#endif
