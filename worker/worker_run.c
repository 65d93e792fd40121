/* worker_run.c - the loop of a native worker: a table of functions, one task after the other. */
#include <stdio.h>

#include "worker_task.h"

#define EXIT_LOST         1 /* the session broke */
#define EXIT_NOT_A_WORKER 3
#define EXIT_NOT_OPENED   4

static promp_task_fn *find(const promp_task_def_t *tasks, const char *name)
{
    for (; tasks && tasks->name; tasks++)
        if (strcmp(tasks->name, name) == 0)
            return tasks->run;
    return NULL;
}

static int run_native(promp_task_t *task, const promp_task_def_t *tasks)
{
    promp_task_fn *run = find(tasks, promp_task_name(task));
    if (run)
        return run(task);
    char text[PROMP_LIMIT_NAME + 64];
    snprintf(text, sizeof text, "this worker has no task '%s'", promp_task_name(task));
    promp_task_failure(task, PROMP_ERR_NO_TASK, NULL, text, NULL);
    return 1;
}

static int run_test(promp_task_t *task)
{
    static const char text[] = "Test message.\n";
    promp_err_t err = promp_worker_print(promp_task_worker(task), PROMP_STREAM_STDOUT, text, sizeof text - 1);
    return err ? promp_task_fail(task, "%s", promp_error_text(err)) : 0;
}

static int run_kind(promp_task_t *task, const promp_task_def_t *tasks)
{
    switch (promp_task_kind(task)) {
    case PROMP_TASK_NATIVE:
        return run_native(task, tasks);
    case PROMP_TASK_TEST:
        return run_test(task);
    case PROMP_TASK_TEST_BOX:
        return promp_task_fail(task, "a native worker has no display for a message box");
    default:
        promp_task_failure(task, PROMP_ERR_NO_TASK, NULL, "a native worker runs the tasks of its table only",
                           NULL);
        return 1;
    }
}

/* An aborted task that gave up has not failed. One that was done all the same is. Of a stopped worker's last task what it
 * returns or why it failed is told. */
static void run_one(promp_task_t *task, const promp_task_def_t *tasks)
{
    int code = run_kind(task, tasks);
    promp_task_outcome_t outcome = PROMP_TASK_DONE;
    if (code && promp_task_aborted(task) && !promp_worker_stopped(promp_task_worker(task))) {
        outcome = PROMP_TASK_ABORT;
    } else if (code) {
        outcome = PROMP_TASK_FAILURE;
        if (!promp_task_failed(task))
            promp_task_fail(task, "the task returned %d", code);
    }
    promp_task_finish(&task, outcome);
}

int promp_worker_run(const promp_task_def_t *tasks)
{
    promp_error_t error;
    promp_worker_t *worker = promp_worker_open(&error);
    if (!worker) {
        fprintf(stderr, "promp: %d %s\n", (int)error.code, error.text);
        return error.code == PROMP_ERR_NOT_A_WORKER ? EXIT_NOT_A_WORKER : EXIT_NOT_OPENED;
    }
    promp_err_t err;
    promp_task_t *task;
    while (!(err = promp_worker_next(worker, -1, &task)) || err == PROMP_ERR_STATE)
        if (task)
            run_one(task, tasks);
    promp_hub_lock(worker->hub);
    bool in_order = promp_worker_core_state(worker->core) == PROMP_ERR_CLOSED;
    promp_hub_unlock(worker->hub);
    promp_worker_close(&worker);
    return in_order ? 0 : EXIT_LOST;
}
