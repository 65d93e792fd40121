/* spawn.h - making a worker's process, and what the keeper holds of it. One thread, which may fork: nothing else runs beside it
 * in this process.
 *
 * The new process itself enters its folder, looks for its program and becomes it, and tells by a pipe how that went. So a disk
 * that does not answer holds nobody but the one worker that needs it. */
#ifndef PROMP_NODE_SPAWN_H
#define PROMP_NODE_SPAWN_H

#include <signal.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "error.h"
#include "message.h"
#include "pythons.h"

/* Descriptors below this number are what a new process finds; a program that spawns keeps its own above it
 * (promp_spawn_reserve). */
#define PROMP_SPAWN_FIRST 10

/* What the keeper holds of a worker. */
typedef struct {
    pid_t pid;
    uint64_t serial; /* of its mark */
    int lifeline;
    int output[2];      /* duplicates of the read ends of the pipes behind its descriptors 1 and 2 */
    int report;         /* what promp_spawn_look reads; -1: there is nothing more to tell */
    bool scratch;       /* it has a private folder */
    bool failed;        /* it could not become its program, for this reason: */
    promp_error_t *why; /* allocated; NULL: none, or no memory for it */
} promp_spawn_t;

/* What is to be started, and with what. */
typedef struct {
    const promp_msg_spawn_t *what;
    int link; /* becomes descriptor 3; stays the caller's */
    const struct rlimit *files;
    const char *mark;    /* its PROMP_TREE */
    const char *scratch; /* where its private folder is made, if it gets one; NULL: there are none here */
    const promp_pythons_t *pythons; /* of this node; may be NULL */
    int group;                      /* folder of its control group; stays the caller's; -1: none */
} promp_spawn_order_t;

/* Fills the numbers below PROMP_SPAWN_FIRST that are free, so that new descriptors lie above. OK, DESCRIPTORS, SYSTEM. */
promp_err_t promp_spawn_reserve(void);

/* Makes the process, in a session of its own. A worker of this host (what->owner none) gets program, folder and environment as
 * they stand there. One of a cluster may name a program without `/`, which is looked for beside this program and in our $PATH;
 * gets a private folder where none is named; and our environment, completed by what stands there, with PROMP_PYTHON being the
 * interpreter that fits. OK: *spawn is filled (serial is left), and promp_spawn_look() tells the rest. Else *error tells:
 * NO_PLACE (no such interpreter), PROCESSES, DESCRIPTORS, MEMORY, SYSTEM. */
promp_err_t promp_spawn_worker(const promp_spawn_order_t *order, promp_spawn_t *spawn, promp_error_t *error);

typedef enum { PROMP_SPAWN_WAITS, PROMP_SPAWN_RUNS, PROMP_SPAWN_FAILS } promp_spawn_state_t;

/* Whether it has become its program; does not wait. A process that ended, or was killed, before it could tell, "runs". FAILS:
 * spawn->why tells: PROGRAM_MISSING, PROGRAM_DENIED, PROGRAM_FAILED, START_FOLDER, START_SIZE, MEMORY, DESCRIPTORS, SYSTEM; it
 * ends by itself then. */
promp_spawn_state_t promp_spawn_look(promp_spawn_t *spawn);

/* Starts this program again with these arguments, descriptors 3 and 4 being the given ones, 2 ours, 0 and 1 /dev/null; the
 * signals in `blocked` wait until it lets them in. OK and *pid, or PROCESSES, MEMORY, SYSTEM. */
promp_err_t promp_spawn_self(char *const argv[], int fd3, int fd4, const sigset_t *blocked, pid_t *pid,
                             promp_error_t *error);

/* Closes and frees what is held; doing it again is fine. */
void promp_spawn_close(promp_spawn_t *spawn);

#endif
