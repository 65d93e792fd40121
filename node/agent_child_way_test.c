/* The way from workers that are managers to their workers elsewhere: lost, found again, limited. */
#include "agent_cluster.h"

static void a_lost_way_is_told(void **state)
{
    /* Aim: when the broker is lost the managers here of what is elsewhere hear NO_ROUTE, so that they attach again; what is
     * here does not notice. */
    world_t *w = *state;
    uint32_t b, p = child_manager(w, &b), c;

    child_asks(w, p, 2);
    child_told(w, b, PROMP_TYPE_STARTED, 2);
    attach(w, p, 2, 1, 0);
    child_asks(w, p, 3);
    c = run(w, b, 3, 1);
    attach(w, p, 3, 1, 0);
    forget(w);
    promp_agent_core_closed(w->core, b, PROMP_ERR_CLOSED, w->now);
    drain(w);
    assert_int_equal(count_of(w, PROMP_AGENT_SEND, PROMP_TYPE_NO_ROUTE, PROMP_AGENT_NONE), 1);
    assert_int_equal(last_of(w, PROMP_AGENT_SEND, PROMP_TYPE_NO_ROUTE, p)->frame.session.b[0], 2);
    data(w, p, 3, 1, 1, 0, 10);
    assert_int_equal(count_of(w, PROMP_AGENT_FORWARD, PROMP_TYPE_DATA, c), 1);
    attach(w, p, 2, 2, 0);
    assert_int_equal(count_of(w, PROMP_AGENT_SEND, PROMP_TYPE_NO_ROUTE, p), 2);
    redialled(w, &b);
    forget(w);
    welcome(w, b);
    assert_int_equal(held(w, b, 3)->state, 2);
    assert_int_equal(held(w, b, 3)->parent.b[0], 1);
    assert_int_equal(count_of(w, PROMP_AGENT_SEND, PROMP_TYPE_HELD, b), 2);
    attach(w, p, 2, 3, 0);
    assert_int_equal(count_of(w, PROMP_AGENT_FORWARD, PROMP_TYPE_ATTACH, b), 1);
}

static void asked_again(void **state)
{
    /* Aim: a start that the broker has not answered, or has queued, is said to the next broker behind HELD_END; one that was
     * answered is not. One that is asked for while there is no broker waits. */
    world_t *w = *state;
    uint32_t b, p = child_manager(w, &b);

    child_asks(w, p, 2);
    child_asks(w, p, 3);
    child_asks(w, p, 4);
    child_told(w, b, PROMP_TYPE_QUEUED, 3);
    child_told(w, b, PROMP_TYPE_STARTED, 4);
    promp_agent_core_closed(w->core, b, PROMP_ERR_CLOSED, w->now);
    drain(w);
    child_asks(w, p, 5);
    redialled(w, &b);
    forget(w);
    welcome(w, b);
    assert_int_equal(count_of(w, PROMP_AGENT_SEND, PROMP_TYPE_START, b), 3);
    for (size_t i = 0; i < w->count; i++)
        assert_true(w->seen[i].frame.type != PROMP_TYPE_START ||
                    &w->seen[i] > last_of(w, PROMP_AGENT_SEND, PROMP_TYPE_HELD_END, b));
    assert_int_equal(child_asked(w, b)->message.start.parent.b[0], 1);
    child_told(w, b, PROMP_TYPE_STARTED, 5);
    assert_int_equal(count_of(w, PROMP_AGENT_FORWARD, PROMP_TYPE_STARTED, p), 1);
}

static void after_a_new_agent(void **state)
{
    /* Aim: an agent that knows nothing of what a worker has elsewhere learns it when the worker attaches, or kills; a session
     * that the broker does not know either is forgotten after a while. */
    world_t *w = *state;
    uint32_t b, p = child_manager(w, &b), links[2];
    promp_message_t kill = {.type = PROMP_TYPE_KILL, .kill = {.cause = PROMP_ERR_WORKER_STOPPED}},
                    lost = {.type = PROMP_TYPE_NO_ROUTE};

    attach(w, p, 2, 5, 0);
    assert_int_equal(count_of(w, PROMP_AGENT_FORWARD, PROMP_TYPE_ATTACH, b), 1);
    data(w, b, 2, 5, 1, 0, 10);
    assert_int_equal(count_of(w, PROMP_AGENT_FORWARD, PROMP_TYPE_DATA, p), 1);
    say(w, p, &kill, 3, 0);
    assert_int_equal(last_of(w, PROMP_AGENT_SEND, PROMP_TYPE_KILL, b)->message.kill.cause,
                     PROMP_ERR_WORKER_STOPPED);
    child_told(w, b, PROMP_TYPE_START_REFUSED, 3);
    assert_int_equal(count_of(w, PROMP_AGENT_FORWARD, PROMP_TYPE_START_REFUSED, p), 1);
    attach(w, p, 4, 1, 0);
    say(w, b, &lost, 4, 1);
    assert_int_equal(count_of(w, PROMP_AGENT_FORWARD, PROMP_TYPE_NO_ROUTE, p), 1);
    forget(w);
    links[0] = b;
    links[1] = p;
    for (int i = 0; i < 35; i++) {
        live(w, LEASE, links, 2);
        forget(w);
    }
    data(w, b, 4, 1, 1, 0, 10);
    assert_int_equal(count_of(w, PROMP_AGENT_SEND, PROMP_TYPE_NO_ROUTE, b), 1);
    data(w, b, 2, 5, 1, 10, 10);
    assert_int_equal(count_of(w, PROMP_AGENT_FORWARD, PROMP_TYPE_DATA, p), 1);
}

static void a_roster_with_children(void **state)
{
    /* Aim: of the roster's sessions those whose parent runs here belong to it, those whose parent has ended end, those of a
     * parent elsewhere are the broker's. */
    world_t *w = *state;
    promp_message_t
        m = {.type = PROMP_TYPE_ROSTER, .roster = {.lease_ms = LEASE, .pid = 1001, .owner = owner()}},
        e = {.type = PROMP_TYPE_EXITED,
             .exited = {.lease_ms = LEASE, .pid = 1002, .owner = owner(), .cause = PROMP_ERR_WORKER_EXITED}};
    uint32_t b;

    keeper_says(w, &m, 1, 101);
    keeper_says(w, &e, 2, -1);
    m.roster.parent = id_of(1);
    keeper_says(w, &m, 3, 103);
    m.roster.parent = id_of(2);
    keeper_says(w, &m, 4, 104);
    m.roster.parent = id_of(77);
    keeper_says(w, &m, 5, 105);
    b = dialled(w);
    assert_int_equal(count_of(w, PROMP_AGENT_TO_KEEPER, PROMP_TYPE_RELINK, PROMP_AGENT_NONE), 3);
    assert_int_equal(last_of(w, PROMP_AGENT_TO_KEEPER, PROMP_TYPE_SLAY, PROMP_AGENT_NONE)->frame.session.b[0],
                     4);
    welcome(w, b);
    for (uint8_t i = 1; i <= 5; i++)
        assert_int_equal(held(w, b, i)->state, i == 2 ? 3 : 2);
    attach(w, b, 5, 3, 0);
    assert_int_equal(count_of(w, PROMP_AGENT_SEND, PROMP_TYPE_NO_ROUTE, b), 0);
    attach(w, b, 3, 3, 0); /* that is its parent's to say, here */
    assert_int_equal(count_of(w, PROMP_AGENT_SEND, PROMP_TYPE_NO_ROUTE, b), 1);
}

static void limits(void **state)
{
    /* Aim: a worker may have so many sessions and no more, wherever they are; one too many costs it nothing else. */
    world_t *w = *state;
    uint32_t b, p = child_manager(w, &b);

    for (uint8_t i = 0; i < PROMP_LIMIT_WORKER_STARTS; i++)
        child_asks(w, p, (uint8_t)(100 + i));
    assert_int_equal(count_of(w, PROMP_AGENT_SEND, PROMP_TYPE_START, b), PROMP_LIMIT_WORKER_STARTS);
    child_asks(w, p, 99);
    assert_int_equal(last_of(w, PROMP_AGENT_SEND, PROMP_TYPE_START_REFUSED, p)->message.start_refused.error,
                     PROMP_ERR_LIMIT_WORKERS);
    attach(w, p, 98, 1, 0);
    assert_int_equal(count_of(w, PROMP_AGENT_SEND, PROMP_TYPE_NO_ROUTE, p), 1);
    assert_int_equal(count_of(w, PROMP_AGENT_CLOSE, 0, p), 0);
}

static void a_slow_manager(void **state)
{
    /* Aim: what the broker sends to a worker that does not read waits up to its limit, then CONGESTED; a lost link forgets it. */
    world_t *w = *state;
    uint32_t b, p = child_manager(w, &b);
    size_t piece = 200000, limit = PROMP_LIMIT_RELAY_SESSION / promp_frame_size(piece);

    child_asks(w, p, 2);
    child_told(w, b, PROMP_TYPE_STARTED, 2);
    attach(w, p, 2, 1, 0);
    for (size_t i = 0; i < limit + 1; i++)
        data(w, b, 2, 1, 1, i * piece, piece);
    assert_int_equal(count_of(w, PROMP_AGENT_FORWARD, PROMP_TYPE_DATA, p), limit);
    assert_int_equal(count_of(w, PROMP_AGENT_SEND, PROMP_TYPE_CONGESTED, b), 1);
    for (size_t i = 0; i < limit + 1; i++)
        data(w, p, 2, 1, 1, i * piece, piece);
    assert_int_equal(count_of(w, PROMP_AGENT_FORWARD, PROMP_TYPE_DATA, b), limit);
    assert_int_equal(count_of(w, PROMP_AGENT_SEND, PROMP_TYPE_CONGESTED, p), 1);
    b = again(w, b);
    attach(w, p, 2, 2, 0);
    data(w, p, 2, 2, 1, 0, piece);
    assert_int_equal(count_of(w, PROMP_AGENT_FORWARD, PROMP_TYPE_DATA, b), 1);
}

static void descriptors_stay_here(void **state)
{
    /* Aim: LEND passes with its descriptor to a worker here, and without one to a worker elsewhere. */
    world_t *w = *state;
    uint32_t b, p = child_manager(w, &b), c;

    child_asks(w, p, 2);
    c = run(w, b, 2, 1);
    attach(w, p, 2, 1, 0);
    child_asks(w, p, 3);
    child_told(w, b, PROMP_TYPE_STARTED, 3);
    attach(w, p, 3, 1, 0);
    forget(w);
    lend(w, p, 2, 1);
    assert_int_equal(last_of(w, PROMP_AGENT_FORWARD, PROMP_TYPE_LEND, c)->frame.fds, 1);
    lend(w, p, 3, 1);
    assert_int_equal(last_of(w, PROMP_AGENT_SEND, PROMP_TYPE_LEND, b)->frame.fds, 0);
    assert_int_equal(last_of(w, PROMP_AGENT_SEND, PROMP_TYPE_LEND, b)->message.lend.request, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLUSTER(a_lost_way_is_told),     CLUSTER(asked_again), CLUSTER(after_a_new_agent),
        CLUSTER(a_roster_with_children), CLUSTER(limits),      CLUSTER(a_slow_manager),
        CLUSTER(descriptors_stay_here),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
