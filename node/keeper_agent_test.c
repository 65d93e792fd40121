/* Agents, and the end of the node, as the keeper's core sees them. */
#include "keeper_world.h"

static void agent_dies(void **state)
{
    /* Another agent is started at once, and told what lives, with pidfds, and what has ended; then the end of that. */
    world_t *w = *state;
    uint32_t one = spawn(w, 1);

    ends(w, spawn(w, 2), 42, 0, false);
    forget(w);
    promp_keeper_core_agent_down(w->core, w->now);
    ends(w, spawn(w, 3), 43, 0, false); /* what the dead agent still sent; nobody is told yet */
    assert_int_equal(count_of(w, PROMP_KEEPER_TO_AGENT, 0), 0);
    assert_int_equal(count_of(w, PROMP_KEEPER_START_AGENT, 0), 1);
    promp_keeper_core_agent_up(w->core, w->now);
    drain(w);
    assert_int_equal(last_of(w, PROMP_KEEPER_TO_AGENT, PROMP_TYPE_ROSTER)->effect.worker, one);
    assert_int_equal(last_of(w, PROMP_KEEPER_TO_AGENT, PROMP_TYPE_ROSTER)->message.roster.pid, 1001);
    assert_int_equal(count_of(w, PROMP_KEEPER_TO_AGENT, PROMP_TYPE_EXITED), 2);
    assert_int_equal(w->seen[w->count - 1].frame.type, PROMP_TYPE_ROSTER_END);
    assert_int_equal(w->seen[w->count - 1].message.roster_end.node.b[0], 9);
}

static void agent_dies_again_and_again(void **state)
{
    /* The first one that ends at once has a successor at once, others after pauses far below the smallest lease; they
     * are given up after 30 s, with the node. */
    world_t *w = *state;
    int64_t begin = w->now, pause = 0, longest = 0;

    for (int agents = 0; !count_of(w, PROMP_KEEPER_END, 0); agents++) {
        forget(w);
        promp_keeper_core_agent_down(w->core, w->now);
        for (pause = 0; !w->count; pause++)
            pass(w, pause ? 1 : 0);
        pause--;
        assert_true(agents > 0 || pause == 0);
        longest = pause > longest ? pause : longest;
        assert_in_range(longest, 0, 100);
        if (!count_of(w, PROMP_KEEPER_START_AGENT, 0))
            break;
        promp_keeper_core_agent_up(w->core, w->now);
        pass(w, 20);
    }
    assert_in_range(longest, 50, 100);
    assert_in_range(w->now - begin, 30000, 31000);
    assert_int_equal(count_of(w, PROMP_KEEPER_END, 0), 1);
}

static void agents_that_speak(void **state)
{
    /* Agents that are ended soon, again and again, but have spoken: the node goes on. */
    world_t *w = *state;

    for (int i = 0; i < 1000; i++) {
        pulse(w, 0);
        forget(w);
        promp_keeper_core_agent_down(w->core, w->now);
        pass(w, 100);
        assert_int_equal(count_of(w, PROMP_KEEPER_START_AGENT, 0), 1);
        promp_keeper_core_agent_up(w->core, w->now);
        drain(w);
    }
}

static void agent_frozen(void **state)
{
    /* No PULSE for the patience it asked for: killed, once. With PULSE, or when we slept ourselves: not. */
    world_t *w = *state;

    pulse(w, 400);
    assert_int_equal(count_of(w, PROMP_KEEPER_TO_AGENT, PROMP_TYPE_PULSE), 1);
    for (int i = 0; i < 5; i++) {
        pass(w, 300);
        pulse(w, 400);
    }
    w->now += 100000;
    pass(w, 300);
    assert_int_equal(count_of(w, PROMP_KEEPER_KILL_AGENT, 0), 0);
    pass(w, 900);
    assert_int_equal(count_of(w, PROMP_KEEPER_KILL_AGENT, 0), 1);
}

static void agent_talks_nonsense(void **state)
{
    /* A frame that no agent may send: it is replaced. */
    world_t *w = *state;
    promp_frame_t frame = {
        .size = promp_frame_size(3), .type = PROMP_TYPE_SPAWN, .body = promp_slice_str("abc")};

    promp_keeper_core_frame(w->core, &frame, w->now);
    drain(w);
    assert_int_equal(count_of(w, PROMP_KEEPER_KILL_AGENT, 0), 1);
}

static void rest(void **state)
{
    /* REST ends a node without workers at once. */
    world_t *w = *state;
    promp_message_t m = {.type = PROMP_TYPE_REST};

    says(w, &m, 0, 0);
    pass(w, 0);
    assert_int_equal(count_of(w, PROMP_KEEPER_END, 0), 1);
}

static void stop(void **state)
{
    /* SIGTERM goes to the agent; where that is not enough, or is asked twice, workers are killed, then the end. */
    world_t *w = *state;
    uint32_t number = spawn(w, 1);

    promp_keeper_core_stop(w->core, w->now);
    pass(w, 100);
    assert_int_equal(count_of(w, PROMP_KEEPER_STOP_AGENT, 0), 1);
    assert_int_equal(count_of(w, PROMP_KEEPER_SLAY, 0), 0);
    promp_keeper_core_stop(w->core, w->now);
    pass(w, 0);
    assert_true(count_of(w, PROMP_KEEPER_SLAY, 0) >= 1);
    assert_int_equal(count_of(w, PROMP_KEEPER_END, 0), 0);
    ends(w, number, 0, 9, false);
    pass(w, 200);
    assert_int_equal(count_of(w, PROMP_KEEPER_END, 0), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(agent_dies),   CASE(agent_dies_again_and_again), CASE(agents_that_speak),
        CASE(agent_frozen), CASE(agent_talks_nonsense),       CASE(rest),
        CASE(stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
