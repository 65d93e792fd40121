/* Connections: the handshake, their end, their times. */
#include <stdlib.h>

#include "broker_table.h"
#include "mutant.h"

/* Peers by their number, in a map whose keys have 128 bits. */
static promp_id_t map_key(promp_broker_peer_number_t number)
{
    promp_id_t id = {{0}};

    memcpy(id.b, &number, sizeof number);
    return id;
}

promp_broker_peer_t *promp_broker_peer_get(const promp_broker_core_t *core, promp_broker_peer_number_t number)
{
    promp_id_t id = map_key(number);

    return promp_map_get(core->peers, &id);
}

static uint64_t *counter(promp_broker_core_t *core, const promp_broker_peer_t *peer)
{
    if (!peer->up)
        return &core->count.handshakes;
    switch (peer->key->info.role) {
    case PROMP_BROKER_MANAGER:
        return &core->count.managers;
    case PROMP_BROKER_NODE:
        return &core->count.nodes;
    default:
        return &core->count.others;
    }
}

static promp_broker_peer_t *make(promp_broker_core_t *core, promp_broker_peer_number_t number)
{
    promp_broker_peer_t *peer = calloc(1, sizeof *peer);
    promp_id_t id = map_key(number);

    if (!peer)
        return NULL;
    if (promp_broker_heap_reserve(&core->timers))
        goto err1;
    if (promp_map_put(core->peers, &id, peer))
        goto err2;
    peer->number = number;
    peer->version = PROMP_VERSION_HIGH;
    peer->lease = PROMP_TIME_NO_LEASE;
    peer->heard = peer->sent = peer->lease_since = core->now;
    peer->timer.kind = PROMP_BROKER_TIMER_PEER;
    promp_list_init(&peer->managed);
    promp_broker_heap_set(&core->timers, &peer->timer, core->now + PROMP_TIME_HANDSHAKE);
    return peer;

err2:
    promp_broker_heap_release(&core->timers, &peer->timer);
err1:
    free(peer);
    return NULL;
}

static void free_peer(promp_broker_core_t *core, promp_broker_peer_t *peer)
{
    promp_id_t id = map_key(peer->number);

    promp_map_remove(core->peers, &id);
    promp_broker_heap_release(&core->timers, &peer->timer);
    free(peer);
}

/* Somebody without a place in the table. */
static void turn_away(promp_broker_core_t *core, promp_broker_peer_number_t number, promp_err_t told,
                      promp_err_t why)
{
    promp_broker_peer_t peer = {.number = number};
    promp_message_t m = {.type = PROMP_TYPE_REFUSED,
                         .refused = {.error = told, .text = promp_slice_str(promp_error_text(told))}};

    promp_broker_effects_say(core, &peer, &m, NULL, 0);
    promp_broker_effects_kick(core, number, why);
}

void promp_broker_core_opened(promp_broker_core_t *core, promp_broker_peer_number_t number,
                              const promp_id_t *id, int64_t now)
{
    promp_err_t error;
    promp_broker_peer_t *peer;
    promp_broker_key_t *key;

    core->now = now;
    if (core->ended || promp_broker_peer_get(core, number))
        return;
    key = promp_broker_key_get(core, id, &error);
    if (!key) {
        core->count.kicked_key++;
        turn_away(core, number, error == PROMP_ERR_MEMORY ? error : PROMP_ERR_KEY_REFUSED, error);
        return;
    }
    if (core->drain_until != PROMP_NEVER)
        error = PROMP_ERR_BROKER_AWAY;
    else if (promp_map_count(core->peers) >= PROMP_LIMIT_PEERS || key->peers.count >= PROMP_LIMIT_PEERS_KEY)
        error = PROMP_ERR_LIMIT_LINKS;
    peer = error ? NULL : make(core, number);
    if (!peer) {
        error = error ? error : PROMP_ERR_MEMORY;
        turn_away(core, number, error, error);
        promp_broker_key_release(core, key);
        return;
    }
    peer->key = key;
    promp_list_append(&key->peers, &peer->member);
    core->count.handshakes++;
}

void promp_broker_peer_forget(promp_broker_core_t *core, promp_broker_peer_t *peer)
{
    promp_broker_key_t *key = peer->key;
    promp_node_t *n;

    if (peer->node)
        promp_broker_node_away(core, peer->node);
    while ((n = promp_list_first(&peer->managed)))
        promp_broker_table_unbind(core, PROMP_BROKER_OF(n, session, managed));
    --*counter(core, peer);
    promp_list_remove(&key->peers, &peer->member);
    free_peer(core, peer);
    promp_broker_key_release(core, key);
}

void promp_broker_peer_refuse(promp_broker_core_t *core, promp_broker_peer_t *peer, promp_err_t error)
{
    promp_broker_peer_number_t number = peer->number;

    ++*(error == PROMP_ERR_SILENT        ? &core->count.kicked_silent
        : error == PROMP_ERR_KEY_REFUSED ? &core->count.kicked_key
                                         : &core->count.kicked_broken);
    promp_broker_peer_forget(core, peer);
    turn_away(core, number, error, error);
}

void promp_broker_core_closed(promp_broker_core_t *core, promp_broker_peer_number_t number, promp_err_t why,
                              int64_t now)
{
    promp_broker_peer_t *peer = promp_broker_peer_get(core, number);

    core->now = now;
    if (!peer)
        return;
    if (why != PROMP_ERR_PEER_LEFT)
        core->count.kicked_broken++;
    promp_broker_peer_forget(core, peer);
    promp_broker_place_serve_due(core);
}

static promp_err_t hello(promp_broker_core_t *core, promp_broker_peer_t *peer, const promp_msg_hello_t *hello)
{
    if (hello->version_low > hello->version_high)
        return PROMP_ERR_MESSAGE_FIELD;
    if (hello->version_low > PROMP_VERSION_HIGH || hello->version_high < PROMP_VERSION_LOW ||
        (PROMP_MUTANT(35) && hello->version_high > PROMP_VERSION_HIGH))
        return PROMP_ERR_VERSION;
    if (hello->role != peer->key->info.role)
        return PROMP_ERR_KEY_ROLE;
    peer->version = hello->version_high < PROMP_VERSION_HIGH ? hello->version_high : PROMP_VERSION_HIGH;
    peer->lease_told = hello->lease_ms;
    promp_broker_table_text(peer->build, hello->build);
    --*counter(core, peer);
    peer->up = true;
    ++*counter(core, peer);

    promp_message_t m = {.type = PROMP_TYPE_WELCOME,
                         .welcome = {.version = peer->version,
                                     .node = core->config.identity,
                                     .build = promp_slice_str(core->config.build)}};

    promp_broker_effects_say(core, peer, &m, NULL, 0);
    promp_broker_heap_set(&core->timers, &peer->timer, core->now);
    return PROMP_OK;
}

/* A manager leaves: nobody wants to know any more how its sessions end. A node leaves: its sessions are over. */
static void bye(promp_broker_core_t *core, promp_broker_peer_t *peer)
{
    promp_broker_peer_number_t number = peer->number;
    promp_broker_node_t *node = peer->node;
    promp_node_t *n;

    while (!node && (n = promp_list_first(&peer->managed)))
        promp_broker_life_orphan(core, PROMP_BROKER_OF(n, session, managed), PROMP_ERR_WORKER_MANAGER_GONE);
    promp_broker_peer_forget(core, peer);
    if (node)
        promp_broker_node_leave(core, node);
    promp_broker_effects_kick(core, number, PROMP_OK);
}

promp_err_t promp_broker_peer_frame(promp_broker_core_t *core, promp_broker_peer_t *peer,
                                    const promp_message_t *m)
{
    switch (m->type) {
    case PROMP_TYPE_HELLO:
        return hello(core, peer, &m->hello);
    case PROMP_TYPE_BEAT:
        peer->lease_told = m->beat.lease_ms;
        if (m->beat.lease_ms)
            promp_broker_peer_lease(core, peer, m->beat.lease_ms);
        return PROMP_OK;
    case PROMP_TYPE_LINK_ACK: /* the shell's link has taken it */
        return PROMP_OK;
    case PROMP_TYPE_STATUS:
        promp_broker_status_tell(core, peer);
        return PROMP_OK;
    case PROMP_TYPE_NODES:
        promp_broker_status_nodes(core, peer, &m->nodes.after);
        return PROMP_OK;
    case PROMP_TYPE_DRAIN:
        promp_broker_drain_asked(core, peer, m->drain.name);
        return PROMP_OK;
    case PROMP_TYPE_BYE:
        bye(core, peer);
        return PROMP_OK;
    case PROMP_TYPE_OFFER:
        return promp_broker_node_offer(core, peer, &m->offer);
    case PROMP_TYPE_HELD_END:
        return peer->node ? promp_broker_node_held_end(core, peer->node) : PROMP_ERR_MESSAGE_STATE;
    default:
        return PROMP_ERR_MESSAGE_SENDER;
    }
}

/* --- time --- */

int64_t promp_broker_peer_smallest(const promp_broker_peer_t *peer)
{
    int64_t lease = PROMP_TIME_NO_LEASE;
    promp_node_t *n;

    if (peer->lease_told)
        lease = promp_min64(lease, promp_max64(peer->lease_told, PROMP_TIMEOUT_MIN));
    for (n = promp_list_first(&peer->managed); n; n = promp_list_after(&peer->managed, n))
        lease = promp_min64(lease, PROMP_BROKER_OF(n, session, managed)->lease);
    if (!peer->node)
        return lease;
    for (n = promp_list_first(&peer->node->sessions); n; n = promp_list_after(&peer->node->sessions, n))
        lease = promp_min64(lease, PROMP_BROKER_OF(n, session, placed)->lease);
    return lease;
}

void promp_broker_peer_lease(promp_broker_core_t *core, promp_broker_peer_t *peer, uint32_t lease)
{
    if (promp_max64(lease, PROMP_TIMEOUT_MIN) < peer->lease) {
        peer->lease = promp_max64(lease, PROMP_TIMEOUT_MIN);
        peer->lease_since = core->now;
    }
    promp_broker_heap_sooner(&core->timers, &peer->timer,
                             promp_max64(core->now, peer->sent + peer->lease / 5));
}

void promp_broker_peer_tick(promp_broker_core_t *core, promp_broker_peer_t *peer)
{
    promp_message_t m = {.type = PROMP_TYPE_BEAT};
    int64_t patience = PROMP_TIME_HANDSHAKE, due;

    if (peer->up)
        patience = peer->lease = promp_broker_peer_smallest(peer);
    /* Before it had so small a lease it was right to be silent for longer. */
    due = promp_max64(peer->heard, promp_min64(peer->lease_since, peer->heard + PROMP_TIME_NO_LEASE)) +
          patience;
    if (core->now >= due) {
        promp_broker_peer_refuse(core, peer, PROMP_ERR_SILENT);
        return;
    }
    if (peer->up) {
        if (core->now - peer->sent >= peer->lease / 5)
            promp_broker_effects_say(core, peer, &m, NULL, 0);
        due = promp_min64(due, peer->sent + peer->lease / 5);
    }
    promp_broker_heap_set(&core->timers, &peer->timer, due);
}
