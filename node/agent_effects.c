#include "agent_effects.h"

static promp_agent_effect_t *fill(promp_agent_effect_t *effect, promp_agent_effect_kind_t kind, uint32_t link,
                                  bool urgent)
{
    effect->kind = kind;
    effect->link = link;
    effect->urgent = urgent;
    effect->handle = -1;
    return effect;
}

promp_agent_effect_t *promp_agent_effects_add(promp_effects_t *e, promp_agent_effect_kind_t kind)
{
    return fill(promp_effects_add(e), kind, PROMP_AGENT_NONE, false);
}

void promp_agent_effects_message(promp_effects_t *e, promp_agent_effect_kind_t kind, uint32_t link,
                                 const promp_message_t *message, const promp_id_t *session, uint32_t epoch,
                                 bool urgent)
{
    promp_frame_t header = {.epoch = epoch};

    if (session)
        header.session = *session;
    fill(promp_effects_add_message(e, &header, message), kind, link, urgent);
}

void promp_agent_effects_congested(promp_effects_t *e, uint32_t link, const promp_frame_t *frame)
{
    promp_frame_t header = {.type = PROMP_TYPE_CONGESTED,
                            .size = promp_frame_size(0),
                            .lane = frame->lane,
                            .epoch = frame->epoch,
                            .session = frame->session,
                            .offset = frame->offset};

    fill(promp_effects_add_frame(e, &header), PROMP_AGENT_SEND, link, true);
}
