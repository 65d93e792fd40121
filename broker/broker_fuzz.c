/* broker_fuzz.c - a hostile manager, a hostile node and a hostile observer against the broker core, beside an honest manager and
 * node that must never notice. The input is a script: a byte that says what happens, then what it needs. */
#include "broker_core.h"
#include "broker_recount.h"
#include "fuzz_script.h"
#include "message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HONEST_MANAGER, HONEST_NODE, BAD_MANAGER, BAD_NODE, BAD_OBSERVER, KEYS };

typedef struct {
    promp_broker_core_t *core;
    int64_t now;
    fuzz_script_t script;
    promp_broker_peer_number_t peer[KEYS], last; /* peer 0: not connected */
    bool revoked;
    size_t forwarded; /* to honest ones */
} world_t;

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

        fuzz_check(e.kind != PROMP_BROKER_END);
        while (who < KEYS && w->peer[who] != e.peer)
            who++;
        fuzz_check(e.peer && e.peer <= w->last);
        if (e.kind == PROMP_BROKER_KICK) {
            fuzz_check(who != HONEST_MANAGER && who != HONEST_NODE);
            if (who < KEYS)
                w->peer[who] = 0;
        } else if (e.kind == PROMP_BROKER_FORWARD) {
            w->forwarded += who <= HONEST_NODE;
            if (e.tag) {
                fuzz_sent(&w->script, e.tag, e.frame->size);
            }
        }
    }
    fuzz_check(promp_broker_recount_same(w->core));
}

static void say(world_t *w, unsigned who, const promp_message_t *m, const promp_id_t *session)
{
    promp_buf_t body = {0};

    if (!w->peer[who])
        return;
    promp_frame_t frame = fuzz_message(m, session, &body);
    promp_broker_core_frame(w->core, w->peer[who], &frame, w->now);
    drain(w);
    promp_buf_free(&body);
}

static void come(world_t *w, unsigned who, bool whole)
{
    static const uint8_t role[KEYS] = {1, 3, 1, 3, 4};
    promp_message_t hello = {.type = PROMP_TYPE_HELLO,
                             .hello = {.version_low = 1,
                                       .version_high = PROMP_VERSION_HIGH,
                                       .role = role[who]}},
                    offer = {.type = PROMP_TYPE_OFFER,
                             .offer = {.node = fuzz_id((uint8_t)(200 + who)), .places = 8, .cpus = 8000}},
                    end = {.type = PROMP_TYPE_HELD_END};
    promp_id_t key = fuzz_id((uint8_t)(100 + who));

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
    promp_id_t id = fuzz_id(session);

    say(w, who, &m, &id);
    say(w, HONEST_NODE, &yes, &id);
}

static void frame(world_t *w, unsigned who)
{
    promp_frame_t f;

    if (!fuzz_frame(&w->script, 6, &f))
        return;
    if (who == BAD_MANAGER && f.session.b[0] == 1)
        f.session.b[0] = 2; /* else it is dropped, each time */
    if (w->peer[who])
        promp_broker_core_frame(w->core, w->peer[who], &f, w->now);
    drain(w);
}

/* Messages of the bad ones that are well formed, as random bytes seldom are. */
static void well_formed(world_t *w, unsigned who)
{
    promp_message_t m = {0};
    promp_id_t id = fuzz_id(fuzz_next(&w->script) % 6);

    switch (fuzz_next(&w->script) % 8) {
    case 0:
        m = (promp_message_t){.type = PROMP_TYPE_HELD,
                              .held = {.owner = fuzz_id(100 + fuzz_next(&w->script) % KEYS),
                                       .parent = fuzz_id(fuzz_next(&w->script) % 6),
                                       .lease_ms = 1000,
                                       .state = (uint8_t)(1 + fuzz_next(&w->script) % 3)}};
        break;
    case 1:
        m = (promp_message_t){.type = PROMP_TYPE_START,
                              .start = {.lease_ms = 1000,
                                        .spread = fuzz_next(&w->script) % 2,
                                        .parent = fuzz_id(fuzz_next(&w->script) % 6)}};
        break;
    case 2:
        m = (promp_message_t){
            .type = PROMP_TYPE_OFFER,
            .offer = {.node = fuzz_id(fuzz_next(&w->script)), .places = fuzz_next(&w->script)}};
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
    case 6: /* for the one who may look; others are dropped */
        m = (promp_message_t){.type = PROMP_TYPE_NODES, .nodes.after = fuzz_id(fuzz_next(&w->script))};
        break;
    default:
        m = (promp_message_t){.type = PROMP_TYPE_STARTED};
    }
    say(w, who, &m, m.type == PROMP_TYPE_OFFER || m.type == PROMP_TYPE_NODES ? NULL : &id);
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

static void flushed(world_t *w)
{
    uint64_t tag, size;

    while (fuzz_flushed(&w->script, &tag, &size))
        promp_broker_core_flushed(w->core, tag, size);
}

static void step(world_t *w)
{
    uint8_t what = fuzz_next(&w->script);
    unsigned who = BAD_MANAGER + fuzz_next(&w->script) % 3;

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
        pass(w, fuzz_next(&w->script) * 8);
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
        flushed(w);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    world_t w = {.now = 1000, .script.left = {data, size}};
    promp_broker_config_t config = {
        .seed = 1, .identity = {{1}}, .build = "fuzz", .gather = 500, .key = look_up, .arg = &w};
    promp_id_t one = fuzz_id(1);
    promp_message_t attach = {.type = PROMP_TYPE_ATTACH}, ack = {.type = PROMP_TYPE_ACK};
    promp_broker_counters_t count;

    w.core = promp_broker_core_new(&config, w.now);
    fuzz_check(w.core != NULL);
    come(&w, HONEST_MANAGER, true);
    come(&w, HONEST_NODE, true);
    start(&w, HONEST_MANAGER, 1, "");
    say(&w, HONEST_MANAGER, &attach, &one);
    come(&w, BAD_MANAGER, true);
    come(&w, BAD_NODE, true);
    come(&w, BAD_OBSERVER, true);
    start(&w, BAD_MANAGER, 2, "");
    for (int i = 0; w.script.left.size && i < 60; i++)
        step(&w);
    /* The honest pair is served as before, and nothing of the others stays when they have gone. */
    w.forwarded = 0;
    say(&w, HONEST_MANAGER, &ack, &one);
    say(&w, HONEST_NODE, &ack, &one);
    fuzz_check(w.forwarded == 2);
    w.revoked = true;
    promp_broker_core_keys_changed(w.core, w.now);
    drain(&w);
    pass(&w, 5000);
    promp_broker_core_count(w.core, &count);
    fuzz_check(w.peer[HONEST_MANAGER] && w.peer[HONEST_NODE]);
    fuzz_check(count.sessions == 1 && count.waiting == 0 && count.unrooted == 0 && count.starts_bytes == 0);
    fuzz_check(count.places == 8 && count.places_used == 1 && count.managers == 1 && count.nodes == 1 &&
               !count.others);
    promp_broker_core_destroy(&w.core);
    return 0;
}
