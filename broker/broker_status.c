/* Figures. */
#include "broker_table.h"

/* What a node adds to the figures. */
static promp_broker_share_t share_of(const promp_broker_node_t *node)
{
    promp_broker_share_t share = {.away = !node->peer && !node->left,
                                  .draining = node->peer && !node->places};

    if (!node->peer || share.draining)
        return share;
    share.ready = 1;
    share.places = node->places;
    share.has = node->has;
    share.used = node->used < node->places ? node->used : node->places;
    share.used_cpus = node->used_cpus < node->has.cpus ? node->used_cpus : node->has.cpus;
    share.used_gpus = node->used_gpus < node->has.gpus ? node->used_gpus : node->has.gpus;
    share.used_memory = node->used_memory < node->has.memory ? node->used_memory : node->has.memory;
    return share;
}

void promp_broker_status_node(promp_broker_core_t *core, promp_broker_node_t *node, bool there)
{
    const promp_broker_share_t was = node->share,
                               is = there ? share_of(node) : (promp_broker_share_t){.ready = 0};
    promp_broker_counters_t *c = &core->count;

    node->share = is;
    c->nodes_ready += (uint64_t)is.ready - was.ready;
    c->nodes_draining += (uint64_t)is.draining - was.draining;
    c->nodes_away += (uint64_t)is.away - was.away;
    c->places += (uint64_t)is.places - was.places;
    c->places_used += is.used - was.used;
    c->cpus += (uint64_t)is.has.cpus - was.has.cpus;
    c->cpus_used += is.used_cpus - was.used_cpus;
    c->gpus += (uint64_t)is.has.gpus - was.has.gpus;
    c->gpus_used += is.used_gpus - was.used_gpus;
    c->memory += is.has.memory - was.has.memory;
    c->memory_used += is.used_memory - was.used_memory;
}

void promp_broker_core_count(const promp_broker_core_t *core, promp_broker_counters_t *counters)
{
    *counters = core->count;
    if (core->config.count)
        core->config.count(core->config.arg, counters);
}

void promp_broker_status_tell(promp_broker_core_t *core, promp_broker_peer_t *peer)
{
    promp_message_t m = {.type = PROMP_TYPE_COUNTERS};

    promp_broker_core_count(core, &m.counters);
    promp_broker_effects_say(core, peer, &m, NULL, 0);
}
