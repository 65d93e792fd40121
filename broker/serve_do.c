/* serve_do.c - what the core wants done. */
#include <stdio.h>

#include "local.h"
#include "message.h"
#include "serve_inside.h"

/* For the core: what it does not see. arg is the promp_serve_t. */
static void count(void *arg, promp_broker_counters_t *counters)
{
    const promp_serve_t *s = arg;

    promp_serve_port_count(s, counters);
    promp_serve_join_count(s, counters);
}

promp_err_t promp_serve_core_new(promp_serve_t *s, int64_t now)
{
    const promp_broker_config_t config = {.seed = s->seed,
                                          .identity = s->identity,
                                          .build = promp_local_build(),
                                          .gather = s->config.gather,
                                          .key = promp_serve_keys_find,
                                          .count = count,
                                          .arg = s};

    s->core = promp_broker_core_new(&config, now);
    return s->core ? PROMP_OK : PROMP_ERR_MEMORY;
}

/* It did not get what it must have: it comes back, or does not read at all. */
static void lose(promp_serve_t *s, const promp_broker_effect_t *e, promp_err_t why, int64_t now)
{
    promp_serve_peer_t *peer = promp_serve_peers_find(s, e->peer);

    if (!peer || peer->kind == PROMP_SERVE_LEAVING)
        return;
    promp_serve_say_peer(s, PROMP_LOG_WARNING, why, peer, "it does not read");
    promp_serve_peers_drop(s, peer, why, now);
}

/* Who takes a node out is known afterwards. */
static void say_drained(promp_serve_t *s, const promp_broker_effect_t *e)
{
    promp_serve_peer_t *peer = promp_serve_peers_find(s, e->peer);
    promp_message_t m;
    char text[PROMP_LIMIT_KEY_NAME + 64];

    if (!peer || promp_message_decode(e->out->frame.type, e->out->part[0], PROMP_WHO_BROKER, PROMP_WHO_ADMIN,
                                      PROMP_AT_UP, PROMP_VERSION_HIGH, &m))
        return;
    snprintf(text, sizeof text, "takes node '%.*s' out of service", (int)m.drained.name.size,
             (const char *)m.drained.name.data);
    promp_serve_say_peer(s, m.drained.error ? PROMP_LOG_WARNING : PROMP_LOG_INFO,
                         (promp_err_t)m.drained.error, peer, text);
}

static void on_send(promp_serve_t *s, const promp_broker_effect_t *e, int64_t now)
{
    promp_err_t code = promp_zport_send(s->port, e->peer, e->out, 0);

    if (code == PROMP_ERR_QUEUE_FULL || code == PROMP_ERR_MEMORY)
        lose(s, e, code, now);
    if (e->out->frame.type == PROMP_TYPE_DRAINED)
        say_drained(s, e);
    if (code || e->out->frame.type != PROMP_TYPE_WELCOME)
        return;
    promp_serve_peer_t *peer = promp_serve_peers_find(s, e->peer);
    if (!peer || peer->kind != PROMP_SERVE_GUEST)
        return;
    promp_serve_say_peer(s, PROMP_LOG_INFO, PROMP_OK, peer, "is here");
    peer->up = true;
    if (s->key.has_next)
        promp_serve_peers_next_key(s, peer);
}

static void on_forward(promp_serve_t *s, const promp_broker_effect_t *e, int64_t now)
{
    promp_err_t code = promp_zport_forward(s->port, e->peer, e->frame, e->urgent, e->tag);

    if (code && e->tag)
        promp_broker_core_flushed(s->core, e->tag, e->frame->size);
    else if (e->urgent && (code == PROMP_ERR_QUEUE_FULL || code == PROMP_ERR_MEMORY))
        lose(s, e, code, now);
}

static void on_kick(promp_serve_t *s, const promp_broker_effect_t *e, int64_t now)
{
    promp_serve_peer_t *peer = promp_serve_peers_find(s, e->peer);
    /* PEER_LEFT: a node that is here again by another connection. */
    bool harmless = !e->error || e->error == PROMP_ERR_PEER_LEFT;

    if (!peer)
        return;
    promp_serve_say_peer(s, harmless ? PROMP_LOG_INFO : PROMP_LOG_WARNING, e->error, peer,
                         e->error ? "" : "has left");
    promp_serve_peers_leave(s, peer, now);
}

void promp_serve_do(promp_serve_t *s, int64_t now)
{
    promp_broker_effect_t e;

    while (promp_broker_core_next(s->core, &e))
        switch (e.kind) {
        case PROMP_BROKER_SEND:
            on_send(s, &e, now);
            break;
        case PROMP_BROKER_FORWARD:
            on_forward(s, &e, now);
            break;
        case PROMP_BROKER_KICK:
            on_kick(s, &e, now);
            break;
        case PROMP_BROKER_END:
            s->ended = true;
            s->error = e.error; /* what is restarted learns all from the nodes */
            break;
        }
}

void promp_serve_flushed(promp_serve_t *s)
{
    uint64_t tag, bytes;

    while (promp_zport_flushed(s->port, &tag, &bytes))
        promp_broker_core_flushed(s->core, tag, bytes);
}
