#include "broker_world.h"

static promp_broker_peer_number_t place_of(world_t *w, uint8_t session)
{
    const seen_t *s = last_of(w, PROMP_BROKER_SEND, PROMP_TYPE_START, 0);

    assert_int_equal(s->frame.session.b[0], session);
    return s->effect.peer;
}

static void refused_with(world_t *w, promp_broker_peer_number_t m, promp_err_t error)
{
    assert_int_equal(last_of(w, PROMP_BROKER_SEND, PROMP_TYPE_START_REFUSED, m)->message.start_refused.error,
                     error);
}

static void after_gathering(world_t *w)
{
    pass(w, GATHER);
}

static void a_full_cluster_makes_starts_wait_in_turn(void **state)
{
    /* Aim: starts that find no free place wait, are told so, and get places in order, key by key: the one that asked for many
     * does not keep the other one out. */
    world_t *w = *state;
    promp_broker_peer_number_t n = node(w, NODE_KEY, 1, true), greedy = manager(w, 1), modest = manager(w, 2);
    static const uint8_t order[] = {2, 11, 3, 12, 4, 5};

    after_gathering(w);
    run(w, greedy, n, 1);
    for (uint8_t i = 2; i <= 5; i++)
        start(w, greedy, i);
    start(w, modest, 11);
    start(w, modest, 12);
    assert_int_equal(last_of(w, PROMP_BROKER_SEND, PROMP_TYPE_QUEUED, modest)->message.queued.ahead, 1);
    uint8_t last = 1;
    for (size_t i = 0; i < sizeof order; i++) {
        forget(w);
        gone(w, n, last);
        assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_START, n), 1);
        assert_int_equal(place_of(w, order[i]), n);
        started(w, n, order[i]);
        last = order[i];
    }
    assert_int_equal(counters(w).waiting, 0);
}

static void a_waiting_start_can_be_taken_back(void **state)
{
    /* Aim: KILL of a start that waits is answered with START_REFUSED and its cause; one whose manager is silent for its lease is
     * dropped; one that is asked for again is told again that it waits. */
    world_t *w = *state;
    promp_broker_peer_number_t n = node(w, NODE_KEY, 1, true), m = manager(w, 1), only[] = {n, 0};

    run(w, m, n, 1);
    start(w, m, 2);
    start(w, m, 3);
    forget(w);
    start(w, m, 2);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_QUEUED, m), 1);
    kill_it(w, m, 2, PROMP_ERR_WORKER_STOPPED);
    refused_with(w, m, PROMP_ERR_WORKER_STOPPED);
    assert_int_equal(counters(w).waiting, 1);
    live(w, LEASE + 100, only);
    assert_int_equal(counters(w).waiting, 0);
    assert_int_equal(counters(w).starts_bytes, 0);
}

static void a_refusing_node_is_followed_by_the_next(void **state)
{
    /* Aim: START_REFUSED of a node sends the start to nodes that have not been asked, at most PROMP_LIMIT_START_TRIES in all; then
     * the manager gets the last refusal. */
    world_t *w = *state;
    promp_broker_peer_number_t m, asked[8] = {0};
    size_t tries = 0;

    for (uint8_t i = 0; i < 6; i++)
        node(w, NODE_KEY + i, 4, true);
    m = manager(w, 1);
    start(w, m, 1);
    while (!count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_START_REFUSED, m)) {
        asked[tries] = place_of(w, 1);
        for (size_t i = 0; i < tries; i++)
            assert_int_not_equal(asked[i], asked[tries]);
        refused(w, asked[tries++], 1, PROMP_ERR_PROGRAM_DENIED);
        assert_true(tries < 7);
    }
    assert_int_equal(tries, PROMP_LIMIT_START_TRIES);
    refused_with(w, m, PROMP_ERR_PROGRAM_DENIED);
    assert_int_equal(counters(w).sessions, 0);
}

static void a_refusal_by_the_only_node_is_final(void **state)
{
    /* Aim: when no node is left that could serve it, the refusal of the last one is the answer, and its places are as before. */
    world_t *w = *state;
    promp_broker_peer_number_t n = node(w, NODE_KEY, 1, true), m = manager(w, 1);

    start(w, m, 1);
    refused(w, n, 1, PROMP_ERR_PROGRAM_MISSING);
    refused_with(w, m, PROMP_ERR_PROGRAM_MISSING);
    start(w, m, 2);
    assert_int_equal(place_of(w, 2), n);
}

static void a_kill_while_a_node_is_asked_is_final(void **state)
{
    /* Aim: a start that was killed while its node was asked goes to no other node when that one refuses. */
    world_t *w = *state;
    promp_broker_peer_number_t n = node(w, NODE_KEY, 1, true), m = manager(w, 1);

    start(w, m, 1);
    node(w, NODE_KEY + 1, 1, true);
    kill_it(w, m, 1, PROMP_ERR_WORKER_STOPPED);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_KILL, n), 1);
    refused(w, n, 1, PROMP_ERR_PROCESSES);
    refused_with(w, m, PROMP_ERR_WORKER_STOPPED);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_START, 0), 1);
}

static void limits_of_a_key_hold(void **state)
{
    /* Aim: a key has at most its number of workers, those that wait too, and at most so many starts that wait; another key is
     * served beside it; what ends makes room. */
    world_t *w = *state;
    promp_broker_peer_number_t n = node(w, NODE_KEY, 1, true), m = manager(w, 1), other = manager(w, 2);
    promp_message_t ask = start_of();

    w->key[1].workers = 2;
    promp_broker_core_keys_changed(w->core, w->now);
    run(w, m, n, 1);
    start(w, m, 2);
    start(w, m, 3);
    refused_with(w, m, PROMP_ERR_LIMIT_WORKERS);
    kill_it(w, m, 2, PROMP_ERR_WORKER_STOPPED);
    start(w, m, 3);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_QUEUED, m), 2);

    promp_broker_peer_number_t many = manager(w, 3);
    for (unsigned i = 0; i < PROMP_LIMIT_WAITING_KEY; i++) {
        promp_id_t id = {{9, 9, (uint8_t)(i >> 8), (uint8_t)i}};
        promp_buf_t body = {0};
        promp_frame_t frame = {.type = PROMP_TYPE_START, .session = id};

        assert_int_equal(promp_message_encode(&ask, &body), PROMP_OK);
        frame.body = promp_slice(body.data, body.size);
        frame.size = promp_frame_size(body.size);
        promp_broker_core_frame(w->core, many, &frame, w->now);
        drain(w);
        forget(w);
        promp_buf_free(&body);
    }
    start(w, many, 50);
    refused_with(w, many, PROMP_ERR_START_QUEUE);
    start(w, other, 51);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_QUEUED, other), 1);
}

static void bytes_of_a_key_hold(void **state)
{
    /* Aim: starts whose bodies exceed what the broker may hold for their key are refused with START_QUEUE. */
    world_t *w = *state;
    promp_broker_peer_number_t m = manager(w, 1);

    w->key[1].bytes = 80;
    promp_broker_core_keys_changed(w->core, w->now);
    start(w, m, 1);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_QUEUED, m), 1);
    start(w, m, 2);
    refused_with(w, m, PROMP_ERR_START_QUEUE);
}

static void malformed_starts_are_refused(void **state)
{
    /* Aim: a lease or mask out of range, or an owner that a manager claims, is ARGUMENT. */
    world_t *w = *state;
    promp_broker_peer_number_t m = manager(w, 1);
    promp_message_t ask[4] = {start_of(), start_of(), start_of(), start_of()};

    node(w, NODE_KEY, 4, true);
    ask[0].start.lease_ms = PROMP_TIMEOUT_MIN - 1;
    ask[1].start.umask = 01000;
    ask[2].start.owner = key_of(2);
    ask[3].start.parent = id_of(7);
    for (size_t i = 0; i < 4; i++) {
        forget(w);
        say(w, m, &ask[i], 1, 0);
        refused_with(w, m, PROMP_ERR_ARGUMENT);
    }
    assert_int_equal(counters(w).sessions, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_full_cluster_makes_starts_wait_in_turn),
        CASE(a_waiting_start_can_be_taken_back),
        CASE(a_refusing_node_is_followed_by_the_next),
        CASE(a_refusal_by_the_only_node_is_final),
        CASE(a_kill_while_a_node_is_asked_is_final),
        CASE(limits_of_a_key_hold),
        CASE(bytes_of_a_key_hold),
        CASE(malformed_starts_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
