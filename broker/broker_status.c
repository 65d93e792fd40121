/* Figures, and the nodes one by one. */
#include "broker_table.h"

typedef enum { READY = 1, STARTING, DRAINING, AWAY } state_t; /* numbers as in NODE */

static state_t state_of(const promp_broker_node_t *node)
{
    if (!node->peer)
        return AWAY;
    if (!node->places)
        return DRAINING;
    return node->settled ? READY : STARTING;
}

/* What a node adds to the figures. */
static promp_broker_share_t share_of(const promp_broker_node_t *node)
{
    const state_t state = state_of(node);
    promp_broker_share_t share = {.ready = state == READY,
                                  .starting = state == STARTING,
                                  .draining = state == DRAINING,
                                  .away = state == AWAY && !node->left};

    if (!node->peer || share.draining)
        return share;
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
    c->nodes_starting += (uint64_t)is.starting - was.starting;
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

/* --- nodes --- */

static void tell_node(promp_broker_core_t *core, promp_broker_peer_t *peer, const promp_broker_node_t *node)
{
    int64_t heard = node->peer ? node->peer->heard : node->heard;
    promp_message_t m = {.type = PROMP_TYPE_NODE,
                         .node = {.key = node->key->id,
                                  .name = promp_slice_str(node->key->info.name),
                                  .state = (uint8_t)state_of(node),
                                  .heard_ms = (uint64_t)promp_max64(0, core->now - heard),
                                  .places = node->places,
                                  .workers = (uint32_t)node->used,
                                  .cpus = node->has.cpus,
                                  .cpus_used = node->used_cpus,
                                  .memory = node->has.memory,
                                  .memory_used = node->used_memory,
                                  .gpus = node->has.gpus,
                                  .gpus_used = node->used_gpus,
                                  .labels = promp_slice_str(node->labels),
                                  .key_labels = promp_slice_str(node->key->info.labels),
                                  .pythons = promp_slice_str(node->pythons),
                                  .build = promp_slice_str(node->build)}};

    promp_broker_effects_say(core, peer, &m, NULL, 0);
}

/* Puts node among the count smallest ones that page holds, in order of their keys. */
static size_t insert(const promp_broker_node_t **page, size_t count, const promp_broker_node_t *node)
{
    size_t at = count;

    while (at && memcmp(&node->key->id, &page[at - 1]->key->id, sizeof node->key->id) < 0)
        at--;
    if (at == PROMP_LIMIT_NODES_PAGE)
        return count;
    if (count == PROMP_LIMIT_NODES_PAGE)
        count--; /* the largest makes room */
    memmove(page + at + 1, page + at, (count - at) * sizeof *page);
    page[at] = node;
    return count + 1;
}

void promp_broker_status_nodes(promp_broker_core_t *core, promp_broker_peer_t *peer, const promp_id_t *after)
{
    const promp_broker_node_t *page[PROMP_LIMIT_NODES_PAGE];
    promp_message_t m = {.type = PROMP_TYPE_NODES_END};
    size_t count = 0, behind = 0;

    for (promp_node_t *n = promp_list_first(&core->nodes); n; n = promp_list_after(&core->nodes, n)) {
        const promp_broker_node_t *node = PROMP_BROKER_OF(n, node, member);

        if (node->left || memcmp(&node->key->id, after, sizeof *after) <= 0)
            continue;
        behind++;
        count = insert(page, count, node);
    }
    for (size_t i = 0; i < count; i++)
        tell_node(core, peer, page[i]);
    m.nodes_end.more = behind > count;
    promp_broker_effects_say(core, peer, &m, NULL, 0);
}
