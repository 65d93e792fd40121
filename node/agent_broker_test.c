/* The link of a cluster's agent to its broker: greeting, beats, silence, dialling again, being turned away. */
#include "agent_cluster.h"

static void greets(void **state)
{
    /* Aim: the broker is dialled when the roster is complete; HELLO, then OFFER, HELD and HELD_END, in this order. */
    world_t *w = *state;
    uint32_t b;

    assert_int_equal(count_of(w, PROMP_AGENT_DIAL, 0, PROMP_AGENT_NONE), 0);
    roster_end(w);
    b = last_of(w, PROMP_AGENT_DIAL, 0, PROMP_AGENT_NONE)->effect.link;
    const seen_t *hello = last_of(w, PROMP_AGENT_SEND, PROMP_TYPE_HELLO, b);

    assert_int_equal(hello->message.hello.role, 3);
    assert_int_equal(hello->message.hello.lease_ms, 0);
    assert_int_equal(count_of(w, PROMP_AGENT_SEND, PROMP_TYPE_OFFER, b), 0);
    welcome(w, b);
    const seen_t *offer = last_of(w, PROMP_AGENT_SEND, PROMP_TYPE_OFFER, b);

    assert_int_equal(offer->message.offer.places, PLACES);
    assert_int_equal(offer->message.offer.node.b[0], 9);
    assert_memory_equal(offer->message.offer.pythons.data, "3.11", 4);
    assert_true(last_of(w, PROMP_AGENT_SEND, PROMP_TYPE_HELD_END, b) > offer);
}

static void silence(void **state)
{
    /* Aim: a broker that is silent for two fifths of the smallest lease is dialled again, for a whole lease costs the worker
     * its life, and one that beats costs nothing; we beat five times in a lease. */
    world_t *w = *state;
    uint32_t b = join(w), worker = run(w, b, 1, 0), both[2] = {b, worker};

    live(w, 3 * LEASE, both, 2);
    assert_int_equal(count_of(w, PROMP_AGENT_CLOSE, 0, PROMP_AGENT_NONE), 0);
    assert_in_range(count_of(w, PROMP_AGENT_SEND, PROMP_TYPE_BEAT, b), 14, 20);
    assert_int_equal(last_of(w, PROMP_AGENT_SEND, PROMP_TYPE_BEAT, b)->message.beat.lease_ms, LEASE);
    live(w, LEASE / 5, &worker, 1);
    assert_int_equal(count_of(w, PROMP_AGENT_CLOSE, 0, b), 0);
    live(w, LEASE / 5 + 50, &worker, 1);
    assert_int_equal(last_of(w, PROMP_AGENT_CLOSE, 0, b)->effect.error, PROMP_ERR_SILENT);
    assert_int_equal(count_of(w, PROMP_AGENT_SLAY, 0, PROMP_AGENT_NONE), 0);
    assert_int_equal(last_of(w, PROMP_AGENT_SEND, PROMP_TYPE_HELLO, PROMP_AGENT_NONE)->message.hello.lease_ms,
                     LEASE);
    live(w, LEASE * 3 / 5 + 50, &worker, 1);
    assert_int_equal(count_of(w, PROMP_AGENT_SLAY, 0, PROMP_AGENT_NONE), 1);
    assert_int_equal(last_of(w, PROMP_AGENT_TO_KEEPER, PROMP_TYPE_SLAY, PROMP_AGENT_NONE)->message.slay.cause,
                     PROMP_ERR_WORKER_LEASE);
}

static void taken_out(void **state)
{
    /* Aim: when the broker takes the node out of service the keeper is told, who decides what becomes of it. */
    world_t *w = *state;
    uint32_t b = join(w);

    simple(w, b, PROMP_TYPE_DRAIN, 0);
    assert_int_equal(count_of(w, PROMP_AGENT_TO_KEEPER, PROMP_TYPE_LEAVE, PROMP_AGENT_NONE), 1);
    assert_int_equal(count_of(w, PROMP_AGENT_CLOSE, 0, PROMP_AGENT_NONE), 0);
}

static void we_slept(void **state)
{
    /* Aim: a tick that comes late ends no worker and no link: nobody is blamed for our own absence. */
    world_t *w = *state;
    uint32_t b = join(w), worker = run(w, b, 1, 0), both[2] = {b, worker};

    live(w, LEASE, both, 2);
    w->now += 20 * LEASE;
    promp_agent_core_tick(w->core, w->now);
    drain(w);
    assert_int_equal(count_of(w, PROMP_AGENT_SLAY, 0, PROMP_AGENT_NONE), 0);
    assert_int_equal(count_of(w, PROMP_AGENT_CLOSE, 0, PROMP_AGENT_NONE), 0);
}

static void back_off(void **state)
{
    /* Aim: an absent broker is tried after 100 ms, then ever more seldom: up to 30 s without sessions, to a tenth of the
     * smallest lease with one. */
    world_t *w = *state;
    int64_t pause = 0;
    uint32_t b = join(w), worker;

    for (int i = 0; i < 14; i++) {
        promp_agent_core_closed(w->core, b, PROMP_ERR_BROKER_ABSENT, w->now);
        drain(w);
        pause = redialled(w, &b);
        assert_in_range(pause, i ? 100 : 50, i ? 30000 : 100);
    }
    assert_in_range(pause, 15000, 30000);
    welcome(w, b);
    worker = run(w, b, 1, 0);
    live(w, 1000, (uint32_t[]){b, worker}, 2);
    for (int i = 0; i < 5; i++) {
        promp_agent_core_closed(w->core, b, PROMP_ERR_BROKER_ABSENT, w->now);
        drain(w);
        assert_in_range(redialled(w, &b), 50, LEASE / 10);
    }
}

static void told_away(void **state)
{
    /* Aim: AWAY gives the link up after the time that it names and at most as much again; it is used until then, and what
     * ends it sooner does not bring us back sooner. With a session a fifth of its lease is the most that counts. */
    world_t *w = *state;
    uint32_t b = join(w), old;
    promp_message_t m = {.type = PROMP_TYPE_AWAY, .away = {.retry_ms = 500}};
    int64_t pause;

    say(w, b, &m, 0, 0);
    assert_int_equal(count_of(w, PROMP_AGENT_CLOSE, 0, b), 0);
    promp_agent_core_closed(w->core, b, PROMP_ERR_CLOSED, w->now);
    drain(w);
    assert_in_range(redialled(w, &b), 500, 1100);
    welcome(w, b);
    say(w, b, &m, 0, 0);
    forget(w);
    old = b;
    pause = redialled(w, &b);
    assert_in_range(pause, 500, 1200);
    assert_int_equal(count_of(w, PROMP_AGENT_CLOSE, 0, old), 1);
    welcome(w, b);
    run(w, b, 1, 0);
    say(w, b, &m, 0, 0);
    assert_in_range(redialled(w, &b), LEASE / 5, 2 * LEASE / 5 + 100);
}

static void turned_away(void **state)
{
    /* Aim: what an operator has to see ends a node that was never let in; later the same is only tried again. */
    static const promp_err_t final[] = {PROMP_ERR_KEY_REFUSED,  PROMP_ERR_BROKER_KEY, PROMP_ERR_KEY_ROLE,
                                        PROMP_ERR_NOT_A_BROKER, PROMP_ERR_NOT_CURVE,  PROMP_ERR_VERSION};
    world_t *w = *state;
    uint32_t b;

    for (size_t i = 0; i < 2 * (sizeof final / sizeof final[0]); i++) {
        promp_message_t m = {.type = PROMP_TYPE_REFUSED, .refused = {.error = final[i / 2]}};

        cluster_core(w);
        b = dialled(w);
        if (i % 2)
            say(w, b, &m, 0, 0);
        else
            promp_agent_core_closed(w->core, b, final[i / 2], w->now);
        drain(w);
        assert_int_equal(last_of(w, PROMP_AGENT_END, 0, PROMP_AGENT_NONE)->effect.error, final[i / 2]);
        cluster_core(w);
        b = join(w);
        say(w, b, &m, 0, 0);
        assert_int_equal(count_of(w, PROMP_AGENT_END, 0, PROMP_AGENT_NONE), 0);
        bool port = final[i / 2] == PROMP_ERR_NOT_A_BROKER || final[i / 2] == PROMP_ERR_NOT_CURVE;

        assert_true(redialled(w, &b) >= (port ? 50 : 10000));
    }
    cluster_core(w);
    b = dialled(w);
    promp_agent_core_closed(w->core, b, PROMP_ERR_BROKER_ABSENT, w->now);
    drain(w);
    assert_int_equal(count_of(w, PROMP_AGENT_END, 0, PROMP_AGENT_NONE), 0);
}

static void the_same_key_twice(void **state)
{
    /* Aim: a broker that has not noticed yet that the node before us ended is asked for some seconds; then it is another node
     * with our key, and we end. */
    world_t *w = *state;
    uint32_t b = join(w);
    promp_message_t m = {.type = PROMP_TYPE_REFUSED, .refused = {.error = PROMP_ERR_NODE_TWICE}};
    int64_t begin = w->now;

    while (!count_of(w, PROMP_AGENT_END, 0, PROMP_AGENT_NONE)) {
        say(w, b, &m, 0, 0);
        if (count_of(w, PROMP_AGENT_END, 0, PROMP_AGENT_NONE))
            break;
        redialled(w, &b);
        welcome(w, b);
        assert_true(w->now - begin < 5000);
    }
    assert_true(w->now - begin >= 3000);
    assert_int_equal(last_of(w, PROMP_AGENT_END, 0, PROMP_AGENT_NONE)->effect.error, PROMP_ERR_NODE_TWICE);
}

static void idle_is_nothing(void **state)
{
    /* Aim: a node of a cluster does not end for want of work, nor of a broker. */
    world_t *w = *state;
    uint32_t b = join(w);

    promp_agent_core_closed(w->core, b, PROMP_ERR_CLOSED, w->now);
    drain(w);
    for (int i = 0; i < 100; i++) {
        keeper_pulse(w);
        pass(w, 200);
        forget(w);
        assert_int_equal(count_of(w, PROMP_AGENT_TO_KEEPER, PROMP_TYPE_REST, PROMP_AGENT_NONE), 0);
    }
}

static void without_a_way(void **state)
{
    /* Aim: what a worker says while there is no broker is answered with NO_ROUTE; nothing is sent before WELCOME. */
    world_t *w = *state;
    uint32_t b = join(w), worker = run(w, b, 1, 0);

    attach(w, b, 1, 1, 0);
    promp_agent_core_closed(w->core, b, PROMP_ERR_CLOSED, w->now);
    drain(w);
    forget(w);
    data(w, worker, 1, 1, 1, 0, 10);
    assert_int_equal(count_of(w, PROMP_AGENT_SEND, PROMP_TYPE_NO_ROUTE, worker), 1);
    pass(w, 100);
    b = last_of(w, PROMP_AGENT_DIAL, 0, PROMP_AGENT_NONE)->effect.link;
    data(w, worker, 1, 1, 1, 0, 10);
    assert_int_equal(count_of(w, PROMP_AGENT_FORWARD, 0, b), 0);
    assert_int_equal(count_of(w, PROMP_AGENT_SEND, 0, b), 1);
}

static void a_broker_that_talks_nonsense(void **state)
{
    /* Aim: a message that the broker may not send ends the link, not the agent: it is dialled again. */
    world_t *w = *state;
    uint32_t b = join(w), worker = run(w, b, 1, 0);

    simple(w, b, PROMP_TYPE_BYE, 0);
    assert_int_equal(count_of(w, PROMP_AGENT_CLOSE, 0, b), 1);
    assert_int_equal(count_of(w, PROMP_AGENT_SEND, PROMP_TYPE_REFUSED, PROMP_AGENT_NONE), 0);
    redialled(w, &b);
    welcome(w, b);
    simple(w, b, PROMP_TYPE_NO_ROUTE, 9);
    simple(w, b, PROMP_TYPE_NO_ROUTE, 1);
    assert_int_equal(count_of(w, PROMP_AGENT_SEND, PROMP_TYPE_NO_ROUTE, b), 0);
    assert_int_equal(count_of(w, PROMP_AGENT_CLOSE, 0, worker), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLUSTER(greets),
        CLUSTER(silence),
        CLUSTER(we_slept),
        CLUSTER(taken_out),
        CLUSTER(back_off),
        CLUSTER(told_away),
        CLUSTER(turned_away),
        CLUSTER(the_same_key_twice),
        CLUSTER(idle_is_nothing),
        CLUSTER(without_a_way),
        CLUSTER(a_broker_that_talks_nonsense),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
