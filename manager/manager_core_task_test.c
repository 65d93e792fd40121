#include <signal.h>

#include "core_rig.h"

#define LOG 4096

/* --- tasks for ANY and ALL --- */

static void any_lowest_idle(void **state)
{
    /* A task for ANY goes to the lowest idle and ready worker, else waits for the first that frees, in order. */
    rig_t *rig = *state;
    char log[LOG] = "";
    rig_start(rig, 0, false);
    rig_start(rig, 0, true);
    rig_start(rig, 0, true);
    rig_task(rig, PROMP_WORKER_ANY);
    rig_task(rig, PROMP_WORKER_ANY);
    rig_task(rig, PROMP_WORKER_ANY);
    rig_task(rig, PROMP_WORKER_ANY);
    assert_int_equal(rig->worker[0].tasks, 0);
    assert_int_equal(rig->worker[1].tasks, 1);
    assert_int_equal(rig->worker[2].tasks, 1);
    rig_done(rig, 3, 1);
    assert_int_equal(rig->worker[2].tasks, 2);
    promp_message_t ready = {.type = PROMP_TYPE_READY};
    rig_send(rig, 1, PROMP_LANE_CONTROL, &ready);
    assert_int_equal(rig->worker[0].tasks, 1);
    rig_done(rig, 1, 1);
    rig_done(rig, 2, 1);
    rig_done(rig, 3, 2);
    rig_process(rig, log, sizeof log);
    assert_false(promp_manager_core_busy(rig->core));
    rig_task(rig, PROMP_WORKER_ANY);
    assert_int_equal(rig->worker[0].tasks, 2);
}

static void any_dropped(void **state)
{
    /* Tasks for ANY become failures when the last worker is gone, and the manager is not busy then. */
    rig_t *rig = *state;
    char log[LOG] = "";
    uint32_t id = rig_start(rig, 0, false);
    rig_task(rig, PROMP_WORKER_ANY);
    rig_task(rig, PROMP_WORKER_ANY);
    assert_true(promp_manager_core_busy(rig->core));
    rig_gone(rig, id, PROMP_ERR_WORKER_EXITED, true);
    rig_process(rig, log, sizeof log);
    assert_false(promp_manager_core_busy(rig->core));
    rig_take_failure(rig, PROMP_WORKER_ANY, PROMP_ERR_NO_WORKER, 0);
    rig_take_failure(rig, PROMP_WORKER_ANY, PROMP_ERR_NO_WORKER, 0);
    rig_task(rig, PROMP_WORKER_ANY);
    assert_false(promp_manager_core_busy(rig->core));
}

static void any_many_workers(void **state)
{
    /* With a hundred workers that free in any order the lowest idle one is always the next. */
    rig_t *rig = *state;
    uint64_t running[101] = {0};
    for (int i = 0; i < 100; i++)
        rig_start(rig, 0, true);
    for (int i = 1; i <= 100; i++) {
        rig_task(rig, PROMP_WORKER_ANY);
        assert_int_equal(rig->worker[i - 1].tasks, 1);
        running[i] = 1;
    }
    unsigned seed = 5;
    for (int round = 0; round < 50; round++) {
        uint32_t lowest = 101;
        for (int i = 0; i < 7; i++) {
            seed = seed * 1103515245 + 12345;
            uint32_t id = 1 + (seed >> 16) % 100;
            if (running[id]) {
                rig_done(rig, id, rig->worker[id - 1].last_task);
                running[id] = 0;
            }
        }
        for (uint32_t id = 100; id >= 1; id--)
            lowest = running[id] ? lowest : id;
        uint32_t before = rig->worker[lowest - 1].tasks;
        rig_task(rig, PROMP_WORKER_ANY);
        assert_int_equal(rig->worker[lowest - 1].tasks, before + 1);
        running[lowest] = 1;
    }
}

static void all_each(void **state)
{
    /* ALL gives each living worker one task, the ones that are not ready too, later ones none. */
    rig_t *rig = *state;
    rig_start(rig, 0, false);
    rig_start(rig, 0, true);
    rig_task(rig, PROMP_WORKER_ALL);
    rig_start(rig, 0, true);
    assert_int_equal(rig->worker[0].tasks, 1);
    assert_int_equal(rig->worker[1].tasks, 1);
    assert_int_equal(rig->worker[2].tasks, 0);
    assert_int_equal(promp_manager_core_busy_workers(rig->core), 2);
}

static void unsent_limited(void **state)
{
    /* What is queued and unsent is bounded in bytes; one message always fits when nothing waits. */
    rig_t *rig = *state;
    static char big[4000];
    uint32_t id = rig_start(rig, 0, true);
    rig_path(rig, false, false);
    promp_manager_core_set_limits(rig->core, 1000, 0, 0);
    promp_slice_t data = promp_slice(big, sizeof big);
    assert_int_equal(promp_manager_core_send(rig->core, id, 1, data), PROMP_OK);
    assert_int_equal(promp_manager_core_send(rig->core, id, 1, promp_slice(big, 1)), PROMP_ERR_QUEUE_FULL);
    promp_manager_core_task_t task = {.kind = PROMP_TASK_NATIVE, .name = promp_slice_str("t")};
    assert_int_equal(promp_manager_core_task(rig->core, PROMP_WORKER_ANY, &task, NULL), PROMP_ERR_QUEUE_FULL);
    rig_path(rig, true, false);
    rig_sleep(rig, 100);
    assert_int_equal(promp_manager_core_unsent(rig->core), 0);
    assert_int_equal(promp_manager_core_send(rig->core, id, 1, promp_slice(big, 1)), PROMP_OK);
    assert_int_equal(promp_manager_core_send(rig->core, id, PROMP_MESSAGE_MAX + 1, data),
                     PROMP_ERR_MESSAGE_ID);
    assert_int_equal(promp_manager_core_send(rig->core, 77, 1, data), PROMP_ERR_NO_WORKER);
}

/* --- abort and stop --- */

static void abort_obeyed(void **state)
{
    /* A worker that ends its tasks after an abort lives on, and what it is given then runs. */
    rig_t *rig = *state;
    char log[LOG] = "";
    uint32_t id = rig_start(rig, 0, true);
    rig_task(rig, id);
    rig_task(rig, id);
    promp_manager_core_abort(rig->core, id, 1000, rig->now);
    rig_pump(rig);
    uint64_t a = 0, b = 0;
    assert_true(promp_session_urged(rig->worker[0].session, PROMP_SLOT_ABORT, &a, &b));
    assert_int_equal(a, 2);
    assert_int_equal(b, 1000);
    rig_done(rig, id, 2);
    rig_sleep(rig, 1500);
    rig_process(rig, log, sizeof log);
    assert_int_equal(rig->worker[0].killed, 0);
    assert_false(promp_manager_core_busy(rig->core));
    assert_false(promp_manager_core_has_failure(rig->core, PROMP_WORKER_ANY));
    assert_int_equal(rig_task(rig, id), 3);
}

static void abort_forced(void **state)
{
    /* At the end of the time the node is asked to end the worker; of its tasks only the running one is a failure. */
    rig_t *rig = *state;
    char log[LOG] = "";
    uint32_t id = rig_start(rig, 0, true);
    rig_task(rig, id);
    rig_task(rig, id);
    promp_manager_core_abort(rig->core, PROMP_WORKER_ANY, 300, rig->now);
    rig_sleep(rig, 290);
    assert_int_equal(rig->worker[0].killed, 0);
    rig_sleep(rig, 20);
    assert_int_equal(rig->worker[0].killed, PROMP_ERR_WORKER_ABORTED);
    rig_gone(rig, id, PROMP_ERR_WORKER_ABORTED, true);
    rig_process(rig, log, sizeof log);
    assert_false(promp_manager_core_busy(rig->core));
    rig_take_failure(rig, id, PROMP_ERR_WORKER_ABORTED, 1);
    assert_false(promp_manager_core_has_failure(rig->core, PROMP_WORKER_ANY));
}

static void abort_by_signal(void **state)
{
    /* A worker that the abort's own SIGTERM ended was aborted, before the end of the time and when the kill overtook it;
     * another signal is what it was. */
    static const struct {
        int signal, after;
        promp_err_t cause;
    } how[] = {{SIGTERM, 290, PROMP_ERR_WORKER_ABORTED},
               {SIGTERM, 310, PROMP_ERR_WORKER_ABORTED},
               {SIGSEGV, 290, PROMP_ERR_WORKER_SIGNALLED},
               {SIGSEGV, 310, PROMP_ERR_WORKER_SIGNALLED}};
    rig_t *rig = *state;
    char log[LOG] = "";
    for (size_t i = 0; i < sizeof how / sizeof *how; i++) {
        uint32_t id = rig_start(rig, 0, true);
        promp_worker_exit_t end;
        rig_task(rig, id);
        promp_manager_core_abort(rig->core, id, 300, rig->now);
        rig_sleep(rig, how[i].after);
        rig->signal = how[i].signal;
        rig_gone(rig, id, PROMP_ERR_WORKER_SIGNALLED, true);
        rig_process(rig, log, sizeof log);
        assert_true(promp_manager_core_exit(rig->core, id, &end));
        assert_int_equal(end.cause, how[i].cause);
        assert_int_equal(end.signal, how[i].signal);
    }
}

static void abort_at_once(void **state)
{
    /* Time-out 0 kills in the same breath; an idle worker is left alone, and ALL empties the queue for ANY. */
    rig_t *rig = *state;
    uint32_t idle = rig_start(rig, 0, false), busy = rig_start(rig, 0, true);
    rig_task(rig, busy);
    rig_task(rig, PROMP_WORKER_ANY);
    promp_manager_core_abort(rig->core, PROMP_WORKER_ALL, 0, rig->now);
    rig_pump(rig);
    assert_int_equal(rig->worker[idle - 1].killed, 0);
    assert_int_equal(rig->worker[busy - 1].killed, PROMP_ERR_WORKER_ABORTED);
    promp_message_t ready = {.type = PROMP_TYPE_READY};
    rig_send(rig, idle, PROMP_LANE_CONTROL, &ready);
    assert_int_equal(rig->worker[idle - 1].tasks, 0);
}

static void stop_with_grace(void **state)
{
    /* Stop takes no more tasks and is forced after its grace; the cause is that it was stopped. */
    rig_t *rig = *state;
    uint32_t busy = rig_start(rig, 0, true), idle = rig_start(rig, 0, true);
    rig_task(rig, busy);
    promp_manager_core_stop(rig->core, PROMP_WORKER_ANY, rig->now);
    promp_manager_core_stop(rig->core, busy, rig->now);
    rig_pump(rig);
    uint64_t a, b;
    assert_true(promp_session_urged(rig->worker[0].session, PROMP_SLOT_STOP, &a, &b));
    assert_true(promp_session_urged(rig->worker[1].session, PROMP_SLOT_STOP, &a, &b));
    assert_int_equal(rig_task(rig, idle), 0);
    rig_gone(rig, idle, PROMP_ERR_WORKER_EXITED, true);
    promp_worker_exit_t end;
    assert_true(promp_manager_core_exit(rig->core, idle, &end));
    assert_int_equal(end.cause, PROMP_ERR_WORKER_STOPPED);
    assert_true(promp_manager_core_worker_alive(rig->core, busy));
    rig_sleep(rig, PROMP_TIME_ABORT + 20);
    assert_int_equal(rig->worker[0].killed, PROMP_ERR_WORKER_STOPPED);
}

/* --- ends that the manager brings about --- */

static void idle_and_dead(void **state)
{
    /* A worker that died while it was idle is no candidate for ANY, and its place can be used again. */
    rig_t *rig = *state;
    for (uint32_t round = 0; round < 20; round++) {
        uint32_t id = rig_start(rig, 0, true);
        rig_gone(rig, id, PROMP_ERR_WORKER_EXITED, true);
    }
    uint32_t last = rig_start(rig, 0, true);
    rig_task(rig, PROMP_WORKER_ANY);
    assert_int_equal(rig->worker[last - 1].tasks, 1);
}

static void time_limit(void **state)
{
    /* A worker that has a time limit is killed at its end, with that cause, and not before. */
    rig_t *rig = *state;
    rig->time_limit = 500;
    uint32_t id = rig_start(rig, 0, true);
    rig_sleep(rig, 480);
    assert_int_equal(rig->worker[id - 1].killed, 0);
    rig_sleep(rig, 30);
    assert_int_equal(rig->worker[id - 1].killed, PROMP_ERR_WORKER_TIME_LIMIT);
    rig_gone(rig, id, PROMP_ERR_WORKER_TIME_LIMIT, true);
    promp_worker_exit_t end;
    assert_true(promp_manager_core_exit(rig->core, id, &end));
    assert_int_equal(end.cause, PROMP_ERR_WORKER_TIME_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_CASE(any_lowest_idle), RIG_CASE(any_dropped),     RIG_CASE(any_many_workers),
        RIG_CASE(all_each),        RIG_CASE(unsent_limited),  RIG_CASE(abort_obeyed),
        RIG_CASE(abort_forced),    RIG_CASE(abort_by_signal), RIG_CASE(abort_at_once),
        RIG_CASE(stop_with_grace), RIG_CASE(idle_and_dead),   RIG_CASE(time_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
