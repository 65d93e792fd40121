/* pycontainer.h - Pro._promp.Container, the base of Pro.Core.NTContainer. GIL held unless said otherwise. */
#ifndef PROMP_PYTHON_PYCONTAINER_H
#define PROMP_PYTHON_PYCONTAINER_H

#include <stdbool.h>
#include <sys/types.h>

#include "state.h"

typedef struct {
    PyObject ob_base;
    promp_state_t *state;
    promp_container_t *container; /* NULL: a null container */
    promp_error_t *error;         /* PyMem_Malloc; why it is null. NULL: nothing failed */
    bool remote;                  /* the manager's: its bytes cannot be replaced */
    pid_t owner;                  /* the only process that can use it; 0: its forks can, too */
} promp_pycontainer_t;

/* The container of self, kept for the caller; NULL with the reason why it is null, or RuntimeError in a fork. */
promp_container_t *promp_pycontainer_get(promp_pycontainer_t *self);
/* self as a Container; NULL with TypeError. */
promp_pycontainer_t *promp_pycontainer_of(promp_state_t *state, PyObject *object);
/* Gives self another container, which is taken over; NULL: it becomes null, because of error (may be NULL). 0; -1 with
 * MemoryError. */
int promp_pycontainer_set(promp_pycontainer_t *self, promp_container_t *container,
                          const promp_error_t *error);

/* Returns NULL with the exception for error: MemoryError, ValueError for ARGUMENT, RuntimeError in forks, else
 * NTContainerError. */
PyObject *promp_pycontainer_raise(promp_state_t *state, const promp_error_t *error);
/* A new NTContainerError, not raised. */
PyObject *promp_pycontainer_error(promp_state_t *state, const promp_error_t *error);

/* Methods by subject, joined to one table in pycontainer.c. */
#define PROMP_PYCONTAINER_METHOD(name)                                                                       \
    PyObject *promp_pycontainer_##name(promp_pycontainer_t *self, PyObject *args, PyObject *names)
PROMP_PYCONTAINER_METHOD(read);
PROMP_PYCONTAINER_METHOD(read_into);
PROMP_PYCONTAINER_METHOD(find);
PROMP_PYCONTAINER_METHOD(open_object);
PROMP_PYCONTAINER_METHOD(set_data);
PROMP_PYCONTAINER_METHOD(set_range);
PyObject *promp_pycontainer_open_file(promp_pycontainer_t *self, PyObject *args);
PyObject *promp_pycontainer_view(promp_pycontainer_t *self, PyObject *unused);
PyObject *promp_pycontainer_advise(promp_pycontainer_t *self, PyObject *args);
int promp_pycontainer_get_buffer(promp_pycontainer_t *self, Py_buffer *view, int flags);
void promp_pycontainer_release_buffer(promp_pycontainer_t *self, Py_buffer *view);
PyObject *promp_pycontainer_item(promp_pycontainer_t *self, PyObject *key);

/* serve(server): serves the reads of a container made by open_object with a thread, until that is freed. */
PyObject *promp_pycontainer_serve(PyObject *module, PyObject *server);

/* Lets go of the users' objects whose containers ended in threads of libpromp, which must not run their code. */
void promp_pycontainer_reap(promp_state_t *state);

/* Of a manager and a worker, in pycontainer_share.c. */
PyObject *promp_pyworker_container(PyObject *self, PyObject *args);

#endif
