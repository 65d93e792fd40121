/* agent_broker.h - inside the agent core: the side towards the broker, in a cluster.
 *
 *   link:  (none) ── DIAL, HELLO ──▶ NEW ── WELCOME: OFFER, HELD ..., HELD_END ──▶ UP ── ended, silent, AWAY ──▶ (none)
 *
 * Sessions that are here belong to somebody behind the broker (remote), or to a worker here (parent); of the latter the
 * broker only hears that they begin and end. What a worker here manages on another node, or has asked for, is ELSEWHERE: a
 * row that says where frames go. */
#ifndef PROMP_NODE_AGENT_BROKER_H
#define PROMP_NODE_AGENT_BROKER_H

#include "agent_table.h"

/* agent_broker.c: the link to the broker */
void promp_agent_broker_begin(promp_agent_core_t *core, int64_t now);      /* the roster is complete */
promp_agent_link_t *promp_agent_broker_up(const promp_agent_core_t *core); /* NULL: there is no way */
/* SEND to the broker; nothing where there is no way. */
void promp_agent_broker_say(promp_agent_core_t *core, const promp_message_t *m, const promp_id_t *session);
promp_err_t promp_agent_broker_frame(promp_agent_core_t *core, promp_agent_link_t *link,
                                     const promp_frame_t *frame, int64_t now);
/* Its link has ended, or broke a rule. */
void promp_agent_broker_lost(promp_agent_core_t *core, promp_err_t why, int64_t now);
/* What is offered has changed. */
void promp_agent_broker_offer(promp_agent_core_t *core);
/* The node ends. */
void promp_agent_broker_leave(promp_agent_core_t *core);
void promp_agent_broker_tick(promp_agent_core_t *core, int64_t now);

/* agent_broker_life.c: sessions that are here, as the broker is told of them */
promp_err_t promp_agent_broker_life(promp_agent_core_t *core, promp_agent_link_t *link,
                                    const promp_frame_t *frame, int64_t now);
/* HELD for each of them. */
void promp_agent_broker_held(promp_agent_core_t *core);
/* Those of somebody behind the broker go over its new link. */
void promp_agent_broker_settled(promp_agent_core_t *core, int64_t now);
/* Its process exists. */
void promp_agent_broker_started(promp_agent_core_t *core, promp_agent_session_t *s);
/* It was not started here; s may be freed. */
void promp_agent_broker_failed(promp_agent_core_t *core, promp_agent_session_t *s,
                               const promp_msg_spawn_failed_t *failed);
/* Its exit record waits from now on. */
void promp_agent_broker_ended(promp_agent_core_t *core, promp_agent_session_t *s);
/* OVER, where the broker does not know it already. */
void promp_agent_broker_over(promp_agent_core_t *core, promp_agent_session_t *s);

/* agent_broker_child.c: sessions ELSEWHERE */
/* What a worker here says about the life of one; s NULL: one that is not known. */
promp_err_t promp_agent_broker_child(promp_agent_core_t *core, promp_agent_link_t *link,
                                     promp_agent_session_t *s, const promp_id_t *id, promp_message_t *m,
                                     int64_t now);
/* What the broker says about it. */
void promp_agent_broker_child_told(promp_agent_core_t *core, promp_agent_session_t *s,
                                   const promp_frame_t *frame, const promp_message_t *m, int64_t now);
/* The worker at link speaks of a session that nobody here knows: one from before this agent. NULL: it may not have more,
 * or there is no memory. */
promp_agent_session_t *promp_agent_broker_child_found(promp_agent_core_t *core, promp_agent_link_t *link,
                                                      const promp_id_t *id, int64_t now);
/* Its manager, a worker here, wants nothing more of it. */
void promp_agent_broker_child_abandon(promp_agent_core_t *core, promp_agent_session_t *s, promp_err_t cause,
                                      int64_t now);
/* The way to the broker stands again, or is lost. */
void promp_agent_broker_children_up(promp_agent_core_t *core);
void promp_agent_broker_children_down(promp_agent_core_t *core, int64_t now);
/* The broker passed on a frame of it, or nobody could: then it is not kept for ever. */
void promp_agent_broker_child_routed(promp_agent_core_t *core, promp_agent_session_t *s, bool routed,
                                     int64_t now);

#endif
