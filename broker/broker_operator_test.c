/* What operators see of nodes, how they take one out, and what those who wait are told. */
#include "broker_world.h"

static const promp_msg_node_t *node_of(world_t *w, promp_broker_peer_number_t looker, uint8_t key)
{
    promp_message_t m = {.type = PROMP_TYPE_NODES, .nodes.after = key_of((uint8_t)(key - 1))};

    forget(w);
    say(w, looker, &m, 0, 0);
    for (size_t i = 0; i < w->count; i++)
        if (w->seen[i].message.type == PROMP_TYPE_NODE)
            return &w->seen[i].message.node;
    return NULL;
}

static void nodes_are_shown(void **state)
{
    /* Aim: NODES tells what each node is, in the order of keys and behind the one that is named, in each of its states. */
    world_t *w = *state;
    promp_broker_peer_number_t a, b, o = manager(w, OBSERVER), m = manager(w, 1);
    promp_message_t start = start_of();

    simple(w, o, PROMP_TYPE_NODES, 0);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_NODES_END, o), 1);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_NODE, o), 0);
    strcpy(w->key[NODE_KEY].labels, "ssd");
    b = node(w, NODE_KEY + 1, 2, false);
    a = node(w, NODE_KEY, 4, true);
    start.start.cpus = 1500;
    start.start.memory = 700;
    start.start.gpus = 1;
    say(w, m, &start, 1, 0);
    forget(w);
    simple(w, o, PROMP_TYPE_NODES, 0);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_NODE, o), 2);
    assert_int_equal(last_of(w, PROMP_BROKER_SEND, PROMP_TYPE_NODES_END, o)->message.nodes_end.more, 0);
    const promp_msg_node_t *n = &last_of(w, PROMP_BROKER_SEND, PROMP_TYPE_NODE, o)->message.node;

    assert_int_equal(n->key.b[3], NODE_KEY + 1);
    assert_int_equal(n->state, 2);
    n = node_of(w, o, NODE_KEY);
    assert_int_equal(n->key.b[3], NODE_KEY);
    assert_memory_equal(n->name.data, "key20", n->name.size);
    assert_int_equal(n->state, 1);
    assert_int_equal(n->workers, 1);
    assert_int_equal(n->places, 4);
    assert_int_equal(n->cpus - n->cpus_used, 2500);
    assert_int_equal(n->memory - n->memory_used, 300);
    assert_int_equal(n->gpus - n->gpus_used, 0);
    assert_memory_equal(n->key_labels.data, "ssd", n->key_labels.size);
    assert_memory_equal(n->pythons.data, "3.11 3.12", n->pythons.size);
    offer(w, a, NODE_KEY, 0, "");
    assert_int_equal(node_of(w, o, NODE_KEY)->state, 3);
    pass(w, 100);
    promp_broker_core_closed(w->core, b, PROMP_ERR_PEER_LEFT, w->now);
    n = node_of(w, o, NODE_KEY + 1);
    assert_int_equal(n->state, 4);
    assert_int_equal(n->heard_ms, 100);
    assert_null(node_of(w, o, NODE_KEY + 2));
}

static const promp_msg_drained_t *take_out(world_t *w, promp_broker_peer_number_t admin, const char *name)
{
    promp_message_t m = {.type = PROMP_TYPE_DRAIN, .drain.name = promp_slice_str(name)};

    forget(w);
    say(w, admin, &m, 0, 0);
    return &last_of(w, PROMP_BROKER_SEND, PROMP_TYPE_DRAINED, admin)->message.drained;
}

static void a_node_is_taken_out(void **state)
{
    /* Aim: a node that an admin takes out is told, gets no more starts and keeps its workers; whatever it offers, and when it comes
     * back; not when another one comes with its key. */
    world_t *w = *state;
    promp_broker_peer_number_t n = node(w, NODE_KEY, 4, true), m = manager(w, 1), a = manager(w, ADMIN);

    run(w, m, n, 1);
    assert_int_equal(take_out(w, a, "key21")->error, PROMP_ERR_NOT_FOUND);
    assert_int_equal(take_out(w, a, "")->error, PROMP_ERR_NOT_FOUND);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_DRAIN, n), 0);
    const promp_msg_drained_t *said = take_out(w, a, "key20");

    assert_int_equal(said->error, PROMP_OK);
    assert_int_equal(said->workers, 1);
    assert_int_equal(said->away, 0);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_DRAIN, n), 1);
    offer(w, n, NODE_KEY, 4, "");
    start(w, m, 2);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_START, n), 0);
    data(w, m, 1, 0, 10);
    assert_int_equal(count_of(w, PROMP_BROKER_FORWARD, PROMP_TYPE_DATA, n), 1);
    promp_broker_core_closed(w->core, n, PROMP_ERR_PEER_LEFT, w->now);
    assert_int_equal(take_out(w, a, "key20")->away, 1);
    n = node(w, NODE_KEY, 4, false);
    held(w, n, 1, 1, 0, 2);
    simple(w, n, PROMP_TYPE_HELD_END, 0);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_DRAIN, n), 1);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_START, n), 0);
    promp_broker_core_closed(w->core, n, PROMP_ERR_PEER_LEFT, w->now);
    n = opened(w, NODE_KEY);
    simple(w, n, PROMP_TYPE_BEAT, 0); /* not even greeted: it is not the one that comes next */
    n = node(w, NODE_KEY, 0, false);
    promp_broker_core_closed(w->core, n, PROMP_ERR_PEER_LEFT, w->now);
    forget(w);
    n = manager(w, NODE_KEY);
    offer(w, n, NODE_KEY + 5, 4, "");
    simple(w, n, PROMP_TYPE_HELD_END, 0);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_DRAIN, n), 0);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_START, n), 1);
}

static void taken_out_while_away(void **state)
{
    /* Aim: who is taken out while his connection is gone is told when he is back in time; after that he is a node like any other. */
    world_t *w = *state;
    promp_broker_peer_number_t n = node(w, NODE_KEY, 4, true), a = manager(w, ADMIN);
    promp_broker_peer_number_t others[] = {a, 0};

    for (int late = 0; late < 2; late++) {
        promp_broker_core_closed(w->core, n, PROMP_ERR_PEER_LEFT, w->now);
        assert_int_equal(take_out(w, a, "key20")->away, 1);
        live(w, PROMP_TIME_NO_LEASE + (late ? 1000 : -1000), others);
        forget(w);
        n = node(w, NODE_KEY, 4, true);
        assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_DRAIN, n), !late);
    }
}

static void a_renewed_key(void **state)
{
    /* Aim: of two nodes whose keys have one name, as while a key is renewed, the one that is there is taken out, then the other. */
    world_t *w = *state;
    promp_broker_peer_number_t before, now, a = manager(w, ADMIN);

    strcpy(w->key[NODE_KEY + 1].name, w->key[NODE_KEY].name);
    before = node(w, NODE_KEY, 4, true);
    promp_broker_core_closed(w->core, before, PROMP_ERR_PEER_LEFT, w->now);
    now = node(w, NODE_KEY + 1, 4, true);
    assert_int_equal(take_out(w, a, "key20")->away, 0);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_DRAIN, now), 1);
    before = node(w, NODE_KEY, 4, true);
    assert_int_equal(take_out(w, a, "key20")->away, 0);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_DRAIN, before), 1);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_DRAIN, now), 0);
}

static void old_nodes_are_not_taken_out(void **state)
{
    /* Aim: a node that speaks a version without DRAIN is not told and goes on serving; the admin learns why. */
    world_t *w = *state;
    promp_broker_peer_number_t n = opened(w, NODE_KEY), m = manager(w, 1), a = manager(w, ADMIN);
    promp_message_t hello = {.type = PROMP_TYPE_HELLO,
                             .hello = {.version_low = 1, .version_high = 1, .role = 3}};

    say(w, n, &hello, 0, 0);
    offer(w, n, NODE_KEY, 4, "");
    simple(w, n, PROMP_TYPE_HELD_END, 0);
    assert_int_equal(take_out(w, a, "key20")->error, PROMP_ERR_VERSION);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_DRAIN, n), 0);
    run(w, m, n, 1);
    promp_broker_core_closed(w->core, n, PROMP_ERR_PEER_LEFT, w->now); /* nor while it is away */
    assert_int_equal(take_out(w, a, "key20")->error, PROMP_ERR_VERSION);
}

static promp_msg_queued_t queued(const world_t *w, promp_broker_peer_number_t m)
{
    return last_of(w, PROMP_BROKER_SEND, PROMP_TYPE_QUEUED, m)->message.queued;
}

static void who_waits_is_told_why(void **state)
{
    /* Aim: a start that no node could serve is told so at once, with how long it waits for one, and when one comes that could;
     * others wait without a reason. Both are counted; what is refused or taken back is not any more. */
    world_t *w = *state;
    promp_broker_peer_number_t n = node(w, NODE_KEY, 1, true), m = manager(w, 1), o = manager(w, OBSERVER);
    promp_broker_peer_number_t others[] = {n, m, o, 0};
    promp_message_t labelled = start_of();

    run(w, m, n, 1);
    start(w, m, 2);
    assert_int_equal(queued(w, m).reason, 0);
    assert_int_equal(queued(w, m).patience_ms, 0);
    labelled.start.labels = promp_slice_str("ssd");
    live(w, 1000, others);
    say(w, m, &labelled, 3, 0);
    assert_int_equal(queued(w, m).reason, PROMP_ERR_NO_PLACE);
    assert_int_equal(queued(w, m).patience_ms, GATHER - 1000);
    say(w, m, &labelled, 4, 0);
    say(w, m, &labelled, 4, 0); /* asked again: told again */
    assert_int_equal(queued(w, m).reason, PROMP_ERR_NO_PLACE);
    assert_int_equal(counters(w).waiting, 3);
    assert_int_equal(counters(w).waiting_nowhere, 2);
    kill_it(w, m, 4, PROMP_ERR_WORKER_STOPPED);
    assert_int_equal(counters(w).waiting_nowhere, 1);
    simple(w, o, PROMP_TYPE_STATUS, 0);
    assert_int_equal(last_of(w, PROMP_BROKER_SEND, PROMP_TYPE_COUNTERS, o)->message.counters.waiting_nowhere,
                     1);
    forget(w);
    promp_broker_peer_number_t other = node(w, NODE_KEY + 1, 1, false);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_QUEUED, m), 0);
    offer(w, other, NODE_KEY + 1, 1, "ssd"); /* it still tells what it has */
    assert_int_equal(queued(w, m).reason, 0);
    assert_int_equal(counters(w).waiting_nowhere, 0);
    assert_int_equal(counters(w).waiting, 2);
    labelled.start.labels = promp_slice_str("gpu");
    say(w, m, &labelled, 5, 0);
    assert_int_equal(counters(w).waiting_nowhere, 1);
    promp_broker_peer_number_t all[] = {n, m, o, other, 0};
    live(w, GATHER, all);
    assert_int_equal(counters(w).waiting_nowhere, 0);
    assert_int_equal(last_of(w, PROMP_BROKER_SEND, PROMP_TYPE_START_REFUSED, m)->message.start_refused.error,
                     PROMP_ERR_NO_PLACE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(nodes_are_shown),      CASE(a_node_is_taken_out),         CASE(a_renewed_key),
        CASE(taken_out_while_away), CASE(old_nodes_are_not_taken_out), CASE(who_waits_is_told_why),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
