/* Shorthands for effects. */
#include "broker_table.h"

static promp_broker_effect_t *fill(promp_broker_effect_t *effect, promp_broker_effect_kind_t kind,
                                   promp_broker_peer_number_t peer, bool urgent)
{
    effect->kind = kind;
    effect->peer = peer;
    effect->urgent = urgent;
    return effect;
}

void promp_broker_effects_say(promp_broker_core_t *core, promp_broker_peer_t *peer,
                              const promp_message_t *message, const promp_id_t *session, uint32_t epoch)
{
    promp_frame_t header = {.epoch = epoch};

    if (session)
        header.session = *session;
    fill(promp_effects_add_message(&core->effects, &header, message), PROMP_BROKER_SEND, peer->number, true);
    peer->sent = core->now;
}

void promp_broker_effects_forward(promp_broker_core_t *core, promp_broker_peer_t *to,
                                  const promp_frame_t *frame, bool urgent, uint64_t tag)
{
    promp_broker_effect_t *effect =
        fill(promp_effects_add(&core->effects), PROMP_BROKER_FORWARD, to->number, urgent);

    effect->frame = frame;
    effect->tag = tag;
    to->sent = core->now;
    core->count.relayed_frames++;
    core->count.relayed_bytes += frame->size;
}

void promp_broker_effects_congested(promp_broker_core_t *core, promp_broker_peer_t *peer,
                                    const promp_frame_t *frame)
{
    promp_frame_t header = {.type = PROMP_TYPE_CONGESTED,
                            .size = promp_frame_size(0),
                            .lane = frame->lane,
                            .epoch = frame->epoch,
                            .session = frame->session,
                            .offset = frame->offset};

    fill(promp_effects_add_frame(&core->effects, &header), PROMP_BROKER_SEND, peer->number, true);
    peer->sent = core->now;
    core->count.congested++;
}

void promp_broker_effects_no_route(promp_broker_core_t *core, promp_broker_peer_t *peer,
                                   const promp_id_t *session, uint32_t epoch)
{
    promp_message_t m = {.type = PROMP_TYPE_NO_ROUTE};

    promp_broker_effects_say(core, peer, &m, session, epoch);
    core->count.no_route++;
}

void promp_broker_effects_kick(promp_broker_core_t *core, promp_broker_peer_number_t peer, promp_err_t why)
{
    fill(promp_effects_add(&core->effects), PROMP_BROKER_KICK, peer, false)->error = why;
}
