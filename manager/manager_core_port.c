/* manager_core_port.c - the core as a shell sees it: frames in, frames out, time. */
#include "manager_core_state.h"

/* --- what comes in --- */

/* The link is up again, at the same node or another one. */
static void path_up(promp_manager_core_t *core, const promp_id_t *node)
{
    bool other = !promp_id_is_none(&core->node) && !promp_id_equal(&core->node, node);
    core->node = *node;
    core->lost = false;
    for (promp_node_t *at = promp_list_first(&core->live), *next; at; at = next) {
        next = promp_list_after(&core->live, at);
        worker_t *w = WORKER_OF(at, member);
        if (other && w->state != WORKER_STARTING && !w->queued)
            promp_manager_core_end_lost(core, w, PROMP_ERR_WORKER_NODE_LOST, "another node answers now");
        w->sides = 0;
        w->owed = w->owed && !other;
    }
    for (promp_node_t *at = promp_list_first(&core->ended); at; at = promp_list_after(&core->ended, at)) {
        worker_t *w = WORKER_OF(at, member);
        w->owed = w->owed && !other;
        w->say_kill = w->owed;
        if (w->say_kill)
            promp_manager_core_touch(core, w);
    }
}

static void port_path(void *self, bool up, bool lost, const promp_id_t *node, int64_t now)
{
    promp_manager_core_t *core = self;
    core->now = now;
    core->up = up;
    core->down_since = now;
    if (up)
        path_up(core, node);
    core->lost = core->lost || lost;
    for (promp_node_t *at = promp_list_first(&core->live), *next; at; at = next) {
        next = promp_list_after(&core->live, at);
        worker_t *w = WORKER_OF(at, member);
        w->say_start = up && ((w->state == WORKER_STARTING && !w->refused) || (w->queued && !w->kill_cause));
        w->say_kill = up && w->kill_cause && (w->state == WORKER_ALIVE || w->owed);
        if (w->state != WORKER_STARTING && !w->queued)
            promp_session_path(w->session, up, now);
        promp_manager_core_touch(core, w);
        if (lost && w->state == WORKER_STARTING && !w->refused)
            promp_manager_core_start_refuse(core, w, PROMP_ERR_NODE_GONE, 0, promp_slice(NULL, 0));
        else if (lost && w->state != WORKER_STARTING)
            promp_manager_core_end_lost(core, w, PROMP_ERR_WORKER_NODE_LOST,
                                        *core->lost_why ? core->lost_why : "the node has ended");
        else if (!up && w->state == WORKER_DRAINING) { /* what a relay still held is lost with it */
            w->dry = true;
            promp_manager_core_end_check(core, w);
        }
    }
    core->due = now;
}

/* A record of the lane finds no memory. True when it has been so for a whole time-out. */
static bool lacks_memory(worker_t *w, promp_lane_t lane, int64_t now)
{
    uint64_t at = promp_session_received(w->session, lane);
    if (w->short_since == PROMP_NEVER || w->short_at != at) {
        w->short_since = now;
        w->short_at = at;
    }
    return now - w->short_since >= w->timeout;
}

static promp_err_t session_frame(promp_manager_core_t *core, worker_t *w, const promp_frame_t *frame,
                                 int64_t now)
{
    if ((w->state != WORKER_ALIVE && w->state != WORKER_DRAINING) || w->queued)
        return PROMP_OK; /* late: it is over here, or the node's answer to START is still under way */
    bool relay = frame->type == PROMP_TYPE_NO_ROUTE || frame->type == PROMP_TYPE_CONGESTED;
    promp_err_t err = promp_session_frame(w->session, frame, relay ? PROMP_WHO_NODE : PROMP_WHO_WORKER, now);
    promp_manager_core_touch(core, w);
    if (err == PROMP_ERR_MEMORY) /* the piece counts as lost and comes again, but not for ever */
        err = lacks_memory(w, (promp_lane_t)frame->lane, now) ? PROMP_ERR_MANAGER_MEMORY : PROMP_OK;
    if (err)
        promp_manager_core_end_broken(core, w, err, now);
    else if (promp_session_state(w->session) == PROMP_SESSION_OVER)
        promp_manager_core_end_broken(core, w, promp_session_error(w->session), now);
    else if (frame->type == PROMP_TYPE_DATA)
        promp_manager_core_take(core, w, now);
    else
        promp_manager_core_send_backlog(core, w);
    if (frame->type == PROMP_TYPE_ATTACHED)
        promp_manager_core_side_ask(core, w);
    return PROMP_OK;
}

static promp_err_t port_frame(void *self, const promp_frame_t *frame, bool *mine, int64_t now)
{
    promp_manager_core_t *core = self;
    core->now = now;
    worker_t *w = promp_map_get(core->sessions, &frame->session);
    *mine = w != NULL;
    if (!w)
        return PROMP_OK;
    switch (frame->type) {
    case PROMP_TYPE_STARTED:
    case PROMP_TYPE_START_REFUSED:
        return promp_manager_core_start_answer(core, w, frame, now);
    case PROMP_TYPE_QUEUED:
        return promp_manager_core_start_queued(core, w, frame, now);
    case PROMP_TYPE_GONE:
        return promp_manager_core_end_gone(core, w, frame, now);
    default: {
        const promp_message_row_t *row = promp_message_row(frame->type);
        return row && row->on == PROMP_ON_SESSION ? session_frame(core, w, frame, now)
                                                  : PROMP_ERR_MESSAGE_STATE;
    }
    }
}

/* --- what goes out, and time --- */

/* Data may wait for the link; it may also wait for the peer only, then asking again does no harm. */
static bool wants_room(const worker_t *w)
{
    return w->state == WORKER_ALIVE && (promp_session_backlog(w->session, PROMP_LANE_MESSAGES) > 0 ||
                                        promp_session_backlog(w->session, PROMP_LANE_BULK) > 0);
}

/* It has nothing more to send now: looks when it wants to be asked by time. */
static void rest(promp_manager_core_t *core, worker_t *w, uint64_t room, int64_t now)
{
    promp_manager_core_unlist(core, w);
    promp_manager_core_share_check(core, w); /* its answers may have left */
    if (!w->side && room < PROMP_LIMIT_FRAME && wants_room(w)) {
        w->starves = true;
        promp_list_append(&core->starved, &w->sending);
        core->starved_room = room;
    }
    if (w->abandoned && w->state == WORKER_ENDED) {
        promp_manager_core_forget(core, w);
        return;
    }
    w->due = promp_manager_core_end_tick(core, w, now);
    core->due = promp_min64(core->due, w->due);
}

static void feed_starved(promp_manager_core_t *core)
{
    promp_node_t *node;
    while ((node = promp_list_first(&core->starved)))
        promp_manager_core_touch(core, WORKER_OF(node, sending));
}

static bool port_next(void *self, promp_out_t *out, uint64_t room, int64_t now)
{
    promp_manager_core_t *core = self;
    core->now = now;
    if (core->starved.count && room > core->starved_room)
        feed_starved(core);
    promp_node_t *node;
    while (core->up && (node = promp_list_first(&core->touched))) {
        worker_t *w = WORKER_OF(node, sending);
        bool got = promp_manager_core_start_out(core, w, out);
        uint64_t its_room = w->side ? w->side_room : room;
        if (!got && w->session && w->state != WORKER_STARTING && !w->queued)
            got = promp_session_next(w->session, out, its_room, now);
        if (got) { /* the others have their turn too */
            promp_list_remove(&core->touched, node);
            promp_list_append(&core->touched, node);
            return true;
        }
        rest(core, w, room, now);
    }
    return false;
}

/* This machine slept, or we did: nobody is blamed for the silence, and all leases begin anew. */
static void forgive_gap(promp_manager_core_t *core, int64_t now)
{
    if (core->asked == PROMP_NEVER || now - core->asked <= PROMP_TIME_GAP)
        return;
    core->down_since = now;
    for (promp_node_t *at = promp_list_first(&core->live); at; at = promp_list_after(&core->live, at)) {
        worker_t *w = WORKER_OF(at, member);
        if (w->shut_since < now)
            w->shut_since = now;
    }
}

static int64_t port_tick(void *self, int64_t now)
{
    promp_manager_core_t *core = self;
    core->now = now;
    forgive_gap(core, now);
    if (core->blocked.count) /* where memory was missing there may be some now */
        promp_manager_core_take_blocked(core);
    bool all = now >= core->due;
    if (all)
        core->due = PROMP_NEVER;
    promp_node_t *next;
    for (promp_node_t *at = promp_list_first(&core->live); all && at; at = next) {
        next = promp_list_after(&core->live, at);
        worker_t *w = WORKER_OF(at, member);
        if (now >= w->due || w->sending.next) {
            promp_manager_core_touch(core, w); /* time may have given it something to send */
            w->due = promp_manager_core_end_tick(core, w, now);
        }
        core->due = promp_min64(core->due, w->due);
    }
    /* Those with something to send are asked by time when it has left; without a path it does not leave. */
    core->asked = core->due;
    return core->due;
}

static uint32_t port_lease(void *self)
{
    promp_manager_core_t *core = self;
    if (core->lease_known)
        return core->lease;
    core->lease = 0;
    for (promp_node_t *at = promp_list_first(&core->live); at; at = promp_list_after(&core->live, at)) {
        worker_t *w = WORKER_OF(at, member);
        if (!core->lease || w->timeout < core->lease)
            core->lease = w->timeout;
    }
    core->lease_known = true;
    return core->lease;
}

static uint8_t *port_place(void *self, const promp_frame_t *frame, size_t *size)
{
    promp_manager_core_t *core = self;
    worker_t *w = promp_map_get(core->sessions, &frame->session);
    bool alive = w && (w->state == WORKER_ALIVE || w->state == WORKER_DRAINING);
    return alive ? promp_session_place(w->session, frame, size) : NULL;
}

const promp_port_ops_t promp_manager_core_ops = {.path = port_path,
                                                 .frame = port_frame,
                                                 .next = port_next,
                                                 .tick = port_tick,
                                                 .lease = port_lease,
                                                 .side = promp_manager_core_side,
                                                 .place = port_place};
