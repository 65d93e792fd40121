/* Workers as the keeper's core sees them. */
#include "keeper_world.h"

static void whole_life(void **state)
{
    /* SPAWN, SPAWNED with a pidfd, death, sweep, EXITED with the tail, EXIT_SEEN: then it is forgotten. */
    world_t *w = *state;
    uint32_t number = spawn(w, 1);
    promp_message_t seen = {.type = PROMP_TYPE_EXIT_SEEN};
    const seen_t *s = last_of(w, PROMP_KEEPER_TO_AGENT, PROMP_TYPE_SPAWNED);

    assert_int_equal(s->effect.worker, number);
    assert_int_equal(s->message.spawned.pid, 1001);
    assert_int_equal(promp_keeper_core_by_pid(w->core, 1001), number);
    ends(w, number, 3, 0, false);
    assert_int_equal(promp_keeper_core_by_pid(w->core, 1001), PROMP_KEEPER_NONE);
    s = last_of(w, PROMP_KEEPER_TO_AGENT, PROMP_TYPE_EXITED);
    assert_int_equal(s->message.exited.cause, PROMP_ERR_WORKER_EXITED);
    assert_int_equal(s->message.exited.code, 3);
    assert_int_equal(s->message.exited.owner_start, 500);
    assert_int_equal(s->message.exited.memory, 4096);
    assert_memory_equal(s->message.exited.tail.data, "last words", 10);
    says(w, &seen, 1, 0);
    assert_int_equal(spawn(w, 1), number); /* session and number are free again */
}

static void causes(void **state)
{
    /* Why it died: by itself, by a signal, for want of memory, or for the reason that SLAY gave, the first one. */
    world_t *w = *state;
    promp_message_t slay = {.type = PROMP_TYPE_SLAY, .slay = {.cause = PROMP_ERR_WORKER_LEASE}};
    uint32_t number;

    ends(w, spawn(w, 1), 0, 11, false);
    assert_int_equal(last_of(w, PROMP_KEEPER_TO_AGENT, PROMP_TYPE_EXITED)->message.exited.cause,
                     PROMP_ERR_WORKER_SIGNALLED);
    ends(w, spawn(w, 2), 0, 9, true);
    assert_int_equal(last_of(w, PROMP_KEEPER_TO_AGENT, PROMP_TYPE_EXITED)->message.exited.cause,
                     PROMP_ERR_WORKER_MEMORY);
    assert_int_equal(last_of(w, PROMP_KEEPER_TO_AGENT, PROMP_TYPE_EXITED)->message.exited.limit, 8192);
    number = spawn(w, 3);
    says(w, &slay, 3, 0);
    slay.slay.cause = PROMP_ERR_WORKER_STOPPED;
    says(w, &slay, 3, 0);
    assert_int_equal(last_of(w, PROMP_KEEPER_SLAY, 0)->effect.worker, number);
    ends(w, number, 0, 9, true);
    assert_int_equal(last_of(w, PROMP_KEEPER_TO_AGENT, PROMP_TYPE_EXITED)->message.exited.cause,
                     PROMP_ERR_WORKER_LEASE);
    number = spawn(w, 4);
    says(w, &slay, 4, 0);
    ends(w, number, 5, 0, false); /* it had ended by itself before */
    assert_int_equal(last_of(w, PROMP_KEEPER_TO_AGENT, PROMP_TYPE_EXITED)->message.exited.cause,
                     PROMP_ERR_WORKER_EXITED);
}

static void tree_takes_time(void **state)
{
    /* EXITED waits until sweeps find nothing, with growing pauses; one that never goes holds it up for a second. */
    world_t *w = *state;
    uint32_t number = spawn(w, 1);

    w->left = 2;
    ends(w, number, 0, 0, false);
    for (int i = 0; i < 10; i++) {
        pulse(w, 0);
        pass(w, 20);
    }
    assert_int_equal(count_of(w, PROMP_KEEPER_TO_AGENT, PROMP_TYPE_EXITED), 0);
    assert_in_range(count_of(w, PROMP_KEEPER_SWEEP, 0), 5, 15);
    w->left = 0;
    pass(w, 60);
    assert_int_equal(count_of(w, PROMP_KEEPER_TO_AGENT, PROMP_TYPE_EXITED), 1);
    forget(w);
    number = spawn(w, 2);
    w->left = 1;
    ends(w, number, 0, 0, false);
    pass(w, 1200);
    assert_int_equal(count_of(w, PROMP_KEEPER_TO_AGENT, PROMP_TYPE_EXITED), 1);
}

static void spawn_fails(void **state)
{
    /* What the shell could not start is told with number and errno, and leaves nothing. */
    world_t *w = *state;
    promp_message_t m = {.type = PROMP_TYPE_SPAWN,
                         .spawn = {.lease_ms = 1000, .program = promp_slice_str("/x")}};
    promp_error_t error = {.code = PROMP_ERR_PROGRAM_DENIED, .system = 13, .text = "why"};

    says(w, &m, 1, 1);
    promp_keeper_core_failed(w->core, last_of(w, PROMP_KEEPER_SPAWN, 0)->effect.worker, &error, w->now);
    drain(w);
    assert_int_equal(last_of(w, PROMP_KEEPER_TO_AGENT, PROMP_TYPE_SPAWN_FAILED)->message.spawn_failed.error,
                     PROMP_ERR_PROGRAM_DENIED);
    spawn(w, 1);
}

/* SPAWN of a session that has a process but does not run its program yet. */
static uint32_t forks(world_t *w, uint8_t session)
{
    promp_message_t m = {.type = PROMP_TYPE_SPAWN,
                         .spawn = {.lease_ms = 1000, .program = promp_slice_str("/x")}};

    says(w, &m, session, 1);
    uint32_t number = last_of(w, PROMP_KEEPER_SPAWN, 0)->effect.worker;
    promp_keeper_core_forked(w->core, number, session + 1000u, w->now);
    drain(w);
    return number;
}

static void start_takes_time(void **state)
{
    /* A process that is not its program yet is known, can be slain, and is told as started once it runs; killed before that
     * it ends like any other. */
    world_t *w = *state;
    promp_message_t slay = {.type = PROMP_TYPE_SLAY, .slay = {.cause = PROMP_ERR_WORKER_STOPPED}};
    uint32_t number = forks(w, 1);

    assert_int_equal(count_of(w, PROMP_KEEPER_TO_AGENT, PROMP_TYPE_SPAWNED), 0);
    assert_int_equal(promp_keeper_core_by_pid(w->core, 1001), number);
    promp_keeper_core_spawned(w->core, number, 1001, w->now);
    promp_keeper_core_spawned(w->core, number, 1001, w->now);
    drain(w);
    assert_int_equal(count_of(w, PROMP_KEEPER_TO_AGENT, PROMP_TYPE_SPAWNED), 1);
    assert_int_equal(promp_keeper_core_living(w->core), 1);
    number = forks(w, 2);
    says(w, &slay, 2, 0);
    assert_int_equal(last_of(w, PROMP_KEEPER_SLAY, 0)->effect.worker, number);
    promp_keeper_core_spawned(w->core, number, 1002, w->now);
    ends(w, number, 0, 9, false);
    assert_int_equal(last_of(w, PROMP_KEEPER_TO_AGENT, PROMP_TYPE_EXITED)->message.exited.cause,
                     PROMP_ERR_WORKER_STOPPED);
    assert_int_equal(promp_keeper_core_living(w->core), 1);
}

static void start_fails_late(void **state)
{
    /* A start that fails after it had a process is refused, and forgotten; where a new agent has heard of it as of a worker, it
     * ends as one, with the cause WORKER_START. */
    world_t *w = *state;
    promp_error_t error = {.code = PROMP_ERR_START_FOLDER, .system = 2, .text = "why"};
    uint32_t number = forks(w, 1);

    promp_keeper_core_failed(w->core, number, &error, w->now);
    drain(w);
    assert_int_equal(last_of(w, PROMP_KEEPER_TO_AGENT, PROMP_TYPE_SPAWN_FAILED)->message.spawn_failed.error,
                     PROMP_ERR_START_FOLDER);
    assert_int_equal(promp_keeper_core_living(w->core), 0);
    assert_int_equal(promp_keeper_core_by_pid(w->core, 1001), PROMP_KEEPER_NONE);

    number = forks(w, 1);
    promp_keeper_core_agent_down(w->core, w->now);
    pass(w, 200);
    promp_keeper_core_agent_up(w->core, w->now);
    drain(w);
    assert_int_equal(last_of(w, PROMP_KEEPER_TO_AGENT, PROMP_TYPE_ROSTER)->message.roster.pid, 1001);
    forget(w);
    promp_keeper_core_failed(w->core, number, &error, w->now);
    pass(w, 0);
    assert_int_equal(count_of(w, PROMP_KEEPER_TO_AGENT, PROMP_TYPE_SPAWN_FAILED), 0);
    assert_int_equal(last_of(w, PROMP_KEEPER_TO_AGENT, PROMP_TYPE_EXITED)->message.exited.cause,
                     PROMP_ERR_WORKER_START);
    assert_int_equal(promp_keeper_core_living(w->core), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(whole_life),  CASE(causes),           CASE(tree_takes_time),
        CASE(spawn_fails), CASE(start_takes_time), CASE(start_fails_late),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
