#include "core_rig.h"

#include <stdio.h>
#include <stdlib.h>

#define LOG 4096

static int setup(void **state)
{
    *state = rig_new();
    return 0;
}

static int teardown(void **state)
{
    rig_free(*state);
    return 0;
}

static void take_failure(rig_t *rig, uint32_t worker, promp_err_t code, uint64_t task)
{
    promp_failure_t failure;
    bool got;
    assert_int_equal(promp_manager_core_take_failure(rig->core, worker, &failure, &got), PROMP_OK);
    assert_true(got);
    assert_int_equal(failure.code, code);
    assert_int_equal(failure.task, task);
    free(failure.kind);
    free(failure.text);
    free(failure.trace);
}

static void free_result(promp_result_t *result)
{
    free(result->cbor);
}

/* --- starting --- */

static void start_answered(void **state)
{
    /* A worker is alive after STARTED, ready after READY, and gets SETUP as its first record. */
    rig_t *rig = *state;
    uint32_t id = rig_start(rig, 0, false);
    promp_error_t error;
    assert_true(promp_manager_core_answer(rig->core, id, &error));
    assert_int_equal(error.code, PROMP_OK);
    assert_true(promp_manager_core_worker_alive(rig->core, id));
    assert_false(promp_manager_core_worker_ready(rig->core, id));
    assert_int_equal(promp_manager_core_pid(rig->core, id), 4711);
    uint32_t other = rig_start(rig, 0, true);
    assert_true(promp_manager_core_worker_ready(rig->core, other));
    assert_true(promp_manager_core_worker_ready(rig->core, PROMP_WORKER_ANY));
    assert_false(promp_manager_core_worker_ready(rig->core, PROMP_WORKER_ALL));
    assert_int_equal(promp_manager_core_alive(rig->core), 2);
    assert_int_equal(promp_manager_core_ops.lease(rig->core), 2000);
}

static void start_refused(void **state)
{
    /* A refusal reaches the caller with its words; the id is unknown from then on. */
    rig_t *rig = *state;
    rig->refuse = PROMP_ERR_PROGRAM_MISSING;
    uint32_t id = rig_start(rig, 0, false);
    promp_error_t error;
    assert_true(promp_manager_core_answer(rig->core, id, &error));
    assert_int_equal(error.code, PROMP_ERR_PROGRAM_MISSING);
    assert_string_equal(error.text, "as the test wants");
    assert_int_equal(promp_manager_core_alive(rig->core), 0);
    assert_int_equal(promp_manager_core_unsettled(rig->core), 0);
    assert_int_equal(rig_task(rig, id), 0);
}

static void start_repeated(void **state)
{
    /* START is said again on a new path under the same session, until it is answered; then never. */
    rig_t *rig = *state;
    rig->mute = true;
    uint32_t id = rig_start(rig, 0, false);
    promp_error_t error;
    assert_false(promp_manager_core_answer(rig->core, id, &error));
    rig_path(rig, false, false);
    rig->mute = false;
    rig_path(rig, true, false);
    rig_pump(rig);
    assert_int_equal(rig->worker[0].started, 2);
    assert_true(promp_manager_core_worker_alive(rig->core, id));
    rig_path(rig, false, false);
    rig_path(rig, true, false);
    rig_pump(rig);
    assert_int_equal(rig->worker[0].started, 2);
}

static void start_abandoned(void **state)
{
    /* A worker whose start nobody waits for any more is killed when it comes, and forgotten when it is gone. */
    rig_t *rig = *state;
    rig->mute = true;
    uint32_t id = rig_start(rig, 0, false);
    promp_manager_core_abandon(rig->core, id);
    rig->mute = false;
    rig_path(rig, false, false);
    rig_path(rig, true, false);
    rig_pump(rig);
    assert_int_equal(rig->worker[0].killed, PROMP_ERR_WORKER_STOPPED);
    assert_false(promp_manager_core_worker_alive(rig->core, id));
    assert_int_equal(promp_manager_core_alive(rig->core), 0);
    rig_gone(rig, 1, PROMP_ERR_WORKER_STOPPED, false);
    assert_int_equal(rig->worker[0].acked, 1);
    assert_int_equal(promp_manager_core_unsettled(rig->core), 0);
}

/* --- tasks --- */

static void done_waits_for_output(void **state)
{
    /* A worker is busy until its output was shown; results can be taken before that. */
    rig_t *rig = *state;
    char log[LOG] = "";
    uint32_t id = rig_start(rig, PROMP_OPT_REDIRECT, true);
    assert_int_equal(rig_task(rig, id), 1);
    assert_int_equal(rig->worker[0].tasks, 1);
    assert_true(promp_manager_core_worker_busy(rig->core, id));
    rig_output(rig, id, "one\n");
    rig_result(rig, id, 1);
    rig_done(rig, id, 1);
    assert_true(promp_manager_core_busy(rig->core));
    assert_true(promp_manager_core_pending(rig->core));
    promp_result_t result;
    assert_true(promp_manager_core_take_result(rig->core, PROMP_WORKER_ANY, &result));
    assert_int_equal(result.task, 1);
    assert_int_equal(result.size, 1);
    free_result(&result);
    assert_true(promp_manager_core_worker_busy(rig->core, id));
    rig_process(rig, log, sizeof log);
    assert_string_equal(log, "1:one\n|");
    assert_false(promp_manager_core_busy(rig->core));
    assert_false(promp_manager_core_pending(rig->core));
}

static void done_waits_for_lanes(void **state)
{
    /* DONE that overtakes output and results does not count before they are there. */
    rig_t *rig = *state;
    char log[LOG] = "";
    uint32_t id = rig_start(rig, PROMP_OPT_REDIRECT, true);
    rig_task(rig, id);
    promp_message_t done = {.type = PROMP_TYPE_DONE};
    done.done.task = 1;
    done.done.end_messages = PROMP_RECORD_HEAD + 8 + 4 + 1; /* of one result of one byte */
    done.done.end_output = PROMP_RECORD_HEAD + 1 + 4 + 3;   /* of one output of three */
    rig_send(rig, id, PROMP_LANE_CONTROL, &done);
    rig_process(rig, log, sizeof log);
    assert_true(promp_manager_core_busy(rig->core));
    assert_false(promp_manager_core_pending(rig->core));
    rig_output(rig, id, "abc");
    rig_process(rig, log, sizeof log);
    assert_true(promp_manager_core_busy(rig->core));
    rig_result(rig, id, 1);
    assert_true(promp_manager_core_pending(rig->core));
    rig_process(rig, log, sizeof log);
    assert_false(promp_manager_core_busy(rig->core));
    assert_string_equal(log, "1:abc|");
}

static void done_hostile(void **state)
{
    /* A worker that ends tasks which it never got is killed; the one beside it goes on. */
    rig_t *rig = *state;
    uint32_t bad = rig_start(rig, 0, true), good = rig_start(rig, 0, true);
    rig_done(rig, bad, 5);
    assert_int_equal(rig->worker[0].killed, PROMP_ERR_WORKER_PROTOCOL);
    rig_gone(rig, bad, PROMP_ERR_WORKER_PROTOCOL, true);
    promp_worker_exit_t end;
    assert_true(promp_manager_core_exit(rig->core, bad, &end));
    assert_int_equal(end.cause, PROMP_ERR_WORKER_PROTOCOL);
    assert_int_equal(rig_task(rig, good), 1);
    assert_int_equal(rig->worker[1].tasks, 1);
}

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
    take_failure(rig, PROMP_WORKER_ANY, PROMP_ERR_NO_WORKER, 0);
    take_failure(rig, PROMP_WORKER_ANY, PROMP_ERR_NO_WORKER, 0);
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
    take_failure(rig, id, PROMP_ERR_WORKER_ABORTED, 1);
    assert_false(promp_manager_core_has_failure(rig->core, PROMP_WORKER_ANY));
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

/* --- ends --- */

static void gone_before_its_data(void **state)
{
    /* GONE that overtakes the worker's last records waits for them; then its tasks fail and its end is told. */
    rig_t *rig = *state;
    char log[LOG] = "";
    uint32_t id = rig_start(rig, PROMP_OPT_REDIRECT, true);
    rig_task(rig, id);
    rig_task(rig, id);
    rig_task(rig, id);
    rig->hold = true;
    rig_output(rig, id, "before");
    rig_message(rig, id, 9, "message");
    rig_result(rig, id, 1);
    rig_done(rig, id, 1);
    rig_gone(rig, id, PROMP_ERR_WORKER_SIGNALLED, true);
    assert_false(promp_manager_core_worker_alive(rig->core, id));
    assert_int_equal(promp_manager_core_alive(rig->core), 0);
    promp_worker_exit_t end;
    assert_false(promp_manager_core_exit(rig->core, id, &end));
    assert_int_equal(rig->worker[0].acked, 0);
    rig->hold = false;
    rig_pump(rig);
    assert_int_equal(rig->worker[0].acked, 1);
    assert_true(promp_manager_core_worker_busy(rig->core, id));
    rig_process(rig, log, sizeof log);
    assert_string_equal(log, "1:before|1:last words|");
    assert_false(promp_manager_core_busy(rig->core));
    assert_true(promp_manager_core_exit(rig->core, id, &end));
    assert_int_equal(end.signal, 11);
    assert_int_equal(end.lost_output, 0);
    assert_int_equal(end.tail_size, 10);
    assert_string_equal(end.text, "the worker ended for the test");
    promp_message_user_t message;
    assert_true(promp_manager_core_receive(rig->core, id, &message));
    assert_int_equal(message.id, 9);
    assert_memory_equal(message.data, "message", 7);
    free(message.data);
    promp_result_t result;
    assert_true(promp_manager_core_take_result(rig->core, id, &result));
    free_result(&result);
    take_failure(rig, id, PROMP_ERR_OUTCOME_UNKNOWN, 2);
    take_failure(rig, id, PROMP_ERR_WORKER_SIGNALLED, 3);
    assert_false(promp_manager_core_has_failure(rig->core, id));
}

static void gone_with_loss(void **state)
{
    /* What never comes is given up after a second without progress, and its size is told. */
    rig_t *rig = *state;
    char log[LOG] = "";
    uint32_t id = rig_start(rig, PROMP_OPT_REDIRECT, true);
    rig_task(rig, id);
    rig_output(rig, id, "here");
    rig->hold = true;
    rig_output(rig, id, "lost");
    rig_done(rig, id, 1);
    rig_gone(rig, id, PROMP_ERR_WORKER_EXITED, true);
    rig_process(rig, log, sizeof log);
    assert_true(promp_manager_core_busy(rig->core));
    rig_sleep(rig, PROMP_TIME_LINGER + 20);
    rig_process(rig, log, sizeof log);
    assert_false(promp_manager_core_busy(rig->core));
    promp_worker_exit_t end;
    assert_true(promp_manager_core_exit(rig->core, id, &end));
    assert_int_equal(end.lost_output, PROMP_RECORD_HEAD + 1 + 4 + 4);
    assert_string_equal(log, "1:here|1:last words|");
}

static void gone_not_ready(void **state)
{
    /* A worker that was never ready cannot have run its task: the failure is the cause itself. */
    rig_t *rig = *state;
    uint32_t id = rig_start(rig, 0, false);
    rig_task(rig, id);
    rig_gone(rig, id, PROMP_ERR_WORKER_START, false);
    take_failure(rig, id, PROMP_ERR_WORKER_START, 1);
}

static void gone_again(void **state)
{
    /* GONE told twice is acknowledged twice and counts once. */
    rig_t *rig = *state;
    char log[LOG] = "";
    uint32_t id = rig_start(rig, 0, true);
    rig_gone(rig, id, PROMP_ERR_WORKER_EXITED, true);
    rig_gone(rig, id, PROMP_ERR_WORKER_EXITED, true);
    assert_int_equal(rig->worker[0].acked, 2);
    rig_process(rig, log, sizeof log);
    assert_false(promp_manager_core_busy(rig->core));
    assert_int_equal(promp_manager_core_alive(rig->core), 0);
}

static void path_restored(void **state)
{
    /* A path that comes back within the lease loses nothing. */
    rig_t *rig = *state;
    uint32_t id = rig_start(rig, 0, true);
    rig_path(rig, false, false);
    assert_int_equal(rig_task(rig, id), 1);
    rig_sleep(rig, 1900);
    assert_true(promp_manager_core_worker_alive(rig->core, id));
    rig_path(rig, true, false);
    rig_sleep(rig, 50);
    assert_int_equal(rig->worker[0].tasks, 1);
    rig_sleep(rig, 3000);
    assert_true(promp_manager_core_worker_alive(rig->core, id));
}

static void path_lost_for_lease(void **state)
{
    /* A path that is gone for longer than the lease ends the worker; should the node be back, the worker is killed. */
    rig_t *rig = *state;
    uint32_t id = rig_start(rig, 0, true);
    rig_task(rig, id);
    rig_path(rig, false, false);
    rig_sleep(rig, 2020);
    assert_false(promp_manager_core_worker_alive(rig->core, id));
    take_failure(rig, id, PROMP_ERR_OUTCOME_UNKNOWN, 1);
    promp_worker_exit_t end;
    assert_true(promp_manager_core_exit(rig->core, id, &end));
    assert_int_equal(end.cause, PROMP_ERR_WORKER_NODE_LOST);
    rig_path(rig, true, false);
    rig_pump(rig);
    assert_int_equal(rig->worker[0].killed, PROMP_ERR_WORKER_NODE_LOST);
    rig_gone(rig, id, PROMP_ERR_WORKER_NODE_LOST, true);
    assert_int_equal(rig->worker[0].acked, 1);
}

static void path_gap_forgiven(void **state)
{
    /* When this machine slept the lease does not run on. */
    rig_t *rig = *state;
    uint32_t id = rig_start(rig, 0, true);
    rig_path(rig, false, false);
    rig_sleep(rig, 500);
    rig->now += 60000;
    rig_pump(rig);
    assert_true(promp_manager_core_worker_alive(rig->core, id));
    rig_sleep(rig, 2020);
    assert_false(promp_manager_core_worker_alive(rig->core, id));
}

static void node_lost(void **state)
{
    /* The end of the node ends all workers at once, answers waiting starts, and refuses new ones. */
    rig_t *rig = *state;
    char log[LOG] = "";
    uint32_t id = rig_start(rig, 0, true);
    rig->mute = true;
    uint32_t waiting = rig_start(rig, 0, false);
    rig_task(rig, id);
    rig_path(rig, false, true);
    promp_error_t error;
    assert_true(promp_manager_core_answer(rig->core, waiting, &error));
    assert_int_equal(error.code, PROMP_ERR_NODE_GONE);
    assert_int_equal(promp_manager_core_alive(rig->core), 0);
    assert_int_equal(promp_manager_core_unsettled(rig->core), 0);
    rig_process(rig, log, sizeof log);
    assert_false(promp_manager_core_busy(rig->core));
    take_failure(rig, id, PROMP_ERR_OUTCOME_UNKNOWN, 1);
    promp_manager_core_start_t start = {.program = "/x", .folder = "/", .timeout = 1000};
    start.session.b[3] = 9;
    assert_int_equal(promp_manager_core_start(rig->core, &start, &waiting, rig->now), PROMP_ERR_NODE_GONE);
}

static void other_node(void **state)
{
    /* A path to a node of another identity means that the workers of the old one are lost. */
    rig_t *rig = *state;
    uint32_t id = rig_start(rig, 0, true);
    rig_path(rig, false, false);
    rig->node.b[0] = 2;
    rig_path(rig, true, false);
    promp_worker_exit_t end;
    assert_true(promp_manager_core_exit(rig->core, id, &end));
    assert_int_equal(end.cause, PROMP_ERR_WORKER_NODE_LOST);
    assert_int_equal(rig_start(rig, 0, true), 2);
    assert_true(promp_manager_core_worker_ready(rig->core, 2));
}

/* --- inboxes --- */

static void inbox_full(void **state)
{
    /* When the inbox is full messages stay in the session, none is lost or reordered, and taking makes room. */
    rig_t *rig = *state;
    uint32_t id = rig_start(rig, 0, true);
    promp_manager_core_set_limits(rig->core, 0, 1, 0);
    for (uint32_t i = 0; i < 50; i++)
        rig_message(rig, id, i, "x");
    rig_gone(rig, id, PROMP_ERR_WORKER_EXITED, true);
    promp_worker_exit_t end;
    assert_false(promp_manager_core_exit(rig->core, id, &end));
    for (uint32_t i = 0; i < 50; i++) {
        promp_message_user_t message;
        assert_true(promp_manager_core_receive(rig->core, PROMP_WORKER_ANY, &message));
        assert_int_equal(message.id, i);
        free(message.data);
    }
    assert_true(promp_manager_core_exit(rig->core, id, &end));
    assert_true(promp_manager_core_silent(rig->core, id));
}

static void output_full(void **state)
{
    /* Output that nobody processes stops its own lane only; all of it comes in order when it is processed. */
    rig_t *rig = *state;
    char log[LOG] = "";
    uint32_t id = rig_start(rig, PROMP_OPT_REDIRECT, true);
    promp_manager_core_set_limits(rig->core, 0, 0, 1);
    rig_task(rig, id);
    rig_output(rig, id, "a");
    rig_output(rig, id, "b");
    rig_output(rig, id, "c");
    rig_message(rig, id, 5, "m");
    rig_done(rig, id, 1);
    assert_true(promp_manager_core_has_message(rig->core, id));
    for (int i = 0; i < 3; i++) {
        assert_true(promp_manager_core_busy(rig->core));
        rig_process(rig, log, sizeof log);
    }
    assert_string_equal(log, "1:a|1:b|1:c|");
    assert_false(promp_manager_core_busy(rig->core));
}

static void arrival_order(void **state)
{
    /* ANY takes the oldest message of all workers; one worker's id its own oldest. */
    rig_t *rig = *state;
    rig_start(rig, 0, true);
    rig_start(rig, 0, true);
    rig_message(rig, 2, 1, "");
    rig_message(rig, 1, 2, "");
    rig_message(rig, 2, 3, "");
    promp_message_user_t message;
    assert_true(promp_manager_core_receive(rig->core, 1, &message));
    assert_int_equal(message.id, 2);
    free(message.data);
    for (uint32_t i = 1; i <= 3; i += 2) {
        assert_true(promp_manager_core_receive(rig->core, PROMP_WORKER_ALL, &message));
        assert_int_equal(message.id, i);
        assert_int_equal(message.worker, 2);
        free(message.data);
    }
    assert_false(promp_manager_core_receive(rig->core, PROMP_WORKER_ANY, &message));
    assert_int_equal(message.id, PROMP_MESSAGE_INVALID);
}

static void failures_bounded(void **state)
{
    /* Of more failures than are kept the latest stay. */
    rig_t *rig = *state;
    uint32_t id = rig_start(rig, 0, true);
    promp_manager_core_task_t task = {.kind = PROMP_TASK_NATIVE, .name = promp_slice_str("t")};
    for (int i = 0; i < PROMP_LIMIT_FAILURES + 10; i++)
        assert_int_equal(promp_manager_core_task(rig->core, id, &task, NULL), PROMP_OK);
    rig_gone(rig, id, PROMP_ERR_WORKER_EXITED, false);
    take_failure(rig, id, PROMP_ERR_OUTCOME_UNKNOWN, 1);
    take_failure(rig, id, PROMP_ERR_WORKER_EXITED, 12);
    for (int i = 2; i < PROMP_LIMIT_FAILURES; i++)
        take_failure(rig, PROMP_WORKER_ANY, PROMP_ERR_WORKER_EXITED, (uint64_t)i + 11);
    assert_false(promp_manager_core_has_failure(rig->core, PROMP_WORKER_ANY));
}

/* --- what is shown --- */

static void atomic_lines(void **state)
{
    /* ATOMIC drops lone new-lines and empty writes, ends the rest with one, and changes nothing else. */
    rig_t *rig = *state;
    char log[LOG] = "";
    uint32_t id = rig_start(rig, PROMP_OPT_ATOMIC, true);
    rig_task(rig, id);
    const char *writes[] = {"a\n", "a\nb", "\n", "\r\n", "", "\n\n", "x", "\n"};
    for (size_t i = 0; i < sizeof writes / sizeof *writes; i++)
        rig_output(rig, id, writes[i]);
    rig_done(rig, id, 1);
    rig_process(rig, log, sizeof log);
    assert_string_equal(log, "1:a\n|1:a\nb\n|1:\n\n|1:x\n|");
    assert_false(promp_manager_core_busy(rig->core));
}

static void output_not_asked_for(void **state)
{
    /* Without REDIRECT nothing is shown, and the last bytes go into the exit record. */
    rig_t *rig = *state;
    char log[LOG] = "";
    static char big[50000];
    uint32_t id = rig_start(rig, 0, true);
    memset(big, 'b', sizeof big - 1);
    rig_output(rig, id, "first");
    for (int i = 0; i < 4; i++)
        rig_output(rig, id, big);
    rig_output(rig, id, "end");
    rig_process(rig, log, sizeof log);
    assert_string_equal(log, "");
    rig_gone(rig, id, PROMP_ERR_WORKER_EXITED, true);
    promp_worker_exit_t end;
    assert_true(promp_manager_core_exit(rig->core, id, &end));
    assert_int_equal(end.tail_size, PROMP_LIMIT_TAIL);
    assert_memory_equal(end.tail + end.tail_size - 14, "bendlast words", 14);
}

static void progress(rig_t *rig, uint32_t id, uint64_t task, uint32_t value, const char *text)
{
    promp_message_t message = {.type = PROMP_TYPE_PROGRESS};
    message.progress.task = task;
    message.progress.value = value;
    if (text) {
        message.type = PROMP_TYPE_TEXT;
        memset(&message.text, 0, sizeof message.text);
        message.text.task = task;
        message.text.text = promp_slice_str(text);
    }
    rig_send(rig, id, PROMP_LANE_CONTROL, &message);
}

static void progress_last_value(void **state)
{
    /* Older values are left out, but each task's last one is shown before its end. */
    rig_t *rig = *state;
    char log[LOG] = "";
    uint32_t id = rig_start(rig, 0, true);
    promp_wait_object_t wait = {0};
    assert_true(promp_manager_core_set_wait(rig->core, id, &wait));
    assert_false(promp_manager_core_set_wait(rig->core, 99, &wait));
    rig_task(rig, id);
    rig_task(rig, id);
    progress(rig, id, 1, 10, NULL);
    progress(rig, id, 1, 0, "reading");
    progress(rig, id, 1, 100, NULL);
    rig_done(rig, id, 1);
    progress(rig, id, 2, 5, NULL);
    rig_process(rig, log, sizeof log);
    assert_string_equal(log, "1=100,reading|1=5,|");
    assert_true(promp_manager_core_busy(rig->core));
    progress(rig, id, 2, 0, "");
    rig_done(rig, id, 2);
    assert_true(promp_manager_core_set_wait(rig->core, id, NULL));
    log[0] = '\0';
    rig_process(rig, log, sizeof log);
    assert_string_equal(log, "");
    assert_false(promp_manager_core_busy(rig->core));
}

static bool never(void *arg)
{
    (void)arg;
    return false;
}

static void wait_objects_walked(void **state)
{
    /* Wait objects are asked for an abort in order of their workers, and only while there is something to abort. */
    rig_t *rig = *state;
    promp_wait_object_t wait = {.aborted = never}, got;
    for (uint32_t id = 1; id <= 3; id++)
        rig_start(rig, 0, true);
    for (uint32_t id = 3; id >= 1; id--)
        assert_true(promp_manager_core_set_wait(rig->core, id, &wait));
    rig_task(rig, 1);
    rig_task(rig, 3);
    uint32_t at = 0;
    assert_true(promp_manager_core_next_wait(rig->core, &at, &got));
    assert_int_equal(at, 1);
    promp_manager_core_abort(rig->core, 3, 1000, rig->now);
    assert_false(promp_manager_core_next_wait(rig->core, &at, &got));
}

static void mark_bounds_a_round(void **state)
{
    /* A round of showing leaves what came after its mark to the next one. */
    rig_t *rig = *state;
    uint32_t id = rig_start(rig, PROMP_OPT_REDIRECT, true);
    rig_output(rig, id, "one");
    uint64_t mark = promp_manager_core_mark(rig->core);
    rig_output(rig, id, "two");
    promp_manager_core_text_t batch[8];
    assert_int_equal(promp_manager_core_output(rig->core, mark, batch, 8), 1);
    promp_manager_core_shown(rig->core, batch, 1);
    assert_int_equal(promp_manager_core_output(rig->core, mark, batch, 8), 0);
    assert_true(promp_manager_core_pending(rig->core));
}

static void room_of_the_link(void **state)
{
    /* Without room on the link control goes on and data waits; with room it leaves. */
    rig_t *rig = *state;
    uint32_t id = rig_start(rig, 0, true);
    rig->room = 0;
    rig_task(rig, id);
    assert_int_equal(rig->worker[0].tasks, 0);
    promp_manager_core_stop(rig->core, id, rig->now);
    rig_pump(rig);
    uint64_t a, b;
    assert_true(promp_session_urged(rig->worker[0].session, PROMP_SLOT_STOP, &a, &b));
    rig->room = PROMP_LIMIT_LINK_WINDOW;
    rig_pump(rig);
    assert_int_equal(rig->worker[0].tasks, 1);
}

static void fresh_until_seen(void **state)
{
    /* A message counts as new until the next round of processing, whether it is taken or not. */
    rig_t *rig = *state;
    char log[LOG] = "";
    uint32_t id = rig_start(rig, 0, true);
    promp_manager_core_seen(rig->core);
    rig_message(rig, id, 1, "m");
    assert_true(promp_manager_core_fresh(rig->core));
    assert_false(promp_manager_core_busy(rig->core));
    rig_process(rig, log, sizeof log);
    assert_false(promp_manager_core_fresh(rig->core));
    assert_true(promp_manager_core_has_message(rig->core, id));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(start_answered),
        CASE(start_refused),
        CASE(start_repeated),
        CASE(start_abandoned),
        CASE(done_waits_for_output),
        CASE(done_waits_for_lanes),
        CASE(done_hostile),
        CASE(any_lowest_idle),
        CASE(any_dropped),
        CASE(any_many_workers),
        CASE(all_each),
        CASE(unsent_limited),
        CASE(abort_obeyed),
        CASE(abort_forced),
        CASE(abort_at_once),
        CASE(stop_with_grace),
        CASE(gone_before_its_data),
        CASE(gone_with_loss),
        CASE(gone_not_ready),
        CASE(gone_again),
        CASE(path_restored),
        CASE(path_lost_for_lease),
        CASE(path_gap_forgiven),
        CASE(node_lost),
        CASE(other_node),
        CASE(inbox_full),
        CASE(output_full),
        CASE(arrival_order),
        CASE(failures_bounded),
        CASE(atomic_lines),
        CASE(output_not_asked_for),
        CASE(progress_last_value),
        CASE(wait_objects_walked),
        CASE(mark_bounds_a_round),
        CASE(room_of_the_link),
        CASE(fresh_until_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
