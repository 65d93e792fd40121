/* worker_core_impl.h - the struct behind worker_core.h, for the files of the core only. */
#ifndef PROMP_WORKER_CORE_IMPL_H
#define PROMP_WORKER_CORE_IMPL_H

#include <stdatomic.h>

#include "list.h"
#include "message.h"
#include "session.h"
#include "worker_core.h"

/* A value of which only the newest matters: one is on its way, at most one waits behind it. */
typedef struct {
    promp_buf_t waiting; /* body of the record that waits; data NULL: none */
    uint64_t end;        /* control lane: where the one on its way ends */
} promp_worker_latest_t;

struct promp_worker_core {
    promp_session_t *session;
    promp_err_t over; /* why the session is over; OK: it is not */

    promp_worker_setup_t setup;
    bool set_up;
    uint8_t *setup_body; /* setup.extra borrows from it */
    char *address;
    bool ready; /* READY was queued */

    /* Tasks; numbers count from 1 without a gap. */
    promp_list_t jobs; /* those that have come and not begun */
    uint64_t seen;     /* number of the last one that came */
    uint64_t running;  /* 0: none */
    uint64_t done;     /* highest number told by DONE */
    uint64_t floor;    /* all up to here are aborted */

    atomic_bool aborted; /* for the running task */
    atomic_bool looked;  /* it has asked for the flag since the last abort came */
    atomic_bool stopped; /* no new task */

    int64_t interrupt_at; /* T/2 of the abort, PROMP_NEVER: not by time; likewise the next two */
    int64_t terminate_at;
    int64_t die_at;
    unsigned acts; /* bits 1 << promp_worker_act_t that the shell has not taken */

    int64_t now; /* of the last call that told it */
    bool path_up;
    bool side; /* a direct way to the manager, with so much room */
    uint64_t side_room;
    int64_t quiet_since; /* since then no path to the manager; PROMP_NEVER: there is one */
    int64_t wanted;      /* when tick wanted the next call */

    promp_list_t inbox; /* users' messages */
    uint64_t held;      /* bytes of jobs and inbox */

    promp_list_t openings;
    uint32_t open_number;   /* of the last OPEN */
    uint64_t cache;         /* bytes that it may keep */
    promp_reader_t *reader; /* NULL: nothing was read yet */
    promp_error_t read_error;

    promp_worker_latest_t progress;
    promp_worker_latest_t text;
};

/* A record that came and waits for the user: in core->jobs or core->inbox. */
typedef struct {
    promp_node_t node;
    promp_worker_job_t job; /* a message: number is its id, args its data */
    size_t size;            /* of its body, for core->held */
} promp_worker_item_t;

/* Ends the session: the flags are set, RESET goes out, and if the process does not end by itself DIE is asked
 * for. */
void promp_worker_core_break(promp_worker_core_t *core, promp_err_t error);

/* Queues a record; its lane is its row's. moved (may be NULL): the buffer that the message's last field, BYTES, stands
 * in; it moves in and is empty afterwards, unchanged on failure. */
promp_err_t promp_worker_core_post(promp_worker_core_t *core, const promp_message_t *message,
                                   promp_buf_t *moved);

/* Takes what the lanes hold, within the limit on what may wait here. An error: the manager broke the
 * protocol. */
promp_err_t promp_worker_core_take(promp_worker_core_t *core);

/* Likewise, after the user took something away and there may be room. */
void promp_worker_core_refill(promp_worker_core_t *core);

/* Takes one record off a list; item is freed, the job moves. */
bool promp_worker_core_shift(promp_worker_core_t *core, promp_list_t *list, promp_worker_job_t *job);

/* worker_core_container.c */
promp_err_t promp_worker_core_on_opened(promp_worker_core_t *core, const promp_msg_opened_t *opened,
                                        promp_record_t *record);
promp_err_t promp_worker_core_on_chunk(promp_worker_core_t *core, const promp_msg_chunk_t *chunk,
                                       promp_record_t *record);
void promp_worker_core_ask(promp_worker_core_t *core);        /* sends what the reader wants */
void promp_worker_core_unanswered(promp_worker_core_t *core); /* nothing will be answered any more */

/* worker_core_task.c */
promp_err_t promp_worker_core_on_abort(promp_worker_core_t *core, uint64_t last, uint64_t timeout,
                                       int64_t now);
void promp_worker_core_drop(promp_worker_core_t *core, uint64_t last); /* jobs up to last */

/* worker_core_out.c: queues the newest progress and text if the ones before have arrived, or always (force).
 */
promp_err_t promp_worker_core_flush_latest(promp_worker_core_t *core, bool force);

#endif
