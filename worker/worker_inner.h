/* worker_inner.h - the struct behind promp_worker_t, for the files of the worker's shell only. */
#ifndef PROMP_WORKER_INNER_H
#define PROMP_WORKER_INNER_H

#include "halves.h"
#include "limits.h"
#include "worker_core.h"

/* A pipe to which native code writes as descriptor 1 or 2. Under the hub's lock. */
typedef struct {
    promp_worker_t *worker;
    int fd;           /* read end; -1: at its end */
    int stream;       /* PROMP_STREAM_NATIVE_* */
    bool watched;     /* the driving thread polls it */
    size_t part;      /* bytes of an unfinished line, at the front of buf */
    int64_t part_due; /* when they go as they are */
    uint8_t buf[PROMP_LIMIT_OUTPUT_READ];
} promp_worker_pipe_t;
#define PROMP_WORKER_PIPES 2

/* What a user gives that is larger is copied before the lock is taken, and moves in: while the lock is held nobody
 * answers the node. */
#define PROMP_WORKER_LARGE (256 * PROMP_KIB)

struct promp_worker {
    promp_hub_t *hub;
    promp_worker_core_t *core;         /* under the hub's lock, but for what any thread may call */
    const promp_worker_setup_t *setup; /* set before open returns, never changes */
    uint32_t pid;
    volatile uint8_t *mark; /* 1; in the child of a fork the kernel has made it 0 */
    promp_worker_pipe_t pipe[PROMP_WORKER_PIPES];
    struct promp_worker_reads *reads; /* for remote containers */
    int64_t pipes_pause; /* there was no memory: they are left alone until then; 0: they are not */
    void (*interrupt)(void *arg, uint64_t task); /* under the hub's lock, as its argument */
    void *interrupt_arg;
    unsigned
        interrupts; /* how often it was called, under the hub's lock: a wait that cannot see its signal sees this */
};

/* --- worker_inherit.c: what the node left for this process --- */

typedef struct {
    int link; /* -1: taken over by somebody else, as are the others */
    int lifeline;
    int pipe[PROMP_WORKER_PIPES];
} promp_worker_fds_t;

/* Finds the inherited descriptors, checks that they are what they should be, makes them close-on-exec and
 * removes the variable that told of them; ties this process's life to its node's. OK, NOT_A_WORKER, SYSTEM.
 */
promp_err_t promp_worker_inherit(promp_worker_fds_t *fds, promp_error_t *error);
void promp_worker_fds_close(promp_worker_fds_t *fds);

/* --- worker_fork.c --- */

promp_err_t promp_worker_mark_make(promp_worker_t *worker, promp_error_t *error);
void promp_worker_mark_free(promp_worker_t *worker);
/* Any thread; costs no system call. */
static inline bool promp_worker_forked(const promp_worker_t *worker)
{
    return !*worker->mark;
}
promp_err_t promp_worker_print_forked(int stream, const void *text, size_t size);

/* --- worker_port.c: the core's port, with what the core asks to be done; its core is the promp_worker_t ---
 */

extern const promp_port_ops_t promp_worker_port_ops;

/* --- worker_output.c; hub's lock held, but for _drain --- */

void promp_worker_pipes_open(promp_worker_t *worker,
                             promp_worker_fds_t *fds); /* takes the descriptors over */
void promp_worker_pipes_close(promp_worker_t *worker);
/* Polls the pipes while there is room for what they hold, and not otherwise. */
void promp_worker_pipes_watch(promp_worker_t *worker);
/* Sends unfinished lines whose time has come; returns when the next one's does. */
int64_t promp_worker_pipes_tick(promp_worker_t *worker, int64_t now);
/* Brings all that native code has written on its way, before something that must not overtake it. Takes the
 * lock. */
void promp_worker_pipes_drain(promp_worker_t *worker);

#endif
