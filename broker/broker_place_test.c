#include "broker_world.h"

#include <stdio.h>

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

static void a_start_reaches_a_node_as_it_was_asked(void **state)
{
    /* Aim: the node gets all that the manager asked for, and the owner's key beside it; its STARTED goes back with the
     * node's name, and asking again gives the same answer without asking the node. */
    world_t *w = *state;
    promp_broker_peer_number_t n = node(w, NODE_KEY, 4, true), m = manager(w, 1);
    promp_message_t ask = start_of();
    promp_id_t owner = key_of(1);

    ask.start.cpus = 500;
    ask.start.python = promp_slice_str("3.11");
    say(w, m, &ask, 1, 0);
    const promp_msg_start_t *got = &last_of(w, PROMP_BROKER_SEND, PROMP_TYPE_START, n)->message.start;
    assert_true(promp_id_equal(&got->owner, &owner));
    assert_true(promp_id_is_none(&got->parent));
    assert_int_equal(got->lease_ms, LEASE);
    assert_int_equal(got->cpus, 500);
    assert_memory_equal(got->program.data, "/bin/worker", 11);
    started(w, n, 1);
    for (int again = 0; again < 2; again++) {
        const promp_msg_started_t *told =
            &last_of(w, PROMP_BROKER_SEND, PROMP_TYPE_STARTED, m)->message.started;
        assert_int_equal(told->pid, 1001);
        assert_int_equal(told->node.size, 5);
        assert_memory_equal(told->node.data, "key20", 5);
        forget(w);
        start(w, m, 1);
    }
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_START, n), 0);
    assert_int_equal(counters(w).sessions, 1);
}

static void the_least_loaded_node_is_taken(void **state)
{
    /* Aim: starts go to the node of whose places the smallest part is in use: 2 of 4 places and 4 of 8 fill evenly. */
    world_t *w = *state;
    promp_broker_peer_number_t small = node(w, NODE_KEY, 2, true), large = node(w, NODE_KEY + 1, 4, true),
                               m = manager(w, 1);

    for (uint8_t i = 1; i <= 6; i++)
        start(w, m, i);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_START, small), 2);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_START, large), 4);
    forget(w);
    gone(w, small, 1); /* not its session if it went to the other: then nothing is free */
    start(w, m, 7);
    assert_int_equal(counters(w).places, 6);
}

static void what_is_asked_for_is_found(void **state)
{
    /* Aim: labels, named node, interpreter, processors, memory and GPUs each keep a start from nodes that lack them, and a start
     * that no node can ever serve is refused with NO_PLACE and the list of what it asked for. */
    world_t *w = *state;
    promp_broker_peer_number_t plain = node(w, NODE_KEY, 4, true), labelled = node(w, NODE_KEY + 1, 4, true),
                               m = manager(w, 1);
    promp_message_t ask;

    offer(w, labelled, NODE_KEY + 1, 4, "ssd red");
    after_gathering(w);
    ask = start_of();
    ask.start.labels = promp_slice_str("red");
    say(w, m, &ask, 1, 0);
    assert_int_equal(place_of(w, 1), labelled);
    ask.start.labels = promp_slice_str("red re");
    say(w, m, &ask, 2, 0);
    refused_with(w, m, PROMP_ERR_NO_PLACE);
    ask = start_of();
    ask.start.node = promp_slice_str("key20");
    say(w, m, &ask, 3, 0);
    assert_int_equal(place_of(w, 3), plain);
    say(w, m, &ask, 4, 0);
    assert_int_equal(place_of(w, 4), plain); /* though the other one has less to do */

    const promp_msg_start_t never[] = {{.node = promp_slice_str("key2")},
                                       {.python = promp_slice_str("3.1")},
                                       {.cpus = 4001},
                                       {.memory = 1001},
                                       {.gpus = 2},
                                       {.node = promp_slice_str("key20"), .labels = promp_slice_str("a b")}};
    static const char *const told[] = {"called 'key2'",         "with Python 3.1",
                                       "with 4.001 processors", "with 1001 bytes of memory",
                                       "with 2 GPUs",           "called 'key20' with labels 'a b'"};
    for (size_t i = 0; i < sizeof never / sizeof *never; i++) {
        forget(w);
        ask = start_of();
        ask.start.node = never[i].node;
        ask.start.python = never[i].python;
        ask.start.cpus = never[i].cpus;
        ask.start.memory = never[i].memory;
        ask.start.gpus = never[i].gpus;
        ask.start.labels = never[i].labels;
        say(w, m, &ask, 10, 0);
        refused_with(w, m, PROMP_ERR_NO_PLACE);
        promp_slice_t text =
            last_of(w, PROMP_BROKER_SEND, PROMP_TYPE_START_REFUSED, m)->message.start_refused.text;
        char whole[200];
        snprintf(whole, sizeof whole, "%s: among 2 nodes there is none %s",
                 promp_error_text(PROMP_ERR_NO_PLACE), told[i]);
        assert_int_equal(text.size, strlen(whole));
        assert_memory_equal(text.data, whole, text.size);
        assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_START, 0), 0);
    }
}

static void needs_add_up(void **state)
{
    /* Aim: what workers asked for is taken from their node until they end, so a second worker with 3 of 4 processors, or the only
     * GPU, waits though places are free. */
    world_t *w = *state;
    promp_broker_peer_number_t n = node(w, NODE_KEY, 4, true), m = manager(w, 1);
    promp_message_t ask = start_of(), gpu = start_of();

    ask.start.cpus = 3000;
    gpu.start.gpus = 1;
    say(w, m, &ask, 1, 0);
    started(w, n, 1);
    say(w, m, &gpu, 2, 0);
    started(w, n, 2);
    say(w, m, &ask, 3, 0);
    say(w, m, &gpu, 4, 0);
    assert_int_equal(counters(w).waiting, 2);
    gone(w, n, 2);
    assert_int_equal(place_of(w, 4), n);
    gone(w, n, 1);
    assert_int_equal(place_of(w, 3), n);
    assert_int_equal(counters(w).waiting, 0);
}

static void spread_goes_where_few_are(void **state)
{
    /* Aim: with spread an owner's workers go to the node with the fewest of them, however full it is with others'. */
    world_t *w = *state;
    promp_broker_peer_number_t a = node(w, NODE_KEY, 10, true), b, m = manager(w, 1), other = manager(w, 2);
    promp_message_t ask = start_of();

    ask.start.spread = 1;
    for (uint8_t i = 1; i <= 5; i++)
        start(w, other, i);
    start(w, m, 6);
    b = node(w, NODE_KEY + 1, 10, true);
    for (uint8_t i = 11; i <= 18; i++)
        start(w, other, i); /* b has 8 of others, a 5 of others and one of ours */
    forget(w);
    say(w, m, &ask, 7, 0);
    assert_int_equal(place_of(w, 7), b);
    (void)a;
}

static void a_keys_labels_bind_its_workers(void **state)
{
    /* Aim: workers of a key with labels go only to nodes whose keys have one of them; what such a node says of itself does not
     * count for that. */
    world_t *w = *state;
    promp_broker_peer_number_t m = manager(w, 1), liar, true_one;

    snprintf(w->key[1].labels, sizeof w->key[1].labels, "blue team7");
    snprintf(w->key[NODE_KEY + 1].labels, sizeof w->key[0].labels, "big team7");
    promp_broker_core_keys_changed(w->core, w->now);
    liar = node(w, NODE_KEY, 4, true);
    offer(w, liar, NODE_KEY, 4, "team7");
    start(w, m, 1);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_START, 0), 0);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_QUEUED, m), 1);
    true_one = node(w, NODE_KEY + 1, 4, true);
    assert_int_equal(place_of(w, 1), true_one);
}

static void nodes_may_be_on_their_way(void **state)
{
    /* Aim: a broker that has just started lets starts wait that no node can serve yet, and refuses those still unserved when the
     * time to gather is over; one whose node comes in time is served. */
    world_t *w = *state;
    promp_broker_peer_number_t m = manager(w, 1), n, only[] = {m, 0, 0};
    promp_message_t ask = start_of();

    ask.start.labels = promp_slice_str("gold");
    start(w, m, 1);
    say(w, m, &ask, 2, 0);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_QUEUED, m), 2);
    live(w, GATHER / 2, only);
    n = node(w, NODE_KEY, 4, true);
    assert_int_equal(place_of(w, 1), n);
    only[1] = n;
    forget(w);
    live(w, GATHER / 2 - 100, (promp_broker_peer_number_t[]){m, n, 0});
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_START_REFUSED, m), 0);
    live(w, 200 + PROMP_TIME_REVIEW, (promp_broker_peer_number_t[]){m, n, 0});
    refused_with(w, m, PROMP_ERR_NO_PLACE);
    assert_int_equal(counters(w).waiting, 0);
}

static void a_node_may_take_its_places_back(void **state)
{
    /* Aim: an OFFER of no places keeps new starts away and leaves those that run; starts that only this node could serve wait while
     * it is there and for a time after it has left, and are refused then. */
    world_t *w = *state;
    promp_broker_peer_number_t n = node(w, NODE_KEY, 1, true), m = manager(w, 1), both[] = {n, m, 0};

    after_gathering(w);
    run(w, m, n, 1);
    start(w, m, 2);
    offer(w, n, NODE_KEY, 0, "");
    forget(w);
    start(w, m, 3);
    live(w, 10 * PROMP_TIME_REVIEW, both);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_START_REFUSED, m), 0);
    assert_int_equal(counters(w).waiting, 2);
    data(w, m, 1, 0, 10);
    assert_int_equal(count_of(w, PROMP_BROKER_FORWARD, PROMP_TYPE_DATA, n), 1);
    gone(w, n, 1);
    simple(w, n, PROMP_TYPE_BYE, 0);
    live(w, PROMP_TIME_NO_LEASE - 100, both + 1);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_START_REFUSED, m), 0);
    live(w, 200 + PROMP_TIME_REVIEW, both + 1);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_START_REFUSED, m), 2);
    refused_with(w, m, PROMP_ERR_NO_PLACE);
}

static void what_waits_for_a_drained_node_is_for_the_next(void **state)
{
    /* Aim: a start that waits while the only node drains is placed when that node is back with places, or another one comes. */
    for (uint8_t next = 0; next < 2; next++) {
        world_t *w = *state;
        uint8_t key = (uint8_t)(NODE_KEY + 2 * next);
        promp_broker_peer_number_t n = node(w, key, 1, true), m = manager(w, 1), come;

        after_gathering(w);
        offer(w, n, key, 0, "");
        start(w, m, (uint8_t)(1 + next));
        assert_int_equal(counters(w).waiting, 1);
        simple(w, n, PROMP_TYPE_BYE, 0);
        come = node(w, (uint8_t)(key + next), 1, true);
        assert_int_equal(place_of(w, (uint8_t)(1 + next)), come);
        assert_int_equal(counters(w).waiting, 0);
        simple(w, come, PROMP_TYPE_BYE, 0);
    }
}

static void a_start_on_its_way_to_a_draining_node_is_not_lost(void **state)
{
    /* Aim: a start that a node refuses because it has begun to drain waits for the next one, also for the same, and for the only one. */
    world_t *w = *state;
    promp_broker_peer_number_t n = node(w, NODE_KEY, 1, true), m = manager(w, 1);

    after_gathering(w);
    start(w, m, 1);
    assert_int_equal(place_of(w, 1), n);
    offer(w, n, NODE_KEY, 0, "");
    refused(w, n, 1, PROMP_ERR_LIMIT_WORKERS);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_START_REFUSED, m), 0);
    assert_int_equal(counters(w).waiting, 1);
    simple(w, n, PROMP_TYPE_BYE, 0);
    forget(w);
    n = node(w, NODE_KEY, 1, true);
    assert_int_equal(place_of(w, 1), n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_start_reaches_a_node_as_it_was_asked),
        CASE(the_least_loaded_node_is_taken),
        CASE(what_is_asked_for_is_found),
        CASE(needs_add_up),
        CASE(spread_goes_where_few_are),
        CASE(a_keys_labels_bind_its_workers),
        CASE(nodes_may_be_on_their_way),
        CASE(a_node_may_take_its_places_back),
        CASE(what_waits_for_a_drained_node_is_for_the_next),
        CASE(a_start_on_its_way_to_a_draining_node_is_not_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
