#include "broker_core.h"

#include <stdlib.h>

#include "broker_table.h"

promp_broker_core_t *promp_broker_core_new(const promp_broker_config_t *config, int64_t now)
{
    promp_broker_core_t *core = calloc(1, sizeof *core);

    if (!core)
        return NULL;
    core->config = *config;
    core->now = core->next = now;
    core->gather_until = now + config->gather;
    core->review_at = core->drain_until = PROMP_NEVER;
    promp_list_init(&core->nodes);
    promp_list_init(&core->turns);
    promp_list_init(&core->unrooted);
    promp_list_init(&core->todo);
    core->sessions = promp_map_new(config->seed);
    core->peers = promp_map_new(config->seed + 1);
    core->keys = promp_map_new(config->seed + 2);
    if (!core->sessions || !core->peers || !core->keys ||
        promp_effects_init(&core->effects, sizeof(promp_broker_effect_t)))
        promp_broker_core_destroy(&core);
    return core;
}

void promp_broker_core_destroy(promp_broker_core_t **core)
{
    if (!*core)
        return;
    promp_broker_table_destroy(*core);
    promp_effects_free(&(*core)->effects);
    free(*core);
    *core = NULL;
}

bool promp_broker_core_next(promp_broker_core_t *core, promp_broker_effect_t *effect)
{
    promp_out_t *out;

    if (!promp_effects_next(&core->effects, effect, &out)) {
        if (!core->effects.broken || core->broken_told)
            return false;
        core->broken_told = true;
        *effect = (promp_broker_effect_t){.kind = PROMP_BROKER_END, .error = core->effects.broken};
        return true;
    }
    if (out)
        out->urgent = effect->urgent;
    effect->out = out;
    return true;
}

static promp_err_t on_link(promp_broker_core_t *core, promp_broker_peer_t *peer, const promp_frame_t *frame)
{
    static const promp_who_t who[] = {[PROMP_BROKER_MANAGER] = PROMP_WHO_MANAGER,
                                      [PROMP_BROKER_NODE] = PROMP_WHO_NODE,
                                      [PROMP_BROKER_OBSERVER] = PROMP_WHO_OBSERVER,
                                      [PROMP_BROKER_ADMIN] = PROMP_WHO_ADMIN};
    promp_message_t m;
    promp_err_t error =
        promp_message_decode(frame->type, frame->body, who[peer->key->info.role], PROMP_WHO_BROKER,
                             peer->up ? PROMP_AT_UP : PROMP_AT_NEW, peer->version, &m);

    return error ? error : promp_broker_peer_frame(core, peer, &m);
}

static promp_err_t on_frame(promp_broker_core_t *core, promp_broker_peer_t *peer, const promp_frame_t *frame)
{
    const promp_message_row_t *row = promp_message_row(frame->type);
    promp_broker_role_t role = peer->key->info.role;

    if (frame->fds)
        return PROMP_ERR_DESCRIPTOR_COUNT;
    if (!row)
        return PROMP_ERR_MESSAGE_UNKNOWN;
    if (row->on == PROMP_ON_LINK)
        return on_link(core, peer, frame);
    if (role != PROMP_BROKER_MANAGER && role != PROMP_BROKER_NODE)
        return PROMP_ERR_MESSAGE_SENDER;
    if (row->on == PROMP_ON_SESSION)
        return promp_broker_relay(core, peer, frame);
    if (row->on != PROMP_ON_NODE)
        return PROMP_ERR_MESSAGE_SENDER;
    return role == PROMP_BROKER_NODE ? promp_broker_life_from_node(core, peer, frame)
                                     : promp_broker_life_from_manager(core, peer, frame);
}

void promp_broker_core_frame(promp_broker_core_t *core, promp_broker_peer_number_t number,
                             const promp_frame_t *frame, int64_t now)
{
    promp_broker_peer_t *peer = promp_broker_peer_get(core, number);
    promp_err_t error;

    core->now = now;
    if (!peer)
        return;
    peer->heard = now;
    error = on_frame(core, peer, frame);
    if (error)
        promp_broker_peer_refuse(core, peer, error);
    promp_broker_place_serve_due(core);
}
