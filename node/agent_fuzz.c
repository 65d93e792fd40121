/* agent_fuzz.c - a hostile manager, its hostile worker and their hostile links against the agent core, beside an honest
 * pair that must never notice. The input is a script: a byte that says what happens, then what it needs. */
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
    uint32_t honest[2], bad[2];
    uint32_t made; /* link of the last worker */
    promp_id_t spawned;
    bool spawn; /* that worker has to be told as SPAWNED */
} world_t;

static bool is_open(const world_t *w, uint32_t link)
{
    return link < LINKS && w->open[link];
}

static void drain(world_t *w)
{
    promp_agent_effect_t e;

    while (promp_agent_core_next(w->core, &e)) {
        fuzz_check(e.kind != PROMP_AGENT_END && e.kind != PROMP_AGENT_KILL_KEEPER);
        if (e.kind == PROMP_AGENT_SEND || e.kind == PROMP_AGENT_FORWARD || e.kind == PROMP_AGENT_CLOSE)
            fuzz_check(is_open(w, e.link));
        if (e.kind == PROMP_AGENT_CLOSE) {
            fuzz_check(e.link != w->honest[0] && e.link != w->honest[1]);
            w->open[e.link] = false;
        } else if (e.kind == PROMP_AGENT_FORWARD && e.tag) {
            fuzz_sent(&w->script, e.tag, e.frame->size);
        } else if (e.kind == PROMP_AGENT_TO_KEEPER && e.link != PROMP_AGENT_NONE) {
            fuzz_check(e.link < LINKS && !w->open[e.link]);
            w->open[e.link] = true;
            w->made = e.link;
            w->spawned = e.out->frame.session;
            w->spawn = true;
        }
    }
}

static void give(world_t *w, uint32_t link, const promp_frame_t *frame)
{
    if (link == PROMP_AGENT_NONE)
        promp_agent_core_keeper_frame(w->core, frame, -1, w->now);
    else if (is_open(w, link))
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

static uint32_t opened(world_t *w, uint32_t pid)
{
    promp_agent_peer_t peer = {.pid = pid, .uid = 7, .start = 1};
    uint32_t link = promp_agent_core_opened(w->core, &peer, w->now);

    fuzz_check(link < LINKS);
    w->open[link] = true;
    drain(w);
    return link;
}

static void hello(world_t *w, uint32_t link, uint8_t role)
{
    promp_message_t m = {.type = PROMP_TYPE_HELLO,
                         .hello = {.version_low = 1, .version_high = 1, .role = role}};

    say(w, link, &m, NULL);
}

static void spawned(world_t *w)
{
    promp_message_t m = {.type = PROMP_TYPE_SPAWNED, .spawned = {.pid = 1000}};
    promp_id_t id = w->spawned;

    if (w->spawn)
        say(w, PROMP_AGENT_NONE, &m, &id);
    w->spawn = false;
}

static uint32_t start(world_t *w, uint32_t link, uint8_t session)
{
    promp_id_t id = fuzz_id(session);
    promp_message_t m = {
        .type = PROMP_TYPE_START,
        .start = {.lease_ms = 1000, .program = promp_slice_str("/x"), .folder = promp_slice_str("/")}};

    say(w, link, &m, &id);
    spawned(w);
    hello(w, w->made, 2);
    return w->made;
}

static void frame(world_t *w, uint32_t link)
{
    promp_frame_t f;

    if (fuzz_frame(&w->script, 5, &f))
        give(w, link, &f);
}

/* Time goes by; the honest ones and the keeper live. */
static void pass(world_t *w, int64_t ms)
{
    promp_message_t beat = {.type = PROMP_TYPE_BEAT}, pulse = {.type = PROMP_TYPE_PULSE};

    for (int64_t until = w->now + ms; w->now < until; w->now += 50) {
        say(w, w->honest[0], &beat, NULL);
        say(w, w->honest[1], &beat, NULL);
        say(w, PROMP_AGENT_NONE, &pulse, NULL);
        promp_agent_core_tick(w->core, w->now);
        drain(w);
    }
}

static void flushed(world_t *w)
{
    uint64_t tag, size;

    while (fuzz_flushed(&w->script, &tag, &size))
        promp_agent_core_flushed(w->core, tag, size);
}

static void step(world_t *w)
{
    switch (fuzz_next(&w->script) % 8) {
    case 0:
    case 1:
        frame(w, w->bad[0]);
        break;
    case 2:
        frame(w, w->bad[1]);
        break;
    case 3:
        frame(w, w->made);
        break;
    case 4:
        w->bad[0] = opened(w, 51);
        if (fuzz_next(&w->script) % 4)
            hello(w, w->bad[0], 1);
        break;
    case 5:
        pass(w, fuzz_next(&w->script) * 8);
        break;
    case 6:
        if (w->made != w->honest[1] && is_open(w, w->made))
            promp_agent_core_closed(w->core, w->made,
                                    fuzz_next(&w->script) % 2 ? PROMP_ERR_CLOSED : PROMP_ERR_FRAME_SIZE,
                                    w->now);
        drain(w);
        break;
    default:
        spawned(w);
        flushed(w);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    promp_agent_config_t config = {.seed = 1, .uid = 7, .idle = PROMP_NEVER, .build = "fuzz"};
    promp_message_t end = {.type = PROMP_TYPE_ROSTER_END};
    world_t w = {.now = 1000, .script.left = {data, size}};
    promp_id_t one = fuzz_id(1);
    promp_message_t probe = {.type = PROMP_TYPE_PROBE, .probe = {.nonce = 1}},
                    attach = {.type = PROMP_TYPE_ATTACH};

    w.core = promp_agent_core_new(&config, w.now);
    fuzz_check(w.core != NULL);
    say(&w, PROMP_AGENT_NONE, &end, NULL);
    w.honest[0] = opened(&w, 50);
    hello(&w, w.honest[0], 1);
    w.honest[1] = start(&w, w.honest[0], 1);
    say(&w, w.honest[0], &attach, &one);
    w.bad[0] = opened(&w, 51);
    hello(&w, w.bad[0], 1);
    w.bad[1] = start(&w, w.bad[0], 2);
    for (int i = 0; w.script.left.size && i < 40; i++)
        step(&w);
    pass(&w, 3000);
    say(&w, w.honest[0], &probe, &one); /* still there, and its way too */
    fuzz_check(is_open(&w, w.honest[0]) && is_open(&w, w.honest[1]));
    promp_agent_core_destroy(&w.core);
    return 0;
}
