/* agent_broker_fuzz.c - an agent in a cluster whose broker, and whose worker that is a manager, say anything and break off at any
 * time. It must not end, and afterwards serve an honest broker. The input is a script: a byte that says what happens, then what
 * it needs. */
#include "agent_core.h"
#include "fuzz_script.h"
#include "limits.h"
#include "message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LINKS 64

typedef struct {
    promp_agent_core_t *core;
    int64_t now;
    fuzz_script_t script;
    bool open[LINKS]; /* by number */
    uint32_t broker;  /* NONE: it is not dialled */
    uint32_t worker;  /* of session 1 */
    uint32_t made;    /* link of the last worker */
    promp_id_t spawned;
    bool spawn; /* that worker has to be told as SPAWNED */
    size_t started;
} world_t;

static void open_link(world_t *w, uint32_t link)
{
    fuzz_check(link < LINKS && !w->open[link]);
    w->open[link] = true;
}

static void drain(world_t *w)
{
    promp_agent_effect_t e;

    while (promp_agent_core_next(w->core, &e)) {
        fuzz_check(e.kind != PROMP_AGENT_END && e.kind != PROMP_AGENT_KILL_KEEPER &&
                   e.kind != PROMP_AGENT_WATCH);
        if (e.kind == PROMP_AGENT_SEND || e.kind == PROMP_AGENT_FORWARD || e.kind == PROMP_AGENT_CLOSE)
            fuzz_check(e.link < LINKS && w->open[e.link]);
        if (e.kind == PROMP_AGENT_SEND && e.link == w->broker)
            w->started += e.out->frame.type == PROMP_TYPE_STARTED;
        if (e.kind == PROMP_AGENT_CLOSE) {
            w->open[e.link] = false;
            w->broker = e.link == w->broker ? PROMP_AGENT_NONE : w->broker;
        } else if (e.kind == PROMP_AGENT_DIAL) {
            fuzz_check(w->broker == PROMP_AGENT_NONE);
            open_link(w, w->broker = e.link);
        } else if (e.kind == PROMP_AGENT_FORWARD && e.tag) {
            fuzz_sent(&w->script, e.tag, e.frame->size);
        } else if (e.kind == PROMP_AGENT_TO_KEEPER && e.link != PROMP_AGENT_NONE) {
            open_link(w, w->made = e.link);
            w->spawned = e.out->frame.session;
            w->spawn = true;
        }
    }
}

static void give(world_t *w, uint32_t link, const promp_frame_t *frame)
{
    if (link == PROMP_AGENT_NONE)
        promp_agent_core_keeper_frame(w->core, frame, -1, w->now);
    else if (w->open[link])
        promp_agent_core_frame(w->core, link, frame, w->now);
    drain(w);
}

static void say(world_t *w, uint32_t link, const promp_message_t *m, const promp_id_t *session)
{
    promp_buf_t body = {0};
    promp_frame_t frame = fuzz_message(m, session, &body);

    give(w, link, &frame);
    promp_buf_free(&body);
}

static void say_broker(world_t *w, const promp_message_t *m, const promp_id_t *session)
{
    if (w->broker != PROMP_AGENT_NONE)
        say(w, w->broker, m, session);
}

static void welcome(world_t *w)
{
    promp_message_t m = {.type = PROMP_TYPE_WELCOME, .welcome = {.version = 1}};

    say_broker(w, &m, NULL);
}

static void spawned(world_t *w)
{
    promp_message_t m = {.type = PROMP_TYPE_SPAWNED, .spawned = {.pid = 1000}},
                    hello = {.type = PROMP_TYPE_HELLO,
                             .hello = {.version_low = 1, .version_high = 1, .role = 2}};
    promp_id_t id = w->spawned;
    uint32_t link = w->made;

    if (!w->spawn)
        return;
    w->spawn = false;
    say(w, PROMP_AGENT_NONE, &m, &id);
    if (w->open[link])
        say(w, link, &hello, NULL);
}

static void start(world_t *w, uint8_t session, uint8_t parent)
{
    promp_id_t id = fuzz_id(session);
    promp_message_t m = {.type = PROMP_TYPE_START,
                         .start = {.lease_ms = 1000, .program = promp_slice_str("x"), .owner = fuzz_id(9)}};

    if (parent)
        m.start.parent = fuzz_id(parent);
    say_broker(w, &m, &id);
}

static void frame(world_t *w, uint32_t link)
{
    promp_frame_t f;

    if (fuzz_frame(&w->script, 6, &f) && link != PROMP_AGENT_NONE)
        give(w, link, &f);
}

static void pass(world_t *w, int64_t ms)
{
    promp_message_t beat = {.type = PROMP_TYPE_BEAT}, pulse = {.type = PROMP_TYPE_PULSE};

    for (int64_t until = w->now + ms; w->now < until; w->now += 50) {
        if (w->open[w->worker])
            say(w, w->worker, &beat, NULL);
        say(w, PROMP_AGENT_NONE, &pulse, NULL);
        promp_agent_core_tick(w->core, w->now);
        drain(w);
    }
}

static void keeper_says(world_t *w)
{
    promp_message_t m = {.type = fuzz_next(&w->script) % 2 ? PROMP_TYPE_EXITED : PROMP_TYPE_SPAWN_FAILED};
    promp_id_t id = fuzz_id((uint8_t)(2 + fuzz_next(&w->script) % 4));

    if (m.type == PROMP_TYPE_EXITED)
        m.exited = (promp_msg_exited_t){.lease_ms = 1000, .pid = 1000, .cause = PROMP_ERR_WORKER_EXITED};
    say(w, PROMP_AGENT_NONE, &m, &id);
}

static void short_frame(world_t *w)
{
    static const promp_type_t types[] = {PROMP_TYPE_KILL,    PROMP_TYPE_GONE_ACK, PROMP_TYPE_QUEUED,
                                         PROMP_TYPE_STARTED, PROMP_TYPE_GONE,     PROMP_TYPE_START_REFUSED,
                                         PROMP_TYPE_ATTACH,  PROMP_TYPE_NO_ROUTE};
    promp_message_t m = {.type = types[fuzz_next(&w->script) % 8]};
    promp_id_t id = fuzz_id((uint8_t)(1 + fuzz_next(&w->script) % 5));

    if (m.type == PROMP_TYPE_KILL)
        m.kill.cause = PROMP_ERR_WORKER_STOPPED;
    say_broker(w, &m, &id);
}

static void worker_says(world_t *w)
{
    static const promp_type_t types[] = {PROMP_TYPE_START, PROMP_TYPE_KILL, PROMP_TYPE_GONE_ACK,
                                         PROMP_TYPE_ATTACH};
    promp_message_t m = {.type = types[fuzz_next(&w->script) % 4]};
    promp_id_t id = fuzz_id((uint8_t)(2 + fuzz_next(&w->script) % 4));

    if (m.type == PROMP_TYPE_START)
        m.start = (promp_msg_start_t){.lease_ms = 700, .program = promp_slice_str("x")};
    if (m.type == PROMP_TYPE_KILL)
        m.kill.cause = PROMP_ERR_WORKER_STOPPED;
    if (w->open[w->worker])
        say(w, w->worker, &m, &id);
}

static void close_one(world_t *w)
{
    promp_err_t why = fuzz_next(&w->script) % 2 ? PROMP_ERR_CLOSED : PROMP_ERR_FRAME_SIZE;
    uint32_t link = fuzz_next(&w->script) % 2 ? w->broker : w->made;

    if (link != PROMP_AGENT_NONE && w->open[link])
        promp_agent_core_closed(w->core, link, why, w->now);
    drain(w);
}

static void flushed(world_t *w)
{
    uint64_t tag, size;

    while (fuzz_flushed(&w->script, &tag, &size))
        promp_agent_core_flushed(w->core, tag, size);
}

static void step(world_t *w)
{
    switch (fuzz_next(&w->script) % 12) {
    case 0:
    case 1:
        frame(w, w->broker);
        break;
    case 2:
        frame(w, w->worker);
        break;
    case 3:
        frame(w, w->made);
        break;
    case 4:
        welcome(w);
        break;
    case 5:
        pass(w, fuzz_next(&w->script) * 4);
        break;
    case 6:
        close_one(w);
        break;
    case 7:
        keeper_says(w);
        break;
    case 8:
        short_frame(w);
        break;
    case 9:
        worker_says(w);
        break;
    case 10:
        start(w, (uint8_t)(2 + fuzz_next(&w->script) % 4), fuzz_next(&w->script) % 3);
        break;
    default:
        spawned(w);
        flushed(w);
    }
}

/* Whatever was said: a broker that keeps the rules is served. */
static void serve_honest(world_t *w)
{
    if (w->broker != PROMP_AGENT_NONE)
        promp_agent_core_closed(w->core, w->broker, PROMP_ERR_CLOSED, w->now);
    drain(w);
    for (int i = 0; i < 1300 && w->broker == PROMP_AGENT_NONE; i++)
        pass(w, 50);
    fuzz_check(w->broker != PROMP_AGENT_NONE);
    welcome(w);
    w->started = 0;
    start(w, 50, 0);
    spawned(w);
    fuzz_check(w->started == 1 && w->broker != PROMP_AGENT_NONE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    promp_agent_config_t config = {.seed = 1,
                                   .build = "fuzz",
                                   .cluster = true,
                                   .offer = {.places = 32, .labels = "a", .pythons = "3.11"}};
    promp_message_t end = {.type = PROMP_TYPE_ROSTER_END};
    world_t w = {.now = 1000, .script.left = {data, size}, .broker = PROMP_AGENT_NONE};

    w.core = promp_agent_core_new(&config, w.now);
    fuzz_check(w.core != NULL);
    say(&w, PROMP_AGENT_NONE, &end, NULL);
    pass(&w, 50);
    welcome(&w);
    start(&w, 1, 0);
    w.worker = w.made;
    spawned(&w);
    for (int i = 0; w.script.left.size && i < 60; i++)
        step(&w);
    serve_honest(&w);
    promp_agent_core_destroy(&w.core);
    return 0;
}
