/* Nodes that an admin takes out of service: they get no more starts, are told, and leave when their workers have ended. */
#include "broker_table.h"

#define PROTOCOL 2 /* the version that brought DRAIN */

static void answer(promp_broker_core_t *core, promp_broker_peer_t *peer, promp_slice_t name,
                   promp_err_t error, const char *text, const promp_broker_node_t *node)
{
    promp_message_t m = {.type = PROMP_TYPE_DRAINED,
                         .drained = {.name = name, .error = error, .text = promp_slice_str(text)}};

    if (node) {
        m.drained.workers = (uint32_t)node->used;
        m.drained.away = !node->peer;
    }
    promp_broker_effects_say(core, peer, &m, NULL, 0);
}

/* An old key and the new one that takes its place have one name: whoever is there goes first, and who serves yet. */
static promp_broker_node_t *find(const promp_broker_core_t *core, promp_slice_t name)
{
    promp_broker_node_t *best = NULL;

    for (promp_node_t *n = promp_list_first(&core->nodes); n; n = promp_list_after(&core->nodes, n)) {
        promp_broker_node_t *node = PROMP_BROKER_OF(n, node, member);
        const char *called = node->key->info.name;

        if (!node->left && strlen(called) == name.size && memcmp(called, name.data, name.size) == 0 &&
            (!best || (node->peer && (!best->peer || best->drains))))
            best = node;
    }
    return best;
}

void promp_broker_drain_tell(promp_broker_core_t *core, promp_broker_node_t *node)
{
    promp_message_t m = {.type = PROMP_TYPE_DRAIN};

    if (node->peer->version >= PROTOCOL)
        promp_broker_effects_say(core, node->peer, &m, NULL, 0);
}

void promp_broker_drain_asked(promp_broker_core_t *core, promp_broker_peer_t *peer, promp_slice_t name)
{
    promp_broker_node_t *node = name.size ? find(core, name) : NULL;

    if (!node) {
        answer(core, peer, name, PROMP_ERR_NOT_FOUND, "no node with a key of this name is known", NULL);
        return;
    }
    if (node->version < PROTOCOL) {
        answer(core, peer, name, PROMP_ERR_VERSION, "the node is too old to be told: end it by SIGTERM",
               node);
        return;
    }
    node->drains = true;
    node->places = 0;
    promp_broker_status_node(core, node, true);
    if (node->peer)
        promp_broker_drain_tell(core, node);
    promp_broker_place_review_soon(core);
    answer(core, peer, name, PROMP_OK, "", node);
}
