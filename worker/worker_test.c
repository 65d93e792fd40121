/* The worker's shell as a process, with a node and a manager that are ours (worker_rig.h): tasks, output, messages. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
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

static int task_code(promp_task_t *task)
{
    (void)task;
    return 9;
}

static int task_native(promp_task_t *task)
{
    (void)task;
    printf("one\ntw"); /* line buffered, the rest goes with the end of the task */
    fputs("o", stdout);
    return 0;
}

static int task_fork(promp_task_t *task)
{
    promp_worker_t *worker = promp_task_worker(task);
    pid_t pid = fork();
    if (pid == 0) {
        promp_err_t err = promp_worker_send(worker, 1, NULL, 0);
        promp_worker_print(worker, PROMP_STREAM_STDOUT, "child\n", 6);
        promp_worker_close(&worker);
        _exit(err == PROMP_ERR_FORKED ? 0 : 1);
    }
    int status = -1;
    waitpid(pid, &status, 0);
    return status;
}

static void *print_many(void *arg)
{
    for (int i = 0; i < 500; i++)
        if (promp_worker_print(arg, PROMP_STREAM_STDOUT, "x", 1) || promp_worker_send(arg, 1, "y", 1))
            return arg;
    return NULL;
}

static int task_threads(promp_task_t *task)
{
    pthread_t threads[4];
    void *failed = NULL;
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, print_many, promp_task_worker(task));
    for (int i = 0; i < 4; i++) {
        void *one;
        pthread_join(threads[i], &one);
        failed = failed ? failed : one;
    }
    return failed != NULL;
}

/* A message and a print that are moved instead of copied. */
static int task_large(promp_task_t *task)
{
    static char text[300 * 1024];
    memset(text, 'a', sizeof text);
    promp_err_t err = promp_worker_send(promp_task_worker(task), 7, text, sizeof text);
    return err ? 1 : (int)promp_worker_print(promp_task_worker(task), PROMP_STREAM_STDERR, text, sizeof text);
}

static int native_worker(void)
{
    static const promp_task_def_t tasks[] = {
        {"value", task_value}, {"code", task_code},       {"native", task_native},
        {"fork", task_fork},   {"threads", task_threads}, {"large", task_large},
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

static void test_call(void **state)
{
    /* Aim: a task that came in the same breath as WELCOME runs, its value comes back, stop ends the worker with 0. */
    (void)state;
    promp_worker_rig_t *rig = start(0);
    promp_worker_rig_task(rig, "value");
    promp_message_t m = promp_worker_rig_take(rig, PROMP_LANE_CONTROL);
    assert_int_equal(m.type, PROMP_TYPE_READY);
    assert_int_equal(m.ready.pid, rig->pid);
    m = promp_worker_rig_take(rig, PROMP_LANE_MESSAGES);
    assert_int_equal(m.type, PROMP_TYPE_RESULT);
    assert_int_equal(m.result.value.size, 2);
    assert_memory_equal(m.result.value.data, "\x18\x2a", 2);
    promp_worker_rig_done(rig, 1, 0);
    stop(rig);
}

static void assert_failure(promp_worker_rig_t *rig, promp_err_t code, const char *text)
{
    promp_message_t m = promp_worker_rig_take(rig, PROMP_LANE_MESSAGES);
    assert_int_equal(m.type, PROMP_TYPE_FAILURE);
    assert_int_equal(m.failure.task, rig->task);
    assert_int_equal(m.failure.error, code);
    assert_int_equal(m.failure.text.size, strlen(text));
    assert_memory_equal(m.failure.text.data, text, strlen(text));
    promp_worker_rig_done(rig, rig->task, 1);
}

static void test_failures(void **state)
{
    /* Aim: an unknown name, another kind and a value other than 0 are failures with number and text. */
    (void)state;
    promp_worker_rig_t *rig = start(0);
    promp_worker_rig_task(rig, "nobody");
    assert_failure(rig, PROMP_ERR_NO_TASK, "this worker has no task 'nobody'");
    promp_worker_rig_task(rig, "code");
    assert_failure(rig, PROMP_ERR_TASK_FAILED, "the task returned 9");
    promp_message_t python = {PROMP_TYPE_TASK, .task = {.number = ++rig->task, .kind = PROMP_TASK_CODE}};
    promp_worker_rig_post(rig, &python);
    assert_failure(rig, PROMP_ERR_NO_TASK, "a native worker runs the tasks of its table only");
    python.task.number = ++rig->task;
    python.task.kind = UINT32_MAX;
    promp_worker_rig_post(rig, &python);
    assert_failure(rig, PROMP_ERR_NO_TASK, "a native worker runs the tasks of its table only");
    python.task.number = ++rig->task;
    python.task.kind = PROMP_TASK_TEST_BOX;
    promp_worker_rig_post(rig, &python);
    assert_failure(rig, PROMP_ERR_TASK_FAILED, "a native worker has no display for a message box");
    python.task.number = ++rig->task;
    python.task.kind = PROMP_TASK_TEST;
    promp_worker_rig_post(rig, &python);
    promp_worker_rig_output(rig, PROMP_STREAM_STDOUT, "Test message.\n");
    promp_worker_rig_done(rig, rig->task, 0);
    stop(rig);
}

static void test_native_output(void **state)
{
    /* Aim: what a task wrote to descriptor 1 is named by its DONE, its unfinished last line too; under ATOMIC lines are whole. */
    (void)state;
    for (uint32_t options = PROMP_OPT_REDIRECT; options <= PROMP_OPT_ATOMIC; options++) {
        promp_worker_rig_t *rig = start(options);
        promp_worker_rig_task(rig, "native");
        promp_message_t m;
        do
            m = promp_worker_rig_take(rig, PROMP_LANE_CONTROL);
        while (m.type != PROMP_TYPE_DONE);
        uint64_t end = m.done.end_output;
        assert_true(end > 10);
        if (options == PROMP_OPT_ATOMIC) {
            m = promp_worker_rig_take(rig, PROMP_LANE_OUTPUT);
            assert_int_equal(m.output.text.size, 4);
            assert_memory_equal(m.output.text.data, "one\n", 4);
            promp_worker_rig_output(rig, PROMP_STREAM_NATIVE_STDOUT, "two");
        } else {
            promp_worker_rig_output(rig, PROMP_STREAM_NATIVE_STDOUT, "one\ntwo");
        }
        assert_int_equal(promp_session_taken(rig->session, PROMP_LANE_OUTPUT), end);
        stop(rig);
    }
}

static void test_fork(void **state)
{
    /* Aim: a forked child leaves the link alone: its print comes as native output, its other calls fail. */
    (void)state;
    promp_worker_rig_t *rig = start(PROMP_OPT_REDIRECT);
    promp_worker_rig_task(rig, "fork");
    promp_worker_rig_output(rig, PROMP_STREAM_NATIVE_STDOUT, "child\n");
    promp_worker_rig_done(rig, 1, 0);
    stop(rig);
}

static void test_threads(void **state)
{
    /* Aim: threads of a task may print and send at the same time; nothing is lost. */
    (void)state;
    promp_worker_rig_t *rig = start(PROMP_OPT_REDIRECT);
    promp_worker_rig_task(rig, "threads");
    for (int i = 0; i < 2000; i++) {
        assert_int_equal(promp_worker_rig_take(rig, PROMP_LANE_OUTPUT).output.text.size, 1);
        assert_int_equal(promp_worker_rig_take(rig, PROMP_LANE_MESSAGES).type, PROMP_TYPE_USER_MESSAGE);
    }
    promp_worker_rig_done(rig, 1, 0);
    stop(rig);
}

static void test_large(void **state)
{
    /* Aim: large messages and prints arrive whole. */
    (void)state;
    promp_worker_rig_t *rig = start(PROMP_OPT_REDIRECT);
    promp_worker_rig_task(rig, "large");
    promp_message_t m = promp_worker_rig_take(rig, PROMP_LANE_MESSAGES);
    assert_int_equal(m.user_message.id, 7);
    assert_int_equal(m.user_message.data.size, 300 * 1024);
    m = promp_worker_rig_take(rig, PROMP_LANE_OUTPUT);
    assert_int_equal(m.output.stream, PROMP_STREAM_STDERR);
    assert_int_equal(m.output.text.size, 300 * 1024);
    assert_int_equal(m.output.text.data[m.output.text.size - 1], 'a');
    promp_worker_rig_done(rig, 1, 0);
    stop(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_call), cmocka_unit_test(test_failures), cmocka_unit_test(test_native_output),
        cmocka_unit_test(test_fork), cmocka_unit_test(test_threads),  cmocka_unit_test(test_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
