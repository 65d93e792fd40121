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
    atomic_int inside;                      /* calls under way without the GIL */
    int users;                              /* managers and tasks that are not over: they refer to worker */
    pid_t pid;                              /* of the process that is the worker; not of its forks */
} promp_pyworker_t;

promp_worker_t *promp_pyworker_get(promp_pyworker_t *self);

/* Around a call of libpromp without the GIL: the worker is not freed meanwhile. Before the next such call the worker is
 * asked for again, since it may be closed as soon as the GIL was held between the two. */
PyThreadState *promp_pyworker_let(promp_pyworker_t *self);
void promp_pyworker_back(promp_pyworker_t *self, PyThreadState *saved);

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
