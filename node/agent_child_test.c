/* Workers of a cluster's node that are managers: lives of their workers, here, elsewhere, and in between. */
#include "agent_cluster.h"

static void elsewhere(void **state)
{
    /* Aim: a worker's start goes to the broker with the worker as parent, the answers come back, and what both ends say passes
     * through here until GONE is acknowledged. */
    world_t *w = *state;
    uint32_t b, p = child_manager(w, &b);
    promp_id_t none = {{0}};

    child_asks(w, p, 2);
    assert_memory_equal(child_asked(w, b)->message.start.parent.b, id_of(1).b, 16);
    assert_memory_equal(child_asked(w, b)->message.start.owner.b, none.b, 16);
    assert_int_equal(count_of(w, PROMP_AGENT_TO_KEEPER, PROMP_TYPE_SPAWN, PROMP_AGENT_NONE), 1);
    child_told(w, b, PROMP_TYPE_QUEUED, 2);
    child_told(w, b, PROMP_TYPE_STARTED, 2);
    assert_int_equal(count_of(w, PROMP_AGENT_FORWARD, PROMP_TYPE_QUEUED, p), 1);
    assert_int_equal(count_of(w, PROMP_AGENT_FORWARD, PROMP_TYPE_STARTED, p), 1);
    attach(w, p, 2, 1, 0);
    assert_int_equal(count_of(w, PROMP_AGENT_FORWARD, PROMP_TYPE_ATTACH, b), 1);
    data(w, p, 2, 1, 1, 0, 10);
    data(w, b, 2, 1, 1, 0, 20);
    assert_int_equal(count_of(w, PROMP_AGENT_FORWARD, PROMP_TYPE_DATA, b), 1);
    assert_int_equal(count_of(w, PROMP_AGENT_FORWARD, PROMP_TYPE_DATA, p), 1);
    child_told(w, b, PROMP_TYPE_GONE, 2);
    assert_int_equal(count_of(w, PROMP_AGENT_FORWARD, PROMP_TYPE_GONE, p), 1);
    simple(w, p, PROMP_TYPE_GONE_ACK, 2);
    assert_int_equal(count_of(w, PROMP_AGENT_SEND, PROMP_TYPE_GONE_ACK, b), 1);
    forget(w);
    data(w, b, 2, 1, 1, 20, 20); /* it is not known any more */
    assert_int_equal(count_of(w, PROMP_AGENT_SEND, PROMP_TYPE_NO_ROUTE, b), 1);
}

static void here(void **state)
{
    /* Aim: a start that the broker gives back to the worker's own node is answered to both, relayed between the two links, not
     * over the broker's, and over for the broker when its process has ended, while its manager still gets GONE. */
    world_t *w = *state;
    uint32_t b, p = child_manager(w, &b), c;

    child_asks(w, p, 2);
    c = run(w, b, 2, 1);
    assert_int_equal(count_of(w, PROMP_AGENT_SEND, PROMP_TYPE_STARTED, p), 1);
    assert_int_equal(count_of(w, PROMP_AGENT_SEND, PROMP_TYPE_STARTED, b), 2); /* that of session 1 too */
    assert_memory_equal(
        last_of(w, PROMP_AGENT_TO_KEEPER, PROMP_TYPE_SPAWN, PROMP_AGENT_NONE)->message.spawn.parent.b,
        id_of(1).b, 16);
    attach(w, p, 2, 1, 0);
    data(w, p, 2, 1, 1, 0, 10);
    data(w, c, 2, 1, 1, 0, 20);
    assert_int_equal(count_of(w, PROMP_AGENT_FORWARD, PROMP_TYPE_DATA, c), 1);
    assert_int_equal(count_of(w, PROMP_AGENT_FORWARD, PROMP_TYPE_DATA, p), 1);
    assert_int_equal(count_of(w, PROMP_AGENT_FORWARD, 0, b), 0);
    end_of(w, c, 2);
    assert_int_equal(count_of(w, PROMP_AGENT_SEND, PROMP_TYPE_OVER, b), 1);
    assert_int_equal(count_of(w, PROMP_AGENT_SEND, PROMP_TYPE_GONE, p), 1);
    assert_int_equal(count_of(w, PROMP_AGENT_SEND, PROMP_TYPE_GONE, b), 0);
    simple(w, p, PROMP_TYPE_GONE_ACK, 2);
    assert_int_equal(count_of(w, PROMP_AGENT_TO_KEEPER, PROMP_TYPE_EXIT_SEEN, PROMP_AGENT_NONE), 1);
    assert_int_equal(count_of(w, PROMP_AGENT_SEND, PROMP_TYPE_OVER, b), 1);
}

static void not_here_after_all(void **state)
{
    /* Aim: what cannot be started here is refused to the broker alone, which asks another node; its answer reaches the worker. */
    world_t *w = *state;
    uint32_t b, p = child_manager(w, &b);
    promp_message_t m = start_of(1), failed = {.type = PROMP_TYPE_SPAWN_FAILED,
                                               .spawn_failed = {.error = PROMP_ERR_PROCESSES, .system = 11}};

    child_asks(w, p, 2);
    say(w, b, &m, 2, 0);
    keeper_says(w, &failed, 2, -1);
    assert_int_equal(count_of(w, PROMP_AGENT_SEND, PROMP_TYPE_START_REFUSED, b), 1);
    assert_int_equal(count_of(w, PROMP_AGENT_SEND, PROMP_TYPE_START_REFUSED, p), 0);
    child_told(w, b, PROMP_TYPE_STARTED, 2);
    assert_int_equal(count_of(w, PROMP_AGENT_FORWARD, PROMP_TYPE_STARTED, p), 1);
    child_asks(w, p, 3);
    child_told(w, b, PROMP_TYPE_START_REFUSED, 3);
    assert_int_equal(count_of(w, PROMP_AGENT_FORWARD, PROMP_TYPE_START_REFUSED, p), 1);
}

static void given_up_too_early(void **state)
{
    /* Aim: a start that was given back because its link broke, and gets its process all the same, is not taken for the one that
     * the broker has found elsewhere: the process ends, the exit record is forgotten. */
    world_t *w = *state;
    uint32_t b, p = child_manager(w, &b);
    promp_message_t m = start_of(1), spawned = {.type = PROMP_TYPE_SPAWNED, .spawned = {.pid = 1002}};

    child_asks(w, p, 2);
    say(w, b, &m, 2, 0);
    promp_agent_core_closed(w->core, w->made_link, PROMP_ERR_DESCRIPTORS, w->now);
    drain(w);
    assert_int_equal(count_of(w, PROMP_AGENT_SEND, PROMP_TYPE_START_REFUSED, b), 1);
    child_told(w, b, PROMP_TYPE_STARTED, 2);
    keeper_says(w, &spawned, 2, 102);
    assert_int_equal(last_of(w, PROMP_AGENT_SLAY, 0, PROMP_AGENT_NONE)->effect.handle, 102);
    exited(w, 2, PROMP_ERR_WORKER_SIGNALLED, 0, 9);
    assert_int_equal(count_of(w, PROMP_AGENT_TO_KEEPER, PROMP_TYPE_EXIT_SEEN, PROMP_AGENT_NONE), 1);
    attach(w, p, 2, 1, 0);
    assert_int_equal(count_of(w, PROMP_AGENT_FORWARD, PROMP_TYPE_ATTACH, b), 1);
    assert_int_equal(count_of(w, PROMP_AGENT_SEND, PROMP_TYPE_GONE, p), 0);
}

static void killed_while_it_starts(void **state)
{
    /* Aim: a start here that its manager has killed and that fails is not looked for elsewhere: OVER, and the worker is told. */
    world_t *w = *state;
    uint32_t b, p = child_manager(w, &b);
    promp_message_t m = start_of(1),
                    kill = {.type = PROMP_TYPE_KILL, .kill = {.cause = PROMP_ERR_WORKER_STOPPED}},
                    failed = {.type = PROMP_TYPE_SPAWN_FAILED,
                              .spawn_failed = {.error = PROMP_ERR_PROCESSES}};

    child_asks(w, p, 2);
    say(w, b, &m, 2, 0);
    say(w, p, &kill, 2, 0);
    keeper_says(w, &failed, 2, -1);
    assert_int_equal(count_of(w, PROMP_AGENT_SEND, PROMP_TYPE_OVER, b), 1);
    assert_int_equal(count_of(w, PROMP_AGENT_SEND, PROMP_TYPE_START_REFUSED, b), 0);
    assert_int_equal(count_of(w, PROMP_AGENT_SEND, PROMP_TYPE_START_REFUSED, p), 1);
}

static void the_parent_ends(void **state)
{
    /* Aim: with a worker its children here end too; those elsewhere are the broker's, and late words of them change nothing. */
    world_t *w = *state;
    uint32_t b, p = child_manager(w, &b), c;
    promp_message_t attached = {.type = PROMP_TYPE_ATTACHED};

    child_asks(w, p, 2);
    child_told(w, b, PROMP_TYPE_STARTED, 2);
    attach(w, p, 2, 1, 0);
    child_asks(w, p, 3);
    c = run(w, b, 3, 1);
    forget(w);
    end_of(w, p, 1);
    assert_int_equal(last_of(w, PROMP_AGENT_TO_KEEPER, PROMP_TYPE_SLAY, PROMP_AGENT_NONE)->frame.session.b[0],
                     3);
    assert_int_equal(count_of(w, PROMP_AGENT_SEND, PROMP_TYPE_KILL, b), 0);
    say(w, b, &attached, 2, 1);
    child_told(w, b, PROMP_TYPE_GONE, 2);
    child_told(w, b, PROMP_TYPE_STARTED, 2);
    assert_int_equal(count_of(w, PROMP_AGENT_CLOSE, 0, b), 0);
    end_of(w, c, 3);
    assert_int_equal(last_of(w, PROMP_AGENT_SEND, PROMP_TYPE_OVER, b)->frame.session.b[0], 3);
}

static void a_manager_leaves(void **state)
{
    /* Aim: BYE of a worker kills what its managers have elsewhere; the exit record is acknowledged for them, also by another
     * broker. */
    world_t *w = *state;
    uint32_t b, p = child_manager(w, &b);

    child_asks(w, p, 2);
    child_told(w, b, PROMP_TYPE_STARTED, 2);
    simple(w, p, PROMP_TYPE_BYE, 0);
    assert_int_equal(last_of(w, PROMP_AGENT_SEND, PROMP_TYPE_KILL, b)->message.kill.cause,
                     PROMP_ERR_WORKER_MANAGER_GONE);
    b = again(w, b);
    assert_int_equal(count_of(w, PROMP_AGENT_SEND, PROMP_TYPE_KILL, b), 1);
    child_told(w, b, PROMP_TYPE_GONE, 2);
    assert_int_equal(count_of(w, PROMP_AGENT_SEND, PROMP_TYPE_GONE_ACK, b), 1);
    assert_int_equal(count_of(w, PROMP_AGENT_FORWARD, PROMP_TYPE_GONE, p), 0);
    assert_int_equal(count_of(w, PROMP_AGENT_CLOSE, 0, p), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLUSTER(elsewhere),
        CLUSTER(here),
        CLUSTER(not_here_after_all),
        CLUSTER(given_up_too_early),
        CLUSTER(killed_while_it_starts),
        CLUSTER(the_parent_ends),
        CLUSTER(a_manager_leaves),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
