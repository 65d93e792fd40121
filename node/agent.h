/* agent.h - the agent's shell: the process of a node that talks with managers and workers. */
#ifndef PROMP_NODE_AGENT_H
#define PROMP_NODE_AGENT_H

#include "agent_core.h"
#include "error.h"
#include "log.h"

#define PROMP_AGENT_FD_KEEPER 3 /* descriptors that the keeper gives an agent */
#define PROMP_AGENT_FD_LISTEN 4 /* of a cluster's: a pipe with its secret key */

typedef struct {
    int64_t idle;       /* ms without a manager after which the node ends, PROMP_NEVER */
    const char *folder; /* of a cluster's node: its configuration; NULL: a local node */
    promp_agent_offer_t offer;
    const promp_log_t *log;
} promp_agent_run_t;

/* Runs until the node ends. OK when it ended in good order; takes the two descriptors over. What the broker, or the key, makes
 * impossible is told to the keeper, too. */
promp_err_t promp_agent_run(const promp_agent_run_t *config, promp_error_t *error);

#endif
