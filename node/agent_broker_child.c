/* Sessions of workers here that are on another node, or on none yet: rows that say whose the frames of the broker are, and
 * what it is still to be told. */
#include "agent_broker.h"

#include "mutant.h"

static void pass(promp_agent_core_t *core, const promp_agent_session_t *s, const promp_frame_t *frame,
                 bool urgent, int64_t now)
{
    if (s->manager && s->manager->state == PROMP_AGENT_LINK_UP)
        promp_agent_relay_pass(core, s->manager, frame, urgent, 0, now);
}

static void simple(promp_agent_core_t *core, promp_type_t type, const promp_agent_session_t *s)
{
    promp_message_t m = {.type = type};

    if (type == PROMP_TYPE_KILL)
        m.kill.cause = s->cause;
    promp_agent_broker_say(core, &m, &s->id);
}

static promp_agent_session_t *new_row(promp_agent_core_t *core, promp_agent_link_t *link,
                                      const promp_id_t *id, uint32_t lease, int64_t now)
{
    promp_agent_session_t *s;

    if (!core->config.cluster || link->session->state != PROMP_AGENT_RUNNING ||
        link->session->children.count >= PROMP_LIMIT_WORKER_STARTS || core->elsewhere >= PROMP_LIMIT_WORKERS)
        return NULL;
    s = promp_agent_table_session_new(core, id, lease, now);
    if (!s)
        return NULL;
    promp_agent_table_own(s, NULL, link->session);
    promp_agent_table_bind(core, s, link);
    promp_agent_table_state(core, s, PROMP_AGENT_ELSEWHERE);
    return s;
}

/* What its manager says of itself, where we do not know what it said in START. */
static uint32_t lease_of(const promp_agent_link_t *link)
{
    return (uint32_t)(link->lease_told ? promp_max64(link->lease_told, PROMP_TIMEOUT_MIN)
                                       : PROMP_TIME_NO_LEASE);
}

promp_agent_session_t *promp_agent_broker_child_found(promp_agent_core_t *core, promp_agent_link_t *link,
                                                      const promp_id_t *id, int64_t now)
{
    return new_row(core, link, id, lease_of(link), now);
}

/* --- starts --- */

static void ask(promp_agent_core_t *core, const promp_agent_session_t *s)
{
    promp_message_t m;

    if (promp_message_decode(PROMP_TYPE_START, promp_slice(s->start.data, s->start.size), PROMP_WHO_NODE,
                             PROMP_WHO_BROKER, PROMP_AT_UP, PROMP_VERSION_HIGH, &m) == PROMP_OK)
        promp_agent_broker_say(core, &m, &s->id);
}

static promp_err_t keep_start(promp_agent_core_t *core, promp_agent_session_t *s, promp_message_t *m)
{
    promp_err_t error;

    promp_agent_table_drop_start(core, s);
    m->start.owner = (promp_id_t){{0}};
    m->start.parent = s->parent_id;
    error = promp_message_encode(m, &s->start);
    core->start_bytes += s->start.size;
    if (!error && core->start_bytes > PROMP_LIMIT_STARTS_NODE)
        error = PROMP_ERR_START_QUEUE;
    return error;
}

static void on_start(promp_agent_core_t *core, promp_agent_link_t *link, promp_agent_session_t *s,
                     const promp_id_t *id, promp_message_t *m, int64_t now)
{
    promp_err_t error = promp_agent_life_may_start(core, link->session, &m->start);

    if (!error && !s && !(s = new_row(core, link, id, m->start.lease_ms, now)))
        error = PROMP_ERR_LIMIT_WORKERS;
    if (!error) {
        promp_agent_table_bind(core, s, link);
        s->lease = m->start.lease_ms;
        error = keep_start(core, s, m);
    }
    if (error) {
        if (s)
            promp_agent_broker_child_abandon(core, s, PROMP_ERR_WORKER_MANAGER_GONE, now);
        promp_agent_life_refuse(core, link, id, error, 0, promp_slice(NULL, 0));
        return;
    }
    s->keep_until = PROMP_NEVER;
    s->unwanted = false;
    s->cause = PROMP_OK;
    ask(core, s);
}

/* --- what its manager says --- */

static void on_kill(promp_agent_core_t *core, promp_agent_link_t *link, promp_agent_session_t *s,
                    const promp_id_t *id, promp_err_t cause, int64_t now)
{
    if (!s)
        s = promp_agent_broker_child_found(core, link, id, now);
    if (!s) {
        promp_agent_life_refuse(core, link, id, PROMP_ERR_NO_WORKER, 0, promp_slice(NULL, 0));
        return;
    }
    promp_agent_table_bind(core, s, link);
    promp_agent_table_drop_start(core, s);
    s->cause = cause;
    simple(core, PROMP_TYPE_KILL, s);
}

void promp_agent_broker_child_abandon(promp_agent_core_t *core, promp_agent_session_t *s, promp_err_t cause,
                                      int64_t now)
{
    promp_agent_table_unbind(core, s);
    promp_agent_table_drop_start(core, s);
    s->unwanted = true;
    s->cause = cause;
    s->keep_until = now + 2 * (int64_t)s->lease;
    promp_agent_core_due(core, s->keep_until);
    simple(core, PROMP_TYPE_KILL, s);
}

static void on_gone_ack(promp_agent_core_t *core, promp_agent_session_t *s, const promp_id_t *id, int64_t now)
{
    promp_message_t m = {.type = PROMP_TYPE_GONE_ACK};

    if (!promp_agent_broker_up(core)) { /* GONE comes again */
        if (s)
            promp_agent_broker_child_abandon(core, s, PROMP_ERR_WORKER_MANAGER_GONE, now);
        return;
    }
    promp_agent_broker_say(core, &m, id);
    if (s)
        promp_agent_table_session_free(core, s);
}

promp_err_t promp_agent_broker_child(promp_agent_core_t *core, promp_agent_link_t *link,
                                     promp_agent_session_t *s, const promp_id_t *id, promp_message_t *m,
                                     int64_t now)
{
    switch (m->type) {
    case PROMP_TYPE_START:
        on_start(core, link, s, id, m, now);
        return PROMP_OK;
    case PROMP_TYPE_KILL:
        if (!promp_agent_life_is_cause(m->kill.cause))
            return PROMP_ERR_MESSAGE_FIELD;
        on_kill(core, link, s, id, (promp_err_t)m->kill.cause, now);
        return PROMP_OK;
    case PROMP_TYPE_GONE_ACK:
        on_gone_ack(core, s, id, now);
        return PROMP_OK;
    default:
        return PROMP_ERR_MESSAGE_SENDER;
    }
}

/* --- what the broker says --- */

void promp_agent_broker_child_told(promp_agent_core_t *core, promp_agent_session_t *s,
                                   const promp_frame_t *frame, const promp_message_t *m, int64_t now)
{
    if (s->unwanted && m->type == PROMP_TYPE_GONE)
        simple(core, PROMP_TYPE_GONE_ACK, s);
    else if (s->unwanted && m->type != PROMP_TYPE_START_REFUSED)
        simple(core, PROMP_TYPE_KILL, s);
    else if (!s->unwanted)
        pass(core, s, frame, m->type != PROMP_TYPE_GONE || m->gone.lanes, now);
    if (m->type == PROMP_TYPE_START_REFUSED || (s->unwanted && m->type == PROMP_TYPE_GONE)) {
        promp_agent_table_session_free(core, s);
        return;
    }
    if (m->type != PROMP_TYPE_QUEUED)
        promp_agent_table_drop_start(core, s);
    promp_agent_broker_child_routed(core, s, true, now);
}

/* Who asks for a session that the broker does not know either gives up after its lease; then nothing is heard of it any more. */
void promp_agent_broker_child_routed(promp_agent_core_t *core, promp_agent_session_t *s, bool routed,
                                     int64_t now)
{
    if (s->unwanted || s->start.size)
        return;
    s->keep_until = routed ? PROMP_NEVER : now + s->lease;
    promp_agent_core_due(core, s->keep_until);
}

/* --- the way --- */

static bool is_row(const promp_agent_session_t *s)
{
    return s && s->state == PROMP_AGENT_ELSEWHERE;
}

void promp_agent_broker_children_up(promp_agent_core_t *core)
{
    for (uint32_t i = 0; i < core->slots.size; i++) {
        const promp_agent_session_t *s = promp_numbers_get(&core->slots, i);

        if (is_row(s) && s->start.size && !PROMP_MUTANT(34))
            ask(core, s);
        else if (is_row(s) && s->cause)
            simple(core, PROMP_TYPE_KILL, s);
    }
}

/* Their managers may have nothing to say and would not notice; and the broker hears by their ATTACH where they are. */
void promp_agent_broker_children_down(promp_agent_core_t *core, int64_t now)
{
    promp_message_t m = {.type = PROMP_TYPE_NO_ROUTE};

    for (uint32_t i = 0; i < core->slots.size; i++) {
        promp_agent_session_t *s = promp_numbers_get(&core->slots, i);

        if (PROMP_MUTANT(32) || !is_row(s) || s->start.size || !s->manager ||
            s->manager->state != PROMP_AGENT_LINK_UP)
            continue;
        promp_agent_effects_message(&core->effects, PROMP_AGENT_SEND, s->manager->number, &m, &s->id, 0,
                                    true);
        s->manager->sent = now;
        promp_agent_broker_child_routed(core, s, false, now);
    }
}
