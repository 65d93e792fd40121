#include "agent_core.h"

#include <stdlib.h>

#include "agent_broker.h"

promp_agent_core_t *promp_agent_core_new(const promp_agent_config_t *config, int64_t now)
{
    promp_agent_core_t *core = calloc(1, sizeof *core);

    if (!core)
        return NULL;
    core->config = *config;
    promp_list_init(&core->todo);
    core->next = core->pulse_at = now;
    core->keeper_heard = now;
    core->idle_since = now;
    core->stop_until = core->quiet_since = PROMP_NEVER;
    core->broker.dial_at = core->broker.away_at = PROMP_NEVER;
    core->broker.random = config->seed;
    core->sessions = promp_map_new(config->seed);
    if (!core->sessions || promp_effects_init(&core->effects, sizeof(promp_agent_effect_t)))
        promp_agent_core_destroy(&core);
    return core;
}

void promp_agent_core_destroy(promp_agent_core_t **core)
{
    if (!*core)
        return;
    promp_agent_table_destroy(*core);
    promp_effects_free(&(*core)->effects);
    free(*core);
    *core = NULL;
}

bool promp_agent_core_next(promp_agent_core_t *core, promp_agent_effect_t *effect)
{
    promp_out_t *out;

    if (!promp_effects_next(&core->effects, effect, &out)) {
        if (!core->effects.broken || core->broken_told)
            return false;
        core->broken_told = true;
        *effect = (promp_agent_effect_t){.kind = PROMP_AGENT_END, .error = core->effects.broken};
        return true;
    }
    if (out)
        out->urgent = effect->urgent;
    effect->out = out;
    if (effect->kind == PROMP_AGENT_CLOSE)
        promp_agent_table_link_free(core, effect->link);
    return true;
}

bool promp_agent_core_serving(const promp_agent_core_t *core)
{
    return core->ready && !core->stopping && !core->resting;
}

void promp_agent_core_due(promp_agent_core_t *core, int64_t at)
{
    core->next = promp_min64(core->next, at);
}

void promp_agent_core_refuse(promp_agent_core_t *core, promp_agent_link_t *link, promp_err_t error,
                             int64_t now)
{
    promp_agent_session_t *s = link->session;
    if (link->broker) {
        promp_agent_broker_lost(core, error, now);
        return;
    }
    promp_message_t m = {.type = PROMP_TYPE_REFUSED,
                         .refused = {.error = error, .text = promp_slice_str(promp_error_text(error))}};

    promp_agent_effects_message(&core->effects, PROMP_AGENT_SEND, link->number, &m, NULL, 0, true);
    promp_agent_table_link_close(core, link);
    if (!s)
        return;
    s->ends = false; /* it may have said more */
    promp_agent_life_slay(core, s, PROMP_ERR_WORKER_PROTOCOL);
    promp_agent_life_ended(core, s, now);
}

/* Who comes back to his workers is not kept out by the links of others. */
static bool has_place(const promp_agent_core_t *core, const promp_agent_owner_t *owner)
{
    return core->managers <= PROMP_LIMIT_LINKS || (owner->sessions.count && owner->links == 1);
}

uint32_t promp_agent_core_opened(promp_agent_core_t *core, const promp_agent_peer_t *peer, int64_t now)
{
    promp_agent_link_t *link = promp_agent_table_link_new(core, now);

    if (!link)
        return PROMP_AGENT_NONE;
    uint32_t number = link->number;
    promp_err_t error = PROMP_OK;

    core->managers++;
    core->idle_since = PROMP_NEVER;
    if (!promp_agent_core_serving(core))
        error = PROMP_ERR_NODE_GONE;
    else if (peer->uid != core->config.uid)
        error = PROMP_ERR_FOREIGN_USER;
    else if (!(link->owner = promp_agent_owner_get(core, peer->pid, peer->start)))
        error = PROMP_ERR_MEMORY;
    else if (link->owner->links++, !has_place(core, link->owner))
        error = PROMP_ERR_LIMIT_LINKS;
    if (error)
        promp_agent_core_refuse(core, link, error, now);
    promp_agent_core_due(core, now + PROMP_TIME_HANDSHAKE);
    return number;
}

static promp_err_t hello(promp_agent_core_t *core, promp_agent_link_t *link, const promp_msg_hello_t *hello,
                         int64_t now)
{
    promp_agent_session_t *s = link->session;

    if (hello->version_low > hello->version_high)
        return PROMP_ERR_MESSAGE_FIELD;
    if (hello->version_low > PROMP_VERSION_HIGH || hello->version_high < PROMP_VERSION_LOW)
        return PROMP_ERR_VERSION;
    if (hello->role != (s ? 2 : 1))
        return PROMP_ERR_MESSAGE_SENDER;
    link->version = hello->version_high < PROMP_VERSION_HIGH ? hello->version_high : PROMP_VERSION_HIGH;
    link->lease_told = hello->lease_ms;
    link->state = PROMP_AGENT_LINK_UP;
    link->sent = now;

    promp_message_t m = {.type = PROMP_TYPE_WELCOME,
                         .welcome = {.version = link->version,
                                     .node = core->node,
                                     .build = promp_slice_str(core->config.build)}};

    promp_agent_effects_message(&core->effects, PROMP_AGENT_SEND, link->number, &m, s ? &s->id : NULL, 0,
                                true);
    promp_agent_core_due(core, now);
    if (s)
        promp_agent_relay_greeted(core, s, now);
    return PROMP_OK;
}

static promp_err_t on_link(promp_agent_core_t *core, promp_agent_link_t *link, const promp_frame_t *frame,
                           int64_t now)
{
    promp_message_t m;
    promp_err_t error = promp_message_decode(
        frame->type, frame->body, link->session ? PROMP_WHO_WORKER : PROMP_WHO_MANAGER, PROMP_WHO_NODE,
        link->state == PROMP_AGENT_LINK_NEW ? PROMP_AT_NEW : PROMP_AT_UP, link->version, &m);
    promp_node_t *node;

    if (error)
        return error;
    switch (m.type) {
    case PROMP_TYPE_HELLO:
        return hello(core, link, &m.hello, now);
    case PROMP_TYPE_BEAT:
        link->lease_told = m.beat.lease_ms;
        return PROMP_OK;
    case PROMP_TYPE_BYE:
        while ((node = promp_list_first(&link->managed)))
            promp_agent_life_abandon(core, PROMP_CONTAINER(node, promp_agent_session_t, managed),
                                     PROMP_ERR_WORKER_MANAGER_GONE, now);
        if (!link->session)
            promp_agent_table_link_close(core, link);
        return PROMP_OK;
    case PROMP_TYPE_LINK_ACK: /* the shell's link has taken it */
        return PROMP_OK;
    default:
        return PROMP_ERR_MESSAGE_SENDER;
    }
}

/* A manager's message about the life of one of its sessions. */
static promp_err_t on_node(promp_agent_core_t *core, promp_agent_link_t *link, const promp_frame_t *frame,
                           int64_t now)
{
    promp_agent_session_t *s = promp_map_get(core->sessions, &frame->session);
    promp_message_t m;
    promp_err_t error = promp_message_decode(frame->type, frame->body, PROMP_WHO_MANAGER, PROMP_WHO_NODE,
                                             link->state == PROMP_AGENT_LINK_NEW ? PROMP_AT_NEW : PROMP_AT_UP,
                                             link->version, &m);

    if (error)
        return error;
    if (promp_id_is_none(&frame->session))
        return PROMP_ERR_MESSAGE_FIELD;
    if (s && !promp_agent_table_owns(link, s))
        return PROMP_ERR_SESSION_FOREIGN;
    if (core->config.cluster && (!s || s->state == PROMP_AGENT_ELSEWHERE))
        return promp_agent_broker_child(core, link, s, &frame->session, &m, now);
    switch (m.type) {
    case PROMP_TYPE_START:
        if (s && !promp_agent_table_free_for(s, link, now))
            return PROMP_ERR_SESSION_FOREIGN;
        promp_agent_life_start(core, link, s, frame, &m.start, now);
        return PROMP_OK;
    case PROMP_TYPE_KILL:
        if (!promp_agent_life_is_cause(m.kill.cause))
            return PROMP_ERR_MESSAGE_FIELD;
        if (!s) {
            promp_agent_life_refuse(core, link, &frame->session, PROMP_ERR_NO_WORKER, 0,
                                    promp_slice(NULL, 0));
            return PROMP_OK;
        }
        if (promp_agent_table_free_for(s, link, now))
            promp_agent_table_bind(core, s, link);
        promp_agent_life_slay(core, s, (promp_err_t)m.kill.cause);
        if (s->state == PROMP_AGENT_ENDED)
            promp_agent_life_tell(core, s, now);
        return PROMP_OK;
    case PROMP_TYPE_GONE_ACK:
        if (s && s->state == PROMP_AGENT_ENDED)
            promp_agent_life_forget(core, s);
        return PROMP_OK;
    default:
        return PROMP_ERR_MESSAGE_SENDER;
    }
}

void promp_agent_core_frame(promp_agent_core_t *core, uint32_t number, const promp_frame_t *frame,
                            int64_t now)
{
    promp_agent_link_t *link = promp_agent_table_link(core, number);
    const promp_message_row_t *row;
    promp_err_t error;

    if (!link)
        return;
    link->heard = now;
    if (link->broker && link->state == PROMP_AGENT_LINK_UP)
        core->broker.heard = now;
    if (frame->type == PROMP_TYPE_DATA && link->state == PROMP_AGENT_LINK_UP && !frame->fds)
        error = promp_agent_relay_data(core, link, frame, now);
    else if (frame->fds > (frame->type == PROMP_TYPE_LEND && !link->broker))
        error = PROMP_ERR_DESCRIPTOR_COUNT;
    else if (!(row = promp_message_row(frame->type)))
        error = PROMP_ERR_MESSAGE_UNKNOWN;
    else if (link->broker && row->on != PROMP_ON_SESSION)
        error = promp_agent_broker_frame(core, link, frame, now);
    else if (row->on == PROMP_ON_LINK)
        error = on_link(core, link, frame, now);
    else if (row->on == PROMP_ON_NODE)
        error = on_node(core, link, frame, now);
    else if (row->on == PROMP_ON_SESSION)
        error = promp_agent_relay_control(core, link, frame, now);
    else
        error = PROMP_ERR_MESSAGE_SENDER;
    if (error)
        promp_agent_core_refuse(core, link, error, now);
}

void promp_agent_core_closed(promp_agent_core_t *core, uint32_t number, promp_err_t why, int64_t now)
{
    promp_agent_link_t *link = promp_agent_table_link(core, number);

    if (!link)
        return;
    if (link->broker) {
        promp_agent_broker_lost(core, why, now);
        return;
    }
    promp_agent_session_t *s = link->session;
    /* A RELINK that did not reach its worker: for want of descriptors in the keeper or there. */
    bool lost = s && s->greeted && link->state == PROMP_AGENT_LINK_NEW;

    if (why >= PROMP_ERR_FRAME_SIZE && why <= PROMP_ERR_SILENT && why != PROMP_ERR_FRAME_TRUNCATED) {
        promp_agent_core_refuse(core, link, why, now);
        return;
    }
    promp_agent_table_link_close(core, link);
    if (s && why != PROMP_ERR_CLOSED)
        s->ends = false; /* not all that it said was read */
    if (s && (lost || (why != PROMP_ERR_CLOSED && why != PROMP_ERR_FRAME_TRUNCATED)))
        promp_agent_life_unlinked(core, s, why, now);
    else if (s)
        promp_agent_life_ended(core, s, now);
    promp_agent_core_due(core, now);
}
