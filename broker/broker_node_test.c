#include "broker_world.h"

static void attach(world_t *w, promp_broker_peer_number_t from, uint8_t session, uint32_t epoch)
{
    promp_message_t m = {.type = PROMP_TYPE_ATTACH};

    say(w, from, &m, session, epoch);
}

static void a_second_copy_ends(void **state)
{
    /* Aim: when a node comes back with a session that was started elsewhere meanwhile, it is told to end its copy; nothing that it
     * says of it reaches the manager, and its end is acknowledged here. */
    world_t *w = *state;
    promp_broker_peer_number_t a, b = node(w, NODE_KEY + 1, 4, true), m = manager(w, 1);

    run(w, m, b, 1);
    a = node(w, NODE_KEY, 4, false);
    forget(w);
    held(w, a, 1, 1, 0, 2);
    assert_int_equal(last_of(w, PROMP_BROKER_SEND, PROMP_TYPE_KILL, a)->message.kill.cause,
                     PROMP_ERR_WORKER_LEASE);
    simple(w, a, PROMP_TYPE_HELD_END, 0);
    data(w, a, 1, 0, 10);
    started(w, a, 1);
    gone(w, a, 1);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_GONE_ACK, a), 1);
    assert_int_equal(count_of(w, PROMP_BROKER_FORWARD, 0, m) + count_of(w, PROMP_BROKER_SEND, 0, m), 0);
    simple(w, a, PROMP_TYPE_OVER, 1);
    data(w, m, 1, 0, 10);
    assert_int_equal(count_of(w, PROMP_BROKER_FORWARD, PROMP_TYPE_DATA, b), 1);
}

static void what_a_restarted_node_lost_is_told(void **state)
{
    /* Aim: a node that comes back without a session that ran there has lost it: its manager is told, also when it comes back later
     * than the node; after GONE_ACK nothing is left. */
    world_t *w = *state;
    promp_broker_peer_number_t n = node(w, NODE_KEY, 4, true), m = manager(w, 1);

    run(w, m, n, 1);
    run(w, m, n, 2);
    promp_broker_core_closed(w->core, n, PROMP_ERR_PEER_LEFT, w->now);
    promp_broker_core_closed(w->core, m, PROMP_ERR_PEER_LEFT, w->now);
    n = node(w, NODE_KEY, 4, false);
    offer(w, n, NODE_KEY, 4, "");
    held(w, n, 2, 1, 0, 2);
    simple(w, n, PROMP_TYPE_HELD_END, 0);
    assert_int_equal(counters(w).places_used, 1);
    m = manager(w, 1);
    attach(w, m, 1, 2);
    assert_int_equal(last_of(w, PROMP_BROKER_SEND, PROMP_TYPE_GONE, m)->message.gone.cause,
                     PROMP_ERR_WORKER_NODE_LOST);
    simple(w, m, PROMP_TYPE_GONE_ACK, 1);
    attach(w, m, 2, 2);
    assert_int_equal(count_of(w, PROMP_BROKER_FORWARD, PROMP_TYPE_ATTACH, n), 1);
    assert_int_equal(counters(w).sessions, 1);
}

static void a_node_that_stays_away_is_forgotten(void **state)
{
    /* Aim: sessions of a node that is away are given up when their lease is over, never answered with GONE; a start it had not
     * answered goes elsewhere; the node's row goes too. */
    world_t *w = *state;
    promp_broker_peer_number_t n = node(w, NODE_KEY, 4, true), m = manager(w, 1), b, both[] = {m, 0, 0};

    run(w, m, n, 1);
    start(w, m, 2);
    b = both[1] = node(w, NODE_KEY + 1, 4, true);
    forget(w);
    promp_broker_core_closed(w->core, n, PROMP_ERR_PEER_LEFT, w->now);
    live(w, LEASE - 100, both);
    assert_int_equal(counters(w).sessions, 2);
    live(w, 200, both);
    assert_int_equal(counters(w).sessions, 1);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_GONE, m), 0);
    assert_int_equal(last_of(w, PROMP_BROKER_SEND, PROMP_TYPE_START, b)->frame.session.b[0], 2);
    promp_message_t ask = start_of();
    ask.start.node = promp_slice_str("key20");
    live(w, GATHER, both);
    say(w, m, &ask, 5, 0); /* it might still come */
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_QUEUED, m),
                     2); /* the other was that of the start it had not answered */
    live(w, PROMP_TIME_NO_LEASE, both);
    assert_int_equal(last_of(w, PROMP_BROKER_SEND, PROMP_TYPE_START_REFUSED, m)->message.start_refused.error,
                     PROMP_ERR_NO_PLACE);
}

static void kills_are_not_lost(void **state)
{
    /* Aim: what was to end while its node was away is killed when the node comes back with it. */
    world_t *w = *state;
    promp_broker_peer_number_t n = node(w, NODE_KEY, 4, true), m = manager(w, 1);

    run(w, m, n, 1);
    run(w, m, n, 2);
    promp_broker_core_closed(w->core, n, PROMP_ERR_PEER_LEFT, w->now);
    kill_it(w, m, 1, PROMP_ERR_WORKER_STOPPED);
    forget(w);
    n = node(w, NODE_KEY, 4, false);
    held(w, n, 1, 1, 0, 2);
    held(w, n, 2, 1, 0, 2);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_KILL, n), 1);
    assert_int_equal(last_of(w, PROMP_BROKER_SEND, PROMP_TYPE_KILL, n)->message.kill.cause,
                     PROMP_ERR_WORKER_STOPPED);
}

static void one_key_is_one_node(void **state)
{
    /* Aim: the same node on a new connection replaces the old one at once; another node with the same key is refused while the first
     * one lives, and takes over when that is silent. */
    world_t *w = *state;
    promp_broker_peer_number_t n = node(w, NODE_KEY, 4, true), again, twin, m = manager(w, 1),
                               both[] = {m, 0, 0};

    run(w, m, n, 1);
    forget(w);
    again = node(w, NODE_KEY, 4, false);
    assert_true(kicked(w, n, PROMP_ERR_PEER_LEFT));
    held(w, again, 1, 1, 0, 2);
    simple(w, again, PROMP_TYPE_HELD_END, 0);
    assert_int_equal(counters(w).places_used, 1);
    twin = opened(w, NODE_KEY);
    promp_message_t hello = {.type = PROMP_TYPE_HELLO,
                             .hello = {.version_low = 1, .version_high = 1, .role = 3}};
    say(w, twin, &hello, 0, 0);
    offer(w, twin, 77, 4, "");
    assert_true(kicked(w, twin, PROMP_ERR_NODE_TWICE));
    assert_false(kicked(w, again, PROMP_OK));
    live(w, LEASE / 2, both);
    twin = opened(w, NODE_KEY);
    say(w, twin, &hello, 0, 0);
    offer(w, twin, 77, 4, "");
    assert_true(kicked(w, again, PROMP_ERR_NODE_TWICE));
    simple(w, twin, PROMP_TYPE_HELD_END, 0);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_GONE, m), 1);
}

static void owners_must_be_managers(void **state)
{
    /* Aim: sessions that a node says belong to a key that is unknown or no manager's are ended, and leave nothing. */
    world_t *w = *state;
    promp_broker_peer_number_t n = node(w, NODE_KEY, 4, false);

    w->key[5].role = 0;
    held(w, n, 1, 5, 0, 2);
    held(w, n, 2, NODE_KEY + 3, 0, 2);
    held(w, n, 3, 5, 0, 3);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_KILL, n), 2);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_GONE_ACK, n), 1);
    simple(w, n, PROMP_TYPE_HELD_END, 0);
    gone(w, n, 1);
    gone(w, n, 2);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_GONE_ACK, n), 3);
    assert_int_equal(counters(w).sessions, 0);
    assert_int_equal(counters(w).orphans, 3);
}

static void a_nodes_words_are_checked(void **state)
{
    /* Aim: HELD or a START before OFFER, HELD after HELD_END, a START before it, a second HELD_END, nonsense in OFFER or HELD: each
     * drops the node; the next node is served. */
    world_t *w = *state;
    promp_broker_peer_number_t m = manager(w, 1), n;
    promp_message_t hello = {.type = PROMP_TYPE_HELLO,
                             .hello = {.version_low = 1, .version_high = 1, .role = 3}};

    for (int what = 0; what < 10; what++) {
        promp_err_t error = what < 6 ? PROMP_ERR_MESSAGE_STATE : PROMP_ERR_MESSAGE_FIELD;

        n = opened(w, NODE_KEY);
        say(w, n, &hello, 0, 0);
        forget(w);
        if (what > 2)
            offer(w, n, NODE_KEY, 4, "");
        if (what == 4 || what == 5)
            simple(w, n, PROMP_TYPE_HELD_END, 0);
        if (what == 0 || what == 5)
            held(w, n, 1, 1, 0, 2);
        else if (what == 1 || what == 3)
            start(w, n, 1);
        else if (what == 2 || what == 4)
            simple(w, n, PROMP_TYPE_HELD_END, 0);
        else if (what == 6)
            offer(w, n, NODE_KEY + 1, 4, ""); /* another identity on the same connection */
        else if (what == 7)
            offer(w, n, NODE_KEY, PROMP_LIMIT_WORKERS + 1, "");
        else if (what == 8)
            held(w, n, 1, 1, 0, 4);
        else
            held(w, n, 1, 1, 1, 2); /* its own parent */
        assert_true(kicked(w, n, error));
    }
    n = node(w, NODE_KEY, 4, true);
    run(w, m, n, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_second_copy_ends),
        CASE(what_a_restarted_node_lost_is_told),
        CASE(a_node_that_stays_away_is_forgotten),
        CASE(kills_are_not_lost),
        CASE(one_key_is_one_node),
        CASE(owners_must_be_managers),
        CASE(a_nodes_words_are_checked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
