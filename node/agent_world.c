#include "agent_world.h"

void forget(world_t *w)
{
    for (size_t i = 0; i < w->count; i++)
        free(w->seen[i].body);
    w->count = 0;
}

/* Whom the agent speaks with decides how its message is decoded. */
static void decode(seen_t *s, int to)
{
    size_t size = s->frame.size - PROMP_FRAME_HEADER;
    /* An ATTACH that waited, and LEND without its descriptor, are still their manager's. */
    bool passed = s->frame.type == PROMP_TYPE_ATTACH || s->frame.type == PROMP_TYPE_LEND;
    promp_who_t from = passed ? PROMP_WHO_MANAGER : PROMP_WHO_NODE;

    for (int state = PROMP_AT_NEW; state <= PROMP_AT_UP && !s->message.type; state++)
        for (int who = 1; who <= PROMP_WHO_BROKER && !s->message.type; who <<= 1)
            if (who & to)
                (void)promp_message_decode(s->frame.type, promp_slice(s->body, size), from, (promp_who_t)who,
                                           (promp_at_t)state, PROMP_VERSION_HIGH, &s->message);
    assert_int_not_equal(s->message.type, 0); /* what the agent sends keeps to the table */
}

void drain(world_t *w)
{
    promp_agent_effect_t e;

    while (promp_agent_core_next(w->core, &e)) {
        assert_true(w->count < SEEN_MAX);
        seen_t *s = &w->seen[w->count++];

        *s = (seen_t){.effect = e};
        if (e.kind == PROMP_AGENT_WATCH)
            w->owner = e.owner;
        if (e.kind == PROMP_AGENT_TO_KEEPER && e.link != PROMP_AGENT_NONE)
            w->made_link = e.link;
        if (e.kind == PROMP_AGENT_FORWARD) {
            s->frame = *e.frame;
            continue;
        }
        if (!e.out)
            continue;
        s->frame = e.out->frame;
        s->body = malloc(s->frame.size);
        assert_non_null(s->body);
        if (e.out->parts)
            memcpy(s->body, e.out->part[0].data, e.out->part[0].size);
        decode(s, e.kind == PROMP_AGENT_TO_KEEPER ? PROMP_WHO_KEEPER : PROMP_WHO_ENDS | PROMP_WHO_BROKER);
    }
}

/* Lets time pass in steps, as a shell would: late for nothing. */
void pass(world_t *w, int64_t ms)
{
    int64_t until = w->now + ms;

    for (;;) {
        int64_t next = promp_agent_core_tick(w->core, w->now);

        drain(w);
        if (w->now >= until)
            return;
        w->now = next > w->now ? promp_min64(next, until) : w->now + 1;
    }
}

static void tick(world_t *w)
{
    promp_agent_core_tick(w->core, w->now);
    drain(w);
}

/* How many effects of this kind there are; type: of their message, 0 any; link: NONE any. */
size_t count_of(const world_t *w, promp_agent_effect_kind_t kind, int type, uint32_t link)
{
    size_t n = 0;

    for (size_t i = 0; i < w->count; i++)
        n += w->seen[i].effect.kind == kind && (!type || w->seen[i].frame.type == type) &&
             (link == PROMP_AGENT_NONE || w->seen[i].effect.link == link);
    return n;
}

/* The last one; it must be there. */
const seen_t *last_of(const world_t *w, promp_agent_effect_kind_t kind, int type, uint32_t link)
{
    const seen_t *found = NULL;

    for (size_t i = 0; i < w->count; i++)
        if (w->seen[i].effect.kind == kind && (!type || w->seen[i].frame.type == type) &&
            (link == PROMP_AGENT_NONE || w->seen[i].effect.link == link))
            found = &w->seen[i];
    if (!found)
        fail_msg("no effect %d with message %d on link %u", kind, type, link);
    return found;
}

promp_id_t id_of(uint8_t n)
{
    promp_id_t id = {{n, 1, 2, 3}};

    return id;
}

typedef struct {
    promp_frame_t frame;
    promp_buf_t body;
} made_t;

static made_t make(const promp_message_t *m, uint8_t session, uint32_t epoch)
{
    made_t made = {0};

    assert_int_equal(promp_message_encode(m, &made.body), PROMP_OK);
    made.frame = (promp_frame_t){.size = promp_frame_size(made.body.size),
                                 .type = (uint8_t)m->type,
                                 .epoch = epoch,
                                 .body = promp_slice(made.body.data, made.body.size)};
    if (session)
        made.frame.session = id_of(session);
    return made;
}

void say(world_t *w, uint32_t link, const promp_message_t *m, uint8_t session, uint32_t epoch)
{
    made_t made = make(m, session, epoch);

    promp_agent_core_frame(w->core, link, &made.frame, w->now);
    drain(w);
    tick(w);
    promp_buf_free(&made.body);
}

void keeper_says(world_t *w, const promp_message_t *m, uint8_t session, int handle)
{
    made_t made = make(m, session, 0);

    promp_agent_core_keeper_frame(w->core, &made.frame, handle, w->now);
    drain(w);
    tick(w);
    promp_buf_free(&made.body);
}

void data(world_t *w, uint32_t link, uint8_t session, uint32_t epoch, uint8_t lane, uint64_t offset,
          size_t size)
{
    static const uint8_t bytes[PROMP_LIMIT_FRAME];
    promp_frame_t frame = {.size = promp_frame_size(size),
                           .type = PROMP_TYPE_DATA,
                           .lane = lane,
                           .epoch = epoch,
                           .session = id_of(session),
                           .offset = offset,
                           .body = promp_slice(bytes, size)};

    promp_agent_core_frame(w->core, link, &frame, w->now);
    drain(w);
    tick(w);
}

/* --- longer ways --- */

void hello(world_t *w, uint32_t link, uint8_t role)
{
    promp_message_t m = {.type = PROMP_TYPE_HELLO,
                         .hello = {.version_low = 1, .version_high = 1, .role = role}};

    say(w, link, &m, 0, 0);
}

uint32_t open_manager(world_t *w, uint32_t pid)
{
    promp_agent_peer_t peer = {.pid = pid, .uid = 7, .start = pid * 10};
    uint32_t link = promp_agent_core_opened(w->core, &peer, w->now);

    assert_int_not_equal(link, PROMP_AGENT_NONE);
    drain(w);
    hello(w, link, 1);
    return link;
}

void start_with(world_t *w, uint32_t link, uint8_t session, uint32_t lease)
{
    promp_message_t m = {.type = PROMP_TYPE_START,
                         .start = {.lease_ms = lease,
                                   .umask = 022,
                                   .program = promp_slice_str("/bin/worker"),
                                   .folder = promp_slice_str("/"),
                                   .argv = promp_slice("worker", 7),
                                   .env = promp_slice("A=1", 4)}};

    say(w, link, &m, session, 0);
}

uint32_t spawned(world_t *w, uint8_t session, int handle)
{
    promp_message_t m = {.type = PROMP_TYPE_SPAWNED, .spawned = {.pid = session + 1000u}};
    uint32_t worker = w->made_link;

    keeper_says(w, &m, session, handle);
    hello(w, worker, 2);
    return worker;
}

uint32_t start(world_t *w, uint32_t link, uint8_t session)
{
    start_with(w, link, session, LEASE);
    return spawned(w, session, session + 100);
}

void attach(world_t *w, uint32_t link, uint8_t session, uint32_t epoch, uint64_t recv1)
{
    promp_message_t m = {.type = PROMP_TYPE_ATTACH, .attach = {.recv1 = recv1}};

    say(w, link, &m, session, epoch);
}

void exited(world_t *w, uint8_t session, promp_err_t cause, uint32_t code, uint32_t signal)
{
    promp_message_t m = {
        .type = PROMP_TYPE_EXITED,
        .exited = {
            .pid = session + 1000u, .lease_ms = LEASE, .cause = cause, .code = code, .signal = signal}};

    keeper_says(w, &m, session, -1);
}

void simple(world_t *w, uint32_t link, promp_type_t type, uint8_t session)
{
    promp_message_t m = {.type = type};

    say(w, link, &m, session, 0);
}

void beat_all(world_t *w, const uint32_t *links, size_t count)
{
    for (size_t i = 0; i < count; i++)
        simple(w, links[i], PROMP_TYPE_BEAT, 0);
}

void keeper_pulse(world_t *w)
{
    promp_message_t m = {.type = PROMP_TYPE_PULSE};

    keeper_says(w, &m, 0, -1);
}

/* A while in which those links beat, and the keeper does. */
void live(world_t *w, int64_t ms, const uint32_t *links, size_t count)
{
    for (int64_t until = w->now + ms; w->now < until;) {
        beat_all(w, links, count);
        keeper_pulse(w);
        pass(w, promp_min64(LEASE / 10, until - w->now));
    }
}

void new_core(world_t *w)
{
    promp_agent_config_t config = {.seed = 1, .uid = 7, .idle = 3000, .build = "test"};

    *w = (world_t){.now = NOW_BEGIN};
    w->core = promp_agent_core_new(&config, w->now);
    assert_non_null(w->core);
}

void roster_end(world_t *w)
{
    promp_message_t m = {.type = PROMP_TYPE_ROSTER_END, .roster_end = {.node = {{9}}}};

    keeper_says(w, &m, 0, -1);
}

int setup(void **state)
{
    world_t *w = malloc(sizeof *w);

    if (!w)
        return -1;
    new_core(w);
    roster_end(w);
    forget(w);
    *state = w;
    return 0;
}

int teardown(void **state)
{
    world_t *w = *state;

    forget(w);
    promp_agent_core_destroy(&w->core);
    free(w);
    return 0;
}
