#include "manager_core_state.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

/* --- the last of a worker --- */

/* The worker is not alive any more; what it sent may still come. */
static void leave_alive(promp_manager_core_t *core, worker_t *w)
{
    if (w->state == WORKER_ALIVE && !w->abandoned)
        core->alive--;
    w->state = WORKER_DRAINING;
    w->stop_at = w->abort_at = w->limit_at = w->give_up_at = PROMP_NEVER;
    w->say_kill = false;
    promp_manager_core_task_leave(core, w);
}

static char *words(promp_err_t code, const char *text)
{
    char *all = NULL;
    int size = text && *text ? asprintf(&all, "%s: %s", promp_error_text(code), text)
                             : asprintf(&all, "%s", promp_error_text(code));
    return size < 0 ? NULL : all;
}

/* It ended because we asked for it. */
static bool wanted(const worker_t *w)
{
    promp_err_t cause = w->exit.cause;
    return cause == PROMP_ERR_WORKER_STOPPED || cause == PROMP_ERR_WORKER_ABORTED;
}

/* The last task that is over with everything that belongs to it: of a later one only the end has come, for control goes first,
 * and its result may be lost. */
static uint64_t settled(const worker_t *w)
{
    uint64_t task = w->over > w->answered ? w->over : w->answered;
    for (const event_t *event = w->first; event; event = event->next) {
        if (event->kind != EVENT_DONE)
            continue;
        if (event->end_messages > promp_session_taken(w->session, PROMP_LANE_MESSAGES))
            break;
        task = event->task > task ? event->task : task;
    }
    return task;
}

/* One failure for each task that was sent and is not over. The first may have run; of those that an abort meant only the first is
 * told, for the user knows of the others. No more than are kept. */
static void fail_tasks(promp_manager_core_t *core, worker_t *w)
{
    uint64_t first = settled(w) + 1, from = first + 1;
    if (first > w->given)
        return;
    const char *why = w->exit_text ? w->exit_text : promp_error_text(w->exit.cause);
    if (w->ready && !wanted(w)) {
        w->unknown_text = words(PROMP_ERR_OUTCOME_UNKNOWN, why);
        promp_manager_core_inbox_fail(core, w, first, PROMP_ERR_OUTCOME_UNKNOWN,
                                      w->unknown_text ? w->unknown_text : why);
    } else {
        promp_manager_core_inbox_fail(core, w, first, w->exit.cause, why);
    }
    if (from <= w->aborting)
        from = w->aborting + 1;
    if (w->given - first >= PROMP_LIMIT_FAILURES && from < w->given - PROMP_LIMIT_FAILURES + 2)
        from = w->given - PROMP_LIMIT_FAILURES + 2;
    for (uint64_t task = from; task <= w->given; task++)
        promp_manager_core_inbox_fail(core, w, task, w->exit.cause, why);
}

/* Under REDIRECT the last words, that only the node could read, are output like the rest. */
static void show_tail(promp_manager_core_t *core, worker_t *w)
{
    if (!(w->options & (PROMP_OPT_REDIRECT | PROMP_OPT_ATOMIC)) || !w->exit.tail_size)
        return;
    entry_t *entry = calloc(1, sizeof *entry);
    uint8_t *body = malloc(w->exit.tail_size + 1); /* room for the new-line of ATOMIC */
    if (!entry || !body) {
        free(entry);
        free(body);
        return;
    }
    size_t size = w->exit.tail_size;
    memcpy(body, w->exit.tail, size);
    if (w->options & PROMP_OPT_ATOMIC && body[size - 1] != '\n')
        body[size++] = '\n';
    entry->worker = w;
    entry->number = w->shown;
    entry->stream = PROMP_STREAM_NATIVE_STDERR;
    entry->body = body;
    entry->data = promp_slice(body, size);
    entry->cost = sizeof *entry + size;
    promp_manager_core_show_output(core, entry);
}

static void keep_tail(worker_t *w)
{
    size_t skip = w->tail.size > PROMP_LIMIT_TAIL ? w->tail.size - PROMP_LIMIT_TAIL : 0;
    promp_buf_consume(&w->tail, skip);
    w->exit.tail = w->tail.data;
    w->exit.tail_size = w->tail.size;
}

/* Everything that will ever come is here: the worker's end. */
static void finish(promp_manager_core_t *core, worker_t *w)
{
    uint64_t output = promp_session_taken(w->session, PROMP_LANE_OUTPUT);
    if (w->ends_known && w->ends[PROMP_LANE_OUTPUT] > output)
        w->exit.lost_output = w->ends[PROMP_LANE_OUTPUT] - output;
    w->exit.text = w->exit_text ? w->exit_text : promp_error_text(w->exit.cause);
    keep_tail(w);
    if (!w->abandoned) {
        show_tail(core, w);
        fail_tasks(core, w);
    }
    promp_session_destroy(&w->session);
    core->unsent -= w->backlog;
    w->backlog = 0;
    promp_list_remove(&core->live, &w->member);
    promp_list_remove(&core->blocked, &w->blocked);
    core->lease_known = false;
    w->state = WORKER_ENDED;
    promp_list_append(&core->ended, &w->member);
    w->say_ack = !w->owed;
    promp_manager_core_touch(core, w);
    if (!w->abandoned)
        promp_manager_core_show_event(core, w, &w->end);
    if (!core->live.count)
        promp_manager_core_task_drop(core, true);
    promp_manager_core_end_trim(core);
}

void promp_manager_core_end_check(promp_manager_core_t *core, worker_t *w)
{
    if (w->state != WORKER_DRAINING)
        return;
    bool here = w->ends_known;
    for (int lane = 0; lane < PROMP_LANES; lane++) {
        if (promp_session_has_record(w->session, (promp_lane_t)lane))
            return; /* the user reads first */
        if (here && promp_session_received(w->session, (promp_lane_t)lane) < w->ends[lane])
            here = false;
    }
    if (here || w->dry)
        finish(core, w);
}

void promp_manager_core_end_trim(promp_manager_core_t *core)
{
    promp_node_t *next;
    for (promp_node_t *at = promp_list_first(&core->ended); at && core->ended.count > PROMP_LIMIT_EXITS;
         at = next) {
        next = promp_list_after(&core->ended, at);
        worker_t *w = WORKER_OF(at, member);
        bool wanted_still = w->first || w->outputs || w->say_ack;
        for (int i = 0; i < INBOXES; i++)
            wanted_still = wanted_still || w->inbox[i].count;
        if (!wanted_still)
            promp_manager_core_forget(core, w);
    }
}

/* --- the node's word --- */

static void keep_exit(worker_t *w, const promp_msg_gone_t *gone)
{
    w->exit.worker = w->id;
    w->exit.cause = gone->cause ? (promp_err_t)gone->cause : PROMP_ERR_WORKER_EXITED;
    w->exit.code = (int)gone->code;
    w->exit.signal = (int)gone->signal;
    w->exit.memory = gone->memory;
    if (w->stopping && w->exit.cause == PROMP_ERR_WORKER_EXITED && !gone->code)
        w->exit.cause = PROMP_ERR_WORKER_STOPPED; /* it did as it was told */
    else if (w->abort_at != PROMP_NEVER && w->exit.cause == PROMP_ERR_WORKER_SIGNALLED &&
             gone->signal == SIGTERM)
        w->exit.cause = PROMP_ERR_WORKER_ABORTED; /* the abort's own last step but one */
    else if (gone->text.size && !w->exit_text)
        w->exit_text = strndup((const char *)gone->text.data, gone->text.size);
    promp_buf_append(&w->tail, gone->tail.data, gone->tail.size); /* without memory there is no tail */
}

promp_err_t promp_manager_core_end_gone(promp_manager_core_t *core, worker_t *w, const promp_frame_t *frame,
                                        int64_t now)
{
    promp_message_t message;
    promp_err_t err = promp_message_decode(frame->type, frame->body, PROMP_WHO_NODE, PROMP_WHO_MANAGER,
                                           PROMP_AT_UP, PROMP_VERSION_HIGH, &message);
    if (err)
        return err;
    if (w->state ==
        WORKER_ENDED) { /* told again: the acknowledgement was lost, or it had ended here before */
        w->owed = false;
        w->say_ack = true;
        promp_manager_core_touch(core, w);
        return PROMP_OK;
    }
    if (w->state == WORKER_DRAINING)
        return PROMP_OK;
    const promp_msg_gone_t *gone = &message.gone;
    if (w->state == WORKER_STARTING) { /* the answer to START was lost on the way: it had started */
        if (w->refused)
            return PROMP_OK;
        core->alive += !w->abandoned;
        w->state = WORKER_ALIVE;
    }
    keep_exit(w, gone);
    leave_alive(core, w);
    w->ends_known = gone->lanes != 0;
    w->ends[PROMP_LANE_CONTROL] = gone->end_control;
    w->ends[PROMP_LANE_MESSAGES] = gone->end_messages;
    w->ends[PROMP_LANE_OUTPUT] = gone->end_output;
    w->ends[PROMP_LANE_BULK] = gone->end_bulk;
    w->dry = !w->ends_known || promp_session_state(w->session) == PROMP_SESSION_OVER;
    w->give_up_at = now + PROMP_TIME_LINGER;
    promp_manager_core_touch(core, w);
    promp_manager_core_take(core, w, now);
    return PROMP_OK;
}

/* --- without the node's word --- */

static void discard(worker_t *w)
{
    promp_record_t record;
    for (int lane = 0; lane < PROMP_LANES; lane++)
        while (promp_session_take(w->session, (promp_lane_t)lane, &record))
            free(record.body);
}

void promp_manager_core_end_broken(promp_manager_core_t *core, worker_t *w, promp_err_t error, int64_t now)
{
    if (w->state == WORKER_DRAINING) {
        discard(w);
        promp_session_over(w->session, error);
        w->dry = true;
        promp_manager_core_end_check(core, w);
        return;
    }
    if (w->give_up_at != PROMP_NEVER)
        return;
    promp_session_over(w->session, error);
    promp_err_t cause = error >= PROMP_ERR_WORKER_EXITED ? error : PROMP_ERR_WORKER_PROTOCOL;
    promp_manager_core_start_kill(core, w, cause);
    if (!w->exit_text)
        w->exit_text = words(cause, cause == error ? NULL : promp_error_text(error));
    w->give_up_at = now + w->timeout;
    promp_manager_core_touch(core, w);
}

void promp_manager_core_end_lost(promp_manager_core_t *core, worker_t *w, promp_err_t cause, const char *text)
{
    if (w->state == WORKER_ALIVE) {
        w->exit.worker = w->id;
        w->exit.cause = cause;
        if (!w->exit_text)
            w->exit_text = words(cause, text);
        w->kill_cause = cause;
        w->owed = true;
        leave_alive(core, w);
    }
    w->dry = true;
    promp_manager_core_end_check(core, w);
}

/* Since when its session has had no way, or should have had its first; PROMP_NEVER while it has one. */
static int64_t shut_since(promp_manager_core_t *core, worker_t *w, int64_t now)
{
    if (promp_session_state(w->session) == PROMP_SESSION_OPEN) {
        w->opened = true;
        w->shut_since = PROMP_NEVER;
    } else if (w->shut_since == PROMP_NEVER) {
        w->shut_since = core->up ? now : core->down_since;
    }
    return w->opened || core->up ? w->shut_since : core->down_since;
}

static void end_silent(promp_manager_core_t *core, worker_t *w)
{
    char text[64];
    snprintf(text, sizeof text, "nothing was heard for %u ms", (unsigned)w->timeout);
    promp_manager_core_end_lost(core, w, core->up ? PROMP_ERR_WORKER_LEASE : PROMP_ERR_WORKER_NODE_LOST,
                                text);
}

static int64_t tick_alive(promp_manager_core_t *core, worker_t *w, int64_t now)
{
    if (now >= w->stop_at)
        promp_manager_core_start_kill(core, w, PROMP_ERR_WORKER_STOPPED);
    if (now >= w->abort_at)
        promp_manager_core_start_kill(core, w, PROMP_ERR_WORKER_ABORTED);
    if (now >= w->limit_at)
        promp_manager_core_start_kill(core, w, PROMP_ERR_WORKER_TIME_LIMIT);
    int64_t next = promp_session_tick(w->session, now);
    next = promp_min64(next, promp_min64(w->limit_at, promp_min64(w->stop_at, w->abort_at)));
    int64_t since = shut_since(core, w, now);
    int64_t end = promp_min64(w->give_up_at, since == PROMP_NEVER ? PROMP_NEVER : since + w->timeout);
    if (now < end)
        return promp_min64(next, end);
    end_silent(core, w);
    return PROMP_NEVER;
}

/* A relay may have lost what the worker sent last: progress is waited for, not more. */
static int64_t tick_draining(promp_manager_core_t *core, worker_t *w, int64_t now)
{
    uint64_t heard = 0;
    for (int lane = 0; lane < PROMP_LANES; lane++)
        heard += promp_session_received(w->session, (promp_lane_t)lane);
    if (heard != w->heard) {
        w->heard = heard;
        w->give_up_at = now + PROMP_TIME_LINGER;
    }
    if (now >= w->give_up_at)
        w->dry = true;
    promp_manager_core_end_check(core, w);
    if (w->state == WORKER_ENDED)
        return PROMP_NEVER;
    int64_t next = w->dry ? PROMP_NEVER : w->give_up_at;
    return promp_min64(next, promp_session_tick(w->session, now));
}

int64_t promp_manager_core_end_tick(promp_manager_core_t *core, worker_t *w, int64_t now)
{
    if (w->state == WORKER_ALIVE)
        return tick_alive(core, w, now);
    if (w->state == WORKER_DRAINING)
        return tick_draining(core, w, now);
    return PROMP_NEVER;
}
