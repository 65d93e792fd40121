/* pyworker.h - the objects of a worker process: the worker and its tasks. GIL held unless said otherwise. */
#ifndef PROMP_PYTHON_PYWORKER_H
#define PROMP_PYTHON_PYWORKER_H

#include "state.h"

#include <pthread.h>
#include <stdatomic.h>

typedef struct {
    PyObject ob_base;
    promp_state_t *state;
    promp_worker_t *worker;                 /* NULL: closed */
    pthread_t main;                         /* the thread that tasks run in */
    _Atomic unsigned long long interrupted; /* task that the last interrupt was meant for */
} promp_pyworker_t;

promp_worker_t *promp_pyworker_get(promp_pyworker_t *self);

/* Opens the worker of this process: a Worker, or NULL with ProMPError. */
PyObject *promp_pyworker_open(PyObject *module);

/* One record of output. What a str holds beyond Unicode is escaped. 0, or -1 with an exception. What an aborted task
 * writes into a full queue is dropped; after the worker's end it goes to descriptor 1 or 2. */
int promp_pyoutput_write(promp_pyworker_t *self, int stream, PyObject *text);
int promp_pyoutput_write_bytes(promp_pyworker_t *self, int stream, const char *data, size_t size);

/* A text object for sys.stdout (stream 1) or sys.stderr (2); NULL with an exception. */
PyObject *promp_pyoutput_new(promp_pyworker_t *worker, int stream);

/* A Task object that owns task and keeps worker alive; task is ended as failed when NULL is returned. */
PyObject *promp_pytask_new(promp_pyworker_t *worker, promp_task_t *task);

#endif
