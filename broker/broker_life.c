/* How sessions end, and who is told. */
#include "broker_table.h"
#include "mutant.h"

void promp_broker_life_keep(promp_broker_core_t *core, promp_broker_session_t *s, int64_t ms)
{
    s->keep_until = core->now + ms;
    promp_broker_heap_sooner(&core->timers, &s->timer, s->keep_until);
}

static void acknowledge(promp_broker_core_t *core, promp_broker_peer_t *peer, const promp_id_t *id)
{
    promp_message_t m = {.type = PROMP_TYPE_GONE_ACK};

    promp_broker_effects_say(core, peer, &m, id, 0);
}

void promp_broker_life_kill(promp_broker_core_t *core, promp_broker_session_t *s, promp_err_t cause)
{
    promp_message_t m = {.type = PROMP_TYPE_KILL, .kill = {.cause = cause}};

    if (!s->cause)
        s->cause = cause;
    if (s->node && s->node->peer)
        promp_broker_effects_say(core, s->node->peer, &m, &s->id, 0);
    promp_broker_life_keep(core, s, 2 * (int64_t)s->lease);
}

void promp_broker_life_orphan(promp_broker_core_t *core, promp_broker_session_t *s, promp_err_t cause)
{
    promp_broker_table_disown(core, s);
    s->orphan = true;
    if (s->state == PROMP_BROKER_ENDED && s->node && s->node->peer)
        acknowledge(core, s->node->peer, &s->id);
    if (!s->node || (s->state == PROMP_BROKER_ENDED && s->node->peer)) {
        promp_broker_table_free(core, s);
        return;
    }
    if (s->state != PROMP_BROKER_ENDED && !PROMP_MUTANT(19))
        promp_broker_life_kill(core, s, cause);
    promp_broker_life_keep(core, s, s->lease);
}

void promp_broker_life_end(promp_broker_core_t *core, promp_broker_session_t *s)
{
    promp_node_t *n;

    promp_broker_table_state(core, s, PROMP_BROKER_ENDED);
    promp_broker_table_drop_start(core, s);
    promp_broker_table_vacate(core, s);
    while ((n = promp_list_first(&s->children)))
        promp_broker_life_orphan(core, PROMP_BROKER_OF(n, session, sibling), PROMP_ERR_WORKER_MANAGER_GONE);
    promp_broker_life_keep(core, s, 2 * (int64_t)s->lease);
}

void promp_broker_life_tell_lost(promp_broker_core_t *core, const promp_broker_session_t *s)
{
    promp_message_t m = {.type = PROMP_TYPE_GONE,
                         .gone = {.cause = s->cause, .text = promp_slice_str(promp_error_text(s->cause))}};

    if (s->manager)
        promp_broker_effects_say(core, s->manager, &m, &s->id, 0);
}

void promp_broker_life_lose(promp_broker_core_t *core, promp_broker_session_t *s, promp_err_t cause)
{
    bool known = s->key && !promp_broker_table_local(s) && s->state != PROMP_BROKER_ENDED;

    if (s->state != PROMP_BROKER_ENDED)
        promp_broker_life_end(core, s);
    promp_broker_table_unplace(core, s);
    if (!known) {
        promp_broker_table_free(core, s);
        return;
    }
    s->cause = cause;
    promp_broker_life_keep(core, s, s->lease);
    promp_broker_life_tell_lost(core, s);
}

/* --- what managers say --- */

static promp_err_t on_kill(promp_broker_core_t *core, promp_broker_peer_t *peer, promp_broker_session_t *s,
                           const promp_id_t *id, uint32_t cause)
{
    if (cause < PROMP_ERR_WORKER_EXITED || cause > PROMP_ERR_MANAGER_MEMORY)
        return PROMP_ERR_MESSAGE_FIELD;
    if (!s && core->now < core->gather_until)
        promp_broker_effects_no_route(core, peer, id, 0); /* its node may be on its way */
    else if (!s)
        promp_broker_start_refuse(core, peer, id, PROMP_ERR_NO_WORKER, 0, promp_slice(NULL, 0));
    if (!s)
        return PROMP_OK;
    promp_broker_table_bind(core, s, peer);
    if (s->state == PROMP_BROKER_ENDED && !s->node)
        promp_broker_life_tell_lost(core, s);
    else if (s->state == PROMP_BROKER_WAITING)
        promp_broker_start_fail(core, s, (promp_err_t)cause, 0, promp_slice(NULL, 0));
    else
        promp_broker_life_kill(core, s, (promp_err_t)cause);
    return PROMP_OK;
}

static void on_gone_ack(promp_broker_core_t *core, promp_broker_session_t *s)
{
    if (!s || s->state != PROMP_BROKER_ENDED)
        return;
    /* Where the node is away it says GONE again when it is back, and is answered then. */
    promp_broker_life_orphan(core, s, PROMP_ERR_WORKER_MANAGER_GONE);
}

/* Whether peer is where the manager of s speaks, now or after a break. */
static bool owns(const promp_broker_peer_t *peer, const promp_broker_session_t *s)
{
    if (peer->node)
        return s->parent && s->parent->node == peer->node;
    return s->key == peer->key && !s->parent;
}

promp_err_t promp_broker_life_from_manager(promp_broker_core_t *core, promp_broker_peer_t *peer,
                                           const promp_frame_t *frame)
{
    promp_broker_session_t *s = promp_map_get(core->sessions, &frame->session);
    promp_message_t m;
    promp_err_t error = promp_message_decode(frame->type, frame->body, PROMP_WHO_MANAGER, PROMP_WHO_BROKER,
                                             peer->up ? PROMP_AT_UP : PROMP_AT_NEW, peer->version, &m);

    if (error)
        return error;
    if (promp_id_is_none(&frame->session))
        return PROMP_ERR_MESSAGE_FIELD;
    if (m.type == PROMP_TYPE_START)
        return promp_broker_start_asked(core, peer, frame, &m.start);
    if (s && !owns(peer, s))
        return s->orphan || peer->node ? PROMP_OK : PROMP_ERR_SESSION_FOREIGN;
    if (m.type == PROMP_TYPE_KILL)
        return on_kill(core, peer, s, &frame->session, m.kill.cause);
    on_gone_ack(core, s); /* the table has no other message from a manager */
    return PROMP_OK;
}

/* --- what nodes say --- */

/* A session that is not to be there. */
static void unwanted(promp_broker_core_t *core, promp_broker_peer_t *peer, const promp_id_t *id)
{
    promp_message_t m = {.type = PROMP_TYPE_KILL, .kill = {.cause = PROMP_ERR_WORKER_LEASE}};

    promp_broker_effects_say(core, peer, &m, id, 0);
    core->count.orphans++;
}

static void on_gone(promp_broker_core_t *core, promp_broker_peer_t *peer, promp_broker_session_t *s,
                    const promp_frame_t *frame, bool ends_known)
{
    if (!s || s->orphan || promp_broker_table_local(s)) {
        acknowledge(core, peer, &frame->session);
        if (s)
            promp_broker_table_free(core, s);
        return;
    }
    if (s->state != PROMP_BROKER_ENDED)
        promp_broker_life_end(core, s);
    promp_broker_life_keep(core, s, 2 * (int64_t)s->lease);
    /* Where the ends are not known, it comes behind the data that waits. */
    if (s->manager)
        promp_broker_effects_forward(core, s->manager, frame, ends_known, 0);
}

static void on_over(promp_broker_core_t *core, promp_broker_session_t *s)
{
    if (!s)
        return;
    if (s->state == PROMP_BROKER_ENDED || s->orphan)
        promp_broker_table_free(core, s);
    else
        promp_broker_life_lose(core, s, PROMP_ERR_WORKER_NODE_LOST);
}

promp_err_t promp_broker_life_from_node(promp_broker_core_t *core, promp_broker_peer_t *peer,
                                        const promp_frame_t *frame)
{
    promp_broker_session_t *s = promp_map_get(core->sessions, &frame->session);
    promp_message_t m;
    promp_err_t error = promp_message_decode(frame->type, frame->body, PROMP_WHO_NODE, PROMP_WHO_BROKER,
                                             peer->up ? PROMP_AT_UP : PROMP_AT_NEW, peer->version, &m);

    if (error)
        return error;
    if (!peer->node)
        return PROMP_ERR_MESSAGE_STATE;
    if (promp_id_is_none(&frame->session))
        return PROMP_ERR_MESSAGE_FIELD;
    if (m.type == PROMP_TYPE_HELD)
        return promp_broker_held(core, peer->node, &frame->session, &m.held);
    if (m.type == PROMP_TYPE_START)
        return peer->node->settled ? promp_broker_start_asked(core, peer, frame, &m.start)
                                   : PROMP_ERR_MESSAGE_STATE;
    if (m.type == PROMP_TYPE_KILL || m.type == PROMP_TYPE_GONE_ACK)
        return promp_broker_life_from_manager(core, peer, frame); /* of one of its workers */
    if (s && s->node != peer->node)
        s = NULL; /* its own copy, or a claim: neither is the session that we know */
    switch (m.type) {
    case PROMP_TYPE_STARTED:
        if (s)
            promp_broker_start_started(core, s, m.started.pid);
        else
            unwanted(core, peer, &frame->session);
        return PROMP_OK;
    case PROMP_TYPE_START_REFUSED:
        if (s)
            promp_broker_start_refused(core, s, &m.start_refused);
        return PROMP_OK;
    case PROMP_TYPE_GONE:
        on_gone(core, peer, s, frame, m.gone.lanes != 0);
        return PROMP_OK;
    case PROMP_TYPE_OVER:
        on_over(core, s);
        return PROMP_OK;
    default:
        return PROMP_ERR_MESSAGE_SENDER;
    }
}

/* --- time --- */

void promp_broker_life_tick(promp_broker_core_t *core, promp_broker_session_t *s)
{
    /* Of a worker whose manager is on the same node, that node hears; who has no root yet, is kept for its time. */
    bool awaited =
        !s->manager && s->key && !s->cause && s->state != PROMP_BROKER_ENDED && !promp_broker_table_local(s);
    int64_t due = s->keep_until;

    if (core->now >= s->keep_until && !s->key && !s->orphan) {
        promp_broker_life_orphan(core, s, PROMP_ERR_WORKER_MANAGER_GONE);
        return;
    }
    if (core->now >= s->keep_until) {
        promp_broker_table_free(core, s);
        return;
    }
    if (awaited && core->now >= s->manager_heard + s->lease) {
        if (s->state == PROMP_BROKER_WAITING) {
            promp_broker_table_free(core, s);
            return;
        }
        /* It may still come and ask how it ended: the node keeps that for a lease. */
        promp_broker_life_kill(core, s, PROMP_ERR_WORKER_LEASE);
        due = s->keep_until;
    } else if (awaited) {
        due = promp_min64(due, s->manager_heard + s->lease);
    }
    promp_broker_heap_set(&core->timers, &s->timer, due);
}
