/* echo_worker_crash.c - tasks of echo-worker that end badly, or leave somebody behind. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "echo_worker.h"

int echo_abort(promp_task_t *task)
{
    (void)task;
    fputs("these are my last words\n", stderr);
    abort();
}

int echo_segv(promp_task_t *task)
{
    (void)task;
    signal(SIGSEGV, SIG_DFL);
    raise(SIGSEGV);
    return 1;
}

int echo_exit(promp_task_t *task)
{
    _exit((int)echo_int(task, 0));
}

/* Starts a process that outlives the task by itself; its number is the value. */
int echo_grandchild(promp_task_t *task)
{
    int64_t ms = echo_int(task, 0);
    pid_t pid = fork();
    if (pid < 0)
        return promp_task_fail(task, "fork failed");
    if (pid == 0) {
        /* Only what is allowed in the child of a process with threads. */
        for (; ms > 0; ms -= 10)
            usleep(10000);
        _exit(0);
    }
    promp_value_t *value = promp_value_int(pid);
    return promp_task_result(task, &value) ? promp_task_fail(task, "no memory") : 0;
}
