/* How a worker process ends: abort, stop, and what becomes of its link, its lifeline and its manager. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "worker_rig.h"

#define ASSERT_EXITED(status, code)                                                                          \
    do {                                                                                                     \
        int status_ = (status);                                                                              \
        assert_true(WIFEXITED(status_));                                                                     \
        assert_int_equal(WEXITSTATUS(status_), code);                                                        \
    } while (0)

static int task_value(promp_task_t *task)
{
    promp_value_t *value = promp_value_int(42);
    return promp_task_result(task, &value);
}

static int task_spin(promp_task_t *task)
{
    promp_task_progress(task, 0);
    while (!promp_task_aborted(task))
        usleep(1000);
    return 1;
}

/* Is asked to end, and returns a value all the same. */
static int task_late(promp_task_t *task)
{
    (void)task_spin(task);
    return task_value(task);
}

static int task_deaf(promp_task_t *task)
{
    promp_task_progress(task, 0);
    while (pause() < 0)
        continue;
    return 0;
}

/* Prints until it may no more; says what stopped it. */
static int task_flood(promp_task_t *task)
{
    static char block[16 * 1024];
    promp_err_t err;
    while (!(err = promp_worker_print(promp_task_worker(task), PROMP_STREAM_STDOUT, block, sizeof block)))
        continue;
    promp_task_failure(task, err, NULL, "ended", NULL);
    return 1;
}

static int task_wait(promp_task_t *task)
{
    promp_task_progress(task, 0);
    promp_err_t err = promp_worker_wait_message(promp_task_worker(task), -1);
    promp_task_failure(task, err, NULL, "ended", NULL);
    return 1;
}

static int native_worker(void)
{
    static const promp_task_def_t tasks[] = {{"value", task_value}, {"spin", task_spin}, {"deaf", task_deaf},
                                             {"flood", task_flood}, {"wait", task_wait}, {"late", task_late},
                                             {NULL, NULL}};
    return promp_worker_run(tasks);
}

static promp_worker_rig_t *start(uint32_t options)
{
    static promp_worker_rig_t rig;
    promp_worker_rig_start(&rig, options, native_worker);
    return &rig;
}

static void stop(promp_worker_rig_t *rig)
{
    promp_session_urge(rig->session, PROMP_SLOT_STOP, 0, 0);
    ASSERT_EXITED(promp_worker_rig_wait(rig), 0);
    promp_worker_rig_close(rig);
}

static void test_abort_obeyed(void **state)
{
    /* Aim: a task that looks at the flag sees the abort while it computes; what waited behind it is dropped. */
    (void)state;
    promp_worker_rig_t *rig = start(0);
    promp_worker_rig_task(rig, "spin");
    promp_worker_rig_task(rig, "spin");
    promp_worker_rig_begun(rig, 1);
    promp_session_urge(rig->session, PROMP_SLOT_ABORT, 2, 10000);
    promp_worker_rig_done(rig, 1, 2);
    promp_worker_rig_done(rig, 2, 2);
    promp_worker_rig_task(rig, "value");
    promp_worker_rig_done(rig, 3, 0);
    stop(rig);
}

static void test_abort_terminates(void **state)
{
    /* Aim: a task that does not obey gets SIGTERM at 0.9 T, not much sooner. */
    (void)state;
    promp_worker_rig_t *rig = start(0);
    promp_worker_rig_task(rig, "deaf");
    promp_worker_rig_begun(rig, 1);
    int64_t begin = promp_clock_ms();
    promp_session_urge(rig->session, PROMP_SLOT_ABORT, 1, 300);
    int status = promp_worker_rig_wait(rig);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGTERM);
    assert_true(promp_clock_ms() - begin >= 260);
    promp_worker_rig_close(rig);
}

static void test_abort_ends_waits(void **state)
{
    /* Aim: waiting for a message, and for room for output, ends with an abort. */
    (void)state;
    promp_worker_rig_t *rig = start(PROMP_OPT_REDIRECT);
    promp_worker_rig_task(rig, "wait");
    promp_worker_rig_begun(rig, 1);
    promp_session_urge(rig->session, PROMP_SLOT_ABORT, 1, 10000);
    promp_worker_rig_done(rig, 1, 2);
    promp_worker_rig_task(rig, "flood");
    promp_worker_rig_fill(rig, PROMP_WINDOW_OUTPUT / 2);
    promp_session_urge(rig->session, PROMP_SLOT_ABORT, 2, 10000);
    promp_worker_rig_done(rig, 2, 2);
    promp_worker_rig_close(rig);
}

static void test_stop_ends_waits(void **state)
{
    /* Aim: a worker that waits for room for output ends when it is stopped, although nobody ever takes that output: after
     * its lease or when it is killed; here the manager takes it after all. */
    (void)state;
    promp_worker_rig_t *rig = start(PROMP_OPT_REDIRECT);
    promp_worker_rig_task(rig, "flood");
    promp_worker_rig_fill(rig, PROMP_WINDOW_OUTPUT / 2);
    promp_session_urge(rig->session, PROMP_SLOT_STOP, 0, 0);
    promp_worker_rig_done(rig, 1, 1);
    uint64_t size = 0;
    while (size < PROMP_WINDOW_OUTPUT + PROMP_LIMIT_OUTPUT_QUEUE)
        size += promp_worker_rig_take(rig, PROMP_LANE_OUTPUT).output.text.size;
    promp_record_t record;
    while (promp_session_take(rig->session, PROMP_LANE_OUTPUT, &record))
        free(record.body);
    ASSERT_EXITED(promp_worker_rig_wait(rig), 0);
    promp_worker_rig_close(rig);
}

static void test_stop_tells(void **state)
{
    /* Aim: what the last task of a stopped worker returns, and why it failed, arrives. */
    static const struct {
        const char *task, *text;
    } rows[] = {{"late", NULL}, {"wait", "ended"}, {"spin", "the task returned 1"}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        promp_worker_rig_t *rig = start(0);
        promp_worker_rig_task(rig, rows[i].task);
        promp_worker_rig_begun(rig, 1);
        promp_session_urge(rig->session, PROMP_SLOT_STOP, 0, 0);
        promp_message_t told = promp_worker_rig_take(rig, PROMP_LANE_MESSAGES);
        if (rows[i].text) {
            assert_int_equal(told.type, PROMP_TYPE_FAILURE);
            assert_int_equal(told.failure.text.size, strlen(rows[i].text));
            assert_memory_equal(told.failure.text.data, rows[i].text, told.failure.text.size);
        } else {
            assert_int_equal(told.type, PROMP_TYPE_RESULT);
        }
        promp_worker_rig_done(rig, 1, rows[i].text ? 1 : 0);
        ASSERT_EXITED(promp_worker_rig_wait(rig), 0);
        promp_worker_rig_close(rig);
    }
}

static void test_relink(void **state)
{
    /* Aim: a new link over the lifeline while a task runs: nothing is lost, the abort arrives over it. */
    (void)state;
    promp_worker_rig_t *rig = start(0);
    promp_worker_rig_task(rig, "spin");
    promp_worker_rig_begun(rig, 1);
    promp_worker_rig_relink(rig);
    promp_session_urge(rig->session, PROMP_SLOT_ABORT, 1, 20000);
    promp_worker_rig_done(rig, 1, 2);
    promp_worker_rig_relink(rig);
    promp_worker_rig_task(rig, "value");
    promp_worker_rig_done(rig, 2, 0);
    stop(rig);
}

static void test_lifeline_ends(void **state)
{
    /* Aim: with the lifeline the worker ends at once, also in the middle of a task. */
    (void)state;
    promp_worker_rig_t *rig = start(0);
    promp_worker_rig_task(rig, "deaf");
    promp_worker_rig_begun(rig, 1);
    close(rig->lifeline);
    rig->lifeline = -1;
    int status = promp_worker_rig_wait(rig);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGKILL);
    promp_worker_rig_close(rig);
}

static void test_reset(void **state)
{
    /* Aim: a manager that broke off: an idle worker ends by itself, with another code than in good order. */
    (void)state;
    promp_worker_rig_t *rig = start(0);
    promp_worker_rig_take(rig, PROMP_LANE_CONTROL);
    promp_session_over(rig->session, PROMP_ERR_CREDIT);
    ASSERT_EXITED(promp_worker_rig_wait(rig), 1);
    promp_worker_rig_close(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_abort_obeyed),     cmocka_unit_test(test_abort_terminates),
        cmocka_unit_test(test_abort_ends_waits), cmocka_unit_test(test_stop_ends_waits),
        cmocka_unit_test(test_stop_tells),       cmocka_unit_test(test_relink),
        cmocka_unit_test(test_lifeline_ends),    cmocka_unit_test(test_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
