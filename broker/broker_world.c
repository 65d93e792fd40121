#include "broker_world.h"

#include <stdio.h>

#include "broker_recount.h"

void forget(world_t *w)
{
    for (size_t i = 0; i < w->count; i++)
        free(w->seen[i].body);
    w->count = 0;
}

static void decode(seen_t *s)
{
    size_t size = s->frame.size - PROMP_FRAME_HEADER;

    for (int state = PROMP_AT_NEW; state <= PROMP_AT_UP && !s->message.type; state++)
        for (int who = 1; who <= PROMP_WHO_ADMIN && !s->message.type; who <<= 1)
            if (who & PROMP_WHO_GUESTS)
                (void)promp_message_decode(s->frame.type, promp_slice(s->body, size), PROMP_WHO_BROKER,
                                           (promp_who_t)who, (promp_at_t)state, PROMP_VERSION_HIGH,
                                           &s->message);
    assert_int_not_equal(s->message.type, 0); /* what the broker sends keeps to the table */
}

void drain(world_t *w)
{
    promp_broker_effect_t e;

    while (promp_broker_core_next(w->core, &e)) {
        assert_true(w->count < SEEN_MAX);
        seen_t *s = &w->seen[w->count++];

        *s = (seen_t){.effect = e};
        if (e.kind == PROMP_BROKER_FORWARD)
            s->frame = *e.frame;
        if (e.kind != PROMP_BROKER_SEND)
            continue;
        s->frame = e.out->frame;
        s->body = malloc(s->frame.size);
        assert_non_null(s->body);
        if (e.out->parts)
            memcpy(s->body, e.out->part[0].data, e.out->part[0].size);
        decode(s);
    }
    assert_true(promp_broker_recount_same(w->core));
}

void tick(world_t *w)
{
    promp_broker_core_tick(w->core, w->now);
    drain(w);
}

void pass(world_t *w, int64_t ms)
{
    int64_t until = w->now + ms;

    for (;;) {
        int64_t next = promp_broker_core_tick(w->core, w->now);

        drain(w);
        if (w->now >= until)
            return;
        w->now = next > w->now ? promp_min64(next, until) : w->now + 1;
    }
}

void live(world_t *w, int64_t ms, const promp_broker_peer_number_t *peers)
{
    for (int64_t until = w->now + ms; w->now < until;) {
        for (const promp_broker_peer_number_t *p = peers; *p; p++)
            simple(w, *p, PROMP_TYPE_BEAT, 0);
        pass(w, promp_min64(50, until - w->now));
    }
}

size_t count_of(const world_t *w, promp_broker_effect_kind_t kind, int type, promp_broker_peer_number_t peer)
{
    size_t n = 0;

    for (size_t i = 0; i < w->count; i++)
        n += w->seen[i].effect.kind == kind && (!type || w->seen[i].frame.type == type) &&
             (!peer || w->seen[i].effect.peer == peer);
    return n;
}

const seen_t *last_of(const world_t *w, promp_broker_effect_kind_t kind, int type,
                      promp_broker_peer_number_t peer)
{
    const seen_t *found = NULL;

    for (size_t i = 0; i < w->count; i++)
        if (w->seen[i].effect.kind == kind && (!type || w->seen[i].frame.type == type) &&
            (!peer || w->seen[i].effect.peer == peer))
            found = &w->seen[i];
    if (!found)
        fail_msg("no effect %d with message %d to peer %llu", kind, type, (unsigned long long)peer);
    return found;
}

bool kicked(const world_t *w, promp_broker_peer_number_t peer, promp_err_t why)
{
    if (!count_of(w, PROMP_BROKER_KICK, 0, peer))
        return false;
    assert_int_equal(last_of(w, PROMP_BROKER_KICK, 0, peer)->effect.error, why);
    return true;
}

promp_broker_counters_t counters(const world_t *w)
{
    promp_broker_counters_t c;

    promp_broker_core_count(w->core, &c);
    return c;
}

promp_id_t id_of(uint8_t n)
{
    return n ? (promp_id_t){{n, 1, 2, 3}} : (promp_id_t){{0}};
}

promp_id_t key_of(uint8_t n)
{
    return (promp_id_t){{7, 7, 7, n}};
}

static promp_err_t look_up(void *arg, const promp_id_t *key, promp_broker_key_info_t *info)
{
    const world_t *w = arg;

    for (uint8_t i = 0; i < KEYS; i++) {
        promp_id_t id = key_of(i);

        if (!promp_id_equal(&id, key) || !w->key[i].role)
            continue;
        *info = w->key[i];
        return PROMP_OK;
    }
    return PROMP_ERR_ACCESS_UNKNOWN;
}

void say(world_t *w, promp_broker_peer_number_t peer, const promp_message_t *m, uint8_t session,
         uint32_t epoch)
{
    promp_buf_t body = {0};

    assert_int_equal(promp_message_encode(m, &body), PROMP_OK);
    promp_frame_t frame = {.size = promp_frame_size(body.size),
                           .type = (uint8_t)m->type,
                           .epoch = epoch,
                           .session = id_of(session),
                           .body = promp_slice(body.data, body.size)};

    promp_broker_core_frame(w->core, peer, &frame, w->now);
    drain(w);
    tick(w);
    promp_buf_free(&body);
}

void simple(world_t *w, promp_broker_peer_number_t peer, promp_type_t type, uint8_t session)
{
    promp_message_t m = {.type = type};

    say(w, peer, &m, session, 0);
}

void data(world_t *w, promp_broker_peer_number_t peer, uint8_t session, uint64_t offset, size_t size)
{
    static const uint8_t bytes[PROMP_LIMIT_FRAME];
    promp_frame_t frame = {.size = promp_frame_size(size),
                           .type = PROMP_TYPE_DATA,
                           .lane = PROMP_LANE_MESSAGES,
                           .epoch = 1,
                           .session = id_of(session),
                           .offset = offset,
                           .body = promp_slice(bytes, size)};

    promp_broker_core_frame(w->core, peer, &frame, w->now);
    drain(w);
    tick(w);
}

/* --- longer ways --- */

promp_broker_peer_number_t opened(world_t *w, uint8_t key)
{
    promp_id_t id = key_of(key);

    promp_broker_core_opened(w->core, ++w->last, &id, w->now);
    drain(w);
    return w->last;
}

static promp_broker_peer_number_t greet(world_t *w, uint8_t key)
{
    promp_broker_peer_number_t peer = opened(w, key);
    promp_message_t m = {.type = PROMP_TYPE_HELLO,
                         .hello = {.version_low = PROMP_VERSION_LOW,
                                   .version_high = PROMP_VERSION_HIGH,
                                   .role = (uint8_t)w->key[key].role}};

    say(w, peer, &m, 0, 0);
    return peer;
}

promp_broker_peer_number_t manager(world_t *w, uint8_t key)
{
    return greet(w, key);
}

void offer(world_t *w, promp_broker_peer_number_t peer, uint8_t identity, uint32_t places, const char *labels)
{
    promp_message_t m = {.type = PROMP_TYPE_OFFER,
                         .offer = {.node = id_of(identity),
                                   .places = places,
                                   .cpus = 4000,
                                   .memory = 1000,
                                   .gpus = 1,
                                   .labels = promp_slice_str(labels),
                                   .pythons = promp_slice_str("3.11 3.12")}};

    say(w, peer, &m, 0, 0);
}

void held(world_t *w, promp_broker_peer_number_t peer, uint8_t session, uint8_t owner, uint8_t parent,
          uint8_t state)
{
    promp_message_t m = {.type = PROMP_TYPE_HELD,
                         .held = {.owner = key_of(owner),
                                  .parent = id_of(parent),
                                  .lease_ms = LEASE,
                                  .pid = state == 1 ? 0 : session + 1000u,
                                  .state = state}};

    say(w, peer, &m, session, 0);
}

promp_broker_peer_number_t node(world_t *w, uint8_t key, uint32_t places, bool settled)
{
    promp_broker_peer_number_t peer = greet(w, key);

    offer(w, peer, key, places, "");
    if (settled)
        simple(w, peer, PROMP_TYPE_HELD_END, 0);
    return peer;
}

promp_message_t start_of(void)
{
    return (promp_message_t){.type = PROMP_TYPE_START,
                             .start = {.lease_ms = LEASE,
                                       .umask = 022,
                                       .program = promp_slice_str("/bin/worker"),
                                       .folder = promp_slice_str("/"),
                                       .argv = promp_slice("worker", 7),
                                       .env = promp_slice("A=1", 4)}};
}

void start(world_t *w, promp_broker_peer_number_t from, uint8_t session)
{
    promp_message_t m = start_of();

    say(w, from, &m, session, 0);
}

void started(world_t *w, promp_broker_peer_number_t peer, uint8_t session)
{
    promp_message_t m = {.type = PROMP_TYPE_STARTED, .started = {.pid = session + 1000u}};

    say(w, peer, &m, session, 0);
}

void run(world_t *w, promp_broker_peer_number_t from, promp_broker_peer_number_t peer, uint8_t session)
{
    promp_message_t m = {.type = PROMP_TYPE_ATTACH};

    start(w, from, session);
    started(w, peer, session);
    say(w, from, &m, session, 1);
    assert_int_equal(last_of(w, PROMP_BROKER_FORWARD, PROMP_TYPE_ATTACH, peer)->frame.session.b[0], session);
}

void kill_it(world_t *w, promp_broker_peer_number_t from, uint8_t session, promp_err_t cause)
{
    promp_message_t m = {.type = PROMP_TYPE_KILL, .kill = {.cause = cause}};

    say(w, from, &m, session, 0);
}

void gone(world_t *w, promp_broker_peer_number_t peer, uint8_t session)
{
    promp_message_t m = {.type = PROMP_TYPE_GONE, .gone = {.cause = PROMP_ERR_WORKER_EXITED, .lanes = 1}};

    say(w, peer, &m, session, 0);
}

void refused(world_t *w, promp_broker_peer_number_t peer, uint8_t session, promp_err_t error)
{
    promp_message_t m = {.type = PROMP_TYPE_START_REFUSED, .start_refused = {.error = error}};

    say(w, peer, &m, session, 0);
}

void new_core(world_t *w)
{
    promp_broker_config_t config = {
        .seed = 1, .identity = {{42}}, .build = "test", .gather = GATHER, .key = look_up, .arg = w};

    *w = (world_t){.now = NOW_BEGIN};
    for (uint8_t i = 0; i < KEYS; i++) {
        w->key[i].role = i < NODE_KEY ? PROMP_BROKER_MANAGER : PROMP_BROKER_NODE;
        w->key[i].workers = w->key[i].bytes = PROMP_BROKER_UNLIMITED;
        snprintf(w->key[i].name, sizeof w->key[i].name, "key%u", i);
    }
    w->key[OBSERVER].role = PROMP_BROKER_OBSERVER;
    w->key[ADMIN].role = PROMP_BROKER_ADMIN;
    w->core = promp_broker_core_new(&config, w->now);
    assert_non_null(w->core);
}

int setup(void **state)
{
    world_t *w = malloc(sizeof *w);

    if (!w)
        return -1;
    new_core(w);
    *state = w;
    return 0;
}

int teardown(void **state)
{
    world_t *w = *state;

    forget(w);
    promp_broker_core_destroy(&w->core);
    free(w);
    return 0;
}
