/* serve_join.c - who comes with a token: shows one key, is answered, leaves. */
#include <stdlib.h>
#include <time.h>

#include "auth_admit.h"
#include "serve_inside.h"

#define LOCK_PACE 50 /* ms between looks at a store that somebody else changes */

void promp_serve_join_new(promp_serve_t *s, promp_serve_peer_t *peer, int64_t now)
{
    peer->kind = PROMP_SERVE_JOINER;
    peer->due = now + PROMP_TIME_HANDSHAKE;
    promp_list_append(&s->silent, &peer->member);
}

void promp_serve_join_forget(promp_serve_t *s, promp_serve_peer_t *peer)
{
    if (peer->kind != PROMP_SERVE_JOINER)
        return;
    promp_list_remove(peer->wish ? &s->asking : &s->silent, &peer->member);
    free(peer->wish);
    peer->wish = NULL;
}

static void say(promp_serve_t *s, promp_serve_peer_t *peer, const promp_message_t *m, int64_t now)
{
    promp_out_t out;

    if (!promp_message_out(m, NULL, 0, &out))
        (void)promp_zport_send(s->port, peer->number, &out, 0);
    promp_serve_peers_leave(s, peer, now);
}

/* why: for the log; the joiner hears told. */
static void refuse(promp_serve_t *s, promp_serve_peer_t *peer, promp_err_t told, promp_err_t why,
                   const char *what, int64_t now)
{
    const promp_message_t m = {.type = PROMP_TYPE_REFUSED,
                               .refused = {.error = told, .text = promp_slice_str(promp_error_text(told))}};

    promp_serve_say_peer(s, PROMP_LOG_WARNING, why, peer, what);
    ++*(told == PROMP_ERR_VERSION       ? &s->joins.join_version
        : told == PROMP_ERR_BROKER_AWAY ? &s->joins.join_away
                                        : &s->joins.join_token);
    say(s, peer, &m, now);
}

/* What it was let in as; the store that is in use knows it already. */
static void welcome(promp_serve_t *s, promp_serve_peer_t *peer, int64_t now)
{
    const promp_auth_entry_t *entry = &peer->wish->entry;
    const promp_message_t m = {.type = PROMP_TYPE_JOINED,
                               .joined = {.role = entry->role == PROMP_AUTH_MANAGER    ? PROMP_BROKER_MANAGER
                                                  : entry->role == PROMP_AUTH_NODE     ? PROMP_BROKER_NODE
                                                  : entry->role == PROMP_AUTH_OBSERVER ? PROMP_BROKER_OBSERVER
                                                                                       : PROMP_BROKER_ADMIN,
                                          .broker = s->identity,
                                          .name = promp_slice_str(entry->name)}};

    promp_serve_say(s, PROMP_LOG_INFO, PROMP_OK, "'%s' joined as %s", entry->name,
                    promp_auth_role_text(entry->role));
    s->joins.joined++;
    say(s, peer, &m, now);
}

static promp_err_t read_wish(promp_serve_t *s, promp_serve_peer_t *peer, const promp_frame_t *frame)
{
    promp_message_t m;
    promp_err_t code;

    if (peer->wish || frame->fds || frame->type != PROMP_TYPE_JOIN)
        return PROMP_ERR_MESSAGE_SENDER;
    code = promp_message_decode(frame->type, frame->body, PROMP_WHO_JOINER, PROMP_WHO_BROKER, PROMP_AT_NEW,
                                PROMP_VERSION_HIGH, &m);
    if (code)
        return code;
    if (m.join.version_low > m.join.version_high || m.join.key.size != PROMP_AUTH_KEY_SIZE)
        return PROMP_ERR_MESSAGE_FIELD;
    if (m.join.version_low > PROMP_VERSION_HIGH || m.join.version_high < PROMP_VERSION_LOW)
        return PROMP_ERR_VERSION;
    peer->wish = calloc(1, sizeof *peer->wish);
    if (!peer->wish)
        return PROMP_ERR_MEMORY;
    memcpy(peer->wish->key, m.join.key.data, PROMP_AUTH_KEY_SIZE);
    memcpy(peer->wish->name, m.join.name.data, m.join.name.size);
    peer->wish->name_size = m.join.name.size;
    promp_list_remove(&s->silent, &peer->member);
    promp_list_append(&s->asking, &peer->member);
    return PROMP_OK;
}

void promp_serve_join_frame(promp_serve_t *s, promp_serve_peer_t *peer, const promp_frame_t *frame,
                            int64_t now)
{
    promp_err_t code = read_wish(s, peer, frame);

    if (code == PROMP_ERR_VERSION) {
        refuse(s, peer, code, code, "", now);
    } else if (code) {
        promp_serve_say_peer(s, PROMP_LOG_WARNING, code, peer, "with a token");
        s->joins.join_broken++;
        promp_serve_peers_drop(s, peer, code, now);
    } else if (s->draining) {
        refuse(s, peer, PROMP_ERR_BROKER_AWAY, PROMP_ERR_BROKER_AWAY, "", now);
    }
}

/* Behind the words of its number, which the log writes by itself. */
static const char *detail(const promp_error_t *error)
{
    const char *colon = strstr(error->text, ": ");

    return colon ? colon + 2 : "";
}

/* BUSY: later. Who is let in gets its answer when the store is loaded anew. */
static promp_err_t admit(promp_serve_t *s, promp_serve_peer_t *peer, int64_t now)
{
    promp_error_t error = {0};
    promp_serve_wish_t *wish = peer->wish;
    promp_err_t code =
        promp_auth_admit(s->folder, peer->key, wish->key, promp_slice(wish->name, wish->name_size),
                         (int64_t)time(NULL), 0, &wish->entry, &error);

    if (code && (code != PROMP_ERR_STORE_BUSY || now >= peer->due))
        refuse(s, peer, PROMP_ERR_TOKEN_REFUSED, code, detail(&error), now);
    return code;
}

/* Who came and does not ask. */
static int64_t drop_silent(promp_serve_t *s, int64_t now)
{
    promp_node_t *n;

    while ((n = promp_list_first(&s->silent))) {
        promp_serve_peer_t *peer = PROMP_CONTAINER(n, promp_serve_peer_t, member);

        if (peer->due > now)
            return peer->due;
        promp_serve_say_peer(s, PROMP_LOG_WARNING, PROMP_ERR_SILENT, peer, "with a token");
        s->joins.join_silent++;
        promp_serve_peers_drop(s, peer, PROMP_ERR_SILENT, now);
    }
    return PROMP_NEVER;
}

/* Returns when it wants to be called next. */
static int64_t admit_some(promp_serve_t *s, int64_t now)
{
    promp_list_t admitted;
    promp_node_t *n;
    bool busy = false;
    int tried = 0;

    if (!s->asking.count)
        return PROMP_NEVER;
    if (now < s->joins_at)
        return s->joins_at;
    promp_list_init(&admitted);
    while (!busy && tried++ < PROMP_LIMIT_BROKER_JOINS && (n = promp_list_first(&s->asking))) {
        promp_serve_peer_t *peer = PROMP_CONTAINER(n, promp_serve_peer_t, member);
        promp_err_t code = admit(s, peer, now);

        busy = code == PROMP_ERR_STORE_BUSY;
        if (!code) {
            promp_list_remove(&s->asking, n);
            promp_list_append(&admitted, n);
        }
    }
    s->joins_at = busy ? now + LOCK_PACE : now;
    if (admitted.count)
        promp_serve_keys_reload(s, now);
    while ((n = promp_list_first(&admitted))) {
        promp_list_remove(&admitted, n);
        promp_list_append(&s->asking, n);
        welcome(s, PROMP_CONTAINER(n, promp_serve_peer_t, member), now);
    }
    return s->asking.count ? s->joins_at : PROMP_NEVER;
}

int64_t promp_serve_join_tick(promp_serve_t *s, int64_t now)
{
    int64_t due = drop_silent(s, now);

    return promp_min64(due, admit_some(s, now));
}

void promp_serve_join_count(const promp_serve_t *s, promp_broker_counters_t *counters)
{
    counters->joiners = s->silent.count + s->asking.count;
    counters->joined = s->joins.joined;
    counters->join_token = s->joins.join_token;
    counters->join_version = s->joins.join_version;
    counters->join_away = s->joins.join_away;
    counters->join_broken = s->joins.join_broken;
    counters->join_silent = s->joins.join_silent;
}
