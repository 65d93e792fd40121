/* spawn.h - making a worker's process, and what the keeper holds of it. */
#ifndef PROMP_NODE_SPAWN_H
#define PROMP_NODE_SPAWN_H

#include <sys/resource.h>
#include <sys/types.h>

#include "error.h"
#include "message.h"

/* Descriptors below this number are what a new process finds; a program that spawns keeps its own above it
 * (promp_spawn_reserve). */
#define PROMP_SPAWN_FIRST 10

/* What the keeper holds of a worker. */
typedef struct {
    pid_t pid;
    uint64_t serial; /* of its mark */
    int lifeline;
    int output[2]; /* duplicates of the read ends of the pipes behind its descriptors 1 and 2 */
} promp_spawn_t;

/* Fills the numbers below PROMP_SPAWN_FIRST that are free, so that new descriptors lie above. OK, DESCRIPTORS, SYSTEM. */
promp_err_t promp_spawn_reserve(void);

/* Starts what `what` says with `link` (stays the caller's) as descriptor 3, in a session of its own, with the open files
 * limit `files` and mark as its PROMP_TREE. OK: *spawn is filled (serial is left). Else *error tells: PROGRAM_MISSING,
 * PROGRAM_DENIED, PROGRAM_FAILED, START_FOLDER, START_SIZE, PROCESSES, DESCRIPTORS, MEMORY, SYSTEM. */
promp_err_t promp_spawn_worker(const promp_msg_spawn_t *what, int link, const struct rlimit *files,
                               const char *mark, promp_spawn_t *spawn, promp_error_t *error);

/* Starts this program again with these arguments, descriptors 3 and 4 being the given ones, 2 ours, 0 and 1 /dev/null.
 * OK and *pid, or PROCESSES, MEMORY, SYSTEM. */
promp_err_t promp_spawn_self(char *const argv[], int fd3, int fd4, pid_t *pid, promp_error_t *error);

/* Closes what is held. */
void promp_spawn_close(promp_spawn_t *spawn);

#endif
