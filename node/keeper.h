/* keeper.h - the keeper's shell: the process that owns all others of a node. */
#ifndef PROMP_NODE_KEEPER_H
#define PROMP_NODE_KEEPER_H

#include "error.h"
#include "log.h"
#include "pythons.h"

typedef struct {
    int listening;                  /* socket that managers connect to; the keeper takes it over */
    const char *socket;             /* its path, removed at the end */
    char *const *agent;             /* arguments of an agent, NULL at the end */
    const promp_pythons_t *pythons; /* interpreters for workers of a cluster; NULL: none */
    const promp_log_t *log;
} promp_keeper_config_t;

/* Keeps a node until it ends, from start to end; makes itself subreaper, blocks signals. OK when it ended in good order. */
promp_err_t promp_keeper_run(const promp_keeper_config_t *config, promp_error_t *error);

#endif
