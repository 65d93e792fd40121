/* keeper.h - the keeper's shell: the process that owns all others of a node. */
#ifndef PROMP_NODE_KEEPER_H
#define PROMP_NODE_KEEPER_H

#include "error.h"
#include "log.h"
#include "pythons.h"

typedef struct {
    int listening;      /* socket that managers connect to; the keeper takes it over; -1: none */
    const char *socket; /* its path, removed at the end; NULL: none */
    char *const *agent; /* arguments of an agent, NULL at the end */
    const promp_log_t *log;
    const promp_pythons_t *pythons; /* interpreters for workers of a cluster; NULL: none */
    promp_slice_t secret; /* of a cluster: its key, handed to each agent where it listens otherwise */
    uint32_t processes;   /* limit of a worker's tree, threads included; 0: PROMP_LIMIT_PROCESSES */
    bool cpus_hard;       /* no worker may use more processors than it asked for, not even idle ones */
    int64_t drain; /* of a cluster: ms that a first SIGTERM lets workers end in; PROMP_NEVER: it ends them */
    /* How the node stands with its broker: 0 and "ADDRESS NAME", or why it is not welcome yet. May be NULL. */
    void (*report)(void *arg, promp_err_t error, const char *text);
    void *arg;
} promp_keeper_config_t;

/* Keeps a node until it ends, from start to end; makes itself subreaper, blocks signals. OK when it ended in good order, else
 * why it could not begin, or why the broker will not have it. */
promp_err_t promp_keeper_run(const promp_keeper_config_t *config, promp_error_t *error);

#endif
