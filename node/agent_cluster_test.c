/* An agent in a cluster: workers of root managers from START to GONE_ACK, over breaks and new agents; the end of the node. */
#include "agent_cluster.h"

static void whole_life(void **state)
{
    /* Aim: a root manager's worker starts, is attached to, speaks, ends, and its exit record is acknowledged, all over the
     * broker's link. */
    world_t *w = *state;
    uint32_t b = join(w), worker;

    worker = run(w, b, 1, 0);
    const seen_t *spawn = last_of(w, PROMP_AGENT_TO_KEEPER, PROMP_TYPE_SPAWN, worker);

    assert_memory_equal(spawn->message.spawn.owner.b, owner().b, 16);
    assert_int_equal(spawn->message.spawn.owner_pid, 0);
    assert_memory_equal(spawn->message.spawn.python.data, "3.11", 4);
    assert_int_equal(spawn->message.spawn.cpus, 500);
    assert_int_equal(last_of(w, PROMP_AGENT_SEND, PROMP_TYPE_STARTED, b)->message.started.pid, 1001);
    attach(w, b, 1, 1, 0);
    assert_int_equal(count_of(w, PROMP_AGENT_FORWARD, PROMP_TYPE_ATTACH, worker), 1);
    data(w, b, 1, 1, 1, 0, 10);
    assert_int_equal(count_of(w, PROMP_AGENT_FORWARD, PROMP_TYPE_DATA, worker), 1);
    data(w, worker, 1, 1, 1, 0, 20);
    assert_int_equal(count_of(w, PROMP_AGENT_FORWARD, PROMP_TYPE_DATA, b), 1);
    end_of(w, worker, 1);
    const seen_t *gone = last_of(w, PROMP_AGENT_SEND, PROMP_TYPE_GONE, b);

    assert_int_equal(gone->message.gone.cause, PROMP_ERR_WORKER_EXITED);
    assert_int_equal(gone->message.gone.lanes, 1);
    assert_int_equal(gone->message.gone.end_messages, 20);
    simple(w, b, PROMP_TYPE_GONE_ACK, 1);
    assert_int_equal(count_of(w, PROMP_AGENT_TO_KEEPER, PROMP_TYPE_EXIT_SEEN, PROMP_AGENT_NONE), 1);
    assert_int_equal(count_of(w, PROMP_AGENT_SEND, PROMP_TYPE_OVER, b), 0);
    forget(w);
    attach(w, b, 1, 2, 0); /* it is not known any more */
    assert_int_equal(count_of(w, PROMP_AGENT_SEND, PROMP_TYPE_NO_ROUTE, b), 1);
}

static void starts_again(void **state)
{
    /* Aim: START twice makes one process and gives the same answer twice; one of another owner is refused. */
    world_t *w = *state;
    uint32_t b = join(w);
    promp_message_t m = start_of(0);

    run(w, b, 1, 0);
    say(w, b, &m, 1, 0);
    assert_int_equal(count_of(w, PROMP_AGENT_SEND, PROMP_TYPE_STARTED, b), 2);
    assert_int_equal(count_of(w, PROMP_AGENT_TO_KEEPER, PROMP_TYPE_SPAWN, PROMP_AGENT_NONE), 1);
    m.start.owner = id_of(99);
    say(w, b, &m, 1, 0);
    assert_int_equal(last_of(w, PROMP_AGENT_SEND, PROMP_TYPE_START_REFUSED, b)->message.start_refused.error,
                     PROMP_ERR_SESSION_FOREIGN);
}

static void start_rules(void **state)
{
    /* Aim: a program may be a bare name but no relative path, the folder empty but not relative, places are limited, and
     * what the keeper cannot start is refused to the broker; the link stays through all of it. */
    world_t *w = *state;
    uint32_t b = join(w);
    promp_message_t m = start_of(0),
                    failed = {.type = PROMP_TYPE_SPAWN_FAILED,
                              .spawn_failed = {.error = PROMP_ERR_PROGRAM_MISSING, .system = 2}};
    const struct {
        const char *program, *folder;
        promp_err_t error;
    } bad[] = {{"", "", PROMP_ERR_PROGRAM_MISSING},
               {"a/b", "", PROMP_ERR_PROGRAM_MISSING},
               {"a", "b", PROMP_ERR_START_FOLDER}};

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        m.start.program = promp_slice_str(bad[i].program);
        m.start.folder = promp_slice_str(bad[i].folder);
        say(w, b, &m, 1, 0);
        assert_int_equal(
            last_of(w, PROMP_AGENT_SEND, PROMP_TYPE_START_REFUSED, b)->message.start_refused.error,
            bad[i].error);
    }
    m = start_of(0);
    say(w, b, &m, 1, 0);
    keeper_says(w, &failed, 1, -1);
    assert_int_equal(last_of(w, PROMP_AGENT_SEND, PROMP_TYPE_START_REFUSED, b)->message.start_refused.system,
                     2);
    for (uint8_t i = 1; i <= PLACES; i++)
        run(w, b, i, 0);
    forget(w);
    say(w, b, &m, 50, 0);
    assert_int_equal(last_of(w, PROMP_AGENT_SEND, PROMP_TYPE_START_REFUSED, b)->message.start_refused.error,
                     PROMP_ERR_LIMIT_WORKERS);
    assert_int_equal(count_of(w, PROMP_AGENT_CLOSE, 0, b), 0);
}

static void comes_back(void **state)
{
    /* Aim: after a lost link the broker is dialled again; HELD tells what starts, runs and waits to be acknowledged, GONE is
     * told again at once, and the worker's way stands before anybody attaches. */
    world_t *w = *state;
    uint32_t b = join(w), running = run(w, b, 1, 0), ended = run(w, b, 2, 0);
    promp_message_t m = start_of(0);

    attach(w, b, 1, 1, 0);
    end_of(w, ended, 2);
    m.start.parent = id_of(77); /* of a worker on another node */
    say(w, b, &m, 3, 0);
    b = again(w, b);
    assert_int_equal(count_of(w, PROMP_AGENT_SEND, PROMP_TYPE_HELD, b), 3);
    assert_int_equal(held(w, b, 1)->state, 2);
    assert_int_equal(held(w, b, 1)->pid, 1001);
    assert_memory_equal(held(w, b, 1)->owner.b, owner().b, 16);
    assert_int_equal(held(w, b, 1)->cpus, 500);
    assert_int_equal(held(w, b, 2)->state, 3);
    assert_int_equal(held(w, b, 3)->state, 1);
    assert_int_equal(held(w, b, 3)->parent.b[0], 77);
    assert_int_equal(count_of(w, PROMP_AGENT_SEND, PROMP_TYPE_GONE, b), 1);
    data(w, running, 1, 1, 1, 0, 10);
    assert_int_equal(count_of(w, PROMP_AGENT_FORWARD, PROMP_TYPE_DATA, b), 1);
    simple(w, b, PROMP_TYPE_GONE_ACK, 2);
    assert_int_equal(count_of(w, PROMP_AGENT_TO_KEEPER, PROMP_TYPE_EXIT_SEEN, PROMP_AGENT_NONE), 1);
}

static void killed(void **state)
{
    /* Aim: KILL ends the worker with the cause it names, an ended one is told again, of an unknown one the broker hears OVER. */
    world_t *w = *state;
    uint32_t b = join(w), worker = run(w, b, 1, 0);
    promp_message_t m = {.type = PROMP_TYPE_KILL, .kill = {.cause = PROMP_ERR_WORKER_TIME_LIMIT}};

    say(w, b, &m, 1, 0);
    assert_int_equal(last_of(w, PROMP_AGENT_TO_KEEPER, PROMP_TYPE_SLAY, PROMP_AGENT_NONE)->message.slay.cause,
                     PROMP_ERR_WORKER_TIME_LIMIT);
    end_of(w, worker, 1);
    say(w, b, &m, 1, 0);
    assert_int_equal(count_of(w, PROMP_AGENT_SEND, PROMP_TYPE_GONE, b), 2);
    say(w, b, &m, 5, 0);
    assert_int_equal(count_of(w, PROMP_AGENT_SEND, PROMP_TYPE_OVER, b), 1);
}

static void exit_records_wait(void **state)
{
    /* Aim: an exit record is told again until a lease is over, two where the broker was away; then the broker hears OVER. */
    world_t *w = *state;
    uint32_t b = join(w), worker = run(w, b, 1, 0);

    end_of(w, worker, 1);
    live(w, LEASE - 100, &b, 1);
    assert_in_range(count_of(w, PROMP_AGENT_SEND, PROMP_TYPE_GONE, b), 5, 6);
    assert_int_equal(count_of(w, PROMP_AGENT_SEND, PROMP_TYPE_OVER, b), 0);
    live(w, 200, &b, 1);
    assert_int_equal(count_of(w, PROMP_AGENT_SEND, PROMP_TYPE_OVER, b), 1);
    worker = run(w, b, 2, 0);
    end_of(w, worker, 2);
    b = again(w, b);
    live(w, 2 * LEASE - 200, &b, 1);
    assert_int_equal(count_of(w, PROMP_AGENT_SEND, PROMP_TYPE_OVER, b), 0);
    live(w, 300, &b, 1);
    assert_int_equal(count_of(w, PROMP_AGENT_SEND, PROMP_TYPE_OVER, b), 1);
}

static void drains(void **state)
{
    /* Aim: a draining node offers no places and takes no start, and rests, with BYE, when the last session has gone. */
    world_t *w = *state;
    uint32_t b = join(w), worker = run(w, b, 1, 0);
    promp_message_t m = start_of(0);

    promp_agent_core_drain(w->core, w->now);
    drain(w);
    assert_int_equal(last_of(w, PROMP_AGENT_SEND, PROMP_TYPE_OFFER, b)->message.offer.places, 0);
    say(w, b, &m, 2, 0);
    assert_int_equal(last_of(w, PROMP_AGENT_SEND, PROMP_TYPE_START_REFUSED, b)->message.start_refused.error,
                     PROMP_ERR_LIMIT_WORKERS);
    end_of(w, worker, 1);
    pass(w, 10);
    assert_int_equal(count_of(w, PROMP_AGENT_TO_KEEPER, PROMP_TYPE_REST, PROMP_AGENT_NONE), 0);
    simple(w, b, PROMP_TYPE_GONE_ACK, 1);
    assert_int_equal(count_of(w, PROMP_AGENT_SEND, PROMP_TYPE_BYE, b), 1);
    assert_int_equal(count_of(w, PROMP_AGENT_CLOSE, 0, b), 1);
    assert_int_equal(count_of(w, PROMP_AGENT_TO_KEEPER, PROMP_TYPE_REST, PROMP_AGENT_NONE), 1);
}

static void drains_without_its_manager(void **state)
{
    /* Aim: an exit record that nobody acknowledges keeps a draining node for 5 s, not for a lease; with the broker away or back
     * late, too. */
    world_t *w = *state;

    for (int away = 0; away < 3; away++) {
        cluster_core(w);
        uint32_t b = join(w), worker;
        promp_message_t m = start_of(0);

        m.start.lease_ms = 600000;
        say(w, b, &m, 1, 0);
        worker = spawned(w, 1, 101);
        promp_agent_core_drain(w->core, w->now);
        drain(w);
        if (away == 1) {
            promp_agent_core_closed(w->core, b, PROMP_ERR_CLOSED, w->now);
            drain(w);
        }
        live(w, 7000, &worker, 1);
        assert_int_equal(count_of(w, PROMP_AGENT_TO_KEEPER, PROMP_TYPE_REST, PROMP_AGENT_NONE), 0);
        end_of(w, worker, 1);
        if (away == 2) {
            live(w, 4000, &b, 1);
            b = again(w, b);
        }
        live(w, 4500, &b, 1);
        assert_int_equal(count_of(w, PROMP_AGENT_TO_KEEPER, PROMP_TYPE_REST, PROMP_AGENT_NONE), 0);
        live(w, 1000, &b, 1);
        assert_int_equal(count_of(w, PROMP_AGENT_TO_KEEPER, PROMP_TYPE_REST, PROMP_AGENT_NONE), 1);
    }
}

static void stops(void **state)
{
    /* Aim: a node that ends kills its workers, tells the broker of each, then BYE. */
    world_t *w = *state;
    uint32_t b = join(w), worker = run(w, b, 1, 0);

    promp_agent_core_stop(w->core, w->now);
    drain(w);
    assert_int_equal(count_of(w, PROMP_AGENT_SLAY, 0, PROMP_AGENT_NONE), 1);
    end_of(w, worker, 1);
    assert_int_equal(count_of(w, PROMP_AGENT_SEND, PROMP_TYPE_BYE, b), 0);
    simple(w, b, PROMP_TYPE_GONE_ACK, 1);
    assert_int_equal(count_of(w, PROMP_AGENT_SEND, PROMP_TYPE_BYE, b), 1);
    assert_int_equal(count_of(w, PROMP_AGENT_TO_KEEPER, PROMP_TYPE_REST, PROMP_AGENT_NONE), 1);
}

static void a_new_agent(void **state)
{
    /* Aim: a restarted agent takes its sessions over from the roster and tells them as HELD; being turned away does not end
     * it while they live. */
    world_t *w = *state;
    promp_message_t m = {.type = PROMP_TYPE_ROSTER,
                         .roster = {.lease_ms = LEASE, .pid = 1001, .owner = owner(), .cpus = 500}},
                    e = {.type = PROMP_TYPE_EXITED,
                         .exited = {.lease_ms = LEASE,
                                    .pid = 1002,
                                    .owner = owner(),
                                    .cause = PROMP_ERR_WORKER_EXITED}};
    uint32_t b, worker;

    keeper_says(w, &m, 1, 101);
    keeper_says(w, &e, 2, -1);
    b = dialled(w);
    worker = last_of(w, PROMP_AGENT_TO_KEEPER, PROMP_TYPE_RELINK, PROMP_AGENT_NONE)->effect.link;
    hello(w, worker, 2);
    promp_agent_core_closed(w->core, b, PROMP_ERR_KEY_REFUSED, w->now);
    drain(w);
    assert_int_equal(count_of(w, PROMP_AGENT_END, 0, PROMP_AGENT_NONE), 0);
    redialled(w, &b);
    welcome(w, b);
    assert_int_equal(held(w, b, 1)->state, 2);
    assert_int_equal(held(w, b, 1)->cpus, 500);
    assert_int_equal(held(w, b, 2)->state, 3);
    assert_int_equal(count_of(w, PROMP_AGENT_SEND, PROMP_TYPE_GONE, b), 1);
    attach(w, b, 1, 5, 0);
    assert_int_equal(count_of(w, PROMP_AGENT_FORWARD, PROMP_TYPE_ATTACH, worker), 1);
}

static void slow_worker(void **state)
{
    /* Aim: a worker that does not read costs its own session alone: CONGESTED to the broker, others pass. */
    world_t *w = *state;
    uint32_t b = join(w), one = run(w, b, 1, 0), two = run(w, b, 2, 0);
    size_t piece = 200000, limit = PROMP_LIMIT_RELAY_SESSION / promp_frame_size(piece);

    attach(w, b, 1, 1, 0);
    attach(w, b, 2, 1, 0);
    for (size_t i = 0; i < limit + 1; i++)
        data(w, b, 1, 1, 1, i * piece, piece);
    data(w, b, 2, 1, 1, 0, piece);
    assert_int_equal(count_of(w, PROMP_AGENT_FORWARD, PROMP_TYPE_DATA, one), limit);
    assert_int_equal(last_of(w, PROMP_AGENT_SEND, PROMP_TYPE_CONGESTED, b)->frame.offset, limit * piece);
    assert_int_equal(count_of(w, PROMP_AGENT_FORWARD, PROMP_TYPE_DATA, two), 1);
    promp_agent_core_flushed(w->core, last_of(w, PROMP_AGENT_FORWARD, PROMP_TYPE_DATA, one)->effect.tag,
                             promp_frame_size(piece));
    data(w, b, 1, 1, 1, limit * piece, piece);
    assert_int_equal(count_of(w, PROMP_AGENT_FORWARD, PROMP_TYPE_DATA, one), limit + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLUSTER(whole_life),  CLUSTER(starts_again),
        CLUSTER(start_rules), CLUSTER(comes_back),
        CLUSTER(killed),      CLUSTER(exit_records_wait),
        CLUSTER(drains),      CLUSTER(drains_without_its_manager),
        CLUSTER(stops),       CLUSTER(a_new_agent),
        CLUSTER(slow_worker),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
