/* keeper_rig.h - a keeper's shell whose agent is a process that does nothing, told what to do by the test. */
#ifndef PROMP_NODE_KEEPER_RIG_H
#define PROMP_NODE_KEEPER_RIG_H

/* cmocka wants these first */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "keeper_inside.h"

typedef struct {
    promp_keeper_t k;
    promp_link_t *agent; /* its end of the link */
    promp_pythons_t pythons;
    uint8_t body[80 * 1024]; /* of the last message */
} rig_t;

extern promp_err_t rig_fails_with; /* what the next promp_link_send returns instead of sending, once */

#define RIG_HANGS "/a/folder/that/hangs" /* entering it takes for ever */

int rig_setup(void **state);
int rig_teardown(void **state);

/* The agent says m; given: the descriptor that comes along, -1: it was lost. */
void rig_says(rig_t *rig, const promp_message_t *m, uint8_t session, int given);

/* Does what the keeper's loop does, until the agent is told a message of this type. *fd: what came along, or -1. */
promp_message_t rig_told(rig_t *rig, promp_type_t type, int *fd);

/* A message of this type that the agent was told already; false: none. */
bool rig_heard(rig_t *rig, promp_type_t type, promp_message_t *m, int *fd);

#endif
