/* A new agent learns from the keeper what runs. */
#include "agent_world.h"

static void learns(world_t *w, uint8_t session, uint8_t parent, uint32_t owner)
{
    promp_message_t m = {
        .type = PROMP_TYPE_ROSTER,
        .roster = {
            .lease_ms = LEASE, .owner_pid = owner, .owner_start = owner * 10u, .pid = session + 1000u}};

    if (parent)
        m.roster.parent = id_of(parent);
    keeper_says(w, &m, session, session + 100);
}

static void rebuilds(void **state)
{
    /* ROSTER rebuilds the table: each worker gets a new link, its manager attaches again, nobody else may. */
    world_t *w = *state;
    uint32_t m, one, thief;

    promp_agent_core_destroy(&w->core);
    new_core(w);
    learns(w, 2, 1, 0); /* the child may come before its parent */
    learns(w, 1, 0, 50);
    learns(w, 3, 8, 0); /* its parent is gone */
    assert_false(promp_agent_core_serving(w->core));
    roster_end(w);
    assert_true(promp_agent_core_serving(w->core));
    assert_int_equal(count_of(w, PROMP_AGENT_TO_KEEPER, PROMP_TYPE_RELINK, PROMP_AGENT_NONE), 2);
    assert_memory_equal(last_of(w, PROMP_AGENT_TO_KEEPER, PROMP_TYPE_SLAY, PROMP_AGENT_NONE)->frame.session.b,
                        id_of(3).b, 16);
    one = last_of(w, PROMP_AGENT_TO_KEEPER, PROMP_TYPE_RELINK, PROMP_AGENT_NONE)->effect.link;
    hello(w, one, 2);
    assert_int_equal(count_of(w, PROMP_AGENT_SEND, PROMP_TYPE_WELCOME, one), 1);
    thief = open_manager(w, 51);
    attach(w, thief, 1, 5, 0);
    assert_int_equal(last_of(w, PROMP_AGENT_SEND, PROMP_TYPE_REFUSED, thief)->message.refused.error,
                     PROMP_ERR_SESSION_FOREIGN);
    forget(w);
    m = open_manager(w, 50);
    attach(w, m, 1, 5, 0);
    assert_int_equal(count_of(w, PROMP_AGENT_CLOSE, 0, m), 0);
}

static void owner_is_dead(void **state)
{
    /* A manager that died while there was no agent: its workers are slain as soon as that is seen. */
    world_t *w = *state;

    promp_agent_core_destroy(&w->core);
    new_core(w);
    learns(w, 1, 0, 50);
    roster_end(w);
    promp_agent_core_owner_died(w->core, w->owner, w->now);
    drain(w);
    assert_int_equal(count_of(w, PROMP_AGENT_SLAY, 0, PROMP_AGENT_NONE), 1);
}

static void owner_is_not_watched(void **state)
{
    /* No descriptor to watch a manager with is nobody's death: its workers live, for their lease; it is not let in, and
     * watched when it comes again. */
    world_t *w = *state;
    uint32_t m, worker;

    promp_agent_core_destroy(&w->core);
    new_core(w);
    learns(w, 1, 0, 50);
    promp_agent_core_owner_unwatched(w->core, w->owner, w->now);
    roster_end(w);
    worker = w->made_link;
    hello(w, worker, 2);
    forget(w);
    m = open_manager(w, 50);
    assert_int_equal(count_of(w, PROMP_AGENT_WATCH, 0, PROMP_AGENT_NONE), 1);
    promp_agent_core_owner_unwatched(w->core, w->owner, w->now);
    drain(w);
    assert_int_equal(count_of(w, PROMP_AGENT_CLOSE, 0, m), 1);
    m = open_manager(w, 50);
    attach(w, m, 1, 5, 0);
    live(w, LEASE / 2, (uint32_t[]){m, worker}, 2);
    assert_int_equal(count_of(w, PROMP_AGENT_WATCH, 0, PROMP_AGENT_NONE), 2);
    assert_int_equal(count_of(w, PROMP_AGENT_UNWATCH, 0, PROMP_AGENT_NONE), 0);
    assert_int_equal(count_of(w, PROMP_AGENT_SLAY, 0, PROMP_AGENT_NONE), 0);
    promp_agent_core_closed(w->core, m, PROMP_ERR_CLOSED, w->now);
    forget(w);
    live(w, LEASE, &worker, 1);
    assert_int_equal(count_of(w, PROMP_AGENT_SLAY, 0, PROMP_AGENT_NONE), 1);
}

static void new_link_is_lost(void **state)
{
    /* A new link that ends before the worker has said HELLO on it did not reach it: another one follows, until the
     * worker has not been heard for its lease. */
    world_t *w = *state;
    uint32_t m, worker;
    size_t tries = 0;

    promp_agent_core_destroy(&w->core);
    new_core(w);
    learns(w, 1, 0, 50);
    learns(w, 2, 0, 50);
    roster_end(w);
    worker = w->seen[w->count - 1].effect.link;
    for (size_t i = 0; i < w->count; i++)
        if (w->seen[i].frame.type == PROMP_TYPE_RELINK && w->seen[i].effect.link != w->made_link)
            worker = w->seen[i].effect.link;
    hello(w, worker, 2);
    m = open_manager(w, 50);
    attach(w, m, 1, 5, 0);
    attach(w, m, 2, 5, 0);
    for (int64_t end = w->now + LEASE - 300; w->now < end; tries++) {
        promp_agent_core_closed(w->core, w->made_link, PROMP_ERR_CLOSED, w->now);
        forget(w);
        for (int i = 0; i < 30 && !count_of(w, PROMP_AGENT_TO_KEEPER, PROMP_TYPE_RELINK, PROMP_AGENT_NONE);
             i++)
            live(w, 10, (uint32_t[]){m, worker}, 2);
        assert_int_equal(count_of(w, PROMP_AGENT_TO_KEEPER, PROMP_TYPE_RELINK, PROMP_AGENT_NONE), 1);
        assert_int_equal(count_of(w, PROMP_AGENT_SLAY, 0, PROMP_AGENT_NONE), 0);
    }
    assert_in_range(tries, 3, 10);
    promp_agent_core_closed(w->core, w->made_link, PROMP_ERR_CLOSED, w->now);
    live(w, 300, (uint32_t[]){m, worker}, 2);
    assert_int_equal(count_of(w, PROMP_AGENT_SLAY, 0, PROMP_AGENT_NONE), 1);
    assert_int_equal(last_of(w, PROMP_AGENT_TO_KEEPER, PROMP_TYPE_SLAY, PROMP_AGENT_NONE)->message.slay.cause,
                     PROMP_ERR_WORKER_UNRESPONSIVE);
}

static void pidfd_is_lost(void **state)
{
    /* Without its pidfd a worker is none the worse; the keeper ends it when that is due. */
    world_t *w = *state;
    uint32_t m = open_manager(w, 50), worker;
    promp_message_t kill = {.type = PROMP_TYPE_KILL, .kill = {.cause = PROMP_ERR_WORKER_STOPPED}};

    start_with(w, m, 1, LEASE);
    worker = spawned(w, 1, -1);
    assert_int_equal(count_of(w, PROMP_AGENT_SEND, PROMP_TYPE_STARTED, m), 1);
    live(w, 2 * LEASE, (uint32_t[]){m, worker}, 2);
    assert_int_equal(count_of(w, PROMP_AGENT_TO_KEEPER, PROMP_TYPE_SLAY, PROMP_AGENT_NONE), 0);
    say(w, m, &kill, 1, 0);
    assert_int_equal(count_of(w, PROMP_AGENT_TO_KEEPER, PROMP_TYPE_SLAY, PROMP_AGENT_NONE), 1);
    assert_int_equal(count_of(w, PROMP_AGENT_SLAY, 0, PROMP_AGENT_NONE), 0);
}

static void record_of_before(void **state)
{
    /* An exit record of before is told to the manager that comes back, with its code. */
    world_t *w = *state;
    uint32_t m;
    promp_message_t e = {.type = PROMP_TYPE_EXITED,
                         .exited = {.lease_ms = LEASE,
                                    .owner_pid = 50,
                                    .owner_start = 500,
                                    .pid = 9,
                                    .code = 42,
                                    .cause = PROMP_ERR_WORKER_EXITED,
                                    .tail = promp_slice_str("last words")}};

    promp_agent_core_destroy(&w->core);
    new_core(w);
    keeper_says(w, &e, 1, -1);
    roster_end(w);
    m = open_manager(w, 50);
    attach(w, m, 1, 5, 0);
    assert_int_equal(last_of(w, PROMP_AGENT_SEND, PROMP_TYPE_GONE, m)->message.gone.code, 42);
    assert_int_equal(last_of(w, PROMP_AGENT_SEND, PROMP_TYPE_GONE, m)->message.gone.tail.size, 10);
    simple(w, m, PROMP_TYPE_GONE_ACK, 1);
    assert_int_equal(count_of(w, PROMP_AGENT_TO_KEEPER, PROMP_TYPE_EXIT_SEEN, PROMP_AGENT_NONE), 1);
}

static void keeper_out_of_order(void **state)
{
    /* A keeper that repeats itself or sends nonsense: the agent ends, for another to take over. */
    world_t *w = *state;

    roster_end(w);
    assert_int_equal(last_of(w, PROMP_AGENT_END, 0, PROMP_AGENT_NONE)->effect.error, PROMP_ERR_MESSAGE_STATE);
}

static void spawned_for_nobody(void **state)
{
    /* A process whose session is no more is killed, and its descriptor closed. */
    world_t *w = *state;
    promp_message_t m = {.type = PROMP_TYPE_SPAWNED, .spawned = {.pid = 9}};

    keeper_says(w, &m, 1, 33);
    assert_int_equal(last_of(w, PROMP_AGENT_SLAY, 0, PROMP_AGENT_NONE)->effect.handle, 33);
    assert_int_equal(last_of(w, PROMP_AGENT_DROP, 0, PROMP_AGENT_NONE)->effect.handle, 33);
    assert_int_equal(count_of(w, PROMP_AGENT_TO_KEEPER, PROMP_TYPE_SLAY, PROMP_AGENT_NONE), 1);
    exited(w, 1, PROMP_ERR_WORKER_SIGNALLED, 0, 9);
    assert_int_equal(count_of(w, PROMP_AGENT_TO_KEEPER, PROMP_TYPE_EXIT_SEEN, PROMP_AGENT_NONE), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(rebuilds),           CASE(owner_is_dead),
        CASE(record_of_before),   CASE(keeper_out_of_order),
        CASE(spawned_for_nobody), CASE(owner_is_not_watched),
        CASE(new_link_is_lost),   CASE(pidfd_is_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
