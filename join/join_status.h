/* join_status.h - what operators ask of a broker, and tell it, as who joined as observer or admin. Blocks. One thread. */
#ifndef PROMP_JOIN_STATUS_H
#define PROMP_JOIN_STATUS_H

#include "auth_joined.h"
#include "message.h"

/* Asks the broker that the folder (of promp_auth_folder_open()) has joined, as observer or else as admin, for at most timeout ms.
 * joined: whom it asked. NO_BROKER: the folder has joined in neither role; errors of promp_auth_joined_load() and
 * promp_auth_key_load(); of promp_zlink_why(), BROKER_AWAY, or what else the broker says. */
promp_err_t promp_join_status(int folder, int64_t timeout, promp_auth_joined_t *joined,
                              promp_msg_counters_t *counters, promp_error_t *error);

/* A node, as NODE says of it; texts end with a zero. */
typedef struct {
    promp_msg_node_t said; /* its texts are empty, those below are meant */
    char name[PROMP_LIMIT_KEY_NAME + 1], labels[PROMP_LIMIT_LABELS + 1],
        key_labels[PROMP_LIMIT_KEY_LABELS + 1], pythons[PROMP_LIMIT_LABELS + 1], build[PROMP_LIMIT_BUILD + 1];
} promp_join_node_t;

typedef struct {
    promp_join_node_t *node; /* in order of their names */
    size_t count, room;
} promp_join_nodes_t;

/* All nodes that the broker knows; likewise, and MEMORY, or VERSION where it is too old. promp_join_nodes_free() also after an
 * error. */
promp_err_t promp_join_nodes(int folder, int64_t timeout, promp_auth_joined_t *joined,
                             promp_join_nodes_t *nodes, promp_error_t *error);
void promp_join_nodes_free(promp_join_nodes_t *nodes);

typedef struct {
    uint32_t workers; /* that it has at the moment */
    bool away;        /* its connection is gone: it is told if it is back within PROMP_TIME_NO_LEASE */
} promp_join_drained_t;

/* Takes a node out of service, by the name of its key: it gets no more workers, and ends when those that it has have ended. As
 * admin; else likewise, and NOT_FOUND: the broker knows no node of that name; VERSION: broker or node is too old. */
promp_err_t promp_join_drain(int folder, int64_t timeout, const char *name, promp_auth_joined_t *joined,
                             promp_join_drained_t *drained, promp_error_t *error);

#endif
