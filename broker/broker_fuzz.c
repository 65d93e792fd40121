/* broker_fuzz.c - a hostile manager, a hostile node and a hostile observer against the broker core, beside an honest manager and
 * node that must never notice. The input is a script: a byte that says what happens, then what it needs. */
#include <stdlib.h>

#include "broker_core.h"
#include "message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HONEST_MANAGER, HONEST_NODE, BAD_MANAGER, BAD_NODE, BAD_OBSERVER, KEYS };

typedef struct {
    promp_broker_core_t *core;
    int64_t now;
    promp_slice_t script;
    promp_broker_peer_number_t peer[KEYS], last; /* peer 0: not connected */
    bool revoked;
    size_t forwarded; /* to honest ones */
    uint64_t tags[32], sizes[32];
    size_t tagged;
} world_t;

static uint8_t next(world_t *w)
{
    uint8_t byte = w->script.size ? *w->script.data : 0;

    if (w->script.size) {
        w->script.data++;
        w->script.size--;
    }
    return byte;
}

static void check(bool holds)
{
    if (!holds)
        abort();
}

static promp_id_t id_of(uint8_t n)
{
    return (promp_id_t){{n}};
}

static promp_err_t look_up(void *arg, const promp_id_t *key, promp_broker_key_info_t *info)
{
    static const promp_broker_role_t role[KEYS] = {PROMP_BROKER_MANAGER, PROMP_BROKER_NODE,
                                                   PROMP_BROKER_MANAGER, PROMP_BROKER_NODE,
                                                   PROMP_BROKER_OBSERVER};
    const world_t *w = arg;

    if (key->b[0] < 100 || key->b[0] >= 100 + KEYS || (w->revoked && key->b[0] >= 100 + BAD_MANAGER))
        return PROMP_ERR_ACCESS_UNKNOWN;
    *info = (promp_broker_key_info_t){
        .role = role[key->b[0] - 100], .name = "x", .workers = 20, .bytes = 1 << 20};
    return PROMP_OK;
}

static void drain(world_t *w)
{
    promp_broker_effect_t e;

    while (promp_broker_core_next(w->core, &e)) {
        size_t who = 0;

        check(e.kind != PROMP_BROKER_END);
        while (who < KEYS && w->peer[who] != e.peer)
            who++;
        check(e.peer && e.peer <= w->last);
        if (e.kind == PROMP_BROKER_KICK) {
            check(who != HONEST_MANAGER && who != HONEST_NODE);
            if (who < KEYS)
                w->peer[who] = 0;
        } else if (e.kind == PROMP_BROKER_FORWARD) {
            w->forwarded += who <= HONEST_NODE;
            if (e.tag) {
                w->tags[w->tagged % 32] = e.tag;
                w->sizes[w->tagged++ % 32] = e.frame->size;
            }
        }
    }
}

static void say(world_t *w, unsigned who, const promp_message_t *m, const promp_id_t *session)
{
    promp_buf_t body = {0};
    promp_frame_t frame = {.type = (uint8_t)m->type};

    if (!w->peer[who])
        return;
    check(promp_message_encode(m, &body) == PROMP_OK);
    if (session)
        frame.session = *session;
    frame.size = promp_frame_size(body.size);
    frame.body = promp_slice(body.data, body.size);
    promp_broker_core_frame(w->core, w->peer[who], &frame, w->now);
    drain(w);
    promp_buf_free(&body);
}

static void come(world_t *w, unsigned who, bool whole)
{
    static const uint8_t role[KEYS] = {1, 3, 1, 3, 4};
    promp_message_t hello = {.type = PROMP_TYPE_HELLO,
                             .hello = {.version_low = 1, .version_high = 1, .role = role[who]}},
                    offer = {.type = PROMP_TYPE_OFFER,
                             .offer = {.node = id_of((uint8_t)(200 + who)), .places = 8, .cpus = 8000}},
                    end = {.type = PROMP_TYPE_HELD_END};
    promp_id_t key = id_of((uint8_t)(100 + who));

    w->peer[who] = ++w->last;
    promp_broker_core_opened(w->core, w->last, &key, w->now);
    drain(w);
    if (!whole)
        return;
    say(w, who, &hello, NULL);
    if (role[who] != 3)
        return;
    say(w, who, &offer, NULL);
    say(w, who, &end, NULL);
}

/* Asked for by a manager; the honest node says yes. */
static void start(world_t *w, unsigned who, uint8_t session, const char *node)
{
    promp_message_t m = {.type = PROMP_TYPE_START,
                         .start = {.lease_ms = 1000,
                                   .program = promp_slice_str("/x"),
                                   .folder = promp_slice_str("/"),
                                   .node = promp_slice_str(node)}},
                    yes = {.type = PROMP_TYPE_STARTED, .started = {.pid = 7}};
    promp_id_t id = id_of(session);

    say(w, who, &m, &id);
    say(w, HONEST_NODE, &yes, &id);
}

/* A frame of which the script says everything; its session is one of few, so that it meets others. */
static void frame(world_t *w, unsigned who)
{
    promp_frame_t f = {.type = next(w) % PROMP_TYPE_RECORD};
    size_t size = next(w);
    bool data = f.type == PROMP_TYPE_DATA;

    f.session = id_of(next(w) % 6);
    if (who == BAD_MANAGER && f.session.b[0] == 1)
        f.session.b[0] = 2; /* else it is dropped, each time */
    f.epoch = next(w) % 3;
    if (data || f.type == PROMP_TYPE_CONGESTED) {
        f.lane = next(w) % PROMP_LANES;
        f.offset = (uint64_t)next(w) << (next(w) % 57);
    }
    if (size > w->script.size)
        size = w->script.size;
    if (data && f.offset + size < f.offset)
        return; /* promp_frame_unpack does not let it through */
    f.body = promp_slice(w->script.data, size);
    f.size = promp_frame_size(size);
    w->script.data += size;
    w->script.size -= size;
    if (w->peer[who])
        promp_broker_core_frame(w->core, w->peer[who], &f, w->now);
    drain(w);
}

/* Messages of the bad ones that are well formed, as random bytes seldom are. */
static void well_formed(world_t *w, unsigned who)
{
    promp_message_t m = {0};
    promp_id_t id = id_of(next(w) % 6);

    switch (next(w) % 7) {
    case 0:
        m = (promp_message_t){.type = PROMP_TYPE_HELD,
                              .held = {.owner = id_of(100 + next(w) % KEYS),
                                       .parent = id_of(next(w) % 6),
                                       .lease_ms = 1000,
                                       .state = (uint8_t)(1 + next(w) % 3)}};
        break;
    case 1:
        m = (promp_message_t){
            .type = PROMP_TYPE_START,
            .start = {.lease_ms = 1000, .spread = next(w) % 2, .parent = id_of(next(w) % 6)}};
        break;
    case 2:
        m = (promp_message_t){.type = PROMP_TYPE_OFFER, .offer = {.node = id_of(next(w)), .places = next(w)}};
        break;
    case 3:
        m = (promp_message_t){.type = PROMP_TYPE_GONE, .gone = {.cause = PROMP_ERR_WORKER_EXITED}};
        break;
    case 4:
        m = (promp_message_t){.type = PROMP_TYPE_KILL, .kill = {.cause = PROMP_ERR_WORKER_STOPPED}};
        break;
    case 5:
        m = (promp_message_t){.type = PROMP_TYPE_START_REFUSED};
        break;
    default:
        m = (promp_message_t){.type = PROMP_TYPE_STARTED};
    }
    say(w, who, &m, m.type == PROMP_TYPE_OFFER ? NULL : &id);
}

/* Time goes by; the honest ones live. */
static void pass(world_t *w, int64_t ms)
{
    promp_message_t beat = {.type = PROMP_TYPE_BEAT};

    for (int64_t until = w->now + ms; w->now < until; w->now += 50) {
        say(w, HONEST_MANAGER, &beat, NULL);
        say(w, HONEST_NODE, &beat, NULL);
        promp_broker_core_tick(w->core, w->now);
        drain(w);
    }
}

static void step(world_t *w)
{
    uint8_t what = next(w);
    unsigned who = BAD_MANAGER + next(w) % 3;

    switch (what % 8) {
    case 0:
    case 1:
        frame(w, who);
        break;
    case 2:
    case 3:
        well_formed(w, who);
        break;
    case 4:
        come(w, who, what & 64);
        break;
    case 5:
        pass(w, next(w) * 8);
        break;
    case 6:
        promp_broker_core_closed(w->core, w->peer[who], what & 64 ? PROMP_ERR_PEER_LEFT : PROMP_ERR_CREDIT,
                                 w->now);
        w->peer[who] = 0;
        drain(w);
        break;
    default:
        w->revoked = what >= 250;
        if (what >= 240)
            promp_broker_core_keys_changed(w->core, w->now);
        drain(w);
        for (; w->tagged; w->tagged--)
            promp_broker_core_flushed(w->core, w->tags[(w->tagged - 1) % 32], w->sizes[(w->tagged - 1) % 32]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    world_t w = {.now = 1000, .script = {data, size}};
    promp_broker_config_t config = {
        .seed = 1, .identity = {{1}}, .build = "fuzz", .gather = 500, .key = look_up, .arg = &w};
    promp_id_t one = id_of(1);
    promp_message_t attach = {.type = PROMP_TYPE_ATTACH}, ack = {.type = PROMP_TYPE_ACK};
    promp_broker_counters_t count;

    w.core = promp_broker_core_new(&config, w.now);
    check(w.core != NULL);
    come(&w, HONEST_MANAGER, true);
    come(&w, HONEST_NODE, true);
    start(&w, HONEST_MANAGER, 1, "");
    say(&w, HONEST_MANAGER, &attach, &one);
    come(&w, BAD_MANAGER, true);
    come(&w, BAD_NODE, true);
    come(&w, BAD_OBSERVER, true);
    start(&w, BAD_MANAGER, 2, "");
    for (int i = 0; w.script.size && i < 60; i++)
        step(&w);
    /* The honest pair is served as before, and nothing of the others stays when they have gone. */
    w.forwarded = 0;
    say(&w, HONEST_MANAGER, &ack, &one);
    say(&w, HONEST_NODE, &ack, &one);
    check(w.forwarded == 2);
    w.revoked = true;
    promp_broker_core_keys_changed(w.core, w.now);
    drain(&w);
    pass(&w, 5000);
    promp_broker_core_count(w.core, &count);
    check(w.peer[HONEST_MANAGER] && w.peer[HONEST_NODE]);
    check(count.sessions == 1 && count.waiting == 0 && count.unrooted == 0 && count.starts_bytes == 0);
    check(count.places == 8 && count.places_used == 1 && count.managers == 1 && count.nodes == 1 &&
          !count.others);
    promp_broker_core_destroy(&w.core);
    return 0;
}
