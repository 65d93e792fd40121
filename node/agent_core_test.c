/* A worker's life as the agent sees it, and who watches whom (docs/architecture.md). */
#include "agent_world.h"

static void handshake(void **state)
{
    /* HELLO is answered with WELCOME; a worker's one names its session. */
    world_t *w = *state;
    uint32_t m = open_manager(w, 50), worker;
    const seen_t *s = last_of(w, PROMP_AGENT_SEND, PROMP_TYPE_WELCOME, m);

    assert_int_equal(s->message.welcome.version, 1);
    assert_int_equal(s->message.welcome.node.b[0], 9);
    worker = start(w, m, 1);
    s = last_of(w, PROMP_AGENT_SEND, PROMP_TYPE_WELCOME, worker);
    assert_memory_equal(s->frame.session.b, id_of(1).b, 16);
}

static void whole_life(void **state)
{
    /* START to GONE_ACK: each step of the picture, and nothing is left. */
    world_t *w = *state;
    uint32_t m = open_manager(w, 50), worker = start(w, m, 1);
    const seen_t *s = last_of(w, PROMP_AGENT_TO_KEEPER, PROMP_TYPE_SPAWN, worker);

    assert_int_equal(s->message.spawn.owner_pid, 50);
    assert_int_equal(s->message.spawn.owner_start, 500);
    assert_int_equal(s->message.spawn.lease_ms, LEASE);
    assert_int_equal(s->message.spawn.umask, 022);
    assert_int_equal(last_of(w, PROMP_AGENT_SEND, PROMP_TYPE_STARTED, m)->message.started.pid, 1001);
    attach(w, m, 1, 1, 0);
    assert_int_equal(count_of(w, PROMP_AGENT_FORWARD, PROMP_TYPE_ATTACH, worker), 1);
    exited(w, 1, PROMP_ERR_WORKER_EXITED, 3, 0);
    assert_int_equal(count_of(w, PROMP_AGENT_SEND, PROMP_TYPE_GONE, m), 0); /* its link is not drained */
    promp_agent_core_closed(w->core, worker, PROMP_ERR_CLOSED, w->now);
    drain(w);
    s = last_of(w, PROMP_AGENT_SEND, PROMP_TYPE_GONE, m);
    assert_int_equal(s->message.gone.cause, PROMP_ERR_WORKER_EXITED);
    assert_int_equal(s->message.gone.code, 3);
    assert_int_equal(s->message.gone.lanes, 1);
    assert_memory_equal(s->message.gone.text.data, "the worker exited with code 3", 29);
    assert_int_equal(last_of(w, PROMP_AGENT_DROP, 0, PROMP_AGENT_NONE)->effect.handle, 101);
    simple(w, m, PROMP_TYPE_GONE_ACK, 1);
    assert_int_equal(count_of(w, PROMP_AGENT_TO_KEEPER, PROMP_TYPE_EXIT_SEEN, PROMP_AGENT_NONE), 1);
    forget(w);
    attach(w, m, 1, 2, 0); /* it is not known any more */
    assert_int_equal(count_of(w, PROMP_AGENT_SEND, PROMP_TYPE_NO_ROUTE, m), 1);
}

static void attach_waits(void **state)
{
    /* ATTACH before the worker's HELLO waits, and goes right behind WELCOME; the last one counts. */
    world_t *w = *state;
    uint32_t m = open_manager(w, 50), worker;

    start_with(w, m, 1, LEASE);
    worker = w->made_link;
    attach(w, m, 1, 1, 0);
    attach(w, m, 1, 2, 0);
    assert_int_equal(count_of(w, PROMP_AGENT_SEND, PROMP_TYPE_NO_ROUTE, m), 0);
    hello(w, worker, 2);
    assert_int_equal(count_of(w, PROMP_AGENT_SEND, PROMP_TYPE_ATTACH, worker), 1);
    assert_int_equal(last_of(w, PROMP_AGENT_SEND, PROMP_TYPE_ATTACH, worker)->frame.epoch, 2);
}

static void start_again(void **state)
{
    /* START repeated makes no second process and is answered alike, GONE included. */
    world_t *w = *state;
    uint32_t m = open_manager(w, 50), worker = start(w, m, 1);

    start_with(w, m, 1, LEASE);
    assert_int_equal(count_of(w, PROMP_AGENT_SEND, PROMP_TYPE_STARTED, m), 2);
    assert_int_equal(count_of(w, PROMP_AGENT_TO_KEEPER, PROMP_TYPE_SPAWN, PROMP_AGENT_NONE), 1);
    promp_agent_core_closed(w->core, worker, PROMP_ERR_CLOSED, w->now);
    exited(w, 1, PROMP_ERR_WORKER_EXITED, 0, 0);
    start_with(w, m, 1, LEASE);
    assert_int_equal(count_of(w, PROMP_AGENT_SEND, PROMP_TYPE_GONE, m), 2);
    assert_int_equal(count_of(w, PROMP_AGENT_TO_KEEPER, PROMP_TYPE_SPAWN, PROMP_AGENT_NONE), 1);
}

static void start_refused(void **state)
{
    /* SPAWN_FAILED reaches the manager with number, errno and particulars; the session does not exist then. */
    world_t *w = *state;
    uint32_t m = open_manager(w, 50);
    promp_message_t failed = {
        .type = PROMP_TYPE_SPAWN_FAILED,
        .spawn_failed = {.error = PROMP_ERR_PROGRAM_MISSING, .system = 2, .text = promp_slice_str("x")}};
    const seen_t *s;

    start_with(w, m, 1, LEASE);
    keeper_says(w, &failed, 1, -1);
    s = last_of(w, PROMP_AGENT_SEND, PROMP_TYPE_START_REFUSED, m);
    assert_int_equal(s->message.start_refused.error, PROMP_ERR_PROGRAM_MISSING);
    assert_int_equal(s->message.start_refused.system, 2);
    assert_int_equal(count_of(w, PROMP_AGENT_CLOSE, 0, w->made_link), 1);
    start_with(w, m, 1, LEASE);
    assert_int_equal(count_of(w, PROMP_AGENT_TO_KEEPER, PROMP_TYPE_SPAWN, PROMP_AGENT_NONE), 2);
}

static void start_limits(void **state)
{
    /* Leases, paths and numbers beyond their limits are refused by number, and the link stays. */
    world_t *w = *state;
    uint32_t m = open_manager(w, 50), worker;
    const seen_t *s;

    start_with(w, m, 1, PROMP_TIMEOUT_MIN - 1);
    start_with(w, m, 1, 0xFFFFFFFF);
    assert_int_equal(count_of(w, PROMP_AGENT_SEND, PROMP_TYPE_START_REFUSED, m), 2);
    worker = start(w, m, 1);
    for (uint8_t i = 0; i < PROMP_LIMIT_WORKER_STARTS + 1; i++)
        start_with(w, worker, (uint8_t)(100 + i), LEASE);
    assert_int_equal(count_of(w, PROMP_AGENT_SEND, PROMP_TYPE_START_REFUSED, worker), 1);
    s = last_of(w, PROMP_AGENT_SEND, PROMP_TYPE_START_REFUSED, worker);
    assert_int_equal(s->message.start_refused.error, PROMP_ERR_LIMIT_WORKERS);
    assert_int_equal(count_of(w, PROMP_AGENT_CLOSE, 0, PROMP_AGENT_NONE), 0);
}

static void no_descriptor_for_a_worker(void **state)
{
    /* The socket pair for a worker cannot be made: START_REFUSED, and the next start works. */
    world_t *w = *state;
    uint32_t m = open_manager(w, 50);

    start_with(w, m, 1, LEASE);
    promp_agent_core_closed(w->core, w->made_link, PROMP_ERR_DESCRIPTORS, w->now);
    drain(w);
    assert_int_equal(last_of(w, PROMP_AGENT_SEND, PROMP_TYPE_START_REFUSED, m)->message.start_refused.error,
                     PROMP_ERR_DESCRIPTORS);
    start(w, m, 1);
}

static void killed_while_spawning(void **state)
{
    /* KILL before SPAWNED: SLAY follows SPAWN, and the process is killed as soon as it is known. */
    world_t *w = *state;
    uint32_t m = open_manager(w, 50);
    promp_message_t kill = {.type = PROMP_TYPE_KILL, .kill = {.cause = PROMP_ERR_WORKER_ABORTED}};
    promp_message_t spawned = {.type = PROMP_TYPE_SPAWNED, .spawned = {.pid = 77}};

    start_with(w, m, 1, LEASE);
    say(w, m, &kill, 1, 0);
    assert_int_equal(last_of(w, PROMP_AGENT_TO_KEEPER, PROMP_TYPE_SLAY, PROMP_AGENT_NONE)->message.slay.cause,
                     PROMP_ERR_WORKER_ABORTED);
    keeper_says(w, &spawned, 1, 55);
    assert_int_equal(last_of(w, PROMP_AGENT_SLAY, 0, PROMP_AGENT_NONE)->effect.handle, 55);
    exited(w, 1, PROMP_ERR_WORKER_SIGNALLED, 0, 9); /* our own kill was quicker than SLAY */
    promp_agent_core_closed(w->core, w->made_link, PROMP_ERR_CLOSED, w->now);
    drain(w);
    assert_int_equal(last_of(w, PROMP_AGENT_SEND, PROMP_TYPE_GONE, m)->message.gone.cause,
                     PROMP_ERR_WORKER_ABORTED);
}

static void kill_of_nobody(void **state)
{
    /* KILL of a session that never was is answered, so that its manager need not wait. */
    world_t *w = *state;
    uint32_t m = open_manager(w, 50);
    promp_message_t kill = {.type = PROMP_TYPE_KILL, .kill = {.cause = PROMP_ERR_WORKER_ABORTED}};

    say(w, m, &kill, 9, 0);
    assert_int_equal(last_of(w, PROMP_AGENT_SEND, PROMP_TYPE_START_REFUSED, m)->message.start_refused.error,
                     PROMP_ERR_NO_WORKER);
}

static void worker_starts_workers(void **state)
{
    /* A worker's end ends all below it, level by level, and nobody is told about those. */
    world_t *w = *state;
    uint32_t m = open_manager(w, 50), one = start(w, m, 1), two = start(w, one, 2);

    assert_memory_equal(last_of(w, PROMP_AGENT_TO_KEEPER, PROMP_TYPE_SPAWN, two)->message.spawn.parent.b,
                        id_of(1).b, 16);
    start(w, two, 3);
    forget(w);
    exited(w, 1, PROMP_ERR_WORKER_SIGNALLED, 0, 11);
    assert_int_equal(count_of(w, PROMP_AGENT_TO_KEEPER, PROMP_TYPE_SLAY, PROMP_AGENT_NONE), 2);
    assert_int_equal(count_of(w, PROMP_AGENT_SLAY, 0, PROMP_AGENT_NONE), 2);
    promp_agent_core_closed(w->core, two, PROMP_ERR_CLOSED, w->now);
    drain(w);
    exited(w, 2, PROMP_ERR_WORKER_SIGNALLED, 0, 9);
    assert_int_equal(count_of(w, PROMP_AGENT_TO_KEEPER, PROMP_TYPE_EXIT_SEEN, PROMP_AGENT_NONE), 1);
}

static void ends_of_lanes(void **state)
{
    /* GONE tells up to where the manager gets each lane, what was forwarded without a hole, and what was seen of output. */
    world_t *w = *state;
    uint32_t m = open_manager(w, 50), worker = start(w, m, 1);
    const seen_t *s;

    attach(w, m, 1, 1, 0);
    data(w, worker, 1, 1, PROMP_LANE_MESSAGES, 0, 100);
    data(w, worker, 1, 1, PROMP_LANE_MESSAGES, 100, 50);
    data(w, worker, 1, 1, PROMP_LANE_MESSAGES, 200, 50); /* a hole before it */
    data(w, worker, 1, 1, PROMP_LANE_OUTPUT, 0, 7);
    data(w, worker, 1, 1, PROMP_LANE_OUTPUT, 9, 7);
    attach(w, m, 1, 2, 120);
    data(w, worker, 1, 1, PROMP_LANE_MESSAGES, 120, 500); /* of an older path: dropped by the manager */
    data(w, worker, 1, 2, PROMP_LANE_MESSAGES, 120, 40);
    promp_agent_core_closed(w->core, worker, PROMP_ERR_CLOSED, w->now);
    exited(w, 1, PROMP_ERR_WORKER_EXITED, 0, 0);
    s = last_of(w, PROMP_AGENT_SEND, PROMP_TYPE_GONE, m);
    assert_int_equal(s->message.gone.lanes, 1);
    assert_int_equal(s->message.gone.end_messages, 160);
    assert_int_equal(s->message.gone.end_output, 7);
    assert_int_equal(s->message.gone.seen_output, 16);
}

static void drain_has_a_limit(void **state)
{
    /* A link of a dead worker that does not end is closed, and GONE told. */
    world_t *w = *state;
    uint32_t m = open_manager(w, 50), worker = start(w, m, 1);

    exited(w, 1, PROMP_ERR_WORKER_EXITED, 0, 0);
    live(w, 1100, &m, 1);
    assert_int_equal(count_of(w, PROMP_AGENT_CLOSE, 0, worker), 1);
    assert_true(count_of(w, PROMP_AGENT_SEND, PROMP_TYPE_GONE, m) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(handshake),
        CASE(whole_life),
        CASE(attach_waits),
        CASE(start_again),
        CASE(start_refused),
        CASE(start_limits),
        CASE(no_descriptor_for_a_worker),
        CASE(killed_while_spawning),
        CASE(kill_of_nobody),
        CASE(worker_starts_workers),
        CASE(ends_of_lanes),
        CASE(drain_has_a_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
