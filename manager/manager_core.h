/* manager_core.h - the manager's half as a plain state machine: no socket, no clock, no thread. A shell
 * (manager.c, or the simulator) moves its frames by promp_manager_core_ops and calls what is below for the
 * user. One thread (or lock) at a time.
 *
 *                 STARTED             GONE                    all lanes taken, or nothing more can come
 *   STARTING ──────────────▶ ALIVE ─────────▶ DRAINING ─────────────────────────────────────▶ ENDED
 *       └── START_REFUSED ─────┴── node lost, lease, reset ────────────────────────────────────▲
 *
 * A start that a broker has put in its queue (QUEUED) is ALIVE and waiting: the user has his worker, which has no process yet.
 * START is repeated on each path until STARTED; a refusal that comes then is the worker's end (WORKER_START).
 *
 * Records are taken from the sessions as soon as they come and lie here in inboxes: messages, results and
 * failures in order of arrival over all workers; output likewise; progress and ends of tasks in a queue per
 * worker. When an inbox is full records stay in their session, whose credit then stops the worker.
 *
 * An end of a task (DONE) counts when the messages lane was taken up to the end it names and the output up to
 * its end was *shown*, that is handed over by promp_manager_core_output; until then the worker is busy. A
 * dead worker's end comes last, in the same queue.
 *
 * worker arguments take ids, PROMP_WORKER_ANY and PROMP_WORKER_ALL as promp.h says.
 */
#ifndef PROMP_MANAGER_MANAGER_CORE_H
#define PROMP_MANAGER_MANAGER_CORE_H

#include "base.h"
#include "buf.h"
#include "port.h"
#include "promp.h"

typedef struct promp_manager_core promp_manager_core_t;

/* level: of this manager, 0 for a root. seed: for hashing, random in programs. NULL without memory. */
promp_manager_core_t *promp_manager_core_new(uint32_t level, uint64_t seed);
void promp_manager_core_destroy(promp_manager_core_t **core);

/* For promp_hub_attach and the simulator; the port's core is the promp_manager_core_t. frame returns an error
 * only when the node broke the protocol; a worker that does so is ended (WORKER_PROTOCOL). */
extern const promp_port_ops_t promp_manager_core_ops;

/* Its workers are started by nodes behind a broker: starts may have to wait (QUEUED), what is said to nodes may get lost and is
 * repeated, nothing can be lent and there are no direct ways. Before the first path. */
void promp_manager_core_set_remote(promp_manager_core_t *core, bool remote);

/* Why the path is about to be lost for good, one sentence: the ends of its workers will say so. Copied, cut where it is too long. */
void promp_manager_core_set_lost_why(promp_manager_core_t *core, const char *why);

/* A session that would have a direct way now; each is told once. False: none. The shell makes it (promp_hub_side_add) or
 * does not. */
bool promp_manager_core_side_wanted(promp_manager_core_t *core, promp_id_t *session);

/* Limits, for tests and users: bytes queued and unacknowledged; bytes of messages and results; bytes of
 * output. 0: leave. */
void promp_manager_core_set_limits(promp_manager_core_t *core, uint64_t unsent, uint64_t inbox,
                                   uint64_t output);

/* --- starting and ending workers --- */

typedef struct {
    promp_id_t session; /* new, random */
    uint32_t options;   /* PROMP_OPT_* */
    uint32_t timeout;   /* lease, ms */
    int time_limit;     /* ms it may live; 0: as long as it wants */
    uint32_t umask;
    const char *program; /* absolute; remote: or a name */
    const char *folder;  /* remote: or empty */
    promp_slice_t argv;  /* run of NUL-ended strings */
    promp_slice_t env;   /* likewise */
    promp_slice_t extra;
    const char *address; /* of the node, for the worker's user; NULL: not told */
    /* What it asks of its node; zero and NULL: nothing. */
    const char *labels, *node, *python;
    uint32_t cpus, gpus;
    uint64_t memory;
    bool spread;
} promp_manager_core_start_t;

/* Makes a worker and queues its START and SETUP. OK and *worker; START_SIZE, ARGUMENT, VALUE_SIZE (extra),
 * NODE_GONE, MEMORY. */
promp_err_t promp_manager_core_start(promp_manager_core_t *core, const promp_manager_core_start_t *start,
                                     uint32_t *worker, int64_t now);
bool promp_manager_core_answered(const promp_manager_core_t *core, uint32_t worker);
/* True when the node's answer is there; *error is PROMP_OK when it said yes. A refused worker is forgotten by
 * this call. */
bool promp_manager_core_answer(promp_manager_core_t *core, uint32_t worker, promp_error_t *error);
/* Nobody waits for the answer any more: the worker is ended should it start after all, and the id is unknown
 * from now on. */
void promp_manager_core_abandon(promp_manager_core_t *core, uint32_t worker);

/* The urgent stop; ended by force PROMP_TIME_ABORT later. */
void promp_manager_core_stop(promp_manager_core_t *core, uint32_t worker, int64_t now);
/* Asks the node to end it now; cause is what GONE will tell. */
void promp_manager_core_kill(promp_manager_core_t *core, uint32_t worker, promp_err_t cause);
/* The urgent abort of all tasks given so far; ended by force when they are not over in timeout ms (0: at
 * once; negative: never). ALL drops what waits for ANY as well. */
void promp_manager_core_abort(promp_manager_core_t *core, uint32_t worker, int timeout, int64_t now);
/* Something that an abort meant still runs (ALL: at any worker); shown: still counts as running. */
bool promp_manager_core_aborting(const promp_manager_core_t *core, uint32_t worker, bool shown);
/* The worker that an abort of ANY is about now, else `worker` itself: so that one worker can be waited for.
 */
uint32_t promp_manager_core_busy_one(promp_manager_core_t *core, uint32_t worker);

/* --- tasks and messages --- */

typedef struct {
    uint32_t kind; /* promp_task_kind_t */
    bool result;
    promp_slice_t name, file, code, args; /* args: an encoded list, or empty */
    promp_buf_t *moved; /* NULL, or what args stand in, all of it: it may be taken over, and is empty then */
} promp_manager_core_task_t;

/* As promp_manager_task. */
promp_err_t promp_manager_core_task(promp_manager_core_t *core, uint32_t worker,
                                    const promp_manager_core_task_t *task, uint64_t *number);
/* As promp_manager_send. */
promp_err_t promp_manager_core_send(promp_manager_core_t *core, uint32_t worker, uint32_t id,
                                    promp_slice_t data);
/* Likewise; data may be taken over, and is empty then: a large one costs no time here. */
promp_err_t promp_manager_core_send_moved(promp_manager_core_t *core, uint32_t worker, uint32_t id,
                                          promp_buf_t *data);

bool promp_manager_core_has_message(const promp_manager_core_t *core, uint32_t worker);
bool promp_manager_core_has_result(const promp_manager_core_t *core, uint32_t worker);
bool promp_manager_core_has_failure(const promp_manager_core_t *core, uint32_t worker);
/* What is taken belongs to the caller (promp_message_user_free, promp_result_free, promp_failure_free).
 * False: none. */
bool promp_manager_core_receive(promp_manager_core_t *core, uint32_t worker, promp_message_user_t *message);
bool promp_manager_core_take_result(promp_manager_core_t *core, uint32_t worker,
                                    promp_result_t *result); /* cbor */
/* Likewise, but the bytes still lie at *data inside the memory that is handed over; the caller moves them
 * to its beginning. A large value then costs no time here. */
bool promp_manager_core_receive_raw(promp_manager_core_t *core, uint32_t worker,
                                    promp_message_user_t *message, const uint8_t **data);
bool promp_manager_core_take_result_raw(promp_manager_core_t *core, uint32_t worker, promp_result_t *result,
                                        const uint8_t **data);
/* OK and *got; MEMORY (it stays). */
promp_err_t promp_manager_core_take_failure(promp_manager_core_t *core, uint32_t worker,
                                            promp_failure_t *failure, bool *got);
/* Nothing more can come from this worker (ALL, ANY: from none, and none lives). */
bool promp_manager_core_silent(const promp_manager_core_t *core, uint32_t worker);

/* --- what promp_manager_process shows --- */

/* There is output, progress or an end of a task to show. */
bool promp_manager_core_pending(const promp_manager_core_t *core);
/* A message, result or failure has come, or a worker became ready, since promp_manager_core_seen. */
bool promp_manager_core_fresh(const promp_manager_core_t *core);
void promp_manager_core_seen(promp_manager_core_t *core);
/* What has come up to now has numbers up to this one; given to the calls below it keeps one round of showing
 * finite. */
uint64_t promp_manager_core_mark(const promp_manager_core_t *core);

typedef struct {
    uint32_t worker;
    int stream;       /* PROMP_STREAM_* */
    const char *text; /* already transformed where ATOMIC is on */
    size_t size;
    void *entry; /* the core's */
} promp_manager_core_text_t;
/* Lends up to room pieces of output that came by mark, in order of arrival; promp_manager_core_shown ends the
 * loan, before the next one. Between the two the pieces count as not shown. */
size_t promp_manager_core_output(promp_manager_core_t *core, uint64_t mark, promp_manager_core_text_t *batch,
                                 size_t room);
void promp_manager_core_shown(promp_manager_core_t *core, const promp_manager_core_text_t *batch,
                              size_t count);

typedef struct {
    uint32_t worker;
    promp_wait_object_t wait;
    bool has_value;
    int value;
    char *text; /* NULL: none; the caller frees it */
} promp_manager_core_update_t;
/* Settles ends of tasks and of workers that came by mark and may count; returns true with the next change
 * that a wait object shall see, false when there is nothing more. */
bool promp_manager_core_update(promp_manager_core_t *core, uint64_t mark,
                               promp_manager_core_update_t *update);

/* wait NULL: none any more. False: no such worker. */
bool promp_manager_core_set_wait(promp_manager_core_t *core, uint32_t worker,
                                 const promp_wait_object_t *wait);
/* Walks workers that have a wait object whose abort may be asked, by rising id: *worker is the last one (0 at
 * first). */
bool promp_manager_core_next_wait(const promp_manager_core_t *core, uint32_t *worker,
                                  promp_wait_object_t *wait);

/* --- state --- */

bool promp_manager_core_busy(
    const promp_manager_core_t *core); /* a worker is busy, a task waits, or pending */
bool promp_manager_core_worker_alive(const promp_manager_core_t *core, uint32_t worker);
bool promp_manager_core_worker_busy(const promp_manager_core_t *core, uint32_t worker);
bool promp_manager_core_worker_ready(const promp_manager_core_t *core, uint32_t worker);
size_t promp_manager_core_alive(const promp_manager_core_t *core);
size_t promp_manager_core_busy_workers(const promp_manager_core_t *core);
uint32_t promp_manager_core_pid(const promp_manager_core_t *core, uint32_t worker);
/* A broker has it in its queue; why is in text. */
bool promp_manager_core_waits(const promp_manager_core_t *core, uint32_t worker, int64_t now, char *text,
                              size_t size);
bool promp_manager_core_exit(const promp_manager_core_t *core, uint32_t worker, promp_worker_exit_t *end);
/* Workers of which the node still owes something: an answer to START, or GONE. */
size_t promp_manager_core_unsettled(const promp_manager_core_t *core);
/* The node is gone for good: no worker can be started. */
bool promp_manager_core_lost(const promp_manager_core_t *core);
uint64_t promp_manager_core_unsent(const promp_manager_core_t *core);

#endif
