/* Opening: what the process finds, hosts with a loop of their own, processes that are no workers. */
#include <fcntl.h>
#include <setjmp.h>
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

static promp_worker_t *worker_of_main;
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
    promp_session_urge(rig.session, PROMP_SLOT_STOP, 0, 0);
    ASSERT_EXITED(promp_worker_rig_wait(&rig), 0);
    promp_worker_rig_close(&rig);
}

/* --- no worker at all --- */

static int silent_worker(void)
{
    static const promp_task_def_t tasks[] = {{NULL, NULL}};
    int null = open("/dev/null", O_WRONLY);
    dup2(null, 2);
    close(null);
    return promp_worker_run(tasks);
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
        cmocka_unit_test(test_host_loop),
        cmocka_unit_test(test_not_a_worker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
