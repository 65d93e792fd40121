/* tree.h - finding the processes that a worker left behind: orphans come to the keeper, who is their subreaper, and the
 * mark in a worker's environment is inherited by all that it starts. */
#ifndef PROMP_NODE_TREE_H
#define PROMP_NODE_TREE_H

#include <sys/types.h>

#include "base.h"

#define PROMP_TREE_ENV  "PROMP_TREE"
#define PROMP_TREE_SIZE 64

/* "NODE.NUMBER": the value of PROMP_TREE for one worker of a node. */
void promp_tree_mark(const promp_id_t *node, uint64_t serial, char mark[PROMP_TREE_SIZE]);

typedef struct {
    /* Processes that are left alone without a look: the agent, first processes of workers. */
    bool (*known)(void *arg, pid_t pid);
    /* Whether another one shall be killed. session: its session id; serial: of its mark when that is this node's, else 0. */
    bool (*stray)(void *arg, pid_t session, uint64_t serial);
    void *arg;
} promp_tree_judge_t;

/* Kills those children of this process that the judge calls stray; returns how many these were. */
size_t promp_tree_sweep(const promp_id_t *node, const promp_tree_judge_t *judge);

/* Kills every process of this user that has a mark of this node, again until none is left or ms are over. */
void promp_tree_kill_all(const promp_id_t *node, int ms);

#endif
