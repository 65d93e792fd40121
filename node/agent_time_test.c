/* Who watches whom, as far as the agent does it: leases, beats, deaths, restarts, the end. */
#include "agent_world.h"

static promp_err_t gone_cause(world_t *w, uint32_t link)
{
    return (promp_err_t)last_of(w, PROMP_AGENT_SEND, PROMP_TYPE_GONE, link)->message.gone.cause;
}

/* What keeper and kernel do when a worker is slain. */
static void dies(world_t *w, uint32_t worker, uint8_t session)
{
    promp_agent_core_closed(w->core, worker, PROMP_ERR_CLOSED, w->now);
    exited(w, session, PROMP_ERR_WORKER_SIGNALLED, 0, 9);
}

static void manager_dies(void **state)
{
    /* The manager's process ends: its workers are slain at once, nobody is told, the keeper may forget. */
    world_t *w = *state;
    uint32_t m = open_manager(w, 50), worker = start(w, m, 1);

    promp_agent_core_owner_died(w->core, w->owner, w->now);
    drain(w);
    assert_int_equal(count_of(w, PROMP_AGENT_SLAY, 0, PROMP_AGENT_NONE), 1);
    assert_int_equal(last_of(w, PROMP_AGENT_TO_KEEPER, PROMP_TYPE_SLAY, PROMP_AGENT_NONE)->message.slay.cause,
                     PROMP_ERR_WORKER_MANAGER_GONE);
    assert_int_equal(count_of(w, PROMP_AGENT_CLOSE, 0, m), 1);
    assert_int_equal(count_of(w, PROMP_AGENT_UNWATCH, 0, PROMP_AGENT_NONE), 1);
    dies(w, worker, 1);
    assert_int_equal(count_of(w, PROMP_AGENT_TO_KEEPER, PROMP_TYPE_EXIT_SEEN, PROMP_AGENT_NONE), 1);
}

static void manager_comes_back(void **state)
{
    /* The link ends without BYE: the session waits, and the same process takes it up again on a new link. */
    world_t *w = *state;
    uint32_t m = open_manager(w, 50), worker = start(w, m, 1), links[2];

    promp_agent_core_closed(w->core, m, PROMP_ERR_CLOSED, w->now);
    drain(w);
    live(w, LEASE / 2, &worker, 1);
    data(w, worker, 1, 1, PROMP_LANE_OUTPUT, 0, 10);
    assert_int_equal(count_of(w, PROMP_AGENT_SEND, PROMP_TYPE_NO_ROUTE, worker), 1);
    m = open_manager(w, 50);
    attach(w, m, 1, 2, 0);
    assert_int_equal(count_of(w, PROMP_AGENT_FORWARD, PROMP_TYPE_ATTACH, worker), 1);
    links[0] = m;
    links[1] = worker;
    live(w, 2 * LEASE, links, 2);
    assert_int_equal(count_of(w, PROMP_AGENT_SLAY, 0, PROMP_AGENT_NONE), 0);
}

static void manager_does_not_come_back(void **state)
{
    /* ... and is slain when the lease ends without it; the record is kept a lease longer, then forgotten. */
    world_t *w = *state;
    uint32_t m = open_manager(w, 50), worker = start(w, m, 1);

    promp_agent_core_closed(w->core, m, PROMP_ERR_CLOSED, w->now);
    live(w, LEASE + 100, &worker, 1);
    assert_int_equal(last_of(w, PROMP_AGENT_TO_KEEPER, PROMP_TYPE_SLAY, PROMP_AGENT_NONE)->message.slay.cause,
                     PROMP_ERR_WORKER_LEASE);
    dies(w, worker, 1);
    assert_int_equal(count_of(w, PROMP_AGENT_TO_KEEPER, PROMP_TYPE_EXIT_SEEN, PROMP_AGENT_NONE), 0);
    live(w, LEASE + 100, NULL, 0);
    assert_int_equal(count_of(w, PROMP_AGENT_TO_KEEPER, PROMP_TYPE_EXIT_SEEN, PROMP_AGENT_NONE), 1);
}

static void manager_frozen(void **state)
{
    /* A manager not heard for the lease loses its worker, and finds GONE with the reason when it wakes. */
    world_t *w = *state;
    uint32_t m = open_manager(w, 50), worker = start(w, m, 1);

    live(w, LEASE - 100, &worker, 1);
    assert_int_equal(count_of(w, PROMP_AGENT_SLAY, 0, PROMP_AGENT_NONE), 0);
    live(w, 200, &worker, 1);
    assert_int_equal(count_of(w, PROMP_AGENT_SLAY, 0, PROMP_AGENT_NONE), 1);
    dies(w, worker, 1);
    assert_int_equal(gone_cause(w, m), PROMP_ERR_WORKER_LEASE);
}

static void worker_frozen(void **state)
{
    /* A worker not heard for the lease is slain as unresponsive. */
    world_t *w = *state;
    uint32_t m = open_manager(w, 50), worker = start(w, m, 1);

    live(w, LEASE + 100, &m, 1);
    dies(w, worker, 1);
    assert_int_equal(gone_cause(w, m), PROMP_ERR_WORKER_UNRESPONSIVE);
}

static void not_a_worker_program(void **state)
{
    /* A program that never says HELLO gets the time of a handshake, then the same. */
    world_t *w = *state;
    uint32_t m = open_manager(w, 50);
    promp_message_t spawned = {.type = PROMP_TYPE_SPAWNED, .spawned = {.pid = 77}};

    start_with(w, m, 1, LEASE);
    keeper_says(w, &spawned, 1, 5);
    live(w, PROMP_TIME_HANDSHAKE - 100, &m, 1);
    assert_int_equal(count_of(w, PROMP_AGENT_SLAY, 0, PROMP_AGENT_NONE), 0);
    live(w, 300, &m, 1);
    assert_int_equal(count_of(w, PROMP_AGENT_SLAY, 0, PROMP_AGENT_NONE), 1);
}

static void we_slept(void **state)
{
    /* A tick far too late: nobody is blamed for what was not heard meanwhile; a real silence later counts. */
    world_t *w = *state;
    uint32_t m = open_manager(w, 50), worker = start(w, m, 1), links[] = {m, worker};

    live(w, 300, links, 2);
    w->now += 20 * LEASE;
    pass(w, LEASE / 2);
    assert_int_equal(count_of(w, PROMP_AGENT_SLAY, 0, PROMP_AGENT_NONE), 0);
    assert_int_equal(count_of(w, PROMP_AGENT_KILL_KEEPER, 0, PROMP_AGENT_NONE), 0);
    live(w, LEASE + 200, &m, 1);
    assert_int_equal(count_of(w, PROMP_AGENT_SLAY, 0, PROMP_AGENT_NONE), 1);
}

static void beats(void **state)
{
    /* A link that nothing was sent on for a fifth of its smallest lease gets a BEAT, and no more than that. */
    world_t *w = *state;
    uint32_t m = open_manager(w, 50), worker = start(w, m, 1), links[] = {m, worker};
    size_t n;

    forget(w);
    live(w, 2 * LEASE, links, 2);
    n = count_of(w, PROMP_AGENT_SEND, PROMP_TYPE_BEAT, m);
    assert_in_range(n, 9, 11);
    assert_in_range(count_of(w, PROMP_AGENT_SEND, PROMP_TYPE_BEAT, worker), 9, 11);
}

static void silent_handshake(void **state)
{
    /* Who connects and says nothing is refused in time. */
    world_t *w = *state;
    promp_agent_peer_t peer = {.pid = 60, .uid = 7, .start = 1};
    uint32_t link = promp_agent_core_opened(w->core, &peer, w->now);

    drain(w);
    live(w, PROMP_TIME_HANDSHAKE + 100, NULL, 0);
    assert_int_equal(last_of(w, PROMP_AGENT_SEND, PROMP_TYPE_REFUSED, link)->message.refused.error,
                     PROMP_ERR_SILENT);
    assert_int_equal(count_of(w, PROMP_AGENT_CLOSE, 0, link), 1);
}

static void gone_is_repeated(void **state)
{
    /* GONE is said again until it is acknowledged, also on the manager's next link, there without known ends. */
    world_t *w = *state;
    uint32_t m = open_manager(w, 50), worker = start(w, m, 1);

    dies(w, worker, 1);
    live(w, LEASE / 2, &m, 1);
    assert_in_range(count_of(w, PROMP_AGENT_SEND, PROMP_TYPE_GONE, m), 2, 4);
    promp_agent_core_closed(w->core, m, PROMP_ERR_CLOSED, w->now);
    drain(w);
    forget(w);
    m = open_manager(w, 50);
    attach(w, m, 1, 2, 0);
    assert_int_equal(last_of(w, PROMP_AGENT_SEND, PROMP_TYPE_GONE, m)->message.gone.lanes, 0);
    simple(w, m, PROMP_TYPE_GONE_ACK, 1);
    forget(w);
    live(w, LEASE, &m, 1);
    assert_int_equal(count_of(w, PROMP_AGENT_SEND, PROMP_TYPE_GONE, m), 0);
}

static void keeper_dies(void **state)
{
    /* The keeper is gone: every worker is killed, managers are told, the agent ends. */
    world_t *w = *state;
    uint32_t m = open_manager(w, 50);

    start(w, m, 1);
    start(w, m, 2);
    promp_agent_core_keeper_lost(w->core, w->now);
    drain(w);
    assert_int_equal(count_of(w, PROMP_AGENT_SLAY, 0, PROMP_AGENT_NONE), 2);
    assert_int_equal(count_of(w, PROMP_AGENT_SEND, PROMP_TYPE_GONE, m), 2);
    assert_int_equal(gone_cause(w, m), PROMP_ERR_WORKER_NODE_LOST);
    assert_int_equal(last_of(w, PROMP_AGENT_END, 0, PROMP_AGENT_NONE)->effect.error, PROMP_ERR_NODE_GONE);
}

static void keeper_frozen(void **state)
{
    /* A keeper that answers no PULSE is killed after 5 s, or the smallest lease where that is longer, not before: whom
     * a short lease belongs to does not decide over the workers of all. */
    static const uint32_t leases[] = {PROMP_TIMEOUT_MIN, 8000};

    for (size_t i = 0; i < sizeof leases / sizeof leases[0]; i++) {
        world_t *w = *state;
        uint32_t m = open_manager(w, 50);
        int64_t patience = promp_max64(leases[i], 5000);
        size_t pulses = 0;

        start_with(w, m, 1, leases[i]);
        uint32_t worker = spawned(w, 1, 101), links[] = {m, worker};
        for (int64_t t = 0; t < patience - 100; t += 100) {
            assert_int_equal(count_of(w, PROMP_AGENT_KILL_KEEPER, 0, PROMP_AGENT_NONE), 0);
            assert_int_equal(count_of(w, PROMP_AGENT_SLAY, 0, PROMP_AGENT_NONE), 0);
            pulses += count_of(w, PROMP_AGENT_TO_KEEPER, PROMP_TYPE_PULSE, PROMP_AGENT_NONE);
            forget(w);
            beat_all(w, links, 2);
            pass(w, 100);
        }
        assert_true(pulses >= 8);
        beat_all(w, links, 2);
        pass(w, 200);
        assert_int_equal(count_of(w, PROMP_AGENT_KILL_KEEPER, 0, PROMP_AGENT_NONE), 1);
        teardown(state);
        setup(state);
    }
}

static void patience_follows_the_lease(void **state)
{
    /* As soon as a session with a short lease starts the keeper hears of it. */
    world_t *w = *state;
    uint32_t m;

    live(w, 1000, NULL, 0);
    m = open_manager(w, 50);
    forget(w);
    start_with(w, m, 1, PROMP_TIMEOUT_MIN);
    assert_int_equal(
        last_of(w, PROMP_AGENT_TO_KEEPER, PROMP_TYPE_PULSE, PROMP_AGENT_NONE)->message.pulse.patience_ms,
        PROMP_TIMEOUT_MIN / 2);
}

static void idle(void **state)
{
    /* REST comes when no manager was there for the idle time, and nobody is let in after it. */
    world_t *w = *state;
    uint32_t m;

    live(w, 2900, NULL, 0);
    m = open_manager(w, 50);
    live(w, 5000, &m, 1);
    assert_int_equal(count_of(w, PROMP_AGENT_TO_KEEPER, PROMP_TYPE_REST, PROMP_AGENT_NONE), 0);
    simple(w, m, PROMP_TYPE_BYE, 0);
    live(w, 2900, NULL, 0);
    assert_true(promp_agent_core_serving(w->core));
    live(w, 200, NULL, 0);
    assert_int_equal(count_of(w, PROMP_AGENT_TO_KEEPER, PROMP_TYPE_REST, PROMP_AGENT_NONE), 1);
    assert_false(promp_agent_core_serving(w->core));
    promp_agent_core_keeper_lost(w->core, w->now);
    drain(w);
    assert_int_equal(last_of(w, PROMP_AGENT_END, 0, PROMP_AGENT_NONE)->effect.error, PROMP_OK);
}

static void stop(void **state)
{
    /* An end in good order: workers are ended, managers told and refused, then REST. */
    world_t *w = *state;
    uint32_t m = open_manager(w, 50), worker = start(w, m, 1);

    promp_agent_core_stop(w->core, w->now);
    drain(w);
    assert_false(promp_agent_core_serving(w->core));
    dies(w, worker, 1);
    assert_int_equal(gone_cause(w, m), PROMP_ERR_WORKER_NODE_LOST);
    start_with(w, m, 2, LEASE);
    assert_int_equal(last_of(w, PROMP_AGENT_SEND, PROMP_TYPE_START_REFUSED, m)->message.start_refused.error,
                     PROMP_ERR_NODE_GONE);
    simple(w, m, PROMP_TYPE_GONE_ACK, 1);
    assert_int_equal(count_of(w, PROMP_AGENT_TO_KEEPER, PROMP_TYPE_REST, PROMP_AGENT_NONE), 1);
    assert_int_equal(count_of(w, PROMP_AGENT_CLOSE, 0, m), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(manager_dies),
        CASE(manager_comes_back),
        CASE(manager_does_not_come_back),
        CASE(manager_frozen),
        CASE(worker_frozen),
        CASE(not_a_worker_program),
        CASE(we_slept),
        CASE(beats),
        CASE(silent_handshake),
        CASE(gone_is_repeated),
        CASE(keeper_dies),
        CASE(keeper_frozen),
        CASE(patience_follows_the_lease),
        CASE(idle),
        CASE(stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
