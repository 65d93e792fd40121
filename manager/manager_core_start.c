/* manager_core_start.c - START and its answer; what else is said to the node. */
#include "manager_core_state.h"

#include <stdio.h>
#include <stdlib.h>

#include "error.h"

/* Room for one more worker in the table and in the heap of idle ones, so that neither needs memory later. */
static promp_err_t reserve(promp_manager_core_t *core)
{
    if (core->count == PROMP_WORKER_ANY - 1)
        return PROMP_ERR_LIMIT_WORKERS;
    if (core->count == core->capacity) {
        size_t capacity = core->capacity ? core->capacity * 2 : 16;
        worker_t **table = realloc(core->table, capacity * sizeof *table);
        if (!table)
            return PROMP_ERR_MEMORY;
        core->table = table;
        core->capacity = capacity;
    }
    if (core->live.count == core->idle_capacity) {
        size_t capacity = core->idle_capacity ? core->idle_capacity * 2 : 16;
        uint32_t *idle = realloc(core->idle, capacity * sizeof *idle);
        if (!idle)
            return PROMP_ERR_MEMORY;
        core->idle = idle;
        core->idle_capacity = capacity;
    }
    return PROMP_OK;
}

static promp_err_t encode_start(worker_t *w, const promp_manager_core_start_t *start)
{
    promp_message_t message = {.type = PROMP_TYPE_START};
    message.start.lease_ms = start->timeout;
    message.start.umask = start->umask;
    message.start.program = promp_slice_str(start->program);
    message.start.folder = promp_slice_str(start->folder);
    message.start.argv = start->argv;
    message.start.env = start->env;
    message.start.labels = promp_slice_str(start->labels ? start->labels : "");
    message.start.node = promp_slice_str(start->node ? start->node : "");
    message.start.python = promp_slice_str(start->python ? start->python : "");
    message.start.cpus = start->cpus;
    message.start.gpus = start->gpus;
    message.start.memory = start->memory;
    message.start.spread = start->spread;
    promp_err_t err = promp_message_encode(&message, &w->start);
    return err == PROMP_ERR_MESSAGE_FIELD ? PROMP_ERR_ARGUMENT : err;
}

/* SETUP waits as the first record of the control lane until the session is open. */
static promp_err_t queue_setup(promp_manager_core_t *core, worker_t *w,
                               const promp_manager_core_start_t *start)
{
    promp_message_t message = {.type = PROMP_TYPE_SETUP};
    message.setup.worker = w->id;
    message.setup.level = core->level + 1;
    message.setup.options = start->options;
    message.setup.timeout_ms = start->timeout;
    message.setup.extra = start->extra;
    message.setup.address = promp_slice_str(start->address);
    promp_buf_t body = {0};
    promp_err_t err = promp_message_encode(&message, &body);
    if (err == PROMP_ERR_MESSAGE_FIELD || err == PROMP_ERR_MESSAGE_SIZE)
        err = PROMP_ERR_VALUE_SIZE;
    promp_slice_t part = promp_slice(body.data, body.size);
    if (!err)
        err = promp_session_send(w->session, PROMP_LANE_CONTROL, PROMP_TYPE_SETUP, &part, 1);
    promp_buf_free(&body);
    return err;
}

static void init_worker(promp_manager_core_t *core, worker_t *w, const promp_manager_core_start_t *start)
{
    w->id = (uint32_t)core->count + 1;
    w->key = start->session;
    w->options = start->options;
    w->timeout = start->timeout;
    w->time_limit = start->time_limit;
    w->kill_again = PROMP_NEVER;
    w->due = w->stop_at = w->abort_at = w->give_up_at = w->limit_at = w->shut_since = w->short_since =
        PROMP_NEVER;
    w->end.kind = EVENT_END;
    for (int i = 0; i < INBOXES; i++)
        promp_list_init(&w->inbox[i]);
    for (int i = 0; i < PROMP_ASK_PLACES; i++)
        promp_list_init(&w->asks[i]);
}

promp_err_t promp_manager_core_start(promp_manager_core_t *core, const promp_manager_core_start_t *start,
                                     uint32_t *worker, int64_t now)
{
    *worker = PROMP_WORKER_INVALID;
    if (core->lost)
        return PROMP_ERR_NODE_GONE;
    if (start->argv.size + start->env.size > PROMP_LIMIT_START)
        return PROMP_ERR_START_SIZE;
    if (promp_id_is_none(&start->session) || promp_map_get(core->sessions, &start->session))
        return PROMP_ERR_ARGUMENT;
    promp_manager_core_exit_trim(core); /* here, and not when workers end: the user may look at a record */
    promp_err_t err = reserve(core);
    if (err)
        return err;
    worker_t *w = calloc(1, sizeof *w);
    if (!w)
        return PROMP_ERR_MEMORY;
    init_worker(core, w, start);
    w->session = promp_session_new(&start->session, true);
    if (w->session)
        promp_session_pool(w->session, PROMP_LANE_BULK, &core->chunks);
    w->spare = calloc(1, sizeof *w->spare);
    w->refusal = calloc(1, sizeof *w->refusal);
    err = w->session && w->spare && w->refusal ? encode_start(w, start) : PROMP_ERR_MEMORY;
    if (!err)
        err = queue_setup(core, w, start);
    if (!err)
        err = promp_map_put(core->sessions, &start->session, w);
    if (err)
        goto err1;
    core->table[core->count++] = w;
    promp_list_append(&core->live, &w->member);
    core->lease_known = false;
    w->say_start = core->up;
    w->due = now;
    core->due = now;
    promp_manager_core_touch(core, w);
    *worker = w->id;
    return PROMP_OK;

err1:
    promp_session_destroy(&w->session);
    promp_buf_free(&w->start);
    free(w->refusal);
    free(w->spare);
    free(w);
    return err;
}

/* --- the answer --- */

void promp_manager_core_start_refuse(promp_manager_core_t *core, worker_t *w, promp_err_t code, int system,
                                     promp_slice_t text)
{
    if (w->abandoned) {
        promp_manager_core_forget(core, w);
        return;
    }
    w->say_start = false;
    w->refused = true;
    w->refusal->code = code;
    w->refusal->system = system;
    size_t size = text.size < sizeof w->refusal->text ? text.size : sizeof w->refusal->text - 1;
    if (size)
        memcpy(w->refusal->text, text.data, size);
    else
        snprintf(w->refusal->text, sizeof w->refusal->text, "%s", promp_error_text(code));
}

/* Somebody has taken it on: the user has his worker. */
static void accept(promp_manager_core_t *core, worker_t *w)
{
    w->state = WORKER_ALIVE;
    core->alive += !w->abandoned;
    free(w->refusal);
    w->refusal = NULL;
    w->say_start = false;
    w->say_kill = w->kill_cause != PROMP_OK;
    promp_manager_core_touch(core, w);
}

static void started(promp_manager_core_t *core, worker_t *w, const promp_msg_started_t *said, int64_t now)
{
    w->pid = said->pid;
    if (said->node.size) { /* the decoder has seen to its size */
        memcpy(w->node, said->node.data, said->node.size);
        w->node[said->node.size] = '\0';
    }
    if ((w->state != WORKER_STARTING && !w->queued) || w->refused)
        return; /* asked again after a new path, answered again */
    if (!w->queued)
        accept(core, w);
    w->queued = false;
    /* The node ends a program that does not say HELLO in time, but its word may not reach us. */
    w->shut_since = now + promp_max64(w->timeout, PROMP_TIME_HANDSHAKE);
    if (w->time_limit > 0) {
        w->limit_at = now + w->time_limit;
        w->due = promp_min64(w->due, w->limit_at);
        core->due = promp_min64(core->due, w->limit_at);
    }
    promp_buf_free(&w->start);
    w->say_start = false;
    promp_session_path(w->session, core->up, now);
    promp_manager_core_touch(core, w);
}

promp_err_t promp_manager_core_start_queued(promp_manager_core_t *core, worker_t *w,
                                            const promp_frame_t *frame, int64_t now)
{
    promp_message_t message;
    promp_err_t err = promp_message_decode(frame->type, frame->body, PROMP_WHO_BROKER, PROMP_WHO_MANAGER,
                                           PROMP_AT_UP, PROMP_VERSION_HIGH, &message);
    if (err || w->refused || (w->state != WORKER_STARTING && !w->queued))
        return err;
    w->queue.ahead = message.queued.ahead;
    w->queue.reason = (promp_err_t)message.queued.reason;
    w->queue.until = now + message.queued.patience_ms;
    if (w->queued)
        return PROMP_OK; /* told again */
    w->queued = true;
    accept(core, w);
    return PROMP_OK;
}

promp_err_t promp_manager_core_start_answer(promp_manager_core_t *core, worker_t *w,
                                            const promp_frame_t *frame, int64_t now)
{
    promp_message_t message;
    promp_err_t err = promp_message_decode(frame->type, frame->body, PROMP_WHO_NODE, PROMP_WHO_MANAGER,
                                           PROMP_AT_UP, PROMP_VERSION_HIGH, &message);
    if (err)
        return err;
    if (frame->type == PROMP_TYPE_STARTED)
        started(core, w, &message.started, now);
    else if (w->state == WORKER_STARTING && !w->refused)
        promp_manager_core_start_refuse(core, w,
                                        message.start_refused.error ? (promp_err_t)message.start_refused.error
                                                                    : PROMP_ERR_PROGRAM_FAILED,
                                        (int)message.start_refused.system, message.start_refused.text);
    else if (w->queued)
        promp_manager_core_end_refused(core, w, (promp_err_t)message.start_refused.error,
                                       message.start_refused.text);
    else if (w->state == WORKER_ALIVE && message.start_refused.error == PROMP_ERR_NO_WORKER)
        promp_manager_core_end_lost(core, w, PROMP_ERR_WORKER_LEASE, "the node does not know it any more");
    return PROMP_OK;
}

bool promp_manager_core_answered(const promp_manager_core_t *core, uint32_t worker)
{
    const worker_t *w = worker && worker <= core->count ? core->table[worker - 1] : NULL;
    return !w || w->refused || w->state != WORKER_STARTING;
}

bool promp_manager_core_answer(promp_manager_core_t *core, uint32_t worker, promp_error_t *error)
{
    worker_t *w = worker && worker <= core->count ? core->table[worker - 1] : NULL;
    memset(error, 0, sizeof *error);
    if (!w) {
        error->code = PROMP_ERR_NO_WORKER;
        return true;
    }
    if (w->refused) {
        *error = *w->refusal;
        promp_manager_core_forget(core, w);
        return true;
    }
    return w->state != WORKER_STARTING;
}

void promp_manager_core_abandon(promp_manager_core_t *core, uint32_t worker)
{
    worker_t *w = worker && worker <= core->count ? core->table[worker - 1] : NULL;
    if (!w || w->abandoned)
        return;
    promp_manager_core_stop_kill(core, w, PROMP_ERR_WORKER_STOPPED);
    w->abandoned = true;
    if (w->refused || w->state == WORKER_ENDED)
        promp_manager_core_forget(core, w);
    else if (w->state == WORKER_ALIVE)
        core->alive--;
}

/* --- what is said to the node --- */

static bool out_start(worker_t *w, promp_out_t *out)
{
    memset(&out->frame, 0, sizeof out->frame);
    out->frame.size = (uint32_t)(PROMP_FRAME_HEADER + w->start.size);
    out->frame.type = PROMP_TYPE_START;
    out->frame.session = w->key;
    out->part[0] = promp_slice(w->start.data, w->start.size);
    out->parts = 1;
    out->urgent = true;
    w->say_start = false;
    return true;
}

bool promp_manager_core_start_out(promp_manager_core_t *core, worker_t *w, promp_out_t *out)
{
    (void)core;
    if (w->say_start)
        return out_start(w, out);
    promp_message_t message = {.type = PROMP_TYPE_GONE_ACK};
    if (w->say_kill) {
        w->say_kill = false;
        message.type = PROMP_TYPE_KILL;
        message.kill.cause = (uint32_t)w->kill_cause;
    } else if (w->say_ack) {
        w->say_ack = false;
    } else {
        return false;
    }
    return promp_message_out(&message, &w->key, 0, out) == PROMP_OK;
}
