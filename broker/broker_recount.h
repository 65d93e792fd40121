/* broker_recount.h - for tests: what the figures say of nodes, counted anew from the table. */
#ifndef PROMP_BROKER_RECOUNT_H
#define PROMP_BROKER_RECOUNT_H

#include "broker_table.h"

static inline uint64_t promp_broker_recount_least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* True: the figures are those of the nodes that there are. */
static inline bool promp_broker_recount_same(const promp_broker_core_t *core)
{
    promp_broker_counters_t is = core->count, c = core->count;

    c.nodes_ready = c.nodes_starting = c.nodes_draining = c.nodes_away = c.places = c.places_used = 0;
    c.cpus = c.cpus_used = c.gpus = c.gpus_used = c.memory = c.memory_used = 0;
    for (promp_node_t *n = promp_list_first(&core->nodes); n; n = promp_list_after(&core->nodes, n)) {
        const promp_broker_node_t *node = PROMP_BROKER_OF(n, node, member);

        c.nodes_away += !node->peer && !node->left;
        c.nodes_draining += node->peer && !node->places;
        if (!node->peer || !node->places)
            continue;
        c.nodes_ready += node->settled;
        c.nodes_starting += !node->settled;
        c.places += node->places;
        c.places_used += promp_broker_recount_least(node->used, node->places);
        c.cpus += node->has.cpus;
        c.cpus_used += promp_broker_recount_least(node->used_cpus, node->has.cpus);
        c.gpus += node->has.gpus;
        c.gpus_used += promp_broker_recount_least(node->used_gpus, node->has.gpus);
        c.memory += node->has.memory;
        c.memory_used += promp_broker_recount_least(node->used_memory, node->has.memory);
    }
    return memcmp(&is, &c, sizeof c) == 0;
}

#endif
