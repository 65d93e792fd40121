/* core_rig.h - for tests of the manager's core: a node and workers made of real sessions, moved by hand. */
#ifndef PROMP_MANAGER_CORE_RIG_H
#define PROMP_MANAGER_CORE_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "manager_core.h"
#include "message.h"
#include "port.h"
#include "session.h"

#define RIG_WORKERS 128

typedef struct {
    promp_id_t key;
    promp_session_t *session; /* the worker's side */
    uint32_t started;         /* START frames seen */
    uint32_t killed;          /* cause of KILL, 0: none came */
    uint32_t kills;           /* KILL frames seen */
    uint32_t acked;           /* GONE_ACK frames seen */
    uint64_t last_task;       /* highest number of a TASK taken */
    uint32_t tasks;
} rig_worker_t;

typedef struct {
    promp_manager_core_t *core;
    int64_t now;
    promp_id_t node;
    bool up;
    promp_err_t refuse; /* START is refused with this */
    bool mute;          /* START is not answered */
    bool queue;         /* START is answered by QUEUED */
    int signal;         /* of a worker that ends SIGNALLED; 0: 11 */
    int time_limit;     /* of workers started from now on, ms; 0: none */
    bool hold;          /* what workers send does not reach the manager */
    uint64_t room;      /* of the link */
    size_t count;
    rig_worker_t worker[RIG_WORKERS]; /* by id - 1 */
} rig_t;

/* A case with a rig of its own: *state. */
#define RIG_CASE(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
int rig_setup(void **state);
int rig_teardown(void **state);

rig_t *rig_new(void);
void rig_free(rig_t *rig);
void rig_path(rig_t *rig, bool up, bool lost);
/* The node, or broker, says this of a worker. */
void rig_answer(rig_t *rig, uint32_t id, const promp_message_t *message);
/* Moves frames both ways until nothing moves, and ticks. */
void rig_pump(rig_t *rig);
/* Lets time go on in steps of 10 ms. */
void rig_sleep(rig_t *rig, int64_t ms);

/* Starts a worker and, with ready, lets it say READY. Returns its id. */
uint32_t rig_start(rig_t *rig, uint32_t options, bool ready);
/* The worker sends a record; then everything moves (not when hold is on). */
void rig_send(rig_t *rig, uint32_t id, promp_lane_t lane, const promp_message_t *message);
void rig_output(rig_t *rig, uint32_t id, const char *text);
void rig_message(rig_t *rig, uint32_t id, uint32_t number, const char *data);
void rig_result(rig_t *rig, uint32_t id, uint64_t task);
/* DONE for a task, with the ends as they are. */
void rig_done(rig_t *rig, uint32_t id, uint64_t task);
/* The node says GONE; with ends those of the worker's session. One that was SIGNALLED had signal 11, or rig->signal. */
void rig_gone(rig_t *rig, uint32_t id, promp_err_t cause, bool ends);
/* Likewise; lanes and output_seen as the node says them. */
void rig_gone_as(rig_t *rig, uint32_t id, promp_err_t cause, uint32_t lanes, uint64_t output_seen);
/* What the hub says of its direct way. */
void rig_side(rig_t *rig, uint32_t id, promp_way_t way);
/* The oldest failure is this one; takes it. */
void rig_take_failure(rig_t *rig, uint32_t worker, promp_err_t code, uint64_t task);
void rig_free_result(promp_result_t *result);
/* Gives a native task; returns its number. */
uint64_t rig_task(rig_t *rig, uint32_t id);
/* Everything promp_manager_process does; the texts are appended to log, "1:text|", updates as
 * "1=value,text|". */
void rig_process(rig_t *rig, char *log, size_t size);

#endif
