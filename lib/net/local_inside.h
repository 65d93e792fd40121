/* local_inside.h - what the files of local share, and nobody else sees. */
#ifndef PROMP_NET_LOCAL_INSIDE_H
#define PROMP_NET_LOCAL_INSIDE_H

#include "local.h"

/* Starts promp-node, detached; returns when it is ready, or at deadline (promp_clock_ms). OK, NODE_PROGRAM,
 * NODE_START, NODE_TIMEOUT, DESCRIPTORS, MEMORY, SYSTEM. OK may also mean that nobody knows: the host took
 * the child's status away from us. */
promp_err_t promp_local_start(const char *program, int64_t deadline, promp_error_t *error);

#endif
