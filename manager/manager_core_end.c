/* manager_core_end.c - how workers end: the node's word, broken sessions, lost nodes, leases. */
#include "manager_core_state.h"

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
    w->say_kill = w->say_start = w->queued = false;
    w->kill_again = PROMP_NEVER;
    promp_buf_free(&w->start);
    promp_manager_core_idle_leave(core, w);
    promp_manager_core_share_leave(core, w);
    promp_list_remove(&core->sides, &w->siding);
}

/* Of what is unsent in its memory nobody knows; of all else its exit says whether it is here. */
static void count_loss(worker_t *w)
{
    uint64_t here = promp_session_taken(w->session, PROMP_LANE_OUTPUT);
    uint64_t said = promp_session_heard(w->session, PROMP_LANE_OUTPUT);
    if (w->output_seen > said)
        said = w->output_seen;
    w->exit.lost_output = said > here ? said - here : 0;
    w->exit.unsure = !w->sure;
}

/* Everything that will ever come is here: the worker's end. */
static void finish(promp_manager_core_t *core, worker_t *w)
{
    count_loss(w);
    w->exit.text = w->exit_text ? w->exit_text : promp_error_text(w->exit.cause);
    promp_manager_core_exit_keep_tail(w);
    if (!w->abandoned) {
        promp_manager_core_exit_show_tail(core, w);
        promp_manager_core_exit_fail_tasks(core, w);
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

/* --- the node's word --- */

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
    promp_manager_core_exit_keep(w, gone);
    leave_alive(core, w);
    bool aside = gone->lanes == 2; /* there was a direct way, of which the node knows nothing */
    w->ends_known = gone->lanes == 1 || (aside && w->way == PROMP_WAY_UNUSED);
    w->sure = (w->ends_known || (aside && w->way == PROMP_WAY_READ_OUT)) &&
              promp_session_state(w->session) != PROMP_SESSION_OVER;
    w->output_seen = gone->seen_output > gone->end_output ? gone->seen_output : gone->end_output;
    w->ends[PROMP_LANE_CONTROL] = gone->end_control;
    w->ends[PROMP_LANE_MESSAGES] = gone->end_messages;
    w->ends[PROMP_LANE_OUTPUT] = gone->end_output;
    w->ends[PROMP_LANE_BULK] = gone->end_bulk;
    w->dry = gone->lanes != 1 || promp_session_state(w->session) == PROMP_SESSION_OVER;
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
        w->sure = false;
        promp_manager_core_end_check(core, w);
        return;
    }
    if (w->give_up_at != PROMP_NEVER)
        return;
    promp_session_over(w->session, error);
    promp_err_t cause = error >= PROMP_ERR_WORKER_EXITED ? error : PROMP_ERR_WORKER_PROTOCOL;
    promp_manager_core_stop_kill(core, w, cause);
    if (!w->exit_text)
        w->exit_text = promp_manager_core_exit_words(cause, cause == error ? NULL : promp_error_text(error));
    w->give_up_at = now + w->timeout;
    promp_manager_core_touch(core, w);
}

void promp_manager_core_end_lost(promp_manager_core_t *core, worker_t *w, promp_err_t cause, const char *text)
{
    if (w->state == WORKER_ALIVE) {
        w->exit.worker = w->id;
        w->exit.cause = cause;
        if (!w->exit_text)
            w->exit_text = promp_manager_core_exit_words(cause, text);
        w->kill_cause = cause;
        w->owed = true;
        leave_alive(core, w);
    }
    w->dry = true;
    promp_manager_core_end_check(core, w);
}

void promp_manager_core_end_refused(promp_manager_core_t *core, worker_t *w, promp_err_t error,
                                    promp_slice_t text)
{
    w->exit.worker = w->id;
    w->exit.cause = w->kill_cause ? w->kill_cause : PROMP_ERR_WORKER_START;
    if (!w->kill_cause) {
        char *words = text.size ? strndup((const char *)text.data, text.size) : NULL;
        w->exit_text =
            promp_manager_core_exit_words(PROMP_ERR_WORKER_START, words ? words : promp_error_text(error));
        free(words);
    }
    leave_alive(core, w);
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
    /* Behind a broker the link says nothing about the node. */
    bool heard_node = core->up && !core->remote;
    promp_manager_core_end_lost(core, w, heard_node ? PROMP_ERR_WORKER_LEASE : PROMP_ERR_WORKER_NODE_LOST,
                                text);
    /* A relay may find the worker again on this path, which may stay for good: another one is not waited for. */
    w->say_kill = core->up;
    promp_manager_core_touch(core, w);
}

/* Behind a broker KILL may get lost: a broker that starts anew forgets it. */
static int64_t kill_again(promp_manager_core_t *core, worker_t *w, int64_t now)
{
    if (!core->remote || !w->kill_cause || !core->up)
        return PROMP_NEVER;
    if (now >= w->kill_again) {
        w->say_kill = true;
        w->kill_again = PROMP_NEVER;
        promp_manager_core_touch(core, w);
    }
    if (w->kill_again == PROMP_NEVER)
        w->kill_again = now + PROMP_TIME_ATTACH_MAX;
    return w->kill_again;
}

/* One that waits for a place has no session yet: only a broker that stays away ends it. */
static int64_t tick_queued(promp_manager_core_t *core, worker_t *w, int64_t now)
{
    int64_t end = core->up ? PROMP_NEVER : core->down_since + w->timeout;
    if (now < end)
        return end;
    promp_manager_core_end_lost(core, w, PROMP_ERR_WORKER_NODE_LOST,
                                "there was no broker for a whole time-out");
    return PROMP_NEVER;
}

static int64_t tick_alive(promp_manager_core_t *core, worker_t *w, int64_t now)
{
    if (now >= w->stop_at)
        promp_manager_core_stop_kill(core, w, PROMP_ERR_WORKER_STOPPED);
    if (now >= w->abort_at)
        promp_manager_core_stop_kill(core, w, PROMP_ERR_WORKER_ABORTED);
    if (now >= w->limit_at)
        promp_manager_core_stop_kill(core, w, PROMP_ERR_WORKER_TIME_LIMIT);
    int64_t next = kill_again(core, w, now);
    next = promp_min64(next, promp_min64(w->limit_at, promp_min64(w->stop_at, w->abort_at)));
    if (w->queued)
        return promp_min64(next, tick_queued(core, w, now));
    next = promp_min64(next, promp_session_tick(w->session, now));
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
