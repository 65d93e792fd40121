#include "broker_world.h"

static void a_revoked_key_is_out_at_once(void **state)
{
    /* Aim: when the store does not let a manager's key in any more, its connections are kicked, its workers killed and its
     * waiting starts dropped, in the same event; another key's worker goes on, and a place that is free then is given away. */
    world_t *w = *state;
    promp_broker_peer_number_t n = node(w, NODE_KEY, 2, true), m = manager(w, 1), again = manager(w, 1),
                               other = manager(w, 2);

    run(w, m, n, 1);
    run(w, other, n, 2);
    start(w, again, 3);
    forget(w);
    w->key[1].role = 0;
    promp_broker_core_keys_changed(w->core, w->now);
    drain(w);
    assert_true(kicked(w, m, PROMP_ERR_KEY_REFUSED));
    assert_true(kicked(w, again, PROMP_ERR_KEY_REFUSED));
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_KILL, n), 1);
    assert_int_equal(last_of(w, PROMP_BROKER_SEND, PROMP_TYPE_KILL, n)->frame.session.b[0], 1);
    assert_int_equal(counters(w).waiting, 0);
    start(w, other, 4);
    gone(w, n, 1);
    assert_int_equal(last_of(w, PROMP_BROKER_SEND, PROMP_TYPE_START, n)->frame.session.b[0], 4);
    data(w, other, 2, 0, 10);
    assert_int_equal(count_of(w, PROMP_BROKER_FORWARD, PROMP_TYPE_DATA, n), 1);
}

static void a_revoked_node_loses_what_it_has(void **state)
{
    /* Aim: when a node's key is revoked its connection is kicked and the managers of its workers are told that the node is lost;
     * a start it had not answered goes to another node. */
    world_t *w = *state;
    promp_broker_peer_number_t n = node(w, NODE_KEY, 4, true), m = manager(w, 1), other;

    run(w, m, n, 1);
    start(w, m, 2);
    other = node(w, NODE_KEY + 1, 4, true);
    forget(w);
    w->key[NODE_KEY].role = 0;
    promp_broker_core_keys_changed(w->core, w->now);
    drain(w);
    assert_true(kicked(w, n, PROMP_ERR_KEY_REFUSED));
    assert_int_equal(last_of(w, PROMP_BROKER_SEND, PROMP_TYPE_GONE, m)->message.gone.cause,
                     PROMP_ERR_WORKER_NODE_LOST);
    assert_int_equal(last_of(w, PROMP_BROKER_SEND, PROMP_TYPE_START, other)->frame.session.b[0], 2);
    simple(w, m, PROMP_TYPE_GONE_ACK, 1);
    assert_int_equal(counters(w).sessions, 1);
}

static void new_limits_are_for_new_starts(void **state)
{
    /* Aim: a lower limit on workers after a reload ends no worker, and refuses the next. */
    world_t *w = *state;
    promp_broker_peer_number_t n = node(w, NODE_KEY, 4, true), m = manager(w, 1);

    run(w, m, n, 1);
    run(w, m, n, 2);
    w->key[1].workers = 1;
    promp_broker_core_keys_changed(w->core, w->now);
    drain(w);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_KILL, 0), 0);
    start(w, m, 3);
    assert_int_equal(last_of(w, PROMP_BROKER_SEND, PROMP_TYPE_START_REFUSED, m)->message.start_refused.error,
                     PROMP_ERR_LIMIT_WORKERS);
}

static void a_key_has_so_many_connections(void **state)
{
    /* Aim: one key cannot take the connections of all: beyond its share it is turned away, others come in, and when one of its
     * own has gone there is room again. */
    world_t *w = *state;
    promp_broker_peer_number_t first = opened(w, 1), last;

    for (int i = 1; i < PROMP_LIMIT_PEERS_KEY; i++) {
        last = opened(w, 1);
        assert_false(kicked(w, last, 0));
        forget(w);
    }
    last = opened(w, 1);
    assert_true(kicked(w, last, PROMP_ERR_LIMIT_LINKS));
    last = opened(w, 2);
    assert_false(kicked(w, last, 0));
    promp_broker_core_closed(w->core, first, PROMP_ERR_PEER_LEFT, w->now);
    drain(w);
    last = opened(w, 1);
    assert_false(kicked(w, last, 0));
}

static void draining_leaves_in_good_order(void **state)
{
    /* Aim: a broker that is to end tells its peers, lets nobody in, leaves starts unanswered, passes on what is under way,
     * and ends when nothing waits; with something that does not leave, after PROMP_TIME_DRAIN. */
    world_t *w = *state;
    promp_broker_peer_number_t n = node(w, NODE_KEY, 4, true), m = manager(w, 1), late;

    run(w, m, n, 1);
    data(w, m, 1, 0, 100);
    uint64_t tag = last_of(w, PROMP_BROKER_FORWARD, PROMP_TYPE_DATA, n)->effect.tag;
    forget(w);
    promp_broker_core_drain(w->core, w->now);
    drain(w);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_AWAY, m), 1);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_AWAY, n), 1);
    late = opened(w, 2);
    assert_true(kicked(w, late, PROMP_ERR_BROKER_AWAY));
    start(w, m, 2);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_START, n), 0);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_START_REFUSED, m), 0);
    data(w, n, 1, 0, 100);
    assert_int_equal(count_of(w, PROMP_BROKER_FORWARD, PROMP_TYPE_DATA, m), 1);
    assert_int_equal(count_of(w, PROMP_BROKER_END, 0, 0), 0);
    promp_broker_core_flushed(w->core, tag, promp_frame_size(100));
    promp_broker_core_flushed(w->core, last_of(w, PROMP_BROKER_FORWARD, PROMP_TYPE_DATA, m)->effect.tag,
                              promp_frame_size(100));
    tick(w);
    assert_int_equal(last_of(w, PROMP_BROKER_END, 0, 0)->effect.error, PROMP_OK);
}

static void draining_waits_for_nobody_for_ever(void **state)
{
    /* Aim: a peer that takes nothing holds the end of the broker up for PROMP_TIME_DRAIN and no longer. */
    world_t *w = *state;
    promp_broker_peer_number_t n = node(w, NODE_KEY, 4, true), m = manager(w, 1), both[] = {n, m, 0};

    run(w, m, n, 1);
    data(w, m, 1, 0, 100);
    promp_broker_core_drain(w->core, w->now);
    live(w, PROMP_TIME_DRAIN - 100, both);
    assert_int_equal(count_of(w, PROMP_BROKER_END, 0, 0), 0);
    live(w, 200, both);
    assert_int_equal(count_of(w, PROMP_BROKER_END, 0, 0), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_revoked_key_is_out_at_once),       CASE(a_revoked_node_loses_what_it_has),
        CASE(new_limits_are_for_new_starts),      CASE(draining_leaves_in_good_order),
        CASE(draining_waits_for_nobody_for_ever), CASE(a_key_has_so_many_connections),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
