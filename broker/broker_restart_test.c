#include "broker_world.h"

/* A broker without memory, in the same world. */
static void restart(world_t *w)
{
    promp_broker_core_t *core = w->core;
    promp_broker_key_info_t key[KEYS];
    promp_broker_peer_number_t last = w->last;
    int64_t now = w->now;

    memcpy(key, w->key, sizeof key);
    forget(w);
    promp_broker_core_destroy(&core);
    new_core(w);
    memcpy(w->key, key, sizeof key);
    w->last = last;
    w->now = now;
}

static void attach(world_t *w, promp_broker_peer_number_t from, uint8_t session, uint32_t epoch)
{
    promp_message_t m = {.type = PROMP_TYPE_ATTACH};

    say(w, from, &m, session, epoch);
}

static void a_broker_without_memory_learns_all(void **state)
{
    /* Aim: after a restart of the broker NO_ROUTE until the node has told its sessions; then their owner, and no other key, gets
     * them back; what is told counts as placed. */
    world_t *w = *state;
    promp_broker_peer_number_t n = node(w, NODE_KEY, 2, true), m = manager(w, 1), thief;

    run(w, m, n, 1);
    restart(w);
    m = manager(w, 1);
    attach(w, m, 1, 2);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_NO_ROUTE, m), 1);
    n = node(w, NODE_KEY, 2, false);
    held(w, n, 1, 1, 0, 2);
    attach(w, m, 1, 2); /* before HELD_END: this one has been told */
    assert_int_equal(count_of(w, PROMP_BROKER_FORWARD, PROMP_TYPE_ATTACH, n), 1);
    simple(w, n, PROMP_TYPE_HELD_END, 0);
    data(w, n, 1, 0, 10);
    assert_int_equal(count_of(w, PROMP_BROKER_FORWARD, PROMP_TYPE_DATA, m), 1);
    assert_int_equal(counters(w).places_used, 1);
    thief = manager(w, 2);
    attach(w, thief, 1, 3);
    assert_true(kicked(w, thief, PROMP_ERR_SESSION_FOREIGN));
}

static void a_manager_that_does_not_come_back_is_missed(void **state)
{
    /* Aim: a session that a new broker learnt of ends when its manager has not come for a lease. */
    world_t *w = *state;
    promp_broker_peer_number_t n = node(w, NODE_KEY, 2, false), only[] = {n, 0};

    held(w, n, 1, 1, 0, 2);
    simple(w, n, PROMP_TYPE_HELD_END, 0);
    live(w, LEASE - 50, only);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_KILL, n), 0);
    live(w, 100, only);
    assert_int_equal(last_of(w, PROMP_BROKER_SEND, PROMP_TYPE_KILL, n)->message.kill.cause,
                     PROMP_ERR_WORKER_LEASE);
}

static void the_tree_is_built_from_its_root(void **state)
{
    /* Aim: child sessions told before their parents, down three levels on two nodes, are owned by their root's key when that is told,
     * and are routed from node to node. */
    world_t *w = *state;
    promp_broker_peer_number_t a = node(w, NODE_KEY, 9, false), b = node(w, NODE_KEY + 1, 9, false),
                               m = manager(w, 1);

    held(w, b, 4, 2, 3, 2); /* the owner that is told for a child does not count */
    held(w, b, 2, 2, 1, 2);
    simple(w, b, PROMP_TYPE_HELD_END, 0);
    held(w, a, 3, 1, 2, 2);
    assert_int_equal(counters(w).unrooted, 3);
    data(w, b, 2, 0, 10);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_NO_ROUTE, b), 1);
    held(w, a, 1, 1, 0, 2);
    simple(w, a, PROMP_TYPE_HELD_END, 0);
    assert_int_equal(counters(w).unrooted, 0);
    forget(w);
    attach(w, m, 1, 2);
    attach(w, a, 2, 2); /* 1 runs on a and manages 2 on b, and so on */
    attach(w, b, 3, 2);
    attach(w, a, 4, 2);
    assert_int_equal(count_of(w, PROMP_BROKER_FORWARD, PROMP_TYPE_ATTACH, a), 2);
    assert_int_equal(count_of(w, PROMP_BROKER_FORWARD, PROMP_TYPE_ATTACH, b), 2);
    w->key[1].role = 0; /* all of them are charged to key 1 */
    promp_broker_core_keys_changed(w->core, w->now);
    drain(w);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_KILL, a), 2);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_KILL, b), 2);
}

static void children_without_root_end(void **state)
{
    /* Aim: a session whose parent nobody tells is killed when its lease is over, and one whose parents go round in a circle too. */
    world_t *w = *state;
    promp_broker_peer_number_t n = node(w, NODE_KEY, 9, false), only[] = {n, 0};

    held(w, n, 2, 1, 1, 2);
    held(w, n, 3, 1, 4, 2);
    held(w, n, 4, 1, 3, 2);
    simple(w, n, PROMP_TYPE_HELD_END, 0);
    live(w, LEASE - 50, only);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_KILL, n), 0);
    live(w, 100, only);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_KILL, n), 3);
    live(w, LEASE, only);
    assert_int_equal(counters(w).sessions, 0);
    assert_int_equal(counters(w).unrooted, 0);
}

static void a_start_waits_for_a_node_that_is_away(void **state)
{
    /* Aim: who has asked for a worker is told that it waits when the node that was asked goes, and when it asks again; the worker
     * is another node's when the lease of the first one is over. */
    world_t *w = *state;
    promp_broker_peer_number_t n = node(w, NODE_KEY, 1, true), m = manager(w, 1), other, there[] = {m, 0, 0};

    start(w, m, 1);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_START, n), 1);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_QUEUED, m), 0);
    promp_broker_core_closed(w->core, n, PROMP_ERR_PEER_LEFT, w->now);
    drain(w);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_QUEUED, m), 1);
    start(w, m, 1);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_QUEUED, m), 2);
    there[1] = other = node(w, NODE_KEY + 1, 1, true);
    live(w, LEASE - 200, there);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_START, other), 0);
    live(w, 400, there);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_START, other), 1);
    started(w, other, 1);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_STARTED, m), 1);
}

static void an_unanswered_start_is_asked_again(void **state)
{
    /* Aim: a START that was lost with the node's connection is sent again when the node, back, does not have the session; when it has,
     * the manager gets STARTED. */
    world_t *w = *state;
    promp_broker_peer_number_t n = node(w, NODE_KEY, 4, true), m = manager(w, 1);

    start(w, m, 1);
    start(w, m, 2);
    promp_broker_core_closed(w->core, n, PROMP_ERR_PEER_LEFT, w->now);
    n = node(w, NODE_KEY, 4, false);
    held(w, n, 1, 1, 0, 2);
    assert_int_equal(last_of(w, PROMP_BROKER_SEND, PROMP_TYPE_STARTED, m)->frame.session.b[0], 1);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_START, n), 0);
    simple(w, n, PROMP_TYPE_HELD_END, 0);
    assert_int_equal(last_of(w, PROMP_BROKER_SEND, PROMP_TYPE_START, n)->frame.session.b[0], 2);
    assert_int_equal(counters(w).places_used, 2);
}

static void an_unheard_start_can_be_killed(void **state)
{
    /* Aim: a start that was killed, and that its node never heard of, ends with the cause of the kill, not as a loss. */
    world_t *w = *state;
    promp_broker_peer_number_t n = node(w, NODE_KEY, 4, true), m = manager(w, 1);
    promp_message_t kill = {.type = PROMP_TYPE_KILL, .kill = {.cause = PROMP_ERR_WORKER_STOPPED}};

    start(w, m, 1);
    promp_broker_core_closed(w->core, n, PROMP_ERR_PEER_LEFT, w->now);
    say(w, m, &kill, 1, 0);
    n = node(w, NODE_KEY, 4, false);
    simple(w, n, PROMP_TYPE_HELD_END, 0);
    assert_int_equal(last_of(w, PROMP_BROKER_SEND, PROMP_TYPE_START_REFUSED, m)->message.start_refused.error,
                     PROMP_ERR_WORKER_STOPPED);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_GONE, m), 0);
    assert_int_equal(counters(w).sessions, 0);
}

static void a_start_waits_for_the_node_that_has_it(void **state)
{
    /* Aim: a manager that asks a new broker again while the node with its worker is still away gets that worker when it comes, and
     * no second one. */
    world_t *w = *state;
    promp_broker_peer_number_t m = manager(w, 1), n;

    start(w, m, 1);
    n = node(w, NODE_KEY, 4, false);
    held(w, n, 1, 1, 0, 2);
    simple(w, n, PROMP_TYPE_HELD_END, 0);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_STARTED, m), 1);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_START, n), 0);
    assert_int_equal(counters(w).sessions, 1);
    assert_int_equal(counters(w).starts_bytes, 0);
}

static void the_worker_that_runs_is_preferred(void **state)
{
    /* Aim: a new broker that was asked again, and asked another node before the one with the worker came, takes that worker for the
     * session; the other one's is killed if it starts, its refusal changes nothing. */
    world_t *w = *state;
    promp_broker_peer_number_t other = node(w, NODE_KEY, 4, true), m = manager(w, 1), n;

    start(w, m, 1);
    start(w, m, 2);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_START, other), 2);
    n = node(w, NODE_KEY + 1, 4, false);
    held(w, n, 1, 1, 0, 2);
    held(w, n, 2, 1, 0, 2);
    simple(w, n, PROMP_TYPE_HELD_END, 0);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_STARTED, m), 2);
    started(w, other, 1);
    refused(w, other, 2, PROMP_ERR_PROCESSES);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_KILL, n), 0);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_KILL, other), 1);
    assert_int_equal(last_of(w, PROMP_BROKER_SEND, PROMP_TYPE_KILL, other)->frame.session.b[0], 1);
    gone(w, other, 1);
    assert_int_equal(count_of(w, PROMP_BROKER_FORWARD, PROMP_TYPE_GONE, m), 0);
    attach(w, m, 1, 2);
    attach(w, m, 2, 2);
    assert_int_equal(count_of(w, PROMP_BROKER_FORWARD, PROMP_TYPE_ATTACH, n), 2);
    assert_int_equal(counters(w).running, 2);
    assert_int_equal(counters(w).places_used, 2);
    assert_int_equal(counters(w).starts_bytes, 0);
}

static void a_second_worker_is_killed(void **state)
{
    /* Aim: where the node that was asked has answered, or the session is claimed for another owner, what a second node holds of it is
     * killed, and the session stays where it is. */
    world_t *w = *state;
    promp_broker_peer_number_t first = node(w, NODE_KEY, 4, true), m = manager(w, 1), n;

    start(w, m, 1);
    started(w, first, 1);
    start(w, m, 2);
    n = node(w, NODE_KEY + 1, 4, false);
    held(w, n, 1, 1, 0, 2);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_KILL, n), 1);
    held(w, n, 2, 2, 0, 2);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_KILL, n), 2);
    simple(w, n, PROMP_TYPE_HELD_END, 0);
    attach(w, m, 1, 1);
    assert_int_equal(count_of(w, PROMP_BROKER_FORWARD, PROMP_TYPE_ATTACH, first), 1);
    assert_int_equal(counters(w).asked, 1);
}

static void a_manager_keeps_the_worker_of_its_own_node(void **state)
{
    /* Aim: a node that was asked for a worker of its own worker relays it by itself: what another node holds of it is killed, also
     * before the answer. */
    world_t *w = *state;
    promp_broker_peer_number_t home = node(w, NODE_KEY, 4, true), m = manager(w, 1), n;
    promp_message_t ask = start_of();

    run(w, m, home, 1);
    ask.start.parent = id_of(1);
    say(w, home, &ask, 2, 0);
    assert_int_equal(last_of(w, PROMP_BROKER_SEND, PROMP_TYPE_START, home)->frame.session.b[0], 2);
    n = node(w, NODE_KEY + 1, 4, false);
    held(w, n, 2, 1, 1, 2);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_KILL, n), 1);
    simple(w, n, PROMP_TYPE_HELD_END, 0);
    started(w, home, 2);
    assert_int_equal(count_of(w, PROMP_BROKER_SEND, PROMP_TYPE_KILL, home), 0);
    assert_int_equal(counters(w).running, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_broker_without_memory_learns_all),
        CASE(a_manager_that_does_not_come_back_is_missed),
        CASE(the_tree_is_built_from_its_root),
        CASE(children_without_root_end),
        CASE(a_start_waits_for_a_node_that_is_away),
        CASE(an_unanswered_start_is_asked_again),
        CASE(an_unheard_start_can_be_killed),
        CASE(a_start_waits_for_the_node_that_has_it),
        CASE(the_worker_that_runs_is_preferred),
        CASE(a_second_worker_is_killed),
        CASE(a_manager_keeps_the_worker_of_its_own_node),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
