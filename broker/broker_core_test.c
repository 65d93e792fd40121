#include "broker_world.h"

static void a_handshake_makes_a_peer(void **state)
{
    /* Aim: HELLO is answered by WELCOME with the broker's lasting identity; nothing else is allowed before it, nor a second one. */
    world_t *w = *state;
    promp_broker_peer_number_t m = manager(w, 1);
    promp_id_t broker = {{42}};
    const seen_t *welcome = last_of(w, PROMP_BROKER_SEND, PROMP_TYPE_WELCOME, m);

    assert_true(promp_id_equal(&welcome->message.welcome.node, &broker));
    assert_int_equal(counters(w).managers, 1);
    promp_broker_peer_number_t early = opened(w, 2);
    simple(w, early, PROMP_TYPE_BEAT, 0);
    assert_true(kicked(w, early, PROMP_ERR_MESSAGE_STATE));
    promp_message_t hello = {.type = PROMP_TYPE_HELLO,
                             .hello = {.version_low = 1, .version_high = 1, .role = 1}};
    say(w, m, &hello, 0, 0);
    assert_true(kicked(w, m, PROMP_ERR_MESSAGE_STATE));
    assert_int_equal(counters(w).managers + counters(w).handshakes, 0);
}

static void whoever_says_no_hello_is_dropped(void **state)
{
    /* Aim: a connection that has said nothing for PROMP_TIME_HANDSHAKE is kicked, and not before. */
    world_t *w = *state;
    promp_broker_peer_number_t p = opened(w, 1);

    pass(w, PROMP_TIME_HANDSHAKE - 1);
    assert_false(kicked(w, p, 0));
    pass(w, 1);
    assert_true(kicked(w, p, PROMP_ERR_SILENT));
}

static void a_role_is_the_keys(void **state)
{
    /* Aim: what HELLO claims must be what the store says; unknown keys are told the same whatever the reason; versions that
     * nobody here speaks are refused. */
    world_t *w = *state;
    promp_message_t hello = {.type = PROMP_TYPE_HELLO,
                             .hello = {.version_low = 1, .version_high = 1, .role = 3}};
    promp_broker_peer_number_t p = opened(w, 1);

    say(w, p, &hello, 0, 0);
    assert_true(kicked(w, p, PROMP_ERR_KEY_ROLE));
    w->key[2].role = 0;
    p = opened(w, 2);
    assert_true(kicked(w, p, PROMP_ERR_ACCESS_UNKNOWN));
    assert_int_equal(last_of(w, PROMP_BROKER_SEND, PROMP_TYPE_REFUSED, p)->message.refused.error,
                     PROMP_ERR_KEY_REFUSED);
    p = opened(w, 1);
    hello.hello = (promp_msg_hello_t){.version_low = 9, .version_high = 9, .role = 1};
    say(w, p, &hello, 0, 0);
    assert_true(kicked(w, p, PROMP_ERR_VERSION));
    assert_int_equal(counters(w).handshakes, 0);
}

static void rows_say_who_may_speak(void **state)
{
    /* Aim: a message that its row does not give to the peer's role drops that peer: an observer that starts, a manager that
     * offers places or says GONE, a worker's message from a manager, records outside of lanes. */
    world_t *w = *state;
    promp_broker_peer_number_t o = manager(w, OBSERVER);

    simple(w, o, PROMP_TYPE_BEAT, 0);
    start(w, o, 1);
    assert_true(kicked(w, o, PROMP_ERR_MESSAGE_SENDER));
    promp_broker_peer_number_t m = manager(w, 1);
    offer(w, m, 1, 4, "");
    assert_true(kicked(w, m, PROMP_ERR_MESSAGE_SENDER));
    m = manager(w, 1);
    gone(w, m, 1);
    assert_true(kicked(w, m, PROMP_ERR_MESSAGE_SENDER));
    m = manager(w, 1);
    simple(w, m, PROMP_TYPE_NO_ROUTE, 1);
    assert_true(kicked(w, m, PROMP_ERR_MESSAGE_SENDER));
    m = manager(w, 1);
    simple(w, m, PROMP_TYPE_REST, 0);
    assert_true(kicked(w, m, PROMP_ERR_MESSAGE_SENDER));
    promp_broker_peer_number_t honest = node(w, NODE_KEY, 1, true);
    m = manager(w, 1);
    run(w, m, honest, 1); /* an honest peer is served */
}

static void who_may_look_gets_the_figures(void **state)
{
    /* Aim: an observer's STATUS is answered with what there is; a manager's drops it. */
    world_t *w = *state;
    promp_broker_peer_number_t n = node(w, NODE_KEY, 4, true), m = manager(w, 1), o = manager(w, OBSERVER);

    run(w, m, n, 1);
    simple(w, o, PROMP_TYPE_STATUS, 0);
    const promp_msg_counters_t *c = &last_of(w, PROMP_BROKER_SEND, PROMP_TYPE_COUNTERS, o)->message.counters;
    assert_int_equal(c->managers, 1);
    assert_int_equal(c->nodes, 1);
    assert_int_equal(c->others, 1);
    assert_int_equal(c->running, 1);
    assert_int_equal(c->places, 4);
    assert_int_equal(c->places_used, 1);
    assert_int_equal(c->starts, 1);
    simple(w, m, PROMP_TYPE_STATUS, 0);
    assert_true(kicked(w, m, PROMP_ERR_MESSAGE_SENDER));
}

static void beats_follow_the_smallest_lease(void **state)
{
    /* Aim: a peer without sessions gets a beat each 6 s, one with a session of 1 s, manager or node, each 200 ms. */
    world_t *w = *state;
    promp_broker_peer_number_t n = node(w, NODE_KEY, 4, true), m = manager(w, 1), both[] = {n, m, 0};

    forget(w);
    live(w, 12500, both);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_BEAT, m), 2);
    run(w, m, n, 1);
    forget(w);
    live(w, 1000, both);
    assert_in_range(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_BEAT, m), 4, 6);
    assert_in_range(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_BEAT, n), 4, 6);
}

static void a_smaller_lease_counts_from_its_start(void **state)
{
    /* Aim: a node that beats each 6 s, as it may without sessions, is not dropped because a session with a lease of 1 s is placed
     * there in between; silent from then on, it is. */
    world_t *w = *state;
    promp_broker_peer_number_t n = node(w, NODE_KEY, 4, true), m, only[] = {0, 0};

    pass(w, 5000);
    m = only[0] = manager(w, 1);
    start(w, m, 1);
    tick(w);
    live(w, LEASE - 50, only);
    assert_false(kicked(w, n, PROMP_OK));
    live(w, 100, only);
    assert_true(kicked(w, n, PROMP_ERR_SILENT));
}

static void a_silent_manager_loses_its_workers(void **state)
{
    /* Aim: a manager that is silent for its lease is dropped and its worker killed (WORKER_LEASE); not earlier; a manager
     * whose connection merely ended has the same time to come back. */
    world_t *w = *state;
    promp_broker_peer_number_t n = node(w, NODE_KEY, 4, true), m = manager(w, 1), only[] = {n, 0};

    run(w, m, n, 1);
    forget(w);
    live(w, LEASE - 50, only);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_KILL, n), 0);
    live(w, 100, only);
    assert_true(kicked(w, m, PROMP_ERR_SILENT));
    assert_int_equal(last_of(w, PROMP_BROKER_SEND, PROMP_TYPE_KILL, n)->message.kill.cause,
                     PROMP_ERR_WORKER_LEASE);

    m = manager(w, 1);
    run(w, m, n, 2);
    promp_broker_core_closed(w->core, m, PROMP_ERR_PEER_LEFT, w->now);
    forget(w);
    live(w, LEASE - 50, only);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_KILL, n), 0);
    live(w, 100, only);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_KILL, n), 1);
}

static void a_manager_that_wakes_is_told(void **state)
{
    /* Aim: a worker that was ended for its manager's silence is told to the manager when it comes after all. */
    world_t *w = *state;
    promp_broker_peer_number_t n = node(w, NODE_KEY, 4, true), m = manager(w, 1), only[] = {n, 0};
    promp_message_t attach = {.type = PROMP_TYPE_ATTACH};

    run(w, m, n, 1);
    live(w, LEASE + 50, only);
    gone(w, n, 1);
    m = manager(w, 1);
    forget(w);
    say(w, m, &attach, 1, 2);
    assert_int_equal(count_of(w, PROMP_BROKER_FORWARD, PROMP_TYPE_ATTACH, n), 1);
    gone(w, n, 1);
    assert_int_equal(count_of(w, PROMP_BROKER_FORWARD, PROMP_TYPE_GONE, m), 1);
    simple(w, m, PROMP_TYPE_GONE_ACK, 1);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_GONE_ACK, n), 1);
    assert_int_equal(counters(w).sessions, 0);
}

static void a_late_tick_blames_nobody(void **state)
{
    /* Aim: after the broker itself did not run for longer than all leases, nobody is dropped and no worker killed. */
    world_t *w = *state;
    promp_broker_peer_number_t n = node(w, NODE_KEY, 4, true), m = manager(w, 1), both[] = {n, m, 0};

    run(w, m, n, 1);
    forget(w);
    w->now += 10 * LEASE;
    tick(w);
    live(w, LEASE, both);
    assert_int_equal(count_of(w, PROMP_BROKER_KICK, 0, 0), 0);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_KILL, 0), 0);
}

static void a_manager_that_leaves_takes_its_workers_along(void **state)
{
    /* Aim: BYE ends a manager's workers at once, and the broker itself acknowledges their ends. */
    world_t *w = *state;
    promp_broker_peer_number_t n = node(w, NODE_KEY, 1, true), m = manager(w, 1);

    run(w, m, n, 1);
    start(w, m, 2); /* waits */
    forget(w);
    simple(w, m, PROMP_TYPE_BYE, 0);
    assert_int_equal(last_of(w, PROMP_BROKER_SEND, PROMP_TYPE_KILL, n)->message.kill.cause,
                     PROMP_ERR_WORKER_MANAGER_GONE);
    assert_true(kicked(w, m, PROMP_OK));
    gone(w, n, 1);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_GONE_ACK, n), 1);
    assert_int_equal(counters(w).sessions, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_handshake_makes_a_peer),
        CASE(whoever_says_no_hello_is_dropped),
        CASE(a_role_is_the_keys),
        CASE(rows_say_who_may_speak),
        CASE(who_may_look_gets_the_figures),
        CASE(beats_follow_the_smallest_lease),
        CASE(a_smaller_lease_counts_from_its_start),
        CASE(a_silent_manager_loses_its_workers),
        CASE(a_manager_that_wakes_is_told),
        CASE(a_late_tick_blames_nobody),
        CASE(a_manager_that_leaves_takes_its_workers_along),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
