#include "agent_cluster.h"

void cluster_core(world_t *w)
{
    promp_agent_config_t config = {
        .seed = 1,
        .uid = 7,
        .idle = 3000,
        .build = "test",
        .cluster = true,
        .offer = {
            .places = PLACES, .cpus = 4000, .memory = PROMP_GIB, .labels = "fast big", .pythons = "3.11"}};

    forget(w);
    promp_agent_core_destroy(&w->core);
    *w = (world_t){.now = NOW_BEGIN};
    w->core = promp_agent_core_new(&config, w->now);
    assert_non_null(w->core);
}

int cluster_setup(void **state)
{
    world_t *w = calloc(1, sizeof *w);

    if (!w)
        return -1;
    cluster_core(w);
    *state = w;
    return 0;
}

uint32_t dialled(world_t *w)
{
    roster_end(w);
    return last_of(w, PROMP_AGENT_DIAL, 0, PROMP_AGENT_NONE)->effect.link;
}

int64_t redialled(world_t *w, uint32_t *link)
{
    int64_t begin = w->now;
    size_t before = count_of(w, PROMP_AGENT_DIAL, 0, PROMP_AGENT_NONE);

    while (count_of(w, PROMP_AGENT_DIAL, 0, PROMP_AGENT_NONE) == before) {
        size_t seen = w->count;

        assert_true(w->now - begin < 60000);
        pass(w, 10);
        if (!((w->now - begin) % 200))
            keeper_pulse(w);
        if (count_of(w, PROMP_AGENT_DIAL, 0, PROMP_AGENT_NONE) == before && seen > SEEN_MAX / 2) {
            forget(w);
            before = 0;
        }
    }
    *link = last_of(w, PROMP_AGENT_DIAL, 0, PROMP_AGENT_NONE)->effect.link;
    return w->now - begin;
}

void welcome(world_t *w, uint32_t link)
{
    promp_message_t m = {.type = PROMP_TYPE_WELCOME,
                         .welcome = {.version = PROMP_VERSION_HIGH, .node = {{42}}}};

    say(w, link, &m, 0, 0);
}

uint32_t join(world_t *w)
{
    uint32_t link = dialled(w);

    welcome(w, link);
    forget(w);
    return link;
}

uint32_t again(world_t *w, uint32_t link)
{
    promp_agent_core_closed(w->core, link, PROMP_ERR_CLOSED, w->now);
    drain(w);
    redialled(w, &link);
    forget(w);
    welcome(w, link);
    return link;
}

promp_id_t owner(void)
{
    return (promp_id_t){{200, 9, 8, 7}};
}

promp_message_t start_of(uint8_t parent)
{
    promp_message_t m = {.type = PROMP_TYPE_START,
                         .start = {.lease_ms = LEASE,
                                   .umask = 022,
                                   .program = promp_slice_str("worker"),
                                   .argv = promp_slice("worker", 7),
                                   .env = promp_slice("A=1", 4),
                                   .cpus = 500,
                                   .python = promp_slice_str("3.11"),
                                   .owner = owner()}};

    if (parent)
        m.start.parent = id_of(parent);
    return m;
}

uint32_t run(world_t *w, uint32_t broker, uint8_t session, uint8_t parent)
{
    promp_message_t m = start_of(parent);

    say(w, broker, &m, session, 0);
    return spawned(w, session, session + 100);
}

void end_of(world_t *w, uint32_t worker, uint8_t session)
{
    promp_agent_core_closed(w->core, worker, PROMP_ERR_CLOSED, w->now);
    drain(w);
    exited(w, session, PROMP_ERR_WORKER_EXITED, 0, 0);
}

void lend(world_t *w, uint32_t link, uint8_t session, uint32_t request)
{
    promp_message_t m = {.type = PROMP_TYPE_LEND, .lend = {.request = request}};
    promp_buf_t body = {0};
    promp_frame_t frame = {.type = PROMP_TYPE_LEND, .fds = 1, .epoch = 1, .session = id_of(session)};

    assert_int_equal(promp_message_encode(&m, &body), PROMP_OK);
    frame.size = promp_frame_size(body.size);
    frame.body = promp_slice(body.data, body.size);
    promp_agent_core_frame(w->core, link, &frame, w->now);
    drain(w);
    promp_buf_free(&body);
}

const promp_msg_held_t *held(world_t *w, uint32_t broker, uint8_t session)
{
    for (size_t i = w->count; i-- > 0;)
        if (w->seen[i].effect.link == broker && w->seen[i].frame.type == PROMP_TYPE_HELD &&
            w->seen[i].frame.session.b[0] == session)
            return &w->seen[i].message.held;
    fail_msg("session %u is not held", session);
    return NULL;
}

uint32_t child_manager(world_t *w, uint32_t *b)
{
    *b = join(w);
    return run(w, *b, 1, 0);
}

void child_asks(world_t *w, uint32_t link, uint8_t session)
{
    promp_message_t m = start_of(0);

    m.start.owner = id_of(66); /* what a worker says about that counts for nothing */
    m.start.parent = id_of(67);
    say(w, link, &m, session, 0);
}

void child_told(world_t *w, uint32_t b, promp_type_t type, uint8_t session)
{
    promp_message_t m = {.type = type};

    if (type == PROMP_TYPE_START_REFUSED)
        m.start_refused.error = PROMP_ERR_NO_PLACE;
    if (type == PROMP_TYPE_GONE)
        m.gone.cause = PROMP_ERR_WORKER_EXITED;
    say(w, b, &m, session, 0);
}

const seen_t *child_asked(world_t *w, uint32_t b)
{
    return last_of(w, PROMP_AGENT_SEND, PROMP_TYPE_START, b);
}
