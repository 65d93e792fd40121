/* manager_inner.h - the struct behind promp_manager_t, for the files of the manager's shell only.
 *
 * manager.c          making, ending, settings, entering and leaving the lock
 * manager_broker.c   which broker, if any; what is remembered of it
 * manager_start.c    starting and stopping workers
 * manager_place.c    what a start needs to know of this process: program, environment, folder, mask
 * manager_task.c     tasks, results, failures
 * manager_message.c  users' messages
 * manager_port.c     the core's port, the descriptor
 * manager_process.c  output, wait objects, waiting
 * manager_abort.c    aborts
 * manager_share.c    containers: the calls
 * manager_serve.c    containers: the thread that serves them
 * manager_answer.c   containers: what workers are answered
 * manager_state.c    predicates
 */
#ifndef PROMP_MANAGER_MANAGER_INNER_H
#define PROMP_MANAGER_MANAGER_INNER_H

#include <pthread.h>

#include "buf.h"
#include "error.h"
#include "halves.h"
#include "limits.h"
#include "local.h"
#include "manager_core.h"
#include "zdial.h"

/* What a user gives that is larger is copied before the lock is taken, and moves in: while the lock is
 * held nobody answers the node. */
#define PROMP_MANAGER_LARGE (256 * PROMP_KIB)

struct promp_manager {
    /* fixed after making, but for hub when the node was lost */
    promp_hub_t *hub;
    promp_worker_t *parent; /* NULL: a root manager, which owns its hub */
    promp_local_t local;    /* root: where its node is */
    char *node_program;     /* root: or NULL */
    bool no_start;
    bool remote;         /* its workers are started by nodes of a cluster */
    promp_zdial_t *dial; /* root, remote: the broker; else NULL */
    char *config;        /* likewise: folder of its key */
    bool relayed;        /* no direct ways to workers: the user wants it so (PROMP_PATH=relay) */
    char *address;       /* of the node, for workers */
    pthread_t owner;
    volatile uint8_t *mark; /* 1; in the child of a fork the kernel has made it 0 */

    /* the owner's thread */
    promp_error_t error;
    uint32_t options;
    int timeout;
    promp_output_fn *output;
    void *output_arg;
    bool processing; /* inside promp_manager_process, so inside a call-back */

    /* under the hub's lock */
    promp_manager_core_t *core;
    int fd;                            /* -1: nobody asked for it */
    bool signalled;                    /* it is readable */
    struct promp_manager_share *share; /* NULL: nothing was shared yet; set by the owner's thread */
    size_t files;                      /* owner's thread: shared containers that may keep a file open */
};

extern const promp_port_ops_t promp_manager_port_ops; /* the core's, and the descriptor with them */

/* OK, ARGUMENT (no manager), THREAD, FORKED. Takes no lock. */
promp_err_t promp_manager_usable(const promp_manager_t *manager);
/* Likewise, and with OK the lock is held. */
promp_err_t promp_manager_enter(promp_manager_t *manager);
/* Lets the lock go: what is to be sent goes out, the descriptor shows what there is. */
void promp_manager_leave(promp_manager_t *manager);
/* Keeps error for promp_manager_error; format may be NULL. Returns code. */
promp_err_t promp_manager_fail(promp_manager_t *manager, promp_err_t code, int system, const char *format,
                               ...) __attribute__((format(printf, 4, 5)));
/* A deadline for promp_hub_wait. */
int64_t promp_manager_deadline(int timeout);
/* Connects to the node (again). Not under the lock. */
promp_err_t promp_manager_connect(promp_manager_t *manager);
/* promp_manager_process without asking who calls. Not under the lock. */
void promp_manager_process_all(promp_manager_t *manager);
/* promp_manager_process has something to do, or something came since; for promp_hub_wait. Under the lock. */
bool promp_manager_news(void *manager);
/* Sets or clears the descriptor. Under the lock. */
void promp_manager_signal(promp_manager_t *manager);

/* manager_broker.c. */
/* Decides where the workers of a root manager are: sets remote, dial, config and address where a broker is meant. Errors of
 * auth_joined.h and auth_key.h, NO_BROKER. */
promp_err_t promp_manager_broker_choose(promp_manager_t *manager, const promp_manager_config_t *config);
/* Keeps in the folder what the broker told of its key. Without the lock; waits a moment for the disk. */
void promp_manager_broker_remember(promp_manager_t *manager, const promp_zdial_news_t *news);

/* manager_share.c. Lock held, but for _end, _hold and _free. */
/* Answers what workers ask where that cannot wait, and wakes the thread that serves containers for the rest. */
void promp_manager_share_look(promp_manager_t *manager);
/* Does what is to be done in the owner's thread and came by mark; lets the lock go meanwhile. */
void promp_manager_share_process(promp_manager_t *manager, uint64_t mark);
/* Between the two the thread does not use the hub, which may be replaced. */
void promp_manager_share_hold(promp_manager_t *manager);
void promp_manager_share_free(promp_manager_t *manager);
/* The manager is going: nothing of it is used from now on. */
void promp_manager_share_end(promp_manager_t *manager);

/* manager_place.c: all paths are malloc'd and absolute; *system is errno or 0. */
promp_err_t promp_manager_place_program(const char *program, char **path, int *system);
promp_err_t promp_manager_place_folder(const char *folder, char **path, int *system);
/* Likewise for a worker in a cluster, where nothing can be looked at: what they may be is checked. */
promp_err_t promp_manager_place_remote(const char *program, const char *folder, char **path, char **where);
uint32_t promp_manager_place_umask(void);
/* Joins a NULL-ended array into a run of NUL-ended strings. OK, MEMORY, START_SIZE. */
promp_err_t promp_manager_place_strings(const char *const *strings, promp_buf_t *run);

#endif
