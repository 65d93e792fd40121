/* agent_effects.h - inside the agent core: shorthands for its effects. */
#ifndef PROMP_NODE_AGENT_EFFECTS_H
#define PROMP_NODE_AGENT_EFFECTS_H

#include "agent_core.h"
#include "effects.h"

/* A new effect; the caller fills the fields of its kind. Never NULL. */
promp_agent_effect_t *promp_agent_effects_add(promp_effects_t *effects, promp_agent_effect_kind_t kind);

/* SEND of this message on link, or TO_KEEPER (link: a new one to make, or NONE). */
void promp_agent_effects_message(promp_effects_t *effects, promp_agent_effect_kind_t kind, uint32_t link,
                                 const promp_message_t *message, const promp_id_t *session, uint32_t epoch,
                                 bool urgent);

/* CONGESTED for this frame. */
void promp_agent_effects_congested(promp_effects_t *effects, uint32_t link, const promp_frame_t *frame);

#endif
