#include "broker_world.h"

static void frames_go_both_ways(void **state)
{
    /* Aim: frames of a session go from its manager to its node and back, as they are; PROBE stays behind data, the rest of control
     * overtakes it. */
    world_t *w = *state;
    promp_broker_peer_number_t n = node(w, NODE_KEY, 4, true), m = manager(w, 1);
    promp_message_t probe = {.type = PROMP_TYPE_PROBE, .probe = {.nonce = 1}}, ack = {.type = PROMP_TYPE_ACK};

    run(w, m, n, 1);
    data(w, m, 1, 5, 100);
    assert_int_equal(last_of(w, PROMP_BROKER_FORWARD, PROMP_TYPE_DATA, n)->frame.offset, 5);
    data(w, n, 1, 7, 100);
    assert_int_equal(last_of(w, PROMP_BROKER_FORWARD, PROMP_TYPE_DATA, m)->frame.offset, 7);
    say(w, m, &probe, 1, 1);
    assert_false(last_of(w, PROMP_BROKER_FORWARD, PROMP_TYPE_PROBE, n)->effect.urgent);
    say(w, n, &ack, 1, 1);
    assert_true(last_of(w, PROMP_BROKER_FORWARD, PROMP_TYPE_ACK, m)->effect.urgent);
    assert_int_equal(last_of(w, PROMP_BROKER_FORWARD, PROMP_TYPE_ACK, m)->frame.epoch, 1);
}

static void without_a_way_there_is_an_answer(void **state)
{
    /* Aim: frames of unknown sessions, of one whose node is away, and of one whose manager is away are answered with NO_ROUTE under
     * their epoch; a manager with nothing to say is told when the node goes. */
    world_t *w = *state;
    promp_broker_peer_number_t n = node(w, NODE_KEY, 4, true), m = manager(w, 1);

    data(w, m, 9, 0, 10);
    assert_int_equal(last_of(w, PROMP_BROKER_SEND, PROMP_TYPE_NO_ROUTE, m)->frame.epoch, 1);
    data(w, n, 9, 0, 10);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_NO_ROUTE, n), 1);
    run(w, m, n, 1);
    forget(w);
    promp_broker_core_closed(w->core, m, PROMP_ERR_PEER_LEFT, w->now);
    data(w, n, 1, 0, 10);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_NO_ROUTE, n), 1);
    m = manager(w, 1);
    data(w, m, 1, 0, 10); /* has not attached on this connection */
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_NO_ROUTE, m), 1);
    promp_message_t attach = {.type = PROMP_TYPE_ATTACH};
    say(w, m, &attach, 1, 2);
    forget(w);
    promp_broker_core_closed(w->core, n, PROMP_ERR_PEER_LEFT, w->now);
    drain(w);
    assert_int_equal(last_of(w, PROMP_BROKER_SEND, PROMP_TYPE_NO_ROUTE, m)->frame.epoch, 0);
    data(w, m, 1, 0, 10);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_NO_ROUTE, m), 2);
}

static void a_manager_gets_its_sessions_back(void **state)
{
    /* Aim: ATTACH on a new connection with the same key moves the session there at once, though the old one is still thought to
     * live; what that one still says goes nowhere. */
    world_t *w = *state;
    promp_broker_peer_number_t n = node(w, NODE_KEY, 4, true), old = manager(w, 1), new;
    promp_message_t attach = {.type = PROMP_TYPE_ATTACH};

    run(w, old, n, 1);
    new = manager(w, 1);
    say(w, new, &attach, 1, 2);
    forget(w);
    data(w, n, 1, 0, 10);
    assert_int_equal(count_of(w, PROMP_BROKER_FORWARD, PROMP_TYPE_DATA, new), 1);
    data(w, old, 1, 0, 10);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_NO_ROUTE, old), 1);
    promp_broker_core_closed(w->core, old, PROMP_ERR_PEER_LEFT, w->now);
    data(w, n, 1, 10, 10);
    assert_int_equal(count_of(w, PROMP_BROKER_FORWARD, PROMP_TYPE_DATA, new), 2);
}

static void another_key_gets_nothing(void **state)
{
    /* Aim: whoever names a session of another key, in whatever message, is dropped and learns nothing; its owner notices nothing. */
    world_t *w = *state;
    promp_broker_peer_number_t n = node(w, NODE_KEY, 4, true), m = manager(w, 1), thief;
    promp_message_t say_what[] = {{.type = PROMP_TYPE_ATTACH},
                                  {.type = PROMP_TYPE_KILL, .kill = {.cause = PROMP_ERR_WORKER_STOPPED}},
                                  {.type = PROMP_TYPE_GONE_ACK},
                                  start_of(),
                                  {.type = PROMP_TYPE_RESET}};

    run(w, m, n, 1);
    forget(w);
    for (size_t i = 0; i < sizeof say_what / sizeof *say_what; i++) {
        thief = manager(w, 2);
        forget(w);
        say(w, thief, &say_what[i], 1, 5);
        assert_true(kicked(w, thief, PROMP_ERR_SESSION_FOREIGN));
        assert_int_equal(w->count, 2); /* REFUSED and the kick */
    }
    thief = manager(w, 2);
    data(w, thief, 1, 0, 10);
    assert_true(kicked(w, thief, PROMP_ERR_SESSION_FOREIGN));
    forget(w);
    data(w, m, 1, 0, 10);
    assert_int_equal(count_of(w, PROMP_BROKER_FORWARD, PROMP_TYPE_DATA, n), 1);
}

static void ends_keep_to_their_side(void **state)
{
    /* Aim: a manager that answers ATTACHED, and a node that attaches to its own worker, are dropped. */
    world_t *w = *state;
    promp_broker_peer_number_t n = node(w, NODE_KEY, 4, true), m = manager(w, 1);
    promp_message_t attached = {.type = PROMP_TYPE_ATTACHED}, attach = {.type = PROMP_TYPE_ATTACH};

    run(w, m, n, 1);
    say(w, n, &attach, 1, 2);
    assert_true(kicked(w, n, PROMP_ERR_MESSAGE_SENDER));
    n = node(w, NODE_KEY + 1, 4, true);
    run(w, m, n, 2);
    say(w, m, &attached, 2, 2);
    assert_true(kicked(w, m, PROMP_ERR_MESSAGE_SENDER));
}

static void a_slow_reader_costs_itself_alone(void **state)
{
    /* Aim: of one session 2 MiB wait, of one peer's sessions 12 MiB, what comes then is answered with CONGESTED and its offset;
     * what leaves makes room; another session of the same manager is passed on. */
    world_t *w = *state;
    promp_broker_peer_number_t slow = node(w, NODE_KEY, 10, true), m = manager(w, 1), quick;
    const size_t piece = 200 * PROMP_KIB;
    uint64_t offset = 0, tag = 0;

    for (uint8_t s = 1; s <= 9; s++)
        run(w, m, slow, s);
    quick = node(w, NODE_KEY + 1, 1, true);
    run(w, m, quick, 10);
    forget(w);
    while (!count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_CONGESTED, m)) {
        data(w, m, 1, offset, piece);
        offset += piece;
    }
    assert_int_equal(last_of(w, PROMP_BROKER_SEND, PROMP_TYPE_CONGESTED, m)->frame.offset, offset - piece);
    assert_int_equal(last_of(w, PROMP_BROKER_SEND, PROMP_TYPE_CONGESTED, m)->frame.lane, PROMP_LANE_MESSAGES);
    tag = last_of(w, PROMP_BROKER_FORWARD, PROMP_TYPE_DATA, slow)->effect.tag;
    assert_in_range(offset, PROMP_LIMIT_RELAY_SESSION - piece, PROMP_LIMIT_RELAY_SESSION + piece);
    promp_broker_core_flushed(w->core, tag, promp_frame_size(piece));
    forget(w);
    data(w, m, 1, offset - piece, piece);
    assert_int_equal(count_of(w, PROMP_BROKER_FORWARD, PROMP_TYPE_DATA, slow), 1);
    for (uint8_t s = 2; s <= 9; s++)
        for (offset = 0; offset < PROMP_LIMIT_RELAY_SESSION - piece; offset += piece) {
            data(w, m, s, offset, piece);
            assert_true(counters(w).data_waiting <= PROMP_LIMIT_PEER_DATA / 4 * 3);
            forget(w);
        }
    assert_true(counters(w).congested > 2);
    data(w, m, 10, 0, piece);
    assert_int_equal(count_of(w, PROMP_BROKER_FORWARD, PROMP_TYPE_DATA, quick), 1);
    /* What waited for a connection that ends is not counted any more. */
    promp_broker_core_closed(w->core, slow, PROMP_ERR_PEER_LEFT, w->now);
    assert_int_equal(counters(w).data_waiting, promp_frame_size(piece));
    promp_broker_core_flushed(w->core, tag, promp_frame_size(piece)); /* late: means nothing */
    assert_int_equal(counters(w).data_waiting, promp_frame_size(piece));
}

static void bytes_of_a_key_hold(void **state)
{
    /* Aim: what the store lets wait for a key is kept: a session that has something waiting gets CONGESTED beyond it, one that has
     * nothing passes a frame; another key is not held back. */
    world_t *w = *state;
    promp_broker_peer_number_t n = node(w, NODE_KEY, 4, true), m = manager(w, 1), other = manager(w, 2);

    w->key[1].bytes = 2000;
    promp_broker_core_keys_changed(w->core, w->now);
    run(w, m, n, 1);
    run(w, m, n, 2);
    run(w, other, n, 3);
    forget(w);
    data(w, m, 1, 0, 1500);
    data(w, m, 1, 1500, 1500);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_CONGESTED, m), 1);
    data(w, m, 2, 0, 1500);
    assert_int_equal(count_of(w, PROMP_BROKER_FORWARD, PROMP_TYPE_DATA, n), 2);
    data(w, other, 3, 0, 1500);
    data(w, other, 3, 1500, 1500);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_CONGESTED, other), 0);
}

static void an_end_is_told_until_it_is_known(void **state)
{
    /* Aim: each GONE of the node goes to the manager, GONE_ACK goes to the node and the session is forgotten; its place is free from
     * the first GONE on; GONE of what nobody knows any more is acknowledged here. */
    world_t *w = *state;
    promp_broker_peer_number_t n = node(w, NODE_KEY, 1, true), m = manager(w, 1);

    run(w, m, n, 1);
    start(w, m, 2);
    gone(w, n, 1);
    assert_int_equal(last_of(w, PROMP_BROKER_SEND, PROMP_TYPE_START, n)->frame.session.b[0], 2);
    gone(w, n, 1);
    assert_int_equal(count_of(w, PROMP_BROKER_FORWARD, PROMP_TYPE_GONE, m), 2);
    simple(w, m, PROMP_TYPE_GONE_ACK, 1);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_GONE_ACK, n), 1);
    assert_int_equal(counters(w).sessions, 1);
    gone(w, n, 1);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_GONE_ACK, n), 2);
    assert_int_equal(count_of(w, PROMP_BROKER_FORWARD, PROMP_TYPE_GONE, m), 2);
}

static void what_is_over_is_forgotten(void **state)
{
    /* Aim: OVER of a session whose end was told frees its row; of one that ran, the manager is told that it is lost. */
    world_t *w = *state;
    promp_broker_peer_number_t n = node(w, NODE_KEY, 2, true), m = manager(w, 1);

    run(w, m, n, 1);
    run(w, m, n, 2);
    gone(w, n, 1);
    simple(w, n, PROMP_TYPE_OVER, 1);
    assert_int_equal(counters(w).sessions, 1);
    simple(w, n, PROMP_TYPE_OVER, 2);
    assert_int_equal(last_of(w, PROMP_BROKER_SEND, PROMP_TYPE_GONE, m)->message.gone.cause,
                     PROMP_ERR_WORKER_NODE_LOST);
    simple(w, m, PROMP_TYPE_GONE_ACK, 2);
    assert_int_equal(counters(w).sessions, 0);
}

static void rows_do_not_outlive_their_time(void **state)
{
    /* Aim: nothing is kept of a session whose node never says how it ended, whose manager never acknowledges, or whose killed worker
     * never ends. */
    world_t *w = *state;
    promp_broker_peer_number_t n = node(w, NODE_KEY, 4, true), m = manager(w, 1), both[] = {n, m, 0};

    run(w, m, n, 1);
    gone(w, n, 1);
    run(w, m, n, 2);
    kill_it(w, m, 2, PROMP_ERR_WORKER_STOPPED);
    run(w, m, n, 3);
    live(w, 2 * LEASE + 100, both);
    assert_int_equal(counters(w).sessions, 1);
    live(w, 2 * LEASE, (promp_broker_peer_number_t[]){m, 0});
    assert_int_equal(counters(w).sessions, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(frames_go_both_ways),
        CASE(without_a_way_there_is_an_answer),
        CASE(a_manager_gets_its_sessions_back),
        CASE(another_key_gets_nothing),
        CASE(ends_keep_to_their_side),
        CASE(a_slow_reader_costs_itself_alone),
        CASE(bytes_of_a_key_hold),
        CASE(an_end_is_told_until_it_is_known),
        CASE(what_is_over_is_forgotten),
        CASE(rows_do_not_outlive_their_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
