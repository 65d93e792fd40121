/* Frames of sessions on their way from one end to the other. */
#include "agent_broker.h"

static promp_err_t no_route(promp_agent_core_t *core, promp_agent_link_t *link, const promp_frame_t *frame,
                            int64_t now)
{
    promp_message_t m = {.type = PROMP_TYPE_NO_ROUTE};

    promp_agent_effects_message(&core->effects, PROMP_AGENT_SEND, link->number, &m, &frame->session,
                                frame->epoch, true);
    link->sent = now;
    return PROMP_OK;
}

void promp_agent_relay_pass(promp_agent_core_t *core, promp_agent_link_t *to, const promp_frame_t *frame,
                            bool urgent, uint64_t tag, int64_t now)
{
    promp_agent_effect_t *effect = promp_agent_effects_add(&core->effects, PROMP_AGENT_FORWARD);

    effect->link = to->number;
    effect->frame = frame;
    effect->urgent = urgent;
    effect->tag = tag;
    to->sent = now;
}

/* A PROBE asks about the data before it: answered from ahead of that, everything on its way would look lost. */
static bool overtakes(const promp_frame_t *frame)
{
    return frame->type != PROMP_TYPE_PROBE;
}

/* What a relay says is not answered, or two of them would do so for ever. */
static bool is_answered(const promp_agent_link_t *link, promp_type_t type)
{
    return !link->broker ||
           (type != PROMP_TYPE_NO_ROUTE && type != PROMP_TYPE_CONGESTED && type != PROMP_TYPE_RESET);
}

/* The broker speaks for both ends of what is elsewhere, and of what is here for managers that are not. */
static void find_of_broker(promp_agent_core_t *core, const promp_frame_t *frame, promp_agent_session_t **s,
                           promp_agent_way_t *way)
{
    *s = promp_map_get(core->sessions, &frame->session);
    *way = *s && (*s)->state == PROMP_AGENT_ELSEWHERE ? PROMP_AGENT_TO_MANAGER : PROMP_AGENT_TO_WORKER;
    if (*s && *way == PROMP_AGENT_TO_WORKER && !(*s)->remote)
        *s = NULL;
}

/* Finds the session of a frame and which end sent it: OK with *s NULL when there is none. */
static promp_err_t find(promp_agent_core_t *core, promp_agent_link_t *link, const promp_frame_t *frame,
                        promp_agent_session_t **s, promp_agent_way_t *way)
{
    if (link->session && promp_id_equal(&link->session->id, &frame->session)) {
        *s = link->session;
        *way = PROMP_AGENT_TO_MANAGER;
        return PROMP_OK;
    }
    if (promp_id_is_none(&frame->session))
        return PROMP_ERR_MESSAGE_FIELD;
    if (link->broker) {
        find_of_broker(core, frame, s, way);
        return PROMP_OK;
    }
    *s = promp_map_get(core->sessions, &frame->session);
    *way = PROMP_AGENT_TO_WORKER;
    if (*s && !promp_agent_table_owns(link, *s))
        return PROMP_ERR_SESSION_FOREIGN;
    return PROMP_OK;
}

/* A full queue takes nothing more of this session, or, when its whole link is full, nothing for those that already
 * have something waiting: so a slow reader costs itself alone. */
static bool takes(const promp_agent_session_t *s, promp_agent_way_t way, const promp_agent_link_t *to,
                  uint64_t size)
{
    const promp_agent_flow_t *flow = &s->flow[way];

    if (flow->waiting + size > PROMP_LIMIT_RELAY_SESSION)
        return false;
    if (to->waiting_to + size > PROMP_LIMIT_LINK_QUEUE / 4 * 3)
        return false;
    return way == PROMP_AGENT_TO_MANAGER || !flow->waiting ||
           s->manager->waiting_from + size <= PROMP_LIMIT_LINK_QUEUE;
}

static void note_seen(promp_agent_session_t *s, const promp_frame_t *frame)
{
    uint64_t to = frame->offset + frame->body.size;

    if (frame->lane == PROMP_LANE_OUTPUT && to > s->output_seen)
        s->output_seen = to;
}

/* Everything up to end has been passed on without a hole. Behind the broker nobody here knows what arrived: there it is
 * what the worker has sent. */
static void note_end(promp_agent_session_t *s, const promp_frame_t *frame)
{
    uint64_t *end = &s->end[frame->lane];
    uint64_t to = frame->offset + frame->body.size;

    if ((s->remote || (frame->epoch == s->epoch && frame->offset <= *end)) && to > *end)
        *end = to;
}

promp_err_t promp_agent_relay_data(promp_agent_core_t *core, promp_agent_link_t *link,
                                   const promp_frame_t *frame, int64_t now)
{
    promp_agent_session_t *s;
    promp_agent_way_t way;
    promp_err_t error = find(core, link, frame, &s, &way);

    if (error)
        return error;
    if (frame->lane >= PROMP_LANES || frame->offset + frame->body.size < frame->offset)
        return PROMP_ERR_MESSAGE_FIELD;
    if (!s)
        return no_route(core, link, frame, now);
    if (way == PROMP_AGENT_TO_WORKER && s->state == PROMP_AGENT_ENDED) {
        promp_agent_life_tell(core, s, now);
        return PROMP_OK;
    }
    promp_agent_link_t *to = promp_agent_table_far(core, s, way);
    if (way == PROMP_AGENT_TO_MANAGER)
        note_seen(s, frame);

    if (way == PROMP_AGENT_TO_WORKER && s->state == PROMP_AGENT_DYING)
        return PROMP_OK; /* GONE comes */
    if (!to || to->state != PROMP_AGENT_LINK_UP || (way == PROMP_AGENT_TO_WORKER && s->manager != link))
        return no_route(core, link, frame, now);
    if (!takes(s, way, to, frame->size)) {
        promp_agent_effects_congested(&core->effects, link->number, frame);
        link->sent = now;
        return PROMP_OK;
    }
    s->flow[way].waiting += frame->size;
    to->waiting_to += frame->size;
    if (way == PROMP_AGENT_TO_WORKER)
        link->waiting_from += frame->size;
    else
        note_end(s, frame);
    if (link->broker && s->state == PROMP_AGENT_ELSEWHERE)
        promp_agent_broker_child_routed(core, s, true, now);
    promp_agent_relay_pass(core, to, frame, false, promp_agent_table_tag(s, way), now);
    return PROMP_OK;
}

static void attached_at(promp_agent_session_t *s, const promp_frame_t *frame,
                        const promp_msg_attach_t *attach)
{
    const uint64_t recv[PROMP_LANES] = {attach->recv0, attach->recv1, attach->recv2, attach->recv3};

    s->epoch = frame->epoch;
    for (int i = 0; i < PROMP_LANES; i++)
        if ((!s->remote && !s->ends) || recv[i] > s->end[i]) /* what waits on its way there is not lost */
            s->end[i] = recv[i];
}

/* From a worker here to one that is elsewhere. Descriptors do not travel: without one LEND says so. */
static promp_err_t to_elsewhere(promp_agent_core_t *core, promp_agent_link_t *link, promp_agent_session_t *s,
                                const promp_frame_t *frame, const promp_message_t *m, int64_t now)
{
    promp_agent_link_t *to = promp_agent_broker_up(core);

    if (m->type == PROMP_TYPE_ATTACH && !s->unwanted)
        promp_agent_table_bind(core, s, link);
    if (!to || s->manager != link) {
        promp_agent_broker_child_routed(core, s, false, now);
        return no_route(core, link, frame, now);
    }
    if (m->type == PROMP_TYPE_LEND)
        promp_agent_effects_message(&core->effects, PROMP_AGENT_SEND, to->number, m, &s->id, frame->epoch,
                                    true);
    else
        promp_agent_relay_pass(core, to, frame, overtakes(frame), 0, now);
    return PROMP_OK;
}

static promp_err_t from_manager(promp_agent_core_t *core, promp_agent_link_t *link, promp_agent_session_t *s,
                                const promp_frame_t *frame, const promp_message_t *m, int64_t now)
{
    if (!promp_agent_table_free_for(s, link, now))
        return no_route(core, link, frame, now);
    if (s->state == PROMP_AGENT_ENDED) {
        promp_agent_table_bind(core, s, link);
        promp_agent_life_tell(core, s, now);
        return PROMP_OK;
    }
    if (m->type == PROMP_TYPE_ATTACH) {
        promp_agent_table_bind(core, s, link);
        attached_at(s, frame, &m->attach);
        s->attach.type = 0;
    }
    if (s->state == PROMP_AGENT_DYING)
        return PROMP_OK;
    if (s->manager != link)
        return no_route(core, link, frame, now);
    if (m->type == PROMP_TYPE_LEND && !m->lend.request)
        s->lent = s->epoch;
    if (s->worker && s->worker->state == PROMP_AGENT_LINK_UP)
        promp_agent_relay_pass(core, s->worker, frame, overtakes(frame), 0, now);
    else if (m->type == PROMP_TYPE_ATTACH)
        s->attach = *m; /* goes when the worker has said HELLO */
    else if ((!s->attach.type || s->epoch != frame->epoch) && is_answered(link, m->type))
        return no_route(core, link, frame, now);
    return PROMP_OK;
}

/* Who may have sent it: of what comes from the broker one end, or itself. */
static promp_who_t sender(const promp_agent_link_t *link, const promp_frame_t *frame, promp_agent_way_t way)
{
    const promp_message_row_t *row = promp_message_row(frame->type);
    promp_who_t end = way == PROMP_AGENT_TO_WORKER ? PROMP_WHO_MANAGER : PROMP_WHO_WORKER;

    return link->broker && !(row->from & end) ? PROMP_WHO_BROKER : end;
}

promp_err_t promp_agent_relay_control(promp_agent_core_t *core, promp_agent_link_t *link,
                                      const promp_frame_t *frame, int64_t now)
{
    promp_agent_session_t *s;
    promp_agent_way_t way;
    promp_message_t m;
    promp_err_t error = find(core, link, frame, &s, &way);

    if (!error)
        error = promp_message_decode(frame->type, frame->body, sender(link, frame, way), PROMP_WHO_NODE,
                                     link->state == PROMP_AGENT_LINK_NEW ? PROMP_AT_NEW : PROMP_AT_UP,
                                     link->version, &m);
    if (error)
        return error;
    if (!s && link->broker) /* either end of one that we have forgotten */
        return is_answered(link, m.type) ? no_route(core, link, frame, now) : PROMP_OK;
    if (way == PROMP_AGENT_TO_MANAGER ? m.type == PROMP_TYPE_ATTACH
                                      : m.type == PROMP_TYPE_ATTACHED || m.type == PROMP_TYPE_REATTACH)
        return PROMP_ERR_MESSAGE_SENDER;
    if (!s && m.type == PROMP_TYPE_ATTACH && link->session)
        s = promp_agent_broker_child_found(core, link, &frame->session, now);
    if (!s)
        return no_route(core, link, frame, now);
    if (way == PROMP_AGENT_TO_WORKER && s->state == PROMP_AGENT_ELSEWHERE)
        return to_elsewhere(core, link, s, frame, &m, now);
    if (way == PROMP_AGENT_TO_WORKER)
        return from_manager(core, link, s, frame, &m, now);
    if (link->broker)
        promp_agent_broker_child_routed(core, s, m.type != PROMP_TYPE_NO_ROUTE, now);
    if (!s->manager || s->manager->state != PROMP_AGENT_LINK_UP)
        return is_answered(link, m.type) ? no_route(core, link, frame, now) : PROMP_OK;
    /* Only now is it certain that what the worker had sent before is sent again: after a restart of ours the manager's
     * ATTACH alone says nothing about that. */
    if (m.type == PROMP_TYPE_ATTACHED && frame->epoch == s->epoch && frame->epoch != s->lent &&
        s->state != PROMP_AGENT_ELSEWHERE) {
        s->ends = true;
        s->lent = 0;
    }
    promp_agent_relay_pass(core, s->manager, frame, overtakes(frame), 0, now);
    return PROMP_OK;
}

void promp_agent_relay_greeted(promp_agent_core_t *core, promp_agent_session_t *s, int64_t now)
{
    s->greeted = true;
    if (!s->attach.type)
        return;
    promp_agent_effects_message(&core->effects, PROMP_AGENT_SEND, s->worker->number, &s->attach, &s->id,
                                s->epoch, true);
    s->worker->sent = now;
    s->attach.type = 0;
}
