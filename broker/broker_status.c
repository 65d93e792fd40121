/* Figures. */
#include "broker_table.h"

void promp_broker_core_count(const promp_broker_core_t *core, promp_broker_counters_t *counters)
{
    *counters = core->count;
    for (promp_node_t *n = promp_list_first(&core->nodes); n; n = promp_list_after(&core->nodes, n)) {
        const promp_broker_node_t *node = PROMP_BROKER_OF(n, node, member);

        counters->places += node->peer ? node->places : 0;
        counters->places_used += node->peer ? node->used : 0;
    }
}

void promp_broker_status_tell(promp_broker_core_t *core, promp_broker_peer_t *peer)
{
    promp_broker_counters_t c;

    promp_broker_core_count(core, &c);

    promp_message_t m = {.type = PROMP_TYPE_COUNTERS,
                         .counters = {.managers = c.managers,
                                      .nodes = c.nodes,
                                      .others = c.others,
                                      .handshakes = c.handshakes,
                                      .sessions = c.sessions,
                                      .waiting = c.waiting,
                                      .asked = c.asked,
                                      .running = c.running,
                                      .ended = c.ended,
                                      .unrooted = c.unrooted,
                                      .places = c.places,
                                      .places_used = c.places_used,
                                      .data_waiting = c.data_waiting,
                                      .starts_waiting = c.starts_waiting,
                                      .starts = c.starts,
                                      .starts_refused = c.starts_refused,
                                      .relayed_frames = c.relayed_frames,
                                      .relayed_bytes = c.relayed_bytes,
                                      .congested = c.congested,
                                      .no_route = c.no_route,
                                      .kicked_broken = c.kicked[0],
                                      .kicked_silent = c.kicked[1],
                                      .kicked_key = c.kicked[2],
                                      .orphans = c.orphans}};

    promp_broker_effects_say(core, peer, &m, NULL, 0);
}
