#include "core_rig.h"

#define LOG 4096

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
    rig_free_result(&result);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_CASE(start_answered),  RIG_CASE(start_refused),         RIG_CASE(start_repeated),
        RIG_CASE(start_abandoned), RIG_CASE(done_waits_for_output), RIG_CASE(done_waits_for_lanes),
        RIG_CASE(done_hostile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
