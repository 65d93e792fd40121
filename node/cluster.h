/* cluster.h - serving a cluster: joining it, keys, settings, and the keeper. */
#ifndef PROMP_NODE_CLUSTER_H
#define PROMP_NODE_CLUSTER_H

#include "options.h"

#define PROMP_CLUSTER_LOCK "node.lock" /* in the folder; held by the node that serves it */

/* Serves until the node ends; with detach returns when the broker has answered. Returns the exit code; on failure a line on
 * stderr has told why. */
int promp_cluster_run(const promp_options_t *options);

/* Joins with the token of options->join, in a process of its own: the caller has no thread and no ZeroMQ afterwards either.
 * folder: of the configuration, which has all about it then. Returns the exit code, 0: joined. */
int promp_cluster_join(const promp_options_t *options, int folder);

#endif
