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
        CASE(rebuilds),           CASE(owner_is_dead), CASE(record_of_before), CASE(keeper_out_of_order),
        CASE(spawned_for_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
