/* manager_core_state.h - the tables of the manager's core, for its own files only.
 *
 * manager_core.c         the table of workers
 * manager_core_port.c    frames in, frames out, time
 * manager_core_side.c    direct ways to workers
 * manager_core_start.c   START and its answer
 * manager_core_stop.c    stop, kill
 * manager_core_end.c     GONE, the last records, lost nodes, leases
 * manager_core_exit.c    exit records, what becomes of a dead worker's tasks
 * manager_core_idle.c    who is idle
 * manager_core_task.c    tasks, the queue for ANY
 * manager_core_send.c    what goes to workers, messages
 * manager_core_abort.c   abort
 * manager_core_take.c    records out of the sessions into the inboxes
 * manager_core_inbox.c   what the user takes: messages, results, failures
 * manager_core_output.c  output, from its lane to the user
 * manager_core_show.c    what promp_manager_process shows: progress, ends of tasks; wait objects
 * manager_core_share.c   containers: names, answers
 * manager_core_asks.c    containers: what workers ask
 * manager_core_query.c   predicates
 */
#ifndef PROMP_MANAGER_MANAGER_CORE_STATE_H
#define PROMP_MANAGER_MANAGER_CORE_STATE_H

#include "hash.h"
#include "list.h"
#include "manager_core.h"
#include "manager_core_share.h"
#include "map.h"
#include "session.h"

typedef enum { WORKER_STARTING, WORKER_ALIVE, WORKER_DRAINING, WORKER_ENDED } worker_state_t;

typedef enum { INBOX_MESSAGE, INBOX_RESULT, INBOX_FAILURE, INBOXES } inbox_t;

/* One record that waits for the user. */
typedef struct {
    promp_node_t all;      /* in core->inbox[] or core->output, by arrival */
    promp_node_t own;      /* in worker->inbox[]; not for output */
    struct worker *worker; /* NULL: a task for ANY that no worker got */
    uint64_t mark;
    uint64_t number;           /* message: its id; result, failure: the task; output: end in the lane */
    promp_err_t code;          /* failure */
    uint8_t inbox;             /* inbox_t */
    uint8_t stream;            /* output */
    uint64_t cost;             /* bytes counted against the limit */
    promp_slice_t data;        /* message, value, text */
    promp_slice_t kind, trace; /* failure */
    uint8_t *body;             /* owns what the slices borrow; NULL: the worker's exit does */
} entry_t;

/* What happened to the tasks of one worker, in order. */
typedef enum { EVENT_UPDATE, EVENT_DONE, EVENT_END } event_kind_t;
typedef struct event {
    struct event *next;
    event_kind_t kind;
    uint64_t mark;
    uint64_t task;                     /* DONE: all up to it are over */
    uint64_t end_messages, end_output; /* DONE */
    bool has_value;                    /* UPDATE */
    int value;
    char *text; /* UPDATE: or NULL */
} event_t;

/* A reference to a container; first member of what holds one. */
typedef struct {
    promp_node_t node;
    promp_container_t *container;
} held_t;

/* A container that a worker has open, so many times. */
typedef struct {
    held_t held;
    uint32_t count;
} opened_t;

/* What a worker asks; held.container is the ask's. */
typedef struct {
    held_t held; /* in worker->asks[] */
    promp_ask_t ask;
    bool declined; /* it was offered in vain, and would be again */
} ask_item_t;

typedef struct worker {
    uint32_t id;
    promp_id_t key; /* of its session */
    worker_state_t state;
    promp_session_t *session; /* NULL when ENDED */
    uint32_t options;
    uint32_t timeout; /* lease, ms */
    uint32_t pid;
    char node[PROMP_LIMIT_KEY_NAME + 1]; /* where it runs, as a broker calls it */
    bool queued; /* ALIVE, but a broker has it in its queue: there is no process yet */
    struct {
        uint32_t ahead;     /* of the same owner */
        promp_err_t reason; /* it is refused with this unless a node comes until then; 0: places are in use */
        int64_t until;
    } queue;        /* while queued */
    bool ready;     /* READY has come */
    bool stopping;  /* no new task */
    bool abandoned; /* the user does not know it */
    bool owed;      /* ended without the node's word: should it come back, the worker is killed */

    /* to the node */
    promp_buf_t start; /* body of START until it is answered */
    bool say_start, say_kill, say_ack;
    promp_err_t kill_cause; /* PROMP_OK: no kill wanted */
    int64_t kill_again;     /* when KILL is said again, where it may get lost */
    bool refused;
    promp_error_t *refusal; /* STARTING: room for why */

    /* tasks: numbers count from 1 */
    uint64_t given;    /* last one sent */
    uint64_t done;     /* all up to it have said DONE */
    uint64_t over;     /* likewise, and it counts for the user */
    uint64_t answered; /* the last one whose result or failure was taken: those before lack nothing either */
    uint64_t aborting; /* all up to it are to be aborted */
    bool busy;         /* over < given */
    bool idling;       /* its id is in core->idle */
    uint64_t backlog;  /* its part of core->unsent */

    /* what waits for the user */
    promp_list_t inbox[INBOXES];
    uint64_t inbox_bytes;  /* its part of core->inbox_bytes */
    event_t *first, *last; /* queue of events */
    event_t *spare;        /* the next event: without it the control lane is not taken */
    event_t end;           /* EVENT_END, which must not need memory */
    size_t outputs;        /* pieces in core->output */
    uint64_t shown;        /* output lane: shown up to here */
    promp_wait_object_t wait;
    bool has_wait;

    /* containers */
    promp_map_t *containers;             /* id to opened_t; NULL: none yet */
    promp_list_t asks[PROMP_ASK_PLACES]; /* in order of arrival */

    /* its end */
    bool dry;        /* nothing more can come */
    bool ends_known; /* ends[] say what it had sent */
    uint64_t ends[PROMP_LANES];
    uint64_t output_seen; /* so much of its output lane its node has seen */
    bool sure;            /* besides what is missing up to there nothing can be */
    uint64_t heard;       /* bytes received while DRAINING, to see progress */
    promp_worker_exit_t exit;
    char *exit_text;    /* why it ended */
    char *unknown_text; /* likewise, for the task it ran */
    promp_buf_t tail;   /* last output that was not for the user, a little more than PROMP_LIMIT_TAIL */

    /* times */
    int64_t due; /* of the next tick */
    int64_t stop_at, abort_at, give_up_at;
    int64_t limit_at;    /* its time limit, if any, is over */
    int time_limit;      /* ms */
    int64_t short_since; /* no memory for a record of it; PROMP_NEVER: there was */
    uint64_t short_at;   /* where in the lane */
    bool opened;         /* the session was OPEN once */
    int64_t shut_since;  /* since when it is not (at first, when it should be); PROMP_NEVER: it is */

    promp_node_t member;  /* of core->live by id, or core->ended by time */
    promp_node_t sending; /* of core->touched, or core->starved when starves */
    bool starves;
    bool side;          /* its frames go straight to it */
    uint64_t side_room; /* of that way */
    promp_way_t way;    /* what was told of it last */
    unsigned sides;     /* so many were asked for in a row */
    int64_t side_since;
    promp_node_t showing; /* of core->ready: its first event may be shown */
    promp_node_t blocked; /* of core->blocked: records wait in the session for room in an inbox */
    promp_node_t waiting; /* of core->waits, by id */
    promp_node_t siding;  /* of core->sides: a direct way shall be made */
    promp_node_t asking[PROMP_ASK_PLACES]; /* of core->askers[]: an ask of it may be taken */
} worker_t;

/* A task for ANY that waits. */
typedef struct {
    promp_node_t node;
    uint8_t *body; /* of TASK, number still open */
    size_t size;
} queued_t;

struct promp_manager_core {
    uint32_t level;
    bool remote;
    char lost_why[160]; /* in words; "": the node has ended */
    bool up, lost;
    promp_id_t node; /* who is on the other end, none before the first path */
    int64_t down_since;
    int64_t now; /* as the port was last told */

    worker_t **table; /* by id - 1; NULL: forgotten */
    size_t count, capacity;
    promp_map_t *sessions; /* key to worker_t */
    promp_list_t live;     /* STARTING, ALIVE, DRAINING */
    promp_list_t ended;
    size_t alive, busy; /* counts */
    uint32_t lease;     /* smallest of live */
    bool lease_known;

    promp_list_t touched; /* may have frames to send */
    promp_list_t starved; /* have data to send and no room on the link */
    uint64_t starved_room;
    int64_t due, asked; /* next tick; what the last one returned */

    uint32_t *idle; /* heap of ids of workers that may be idle, with room for all */
    size_t idle_count, idle_capacity;
    promp_list_t queue; /* tasks for ANY */
    uint64_t queue_bytes;
    uint64_t unsent; /* bytes in sessions, messages lane */

    promp_list_t inbox[INBOXES];
    promp_list_t output;
    uint64_t inbox_bytes, failure_bytes, output_bytes;
    uint64_t unsent_limit, inbox_limit, output_limit;
    promp_list_t ready;   /* workers whose first event may be shown */
    promp_list_t blocked; /* workers whose records wait for room */
    promp_list_t waits;   /* workers with a wait object */
    promp_list_t sides;   /* workers to which a direct way shall be made */
    uint64_t mark;        /* of the last event, output or ask */

    promp_hash_seed_t name_seed[2];
    promp_map_t *shared;                   /* key of the name to shared_t; NULL: none yet */
    promp_list_t askers[PROMP_ASK_PLACES]; /* workers, in turn */
    promp_list_t dropped;                  /* held_t that nobody needs any more */
    promp_pool_t chunks;                   /* for answers to reads */
    bool fresh;
};

#define WORKER_OF(node, member) PROMP_CONTAINER(node, worker_t, member)

/* Puts what may be in this list, and is in no other, at its end. */
static inline void promp_manager_core_enlist(promp_list_t *list, promp_node_t *node)
{
    if (!node->next)
        promp_list_append(list, node);
}

/* manager_core.c */
worker_t *promp_manager_core_find(const promp_manager_core_t *core,
                                  uint32_t id);                          /* NULL: not known to the user */
void promp_manager_core_touch(promp_manager_core_t *core, worker_t *w);  /* it may have something to send */
void promp_manager_core_unlist(promp_manager_core_t *core, worker_t *w); /* it has nothing to send */
void promp_manager_core_forget(promp_manager_core_t *core, worker_t *w); /* frees it */
/* Next living worker after w (NULL: the first) that the user knows. */
worker_t *promp_manager_core_next_live(const promp_manager_core_t *core, const worker_t *w);

/* manager_core_side.c */
void promp_manager_core_side_ask(promp_manager_core_t *core, worker_t *w); /* its session is open */
void promp_manager_core_side(void *core, const promp_id_t *session, promp_way_t way, uint64_t room,
                             int64_t now); /* port.h */

/* manager_core_start.c */
promp_err_t promp_manager_core_start_answer(promp_manager_core_t *core, worker_t *w,
                                            const promp_frame_t *frame, int64_t now);
promp_err_t promp_manager_core_start_queued(promp_manager_core_t *core, worker_t *w,
                                            const promp_frame_t *frame, int64_t now);
/* Remembers the refusal for promp_manager_core_answer; frees an abandoned worker. */
void promp_manager_core_start_refuse(promp_manager_core_t *core, worker_t *w, promp_err_t code, int system,
                                     promp_slice_t text);
bool promp_manager_core_start_out(promp_manager_core_t *core, worker_t *w,
                                  promp_out_t *out); /* START, KILL, GONE_ACK */

/* manager_core_stop.c */
void promp_manager_core_stop_kill(promp_manager_core_t *core, worker_t *w, promp_err_t cause);

/* manager_core_end.c */
promp_err_t promp_manager_core_end_gone(promp_manager_core_t *core, worker_t *w, const promp_frame_t *frame,
                                        int64_t now);
/* The broker will not start it after all. */
void promp_manager_core_end_refused(promp_manager_core_t *core, worker_t *w, promp_err_t error,
                                    promp_slice_t text);
/* Its session is of no use any more: broken protocol, or reset. */
void promp_manager_core_end_broken(promp_manager_core_t *core, worker_t *w, promp_err_t error, int64_t now);
/* Ends it without the node's word. */
void promp_manager_core_end_lost(promp_manager_core_t *core, worker_t *w, promp_err_t cause,
                                 const char *text);
/* A draining worker may be ready to end. */
void promp_manager_core_end_check(promp_manager_core_t *core, worker_t *w);
/* Its times; returns when it wants the next call. May end it. */
int64_t promp_manager_core_end_tick(promp_manager_core_t *core, worker_t *w, int64_t now);

/* manager_core_exit.c */
char *promp_manager_core_exit_words(promp_err_t code, const char *text); /* malloc'd; NULL without memory */
void promp_manager_core_exit_keep(worker_t *w, const promp_msg_gone_t *gone);
void promp_manager_core_exit_keep_tail(worker_t *w);
void promp_manager_core_exit_show_tail(promp_manager_core_t *core, worker_t *w);
void promp_manager_core_exit_fail_tasks(promp_manager_core_t *core, worker_t *w);
void promp_manager_core_exit_trim(promp_manager_core_t *core); /* forgets the oldest records */

/* manager_core_idle.c */
bool promp_manager_core_idle_takes(const worker_t *w); /* it may be given tasks */
bool promp_manager_core_idle_is(const worker_t *w);    /* it is ready and has none */
void promp_manager_core_idle_push(promp_manager_core_t *core, worker_t *w);
worker_t *promp_manager_core_idle_first(promp_manager_core_t *core); /* lowest id; NULL: none */
void promp_manager_core_idle_leave(promp_manager_core_t *core, worker_t *w);

/* manager_core_task.c */
void promp_manager_core_task_idle(promp_manager_core_t *core, worker_t *w);  /* it may be idle now */
void promp_manager_core_task_count(promp_manager_core_t *core, worker_t *w); /* busy or not, again */
void promp_manager_core_task_drop(promp_manager_core_t *core, bool fail);    /* empties the queue for ANY */

/* manager_core_send.c */
promp_err_t promp_manager_core_send_room(const promp_manager_core_t *core,
                                         uint64_t size); /* OK, QUEUE_FULL */
/* moved: NULL, or what rest stands in; it moves into the session. */
promp_err_t promp_manager_core_send_post(worker_t *w, uint16_t type, promp_slice_t head, promp_slice_t rest,
                                         promp_buf_t *moved);
void promp_manager_core_send_backlog(promp_manager_core_t *core, worker_t *w); /* unsent, again */

/* manager_core_take.c */
promp_err_t promp_manager_core_take_decode(const promp_record_t *record, promp_message_t *message);
void promp_manager_core_take(promp_manager_core_t *core, worker_t *w, int64_t now);
void promp_manager_core_take_blocked(promp_manager_core_t *core); /* there may be room again */

/* manager_core_share.c */
promp_container_t *promp_manager_core_share_find(const promp_manager_core_t *core,
                                                 promp_slice_t name); /* kept; NULL: none */
void promp_manager_core_share_clear(promp_manager_core_t *core);

/* manager_core_asks.c */
promp_err_t promp_manager_core_share_take(promp_manager_core_t *core, worker_t *w); /* the bulk lane */
void promp_manager_core_share_check(promp_manager_core_t *core, worker_t *w);       /* may it ask? */
void promp_manager_core_share_leave(promp_manager_core_t *core, worker_t *w);       /* it asks no more */
promp_err_t promp_manager_core_share_open(worker_t *w,
                                          promp_container_t *container); /* OK, CONTAINER_LIMIT, MEMORY */

/* manager_core_inbox.c */
void promp_manager_core_inbox_put(promp_manager_core_t *core, entry_t *entry, inbox_t inbox);
void promp_manager_core_inbox_fail(promp_manager_core_t *core, worker_t *w, uint64_t task, promp_err_t code,
                                   const char *text);
void promp_manager_core_inbox_clear(promp_manager_core_t *core);

/* manager_core_output.c */
promp_err_t promp_manager_core_output_take(promp_manager_core_t *core, worker_t *w);
void promp_manager_core_output_show(promp_manager_core_t *core, entry_t *entry);

/* manager_core_show.c */
/* Appends an event; NULL: looks again whether the first one counts. */
void promp_manager_core_show_event(promp_manager_core_t *core, worker_t *w, event_t *event);
void promp_manager_core_show_clear(worker_t *w); /* frees its events */

#endif
