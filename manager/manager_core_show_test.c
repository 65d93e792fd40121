#include "core_rig.h"

#include <stdlib.h>

#define LOG 4096

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

static void inbox_shared(void **state)
{
    /* Messages of one worker that nobody reads keep out neither another one's results nor the end of its task; each takes
     * what it has when the other is still full. */
    rig_t *rig = *state;
    char log[LOG] = "";
    promp_result_t result;
    uint32_t loud = rig_start(rig, 0, true), other = rig_start(rig, 0, true);
    promp_manager_core_set_limits(rig->core, 0, 1, 0);
    for (uint32_t i = 0; i < 50; i++)
        rig_message(rig, loud, i, "x");
    for (uint64_t task = 1; task <= 3; task++)
        assert_int_equal(rig_task(rig, other), task);
    for (uint64_t task = 1; task <= 3; task++) {
        rig_result(rig, other, task);
        rig_done(rig, other, task);
    }
    for (uint64_t task = 1; task <= 3; task++) {
        rig_process(rig, log, sizeof log);
        assert_int_equal(promp_manager_core_worker_busy(rig->core, other), task < 3);
        assert_true(promp_manager_core_take_result(rig->core, PROMP_WORKER_ANY, &result));
        assert_int_equal(result.worker, other);
        assert_int_equal(result.task, task);
        rig_free_result(&result);
    }
    assert_false(promp_manager_core_has_result(rig->core, PROMP_WORKER_ANY));
    for (uint32_t i = 0; i < 50; i++) {
        promp_message_user_t message;
        assert_true(promp_manager_core_receive(rig->core, loud, &message));
        assert_int_equal(message.id, i);
        free(message.data);
    }
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
    rig_take_failure(rig, id, PROMP_ERR_OUTCOME_UNKNOWN, 1);
    rig_take_failure(rig, id, PROMP_ERR_WORKER_EXITED, 12);
    for (int i = 2; i < PROMP_LIMIT_FAILURES; i++)
        rig_take_failure(rig, PROMP_WORKER_ANY, PROMP_ERR_WORKER_EXITED, (uint64_t)i + 11);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_CASE(inbox_full),           RIG_CASE(inbox_shared),        RIG_CASE(output_full),
        RIG_CASE(arrival_order),        RIG_CASE(failures_bounded),    RIG_CASE(atomic_lines),
        RIG_CASE(output_not_asked_for), RIG_CASE(progress_last_value), RIG_CASE(wait_objects_walked),
        RIG_CASE(mark_bounds_a_round),  RIG_CASE(room_of_the_link),    RIG_CASE(fresh_until_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
