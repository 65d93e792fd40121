/* agent_cluster.h - what tests of an agent in a cluster have beside agent_world.h: its broker, played. */
#ifndef PROMP_NODE_AGENT_CLUSTER_H
#define PROMP_NODE_AGENT_CLUSTER_H

#include "agent_world.h"

#define PLACES 8

/* A new core in a cluster that does not know its roster yet, in place of the one before. */
void cluster_core(world_t *w);
int cluster_setup(void **state);
/* Its roster is complete: the link that it dials. */
uint32_t dialled(world_t *w);
/* Lets time pass until it dials again; *link: the new one. Returns the ms that it took. */
int64_t redialled(world_t *w, uint32_t *link);
void welcome(world_t *w, uint32_t link);
/* dialled, welcome, and nothing else was seen. */
uint32_t join(world_t *w);
/* Link breaks, the next one is welcomed; only what came with that is seen. */
uint32_t again(world_t *w, uint32_t link);
promp_id_t owner(void);
/* START as the broker says it; parent 0: of a root manager. */
promp_message_t start_of(uint8_t parent);
/* A worker that runs, as by start(). */
uint32_t run(world_t *w, uint32_t broker, uint8_t session, uint8_t parent);
/* Its process exits, and its link ends. */
void end_of(world_t *w, uint32_t worker, uint8_t session);
/* LEND with a descriptor, epoch 1. */
void lend(world_t *w, uint32_t link, uint8_t session, uint32_t request);
/* The last HELD of this session; it must be there. */
const promp_msg_held_t *held(world_t *w, uint32_t broker, uint8_t session);

/* Worker 1 runs and manages: its link; *b: the broker's. */
uint32_t child_manager(world_t *w, uint32_t *b);
/* It says START; what it says there about owner and parent is wrong. */
void child_asks(world_t *w, uint32_t link, uint8_t session);
/* The broker says this about session: QUEUED, STARTED, START_REFUSED or GONE. */
void child_told(world_t *w, uint32_t b, promp_type_t type, uint8_t session);
/* The last START that the broker got. */
const seen_t *child_asked(world_t *w, uint32_t b);

#define CLUSTER(f) cmocka_unit_test_setup_teardown(f, cluster_setup, teardown)

#endif
