/* cgroup.h - a control group for each worker, where the system has given this user a part of the v2 hierarchy: killing one gets
 * every process in it, whatever that did to hide, and what it holds together has limits. Everywhere else there is none, and
 * tree.h does what can be done.
 *
 *   ours ──┬─ promp-PID ──┬─ node     the keeper, the agent and other processes of the node
 *          │              ├─ w1       a worker and all that it starts
 *          │              └─ w2 ...
 *
 * Limits take controllers in ours, which the system allows only while no process stands there: so the node moves down. One
 * thread. */
#ifndef PROMP_NODE_CGROUP_H
#define PROMP_NODE_CGROUP_H

#include <sys/types.h>

#include "error.h"

typedef struct {
    int folder;                   /* promp-PID; -1: there are no groups for workers */
    bool memory, cpus, processes; /* which limits hold */
    const char *why;              /* not all of them do; static. NULL: all do */
    bool moved;                   /* the node stands in `node` */
    uint64_t *late;               /* groups of workers that were not empty yet when they should go */
    size_t lates;
} promp_cgroup_t;

/* What the limits of a worker's tree are. */
typedef struct {
    uint64_t
        memory;    /* bytes; 0: none. Swap is not used then, and all of the worker's processes die together */
    uint32_t cpus; /* thousandths of a processor: its share where processors are short; 0: as 1000 */
    bool cpus_hard;     /* no more than that, even where processors are idle */
    uint32_t processes; /* and threads */
} promp_cgroup_limits_t;

/* Makes the folder, moves this process and gives controllers, as far as that is possible here, and removes folders of nodes that
 * were killed. This process shall have no others yet. */
void promp_cgroup_open(promp_cgroup_t *group);
/* Likewise, ours being this descriptor, which stays the caller's. */
void promp_cgroup_open_in(promp_cgroup_t *group, int ours);
/* Removes the folder, after the last worker, and closes it; again is fine. */
void promp_cgroup_close(promp_cgroup_t *group);

/* The share of so many thousandths of a processor, as the kernel counts: 1 to 10000, 100 for one processor. */
uint32_t promp_cgroup_weight(uint32_t cpus);

/* --- workers, cgroup_worker.c --- */

/* Makes the group of worker `serial` with the limits of those that hold. OK: *fd is its folder, for promp_cgroup_fork and to be
 * closed; -1: there are no groups here. SYSTEM: it cannot have the limits that hold. */
promp_err_t promp_cgroup_make(const promp_cgroup_t *group, uint64_t serial,
                              const promp_cgroup_limits_t *limits, int *fd, promp_error_t *error);
/* fork(), the new process being in the group from its first instruction on, or *outside: it has to call promp_cgroup_enter before
 * all else. group -1: just fork(). */
pid_t promp_cgroup_fork(int group, bool *outside);
/* False, and errno. */
bool promp_cgroup_enter(int group);

/* Kills what is in it. True: somebody was. */
bool promp_cgroup_kill(const promp_cgroup_t *group, uint64_t serial);
/* Whether the kernel has killed somebody in it for want of memory; *limit: its own limit, where that was reached, else 0. Only where
 * group->memory. */
bool promp_cgroup_starved(const promp_cgroup_t *group, uint64_t serial, uint64_t *limit);
/* Removes it; where it is not empty yet, with one of the next. */
void promp_cgroup_remove(promp_cgroup_t *group, uint64_t serial);

/* --- inside --- */

#define PROMP_CGROUP_NAME 64

/* "PREFIXnumberFILE" */
char *promp_cgroup_name(const char *prefix, uint64_t number, const char *file, char text[PROMP_CGROUP_NAME]);
/* Writes text into a file of the folder; false, and errno. */
bool promp_cgroup_write(int folder, const char *file, const char *text);
/* Removes a group of the folder, and the groups that those who ran there have made in it; false: somebody is still in there. */
bool promp_cgroup_unlink(int folder, const char *name);
/* Reads the beginning of it, NUL-ended; false: nothing. */
bool promp_cgroup_read(int folder, const char *file, char *text, size_t size);

#endif
