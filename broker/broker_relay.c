/* Frames of sessions on their way from one end to the other. */
#include "broker_table.h"
#include "mutant.h"

/* A PROBE asks about the data before it: answered from ahead of that, everything on its way would look lost. */
static bool overtakes(const promp_frame_t *frame)
{
    return frame->type != PROMP_TYPE_PROBE;
}

/* Which end sent a frame that came from peer. A node speaks for the workers placed there, whichever end they are. */
static promp_err_t find(promp_broker_core_t *core, const promp_broker_peer_t *peer, const promp_id_t *id,
                        promp_broker_session_t **session, promp_broker_way_t *way)
{
    promp_broker_session_t *s = promp_map_get(core->sessions, id);
    bool node = peer->key->info.role == PROMP_BROKER_NODE;

    *session = NULL;
    *way = PROMP_BROKER_TO_WORKER;
    if (promp_id_is_none(id))
        return PROMP_ERR_MESSAGE_FIELD;
    if (node && !peer->node)
        return PROMP_ERR_MESSAGE_STATE;
    if (!s || s->orphan)
        return PROMP_OK;
    if (!node) {
        if (s->key != peer->key || s->parent)
            return PROMP_ERR_SESSION_FOREIGN;
        *session = s;
    } else if (s->key && s->node == peer->node && !promp_broker_table_local(s)) {
        *way = PROMP_BROKER_TO_MANAGER;
        *session = s;
    } else if (s->parent && s->parent->node == peer->node && s->node != peer->node) {
        *session = s;
    }
    return PROMP_OK; /* what a node says of a session that it has no part in is answered like that of one unknown */
}

static promp_err_t check(const promp_broker_peer_t *peer, const promp_frame_t *frame, promp_broker_way_t way,
                         promp_message_t *m)
{
    const promp_message_row_t *row = promp_message_row(frame->type);
    promp_who_t end = way == PROMP_BROKER_TO_WORKER ? PROMP_WHO_MANAGER : PROMP_WHO_WORKER;
    bool node = peer->key->info.role == PROMP_BROKER_NODE;

    return promp_message_decode(frame->type, frame->body, node && !(row->from & end) ? PROMP_WHO_NODE : end,
                                PROMP_WHO_BROKER, peer->up ? PROMP_AT_UP : PROMP_AT_NEW, peer->version, m);
}

/* A full queue takes nothing more of this session, or, when all that waits for its peer, or of its owner, is too much,
 * nothing for those that already have something waiting: so a slow reader costs itself alone. */
static bool takes(const promp_broker_core_t *core, const promp_broker_session_t *s, promp_broker_way_t way,
                  const promp_broker_peer_t *to, uint64_t size)
{
    const promp_broker_flow_t *flow = &s->flow[way];

    if (flow->waiting + size > PROMP_LIMIT_RELAY_SESSION ||
        to->waiting_to + size > PROMP_LIMIT_PEER_DATA / 4 * 3 ||
        core->count.data_waiting + size > PROMP_LIMIT_BROKER_DATA)
        return false;
    return !flow->waiting || s->key->held + size <= promp_broker_key_bytes(s->key);
}

static void pass_data(promp_broker_core_t *core, promp_broker_peer_t *from, promp_broker_session_t *s,
                      promp_broker_way_t way, promp_broker_peer_t *to, const promp_frame_t *frame)
{
    promp_broker_flow_t *flow = &s->flow[way];

    if (!takes(core, s, way, to, frame->size)) {
        promp_broker_effects_congested(core, from, frame);
        return;
    }
    flow->waiting += frame->size;
    to->waiting_to += frame->size;
    s->key->held += frame->size;
    core->count.data_waiting += frame->size;
    promp_broker_effects_forward(core, to, frame, false,
                                 (uint64_t)flow->generation << 32 | (uint64_t)s->number << 1 | way);
}

promp_err_t promp_broker_relay(promp_broker_core_t *core, promp_broker_peer_t *peer,
                               const promp_frame_t *frame)
{
    promp_broker_session_t *s;
    promp_broker_way_t way;
    promp_message_t m;
    promp_err_t error = peer->up ? find(core, peer, &frame->session, &s, &way) : PROMP_ERR_MESSAGE_STATE;

    if (!error && frame->type != PROMP_TYPE_DATA)
        error = check(peer, frame, way, &m);
    else if (!error && (frame->lane >= PROMP_LANES || frame->offset + frame->body.size < frame->offset))
        error = PROMP_ERR_MESSAGE_FIELD;
    if (error)
        return error;
    if (s && way == PROMP_BROKER_TO_MANAGER
            ? frame->type == PROMP_TYPE_ATTACH
            : s && (frame->type == PROMP_TYPE_ATTACHED || frame->type == PROMP_TYPE_REATTACH))
        return PROMP_ERR_MESSAGE_SENDER;
    if (s && frame->type == PROMP_TYPE_ATTACH && !PROMP_MUTANT(14))
        promp_broker_table_bind(core, s, peer);
    if (s && way == PROMP_BROKER_TO_WORKER && s->state == PROMP_BROKER_ENDED && !s->node) {
        promp_broker_life_tell_lost(core, s);
        return PROMP_OK;
    }
    promp_broker_peer_t *to = !s                               ? NULL
                              : way == PROMP_BROKER_TO_MANAGER ? s->manager
                              : s->node                        ? s->node->peer
                                                               : NULL;

    /* A manager speaks where it attached last: what an earlier connection still brings is of an earlier epoch. */
    if (!to || (way == PROMP_BROKER_TO_WORKER && (s->manager != peer || !s->confirmed)))
        promp_broker_effects_no_route(core, peer, &frame->session, frame->epoch);
    else if (frame->type == PROMP_TYPE_DATA)
        pass_data(core, peer, s, way, to, frame);
    else
        promp_broker_effects_forward(core, to, frame, overtakes(frame), 0);
    return PROMP_OK;
}
