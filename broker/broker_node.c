/* Nodes: what they offer, what they lack when they come back, what becomes of it when they go. */
#include <stdlib.h>

#include "broker_table.h"
#include "mutant.h"

static promp_broker_node_t *make(promp_broker_core_t *core, promp_broker_key_t *key)
{
    promp_broker_node_t *node = calloc(1, sizeof *node);

    if (!node)
        return NULL;
    if (promp_broker_heap_reserve(&core->timers)) {
        free(node);
        return NULL;
    }
    node->key = key;
    node->timer.kind = PROMP_BROKER_TIMER_NODE;
    promp_list_init(&node->sessions);
    promp_list_append(&core->nodes, &node->member);
    key->node = node;
    return node;
}

/* A node with this key is here already. The same one comes again by a new connection, or another one after it; two at the
 * same time would drive each other out for ever. */
static bool may_replace(promp_broker_core_t *core, const promp_broker_node_t *node,
                        const promp_id_t *identity)
{
    return promp_id_equal(&node->identity, identity) ||
           core->now - node->peer->heard >= promp_broker_peer_smallest(node->peer) * 2 / 5;
}

static promp_err_t first_offer(promp_broker_core_t *core, promp_broker_peer_t *peer,
                               const promp_id_t *identity)
{
    promp_broker_node_t *node = peer->key->node;

    if (node && node->peer && !may_replace(core, node, identity))
        return PROMP_ERR_NODE_TWICE;
    if (node && node->peer) {
        bool same = promp_id_equal(&node->identity, identity);

        promp_broker_effects_kick(core, node->peer->number,
                                  same ? PROMP_ERR_PEER_LEFT : PROMP_ERR_NODE_TWICE);
        promp_broker_peer_forget(core, node->peer);
    }
    if (!node && !(node = make(core, peer->key)))
        return PROMP_ERR_MEMORY;
    if (!promp_id_equal(&node->identity, identity))
        node->drains = false; /* it was another one that was taken out */
    node->identity = *identity;
    node->peer = peer;
    node->settled = node->left = false;
    node->version = peer->version;
    memcpy(node->build, peer->build, sizeof node->build);
    peer->node = node;
    for (promp_node_t *n = promp_list_first(&node->sessions); n; n = promp_list_after(&node->sessions, n))
        PROMP_BROKER_OF(n, session, placed)->confirmed = false;
    promp_broker_heap_set(&core->timers, &node->timer, PROMP_NEVER);
    promp_broker_heap_set(&core->timers, &peer->timer, core->now);
    return PROMP_OK;
}

promp_err_t promp_broker_node_offer(promp_broker_core_t *core, promp_broker_peer_t *peer,
                                    const promp_msg_offer_t *offer)
{
    promp_err_t error = PROMP_OK;
    bool first = !peer->node;

    if (promp_id_is_none(&offer->node) || offer->places > PROMP_LIMIT_WORKERS)
        return PROMP_ERR_MESSAGE_FIELD;
    if (first)
        error = first_offer(core, peer, &offer->node);
    else if (!promp_id_equal(&peer->node->identity, &offer->node))
        error = PROMP_ERR_MESSAGE_FIELD;
    if (error)
        return error;
    promp_broker_node_t *node = peer->node;

    node->places = node->drains ? 0 : offer->places;
    node->has = (promp_broker_needs_t){.cpus = offer->cpus, .gpus = offer->gpus, .memory = offer->memory};
    promp_broker_table_text(node->labels, offer->labels);
    promp_broker_table_text(node->pythons, offer->pythons);
    node->due = node->settled;
    promp_broker_status_node(core, node, true);
    if (first && node->drains)
        promp_broker_drain_tell(core, node);
    promp_broker_place_found(core, node);
    promp_broker_place_review_soon(core);
    return PROMP_OK;
}

/* --- what it has lost --- */

/* What a node that is here, or will not be again, does not have. s may be freed. */
static void missing(promp_broker_core_t *core, promp_broker_session_t *s)
{
    bool unheard = s->state == PROMP_BROKER_ASKED && s->start && s->key; /* it never heard of it */

    if (unheard && s->cause) {
        promp_broker_start_fail(core, s, s->cause, 0, promp_slice(NULL, 0));
    } else if (unheard) {
        promp_broker_table_unplace(core, s);
        promp_broker_start_seek(core, s, PROMP_ERR_NO_PLACE, 0, promp_slice(NULL, 0));
    } else {
        promp_broker_life_lose(core, s, PROMP_ERR_WORKER_NODE_LOST);
    }
}

/* All of the node's sessions, or those that it has not told. */
static void miss(promp_broker_core_t *core, promp_broker_node_t *node, bool all)
{
    promp_node_t *n;

    for (n = promp_list_first(&node->sessions); n; n = promp_list_after(&node->sessions, n))
        if (all || !PROMP_BROKER_OF(n, session, placed)->confirmed)
            promp_list_append(&core->todo, &PROMP_BROKER_OF(n, session, placed)->todo);
    while ((n = promp_list_first(&core->todo))) {
        promp_list_remove(&core->todo, n);
        missing(core, PROMP_BROKER_OF(n, session, todo));
    }
}

promp_err_t promp_broker_node_held_end(promp_broker_core_t *core, promp_broker_node_t *node)
{
    if (node->settled)
        return PROMP_ERR_MESSAGE_STATE;
    node->settled = node->due = true;
    promp_broker_status_node(core, node, true);
    if (!PROMP_MUTANT(20))
        miss(core, node, false);
    return PROMP_OK;
}

/* --- going --- */

void promp_broker_node_away(promp_broker_core_t *core, promp_broker_node_t *node)
{
    int64_t lease = promp_broker_peer_smallest(node->peer);

    node->heard = node->peer->heard;
    node->settled = false;
    for (promp_node_t *n = promp_list_first(&node->sessions); n; n = promp_list_after(&node->sessions, n)) {
        promp_broker_session_t *s = PROMP_BROKER_OF(n, session, placed);

        promp_broker_table_cut(core, s, PROMP_BROKER_TO_WORKER);
        if (!s->manager || s->manager == node->peer)
            continue;
        /* Its manager may have nothing to say and would not notice. */
        if (s->state == PROMP_BROKER_RUNNING)
            promp_broker_effects_no_route(core, s->manager, &s->id, 0);
        /* Nor would it wait for an answer that comes when the lease is over. */
        if (s->state == PROMP_BROKER_ASKED)
            promp_broker_start_waits(core, s, 0);
    }
    node->peer->node = NULL;
    node->peer = NULL;
    promp_broker_status_node(core, node, true);
    promp_broker_heap_sooner(&core->timers, &node->timer, node->heard + lease);
}

static void free_node(promp_broker_core_t *core, promp_broker_node_t *node)
{
    promp_broker_key_t *key = node->key;

    promp_broker_status_node(core, node, false);
    promp_list_remove(&core->nodes, &node->member);
    promp_broker_heap_release(&core->timers, &node->timer);
    key->node = NULL;
    free(node);
    promp_broker_key_release(core, key);
    promp_broker_place_review_soon(core);
}

void promp_broker_node_leave(promp_broker_core_t *core, promp_broker_node_t *node)
{
    node->places = 0;
    node->left = true;
    miss(core, node, true);
    promp_broker_status_node(core, node, true);
}

void promp_broker_node_drop(promp_broker_core_t *core, promp_broker_node_t *node)
{
    node->places = 0;
    node->dropped = true;
    miss(core, node, true);
    free_node(core, node);
}

/* It is away: what it has is given up when its lease has run out, by all who know of it. */
void promp_broker_node_tick(promp_broker_core_t *core, promp_broker_node_t *node)
{
    int64_t due = node->heard + PROMP_TIME_NO_LEASE;
    promp_node_t *n;

    if (node->peer)
        return;
    for (n = promp_list_first(&node->sessions); n; n = promp_list_after(&node->sessions, n)) {
        promp_broker_session_t *s = PROMP_BROKER_OF(n, session, placed);

        if (core->now >= node->heard + s->lease)
            promp_list_append(&core->todo, &s->todo);
        else
            due = promp_min64(due, node->heard + s->lease);
    }
    while ((n = promp_list_first(&core->todo))) {
        promp_broker_session_t *s = PROMP_BROKER_OF(n, session, todo);

        promp_list_remove(&core->todo, n);
        if (s->state == PROMP_BROKER_ASKED)
            missing(core, s);
        else
            promp_broker_table_free(core, s);
    }
    if (!node->sessions.count && core->now >= node->heard + PROMP_TIME_NO_LEASE)
        free_node(core, node);
    else
        promp_broker_heap_set(&core->timers, &node->timer, promp_max64(due, core->now + 1));
}
