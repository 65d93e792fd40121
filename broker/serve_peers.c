/* serve_peers.c - who is connected: guests of the core, joiners, and those who leave. */
#include <stdio.h>
#include <stdlib.h>

#include "serve_inside.h"
#include "z85.h"

static promp_id_t map_key(promp_zpeer_t number)
{
    promp_id_t id = {{0}};

    memcpy(id.b, &number, sizeof number);
    return id;
}

promp_serve_peer_t *promp_serve_peers_find(const promp_serve_t *s, promp_zpeer_t number)
{
    const promp_id_t id = map_key(number);

    return promp_map_get(s->peers, &id);
}

static void forget(promp_serve_t *s, promp_serve_peer_t *peer)
{
    const promp_id_t id = map_key(peer->number);

    promp_serve_join_forget(s, peer);
    if (peer->kind == PROMP_SERVE_LEAVING)
        promp_list_remove(&s->leaving, &peer->member);
    promp_map_remove(s->peers, &id);
    free(peer);
}

void promp_serve_peers_leave(promp_serve_t *s, promp_serve_peer_t *peer, int64_t now)
{
    if (peer->kind == PROMP_SERVE_LEAVING)
        return;
    promp_serve_join_forget(s, peer);
    peer->kind = PROMP_SERVE_LEAVING;
    peer->up = false;
    peer->due = now + PROMP_TIME_LINGER;
    promp_list_append(&s->leaving, &peer->member);
}

void promp_serve_peers_drop(promp_serve_t *s, promp_serve_peer_t *peer, promp_err_t why, int64_t now)
{
    const promp_zpeer_t number = peer->number;
    const bool guest = peer->kind == PROMP_SERVE_GUEST;

    promp_zport_kick(s->port, number);
    forget(s, peer);
    if (guest)
        promp_broker_core_closed(s->core, number, why, now);
}

void promp_serve_peers_drop_all(promp_serve_t *s, int64_t now)
{
    promp_serve_peer_t *peer;
    size_t at = 0;

    while ((peer = promp_map_next(s->peers, &at)))
        promp_serve_peers_drop(s, peer, PROMP_ERR_PEER_LEFT, now);
    promp_serve_do(s, now);
    promp_serve_flushed(s);
}

int64_t promp_serve_peers_tick(promp_serve_t *s, int64_t now)
{
    promp_node_t *n;

    while ((n = promp_list_first(&s->leaving))) {
        promp_serve_peer_t *peer = PROMP_CONTAINER(n, promp_serve_peer_t, member);

        if (peer->due > now)
            return peer->due;
        promp_serve_peers_drop(s, peer, PROMP_OK, now);
    }
    return PROMP_NEVER;
}

/* --- the next key --- */

static void tell_next_key(promp_serve_t *s, const promp_serve_peer_t *peer)
{
    promp_message_t m = {.type = PROMP_TYPE_NEXT_KEY};
    promp_out_t out;

    if (s->key.has_next) {
        m.next_key.key = promp_slice(s->key.next, sizeof s->key.next);
        m.next_key.from = (uint64_t)s->key.change;
    }
    if (!promp_message_out(&m, NULL, 0, &out))
        (void)promp_zport_send(s->port, peer->number, &out,
                               0); /* who does not get it reads nothing else either */
}

void promp_serve_peers_next_key(promp_serve_t *s, promp_serve_peer_t *peer)
{
    size_t at = 0;

    if (peer) {
        tell_next_key(s, peer);
        return;
    }
    while ((peer = promp_map_next(s->peers, &at)))
        if (peer->up)
            tell_next_key(s, peer);
}

/* --- events --- */

/* NULL: no memory, or the handshake does not tell who it is. */
static promp_serve_peer_t *make(promp_serve_t *s, promp_zpeer_t number)
{
    promp_serve_peer_t *peer = calloc(1, sizeof *peer);
    const promp_id_t id = map_key(number);
    const char *user = promp_zport_property(s->port, number, "User-Id");
    const char *address = promp_zport_property(s->port, number, "Peer-Address");

    if (!peer || !user || !promp_z85_decode(promp_slice_str(user), peer->key) ||
        promp_map_put(s->peers, &id, peer)) {
        free(peer);
        return NULL;
    }
    peer->number = number;
    snprintf(peer->address, sizeof peer->address, "%s", address ? promp_serve_address(address) : "?");
    return peer;
}

static void on_new(promp_serve_t *s, promp_zpeer_t number, int64_t now)
{
    promp_serve_peer_t *peer = make(s, number);
    const char *role = promp_zport_property(s->port, number, "Role");
    promp_id_t id;

    if (!peer) {
        promp_zport_kick(s->port, number);
        return;
    }
    if (role && strcmp(role, promp_auth_role_text(PROMP_AUTH_JOIN)) == 0) {
        promp_serve_join_new(s, peer, now);
        return;
    }
    if (!promp_auth_store_find(s->store, peer->key)) /* the handler has a newer store */
        promp_serve_keys_reload(s, now);
    memcpy(id.b, peer->key, sizeof id.b);
    promp_broker_core_opened(s->core, number, &id, now);
}

static void on_frame(promp_serve_t *s, const promp_zport_event_t *event, int64_t now)
{
    promp_serve_peer_t *peer = promp_serve_peers_find(s, event->peer);

    if (!peer || peer->kind == PROMP_SERVE_LEAVING)
        return; /* its window stays as full as it makes it */
    if (peer->kind == PROMP_SERVE_JOINER) {
        promp_serve_join_frame(s, peer, &event->frame, now);
        return;
    }
    promp_broker_core_frame(s->core, event->peer, &event->frame, now);
    promp_serve_do(s, now);
    if (promp_link_windowed(&event->frame))
        promp_zport_release(s->port, event->peer, event->frame.size);
}

static void on_gone(promp_serve_t *s, const promp_zport_event_t *event, int64_t now)
{
    promp_serve_peer_t *peer = promp_serve_peers_find(s, event->peer);
    const bool broken = event->why != PROMP_ERR_PEER_LEFT;

    if (!peer)
        return;
    if (peer->kind != PROMP_SERVE_LEAVING)
        promp_serve_say_peer(s, broken ? PROMP_LOG_WARNING : PROMP_LOG_INFO, event->why, peer, "");
    const bool guest = peer->kind == PROMP_SERVE_GUEST;
    forget(s, peer);
    if (guest)
        promp_broker_core_closed(s->core, event->peer, event->why, now);
}

void promp_serve_peers_event(promp_serve_t *s, const promp_zport_event_t *event, int64_t now)
{
    switch (event->type) {
    case PROMP_ZPORT_NOTHING:
        return;
    case PROMP_ZPORT_NEW:
        on_new(s, event->peer, now);
        break;
    case PROMP_ZPORT_FRAME:
        on_frame(s, event, now);
        break;
    case PROMP_ZPORT_GONE:
        on_gone(s, event, now);
        break;
    }
    promp_serve_do(s, now);
}
