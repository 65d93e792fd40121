#include "core_rig.h"

#include <stdlib.h>

#define LOG 4096

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
    assert_string_equal(end.node, "rig");
    promp_message_user_t message;
    assert_true(promp_manager_core_receive(rig->core, id, &message));
    assert_int_equal(message.id, 9);
    assert_memory_equal(message.data, "message", 7);
    free(message.data);
    promp_result_t result;
    assert_true(promp_manager_core_take_result(rig->core, id, &result));
    rig_free_result(&result);
    rig_take_failure(rig, id, PROMP_ERR_OUTCOME_UNKNOWN, 2);
    rig_take_failure(rig, id, PROMP_ERR_WORKER_SIGNALLED, 3);
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
    rig_take_failure(rig, id, PROMP_ERR_WORKER_START, 1);
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
    rig_take_failure(rig, id, PROMP_ERR_OUTCOME_UNKNOWN, 1);
    promp_worker_exit_t end;
    assert_true(promp_manager_core_exit(rig->core, id, &end));
    assert_int_equal(end.cause, PROMP_ERR_WORKER_NODE_LOST);
    rig_path(rig, true, false);
    rig_pump(rig);
    assert_int_equal(rig->worker[0].killed, PROMP_ERR_WORKER_NODE_LOST);
    rig_gone(rig, id, PROMP_ERR_WORKER_NODE_LOST, true);
    assert_int_equal(rig->worker[0].acked, 1);
}

static void silent_on_a_path(void **state)
{
    /* A worker that is not heard for its lease while the link is up is given up, and the node is told at once to kill it: the link may
     * stay as it is. */
    rig_t *rig = *state;
    uint32_t id = rig_start(rig, 0, true);
    promp_worker_exit_t end;
    rig->hold = true;
    rig_path(rig, false, false);
    rig_path(rig, true, false);
    rig_sleep(rig, 1900);
    assert_int_equal(rig->worker[0].killed, 0);
    rig_sleep(rig, 200);
    assert_true(promp_manager_core_exit(rig->core, id, &end));
    assert_int_equal(end.cause, PROMP_ERR_WORKER_LEASE);
    assert_int_equal(rig->worker[0].killed, PROMP_ERR_WORKER_LEASE);
    rig_gone(rig, id, PROMP_ERR_WORKER_LEASE, false);
    assert_int_equal(rig->worker[0].acked, 1);
}

static void silent_behind_a_broker(void **state)
{
    /* The same while the link to a broker is up: what is not heard is the worker's node, and the end says so. */
    rig_t *rig = *state;
    uint32_t id = rig_start(rig, 0, true);
    promp_worker_exit_t end;
    promp_manager_core_set_remote(rig->core, true);
    rig->hold = true;
    rig_path(rig, false, false);
    rig_path(rig, true, false);
    rig_sleep(rig, 2100);
    assert_true(promp_manager_core_exit(rig->core, id, &end));
    assert_int_equal(end.cause, PROMP_ERR_WORKER_NODE_LOST);
    assert_int_equal(rig->worker[0].killed, PROMP_ERR_WORKER_NODE_LOST);
    rig_gone(rig, id, PROMP_ERR_WORKER_NODE_LOST, false);
    assert_int_equal(rig->worker[0].acked, 1);
}

static void lost_with_unread_messages(void **state)
{
    /* The node, back after the lease, is told to kill a worker that was given up, also while its last messages wait for the user. */
    rig_t *rig = *state;
    uint32_t id = rig_start(rig, 0, true);
    promp_worker_exit_t end;
    promp_manager_core_set_limits(rig->core, UINT64_MAX, 1, UINT64_MAX);
    rig_message(rig, id, 1, "one");
    rig_message(rig, id, 2, "two");
    rig_path(rig, false, false);
    rig_sleep(rig, 2020);
    assert_false(promp_manager_core_worker_alive(rig->core, id));
    assert_false(promp_manager_core_exit(rig->core, id, &end));
    rig_path(rig, true, false);
    rig_pump(rig);
    assert_int_equal(rig->worker[0].killed, PROMP_ERR_WORKER_NODE_LOST);
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
    rig_take_failure(rig, id, PROMP_ERR_OUTCOME_UNKNOWN, 1);
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

static void abort_of_a_dead_one(void **state)
{
    /* A dead worker whose last messages wait for room in the inbox is not being aborted any more. */
    rig_t *rig = *state;
    uint32_t id = rig_start(rig, 0, true);
    promp_manager_core_set_limits(rig->core, 0, 1, 0);
    rig_task(rig, id);
    rig_message(rig, id, 1, "taken");
    rig_message(rig, id, 1, "waits");
    promp_manager_core_abort(rig->core, id, 100, rig->now);
    assert_true(promp_manager_core_aborting(rig->core, id, true));
    rig_gone(rig, id, PROMP_ERR_WORKER_ABORTED, true);
    assert_false(promp_manager_core_aborting(rig->core, id, true));
    assert_false(promp_manager_core_aborting(rig->core, id, false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_CASE(gone_before_its_data),
        RIG_CASE(gone_with_loss),
        RIG_CASE(gone_not_ready),
        RIG_CASE(gone_again),
        RIG_CASE(path_restored),
        RIG_CASE(path_lost_for_lease),
        RIG_CASE(path_gap_forgiven),
        RIG_CASE(node_lost),
        RIG_CASE(other_node),
        RIG_CASE(silent_on_a_path),
        RIG_CASE(silent_behind_a_broker),
        RIG_CASE(lost_with_unread_messages),
        RIG_CASE(abort_of_a_dead_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
