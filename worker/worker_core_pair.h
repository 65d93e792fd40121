/* worker_core_pair.h - for tests of the worker's core: a manager's session beside it. Frames go from one to the other,
 * time is ours. What goes wrong in here fails the test. */
#ifndef PROMP_WORKER_CORE_PAIR_H
#define PROMP_WORKER_CORE_PAIR_H

#include "message.h"
#include "session.h"
#include "worker_core.h"

typedef struct {
    promp_session_t *manager;
    promp_worker_core_t *core;
    int64_t now;
    uint64_t task;              /* number of the last one sent */
    bool deaf;                  /* the manager's frames do not arrive */
    bool mute;                  /* nor do the worker's */
    bool lane_off[PROMP_LANES]; /* data of the manager's lane does not arrive */
} pair_t;

extern const promp_port_ops_t *const pair_ops;
extern const promp_message_t pair_setup; /* worker 7, level 2, REDIRECT, a lease of 1 s */

/* A pair whose session is open, and nothing else was said. */
void pair_connect(pair_t *p);
/* A pair after SETUP and READY; the same one each time. */
pair_t *pair_open(void);
void pair_close(pair_t *p);

bool pair_step(pair_t *p);            /* moves all frames there are once; false: there were none */
void pair_run(pair_t *p, int64_t ms); /* lets time pass, in small steps, and all frames arrive */

/* The manager's side. take: the next record of a lane, decoded, type 0 when there is none; valid until the next take. */
void pair_post(pair_t *p, const promp_message_t *message);
void pair_give(pair_t *p); /* the next task */
void pair_abort(pair_t *p, uint64_t last, uint64_t timeout);
promp_message_t pair_take(pair_t *p, promp_lane_t lane);
void pair_assert_done(pair_t *p, uint64_t task, int outcome);

/* The worker's side. begin: number of the task that begins, 0 for none. */
uint64_t pair_begin(pair_t *p);
void pair_return(pair_t *p, const void *cbor, size_t size);
promp_worker_act_t pair_act(pair_t *p);

#endif
