/* The worker's shell as a process, with a node and a manager that are ours (worker_rig.h). */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
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

/* --- tasks of the child --- */

static promp_worker_t *worker_of_main;

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

static int task_spin(promp_task_t *task)
{
    promp_task_progress(task, 0);
    while (!promp_task_aborted(task))
        usleep(1000);
    return 1;
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

static int task_wait(promp_task_t *task)
{
    promp_task_progress(task, 0);
    promp_err_t err = promp_worker_wait_message(promp_task_worker(task), -1);
    promp_task_failure(task, err, NULL, "ended", NULL);
    return 1;
}

static int native_worker(void)
{
    static const promp_task_def_t tasks[] = {
        {"value", task_value}, {"code", task_code},   {"native", task_native}, {"spin", task_spin},
        {"deaf", task_deaf},   {"flood", task_flood}, {"fork", task_fork},     {"threads", task_threads},
        {"wait", task_wait},   {NULL, NULL}};
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

/* --- tests --- */

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
    promp_worker_rig_done(rig, 1, 2);
    uint64_t size = 0;
    while (size < PROMP_WINDOW_OUTPUT + PROMP_LIMIT_OUTPUT_QUEUE)
        size += promp_worker_rig_take(rig, PROMP_LANE_OUTPUT).output.text.size;
    promp_record_t record;
    while (promp_session_take(rig->session, PROMP_LANE_OUTPUT, &record))
        free(record.body);
    ASSERT_EXITED(promp_worker_rig_wait(rig), 0);
    promp_worker_rig_close(rig);
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

/* --- hosts with a loop of their own --- */

static atomic_int interrupted;

static void on_interrupt(void *arg, uint64_t task)
{
    (void)arg;
    atomic_store(&interrupted, (int)task);
}

static int interruptible_worker(void)
{
    promp_error_t error;
    promp_task_t *task;
    worker_of_main = promp_worker_open(&error);
    if (!worker_of_main)
        return 50;
    if (promp_worker_id(worker_of_main) != 3 || promp_worker_level(worker_of_main) != 1 ||
        promp_worker_timeout(worker_of_main) != 10000 || getenv("PROMP_WORKER_FDS") ||
        strcmp(promp_worker_address(worker_of_main), "ipc:///here") != 0)
        return 51;
    size_t size;
    if (promp_worker_extra(worker_of_main, &size)[0] != 1 || size != 1)
        return 52;
    for (int fd = 3; fd < 7; fd++)
        if (!(fcntl(fd, F_GETFD) & FD_CLOEXEC))
            return 53;
    promp_worker_on_interrupt(worker_of_main, on_interrupt, NULL);
    if (promp_worker_next(worker_of_main, 0, &task) != PROMP_ERR_TIMEOUT ||
        promp_worker_is_busy(worker_of_main))
        return 54;
    promp_worker_send(worker_of_main, 1, "go", 2);
    if (promp_worker_next(worker_of_main, -1, &task) || !promp_worker_is_busy(worker_of_main))
        return 55;
    promp_task_t *other;
    if (promp_worker_next(worker_of_main, 0, &other) != PROMP_ERR_STATE || promp_task_number(task) != 1)
        return 56;
    promp_task_progress(task, 0);
    while (!atomic_load(&interrupted))
        usleep(1000);
    if (atomic_load(&interrupted) != 1 || promp_task_finish(&task, PROMP_TASK_ABORT) || task)
        return 57;
    if (promp_worker_next(worker_of_main, -1, &task) != PROMP_ERR_CLOSED)
        return 58;
    promp_worker_close(&worker_of_main);
    return promp_worker_open(&error) || error.code != PROMP_ERR_NOT_A_WORKER ? 59 : 0;
}

static void test_host_loop(void **state)
{
    /* Aim: open tells what the worker is; an abort not looked at calls the interrupt at T/2 and spares the task that ends then. */
    (void)state;
    promp_worker_rig_t rig;
    promp_worker_rig_start(&rig, 0, interruptible_worker);
    promp_worker_rig_take(&rig, PROMP_LANE_MESSAGES); /* "go": it found no task before */
    promp_worker_rig_task(&rig, "x");
    promp_worker_rig_begun(&rig, 1);
    int64_t begin = promp_clock_ms();
    promp_session_urge(rig.session, PROMP_SLOT_ABORT, 1, 400);
    promp_worker_rig_done(&rig, 1, 2);
    assert_true(promp_clock_ms() - begin >= 190);
    stop(&rig);
}

/* --- no worker at all --- */

static int silent_worker(void)
{
    int null = open("/dev/null", O_WRONLY);
    dup2(null, 2);
    return native_worker();
}

static int run_body(int (*body)(void))
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        _exit(body());
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static int no_variable(void)
{
    unsetenv("PROMP_WORKER_FDS");
    return silent_worker();
}

static int bad_variable(void)
{
    static const char *const values[] = {"", "x", "3x", "-1", "0", "99999999999999999999", "1000"};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        setenv("PROMP_WORKER_FDS", values[i], 1);
        int code = silent_worker();
        if (code != 3)
            return code;
    }
    return 3;
}

/* The right numbers with the wrong things behind them. */
static int wrong_descriptors(void)
{
    int pair[2], pipes[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) || pipe(pipes))
        return 60;
    dup2(pair[0], 103);
    dup2(pair[0], 104);
    dup2(pipes[0], 105);
    dup2(pipes[1], 106); /* the write end */
    setenv("PROMP_WORKER_FDS", "103", 1);
    int code = silent_worker();
    bool kept = fcntl(103, F_GETFD) >= 0 && fcntl(106, F_GETFD) >= 0;
    return kept ? code : 61; /* what is not ours is left alone */
}

static void test_not_a_worker(void **state)
{
    /* Aim: a program that was not started as a worker says so and returns 3; nobody's descriptors are touched. */
    (void)state;
    ASSERT_EXITED(run_body(no_variable), 3);
    ASSERT_EXITED(run_body(bad_variable), 3);
    ASSERT_EXITED(run_body(wrong_descriptors), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_call),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_native_output),
        cmocka_unit_test(test_abort_obeyed),
        cmocka_unit_test(test_abort_terminates),
        cmocka_unit_test(test_abort_ends_waits),
        cmocka_unit_test(test_stop_ends_waits),
        cmocka_unit_test(test_relink),
        cmocka_unit_test(test_lifeline_ends),
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_fork),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_host_loop),
        cmocka_unit_test(test_not_a_worker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
