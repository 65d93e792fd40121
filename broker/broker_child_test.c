#include "broker_world.h"

/* A worker of session 1 on the first node starts session 2. */
static void child(world_t *w, promp_broker_peer_number_t from, uint8_t session, uint8_t parent)
{
    promp_message_t ask = start_of();

    ask.start.parent = id_of(parent);
    say(w, from, &ask, session, 0);
}

static void a_child_goes_from_node_to_node(void **state)
{
    /* Aim: a worker's start is charged to the root's key and placed on another node when its own is full; its frames go node,
     * broker, node, both ways; when the parent ends the child is killed and its end acknowledged here. */
    world_t *w = *state;
    promp_broker_peer_number_t a = node(w, NODE_KEY, 1, true), b, m = manager(w, 1);
    promp_message_t attach = {.type = PROMP_TYPE_ATTACH};
    promp_id_t owner = key_of(1), parent = id_of(1);

    run(w, m, a, 1);
    b = node(w, NODE_KEY + 1, 4, true);
    child(w, a, 2, 1);
    const seen_t *ask = last_of(w, PROMP_BROKER_SEND, PROMP_TYPE_START, b);
    assert_true(promp_id_equal(&ask->message.start.owner, &owner));
    assert_true(promp_id_equal(&ask->message.start.parent, &parent));
    started(w, b, 2);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_STARTED, a), 1);
    say(w, a, &attach, 2, 1);
    forget(w);
    data(w, a, 2, 0, 10);
    assert_int_equal(count_of(w, PROMP_BROKER_FORWARD, PROMP_TYPE_DATA, b), 1);
    data(w, b, 2, 0, 10);
    assert_int_equal(count_of(w, PROMP_BROKER_FORWARD, PROMP_TYPE_DATA, a), 1);
    data(w, m, 1, 0, 10);
    assert_int_equal(count_of(w, PROMP_BROKER_FORWARD, PROMP_TYPE_DATA, a), 2);
    gone(w, a, 1);
    assert_int_equal(last_of(w, PROMP_BROKER_SEND, PROMP_TYPE_KILL, b)->message.kill.cause,
                     PROMP_ERR_WORKER_MANAGER_GONE);
    gone(w, b, 2);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_GONE_ACK, b), 1);
    assert_int_equal(count_of(w, PROMP_BROKER_FORWARD, PROMP_TYPE_GONE, a), 0);
}

static void a_child_on_the_same_node_stays_there(void **state)
{
    /* Aim: a worker's start goes to its own node where that has room, though another has more; its frames are not relayed, its
     * answer not told twice, its place free after OVER. */
    world_t *w = *state;
    promp_broker_peer_number_t a = node(w, NODE_KEY, 2, true), b, m = manager(w, 1);

    run(w, m, a, 1);
    b = node(w, NODE_KEY + 1, 9, true);
    child(w, a, 2, 1);
    assert_int_equal(last_of(w, PROMP_BROKER_SEND, PROMP_TYPE_START, a)->frame.session.b[0], 2);
    started(w, a, 2);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_STARTED, a), 0);
    assert_int_equal(counters(w).places_used, 2);
    data(w, a, 2, 0, 10);
    assert_int_equal(count_of(w, PROMP_BROKER_FORWARD, PROMP_TYPE_DATA, 0), 0);
    live(w, 3 * LEASE,
         (promp_broker_peer_number_t[]){a, b, m, 0}); /* the node hears its manager, we do not */
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_KILL, 0), 0);
    simple(w, a, PROMP_TYPE_OVER, 2);
    assert_int_equal(counters(w).places_used, 1);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_GONE, 0), 0);
}

static void children_belong_below_a_worker_of_the_node(void **state)
{
    /* Aim: a node may start only below a worker that the table places there: not below none, an unknown one, or one of another
     * node; a worker has at most PROMP_LIMIT_WORKER_STARTS; the root key's limit counts for all of them. */
    world_t *w = *state;
    promp_broker_peer_number_t a = node(w, NODE_KEY, 1, true), b, m = manager(w, 1);
    static const uint8_t parents[] = {0, 9, 1};

    run(w, m, a, 1);
    b = node(w, NODE_KEY + 1, 200, true);
    for (size_t i = 0; i < sizeof parents; i++) {
        forget(w);
        child(w, b, 2, parents[i]);
        assert_int_equal(
            last_of(w, PROMP_BROKER_SEND, PROMP_TYPE_START_REFUSED, b)->message.start_refused.error,
            PROMP_ERR_WORKER_MANAGER_GONE);
    }
    for (uint8_t i = 0; i < PROMP_LIMIT_WORKER_STARTS; i++)
        child(w, a, 100 + i, 1);
    assert_int_equal(counters(w).sessions, 1 + PROMP_LIMIT_WORKER_STARTS);
    child(w, a, 99, 1);
    assert_int_equal(last_of(w, PROMP_BROKER_SEND, PROMP_TYPE_START_REFUSED, a)->message.start_refused.error,
                     PROMP_ERR_LIMIT_WORKERS);
    forget(w);
    w->key[1].workers = 10;
    promp_broker_core_keys_changed(w->core, w->now);
    gone(w, b, 100);
    simple(w, a, PROMP_TYPE_GONE_ACK, 100);
    child(w, a, 99, 1);
    assert_int_equal(last_of(w, PROMP_BROKER_SEND, PROMP_TYPE_START_REFUSED, a)->message.start_refused.error,
                     PROMP_ERR_LIMIT_WORKERS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_child_goes_from_node_to_node),
        CASE(a_child_on_the_same_node_stays_there),
        CASE(children_belong_below_a_worker_of_the_node),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
