/* worker_core.h - the worker's half as a plain state machine: no socket, no clock, no thread. A shell
 * (worker.c, or the simulator) moves its frames by promp_worker_core_ops, calls what is below for the user's
 * code, and does what promp_worker_core_act() asks. One thread (or lock) at a time, except where "any thread"
 * is said.
 *
 *   new ── SETUP ──▶ set up ── ready() ──▶ idle ◀── begin() / finish() ──▶ busy
 *   any ── stop (urgent slot 1) ──▶ stopped: no new task, the running one is asked to end
 *   any ── RESET, broken protocol, lease ──▶ over: likewise, and DIE is asked for
 *
 * Aborting (urgent slot 0: a, the highest task number meant; b, T ms): all tasks up to a that have not begun
 * are dropped, also those that are still on their way; the running one has its flag set. INTERRUPT is asked
 * for at T/2 unless the flag was looked at, TERMINATE at 0.9 T; ending the process at T is the node's. When
 * nothing up to a runs any more, DONE{a, aborted} goes out.
 */
#ifndef PROMP_WORKER_CORE_H
#define PROMP_WORKER_CORE_H

#include "base.h"
#include "buf.h"
#include "container.h"
#include "port.h"
#include "reader.h"

typedef struct promp_worker_core promp_worker_core_t;

/* id: the session that WELCOME named. NULL without memory. */
promp_worker_core_t *promp_worker_core_new(const promp_id_t *id, int64_t now);
void promp_worker_core_destroy(promp_worker_core_t **core);

/* For promp_hub_attach and the simulator; the port's core is the promp_worker_core_t. */
extern const promp_port_ops_t promp_worker_core_ops;

/* What the shell shall do; asked after each call of ops->tick, ops->frame and ops->path, until NONE. */
typedef enum {
    PROMP_WORKER_ACT_NONE,
    PROMP_WORKER_ACT_INTERRUPT, /* interrupt the task *task, where the host can */
    PROMP_WORKER_ACT_TERMINATE, /* SIGTERM to this process: the task *task does not obey */
    PROMP_WORKER_ACT_DIE        /* end the process group: nobody is there for whom to work */
} promp_worker_act_t;
promp_worker_act_t promp_worker_core_act(promp_worker_core_t *core, uint64_t *task);

/* --- what the worker is --- */

typedef struct {
    uint32_t worker;  /* id at its manager */
    uint32_t level;   /* 1 below a root manager */
    uint32_t options; /* PROMP_OPT_* */
    uint32_t timeout; /* lease of the session, ms */
    promp_slice_t extra;
    const char *address; /* of the node, for the user; "" when not told */
} promp_worker_setup_t;
/* NULL until SETUP has come; then it never changes (any thread). */
const promp_worker_setup_t *promp_worker_core_setup(const promp_worker_core_t *core);

/* OK; CLOSED: stopped; else why the session is over. */
promp_err_t promp_worker_core_state(const promp_worker_core_t *core);
/* Everything that was queued has reached the manager. */
bool promp_worker_core_settled(const promp_worker_core_t *core);
/* What it says may go another way from now on: nothing that was sent is unacknowledged. Else the last words of a crash could
 * overtake those before them, and be dropped as a gap. */
bool promp_worker_core_may_move(const promp_worker_core_t *core);

/* --- tasks --- */

/* A task as it came. body owns the bytes that the slices borrow: promp_worker_job_free. */
typedef struct {
    uint64_t number;
    uint32_t kind;  /* promp_task_kind_t, unchecked */
    uint32_t flags; /* 1: the value is wanted */
    promp_slice_t name, file, code, args;
    uint8_t *body;
} promp_worker_job_t;
void promp_worker_job_free(promp_worker_job_t *job);

/* Queues READY, the first time. OK, MEMORY, CLOSED. */
promp_err_t promp_worker_core_ready(promp_worker_core_t *core, uint32_t pid);

/* A task waits (and none runs, and the worker is not stopped). */
bool promp_worker_core_has_task(const promp_worker_core_t *core);
/* Begins the next task, which moves into *job. False: has_task is false. */
bool promp_worker_core_begin(promp_worker_core_t *core, promp_worker_job_t *job);
uint64_t promp_worker_core_running(const promp_worker_core_t *core); /* its number, 0: none */

/* Queues the value that the running task returns: one encoded value, which moves in (*cbor is empty afterwards,
 * unchanged on failure). OK, MEMORY, VALUE_SIZE, STATE, CLOSED. */
promp_err_t promp_worker_core_result(promp_worker_core_t *core, promp_buf_t *cbor);
/* Queues why it failed. The texts (may be NULL) are cut to their limits, what is not UTF-8 in them is
 * replaced. */
promp_err_t promp_worker_core_failure(promp_worker_core_t *core, promp_err_t code, const char *kind,
                                      const char *text, const char *trace);
/* Ends the running task: queues its last progress and text, then DONE. outcome: 0 done, 1 failed, 2 aborted.
 * All of a task's end is queued without a look at credit, so it leaves together. OK, MEMORY (the session is
 * over then), STATE, CLOSED. */
promp_err_t promp_worker_core_finish(promp_worker_core_t *core, uint8_t outcome);

/* The running task shall end (aborted, stopped, or the session is over). Any thread. looks: the task itself asks, so
 * that it needs no interrupt; not when it is us who end a wait early. */
bool promp_worker_core_aborted(promp_worker_core_t *core, bool looks);
/* The manager wants this worker to end, or is gone. Any thread. */
bool promp_worker_core_stopped(const promp_worker_core_t *core);

/* --- progress and text of the running task: an older value that has not left yet is replaced --- */
promp_err_t promp_worker_core_progress(promp_worker_core_t *core,
                                       int value); /* OK, MEMORY, STATE: no task, CLOSED */
promp_err_t promp_worker_core_text(promp_worker_core_t *core,
                                   const char *text); /* also VALUE_SIZE, ARGUMENT: not UTF-8 */

/* --- messages --- */

/* OK, MESSAGE_ID, VALUE_SIZE, QUEUE_FULL, MEMORY, CLOSED. */
promp_err_t promp_worker_core_send(promp_worker_core_t *core, uint32_t id, promp_slice_t data);
/* Likewise; data moves in (empty afterwards, unchanged on failure): a large one costs nothing here. */
promp_err_t promp_worker_core_send_moved(promp_worker_core_t *core, uint32_t id, promp_buf_t *data);
bool promp_worker_core_has_message(const promp_worker_core_t *core);
/* The oldest one moves into *message: its id is number, its data args. False: there is none. */
bool promp_worker_core_receive(promp_worker_core_t *core, promp_worker_job_t *message);

/* --- output --- */

/* All output is on its way. False: the link took no more, the manager's credit is used up, or there is no path. */
bool promp_worker_core_output_sent(const promp_worker_core_t *core);
/* The manager can be reached at the moment. */
bool promp_worker_core_connected(const promp_worker_core_t *core);
/* There is room for a record: what is queued is below its bound. */
bool promp_worker_core_output_room(const promp_worker_core_t *core);
/* Queues one record, whatever room says. OK, VALUE_SIZE, ARGUMENT: stream, MEMORY, CLOSED. */
promp_err_t promp_worker_core_output(promp_worker_core_t *core, int stream, promp_slice_t text);
promp_err_t promp_worker_core_output_moved(promp_worker_core_t *core, int stream, promp_buf_t *text);
/* The text of the record queued just before, of this size, at most 256 KiB: it may still be written, before anything else
 * is done with the core. */
uint8_t *promp_worker_core_output_last(promp_worker_core_t *core, size_t size);

/* --- containers of the manager --- */

/* An OPEN under way; lies with the caller. */
typedef struct {
    promp_node_t node; /* of the core */
    uint32_t request;
    bool over; /* answered: what follows is set */
    promp_error_t error;
    promp_id_t id;
    uint64_t size;
    promp_lent_t lent;  /* fd -1: the descriptor did not come, although how says so */
    promp_slice_t data; /* all of it; empty: not sent along */
    uint8_t *body;      /* what data lies in */
} promp_worker_opening_t;

/* Asks for a name. OK, CONTAINER_LIMIT (too many are under way), ARGUMENT (the name), MEMORY, CLOSED. */
promp_err_t promp_worker_core_open(promp_worker_core_t *core, promp_slice_t name, bool plain,
                                   promp_worker_opening_t *opening);
/* The caller is done with it, answered or not; it has taken fd and body, or they are freed by it afterwards. */
void promp_worker_core_opened(promp_worker_core_t *core, promp_worker_opening_t *opening);
/* A descriptor came for a request; false: nobody waits for it, the caller keeps it. */
bool promp_worker_core_lent(promp_worker_core_t *core, uint32_t request, int fd);
/* Takes one answer back that brought neither descriptor nor data. */
void promp_worker_core_shut(promp_worker_core_t *core, const promp_id_t *id);

/* Reads of containers; the core sends its requests and feeds it with answers. Made with the first call; NULL without
 * memory. */
promp_reader_t *promp_worker_core_reader(promp_worker_core_t *core);
/* Bytes that the reader may keep; before its first use. */
void promp_worker_core_set_cache(promp_worker_core_t *core, uint64_t bytes);
/* Particulars of the last read that failed. */
const promp_error_t *promp_worker_core_read_error(const promp_worker_core_t *core);

#endif
