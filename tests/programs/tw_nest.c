/* tw_nest.c - a worker that is a manager itself. */
#include <string.h>
#include <unistd.h>

#include "text_value.h"
#include "tw.h"

static void forward(void *arg, uint32_t worker, int stream, const char *text, size_t size)
{
    (void)worker;
    promp_worker_print(arg, stream, text, size);
}

/* The arguments for the level below: one level less, the rest as it is. */
static promp_value_t *arguments_below(promp_task_t *task)
{
    const promp_value_t *args = promp_task_args(task);
    promp_value_t *list = promp_value_list(), *depth = promp_value_int(arg_int(task, 0) - 1);
    promp_value_append(list, &depth);
    for (size_t i = 1; i < promp_value_count(args); i++) {
        promp_value_t *copy = text_value_copy(promp_value_at(args, i));
        promp_value_append(list, &copy);
    }
    return list;
}

static promp_err_t run_below(promp_task_t *task, promp_manager_t *manager, promp_result_t *result, bool *got)
{
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    self[n < 0 ? 0 : n] = 0;
    promp_start_t start = {.program = self};
    uint32_t worker;
    promp_err_t e = promp_manager_start(manager, &start, &worker);
    promp_value_t *args = arguments_below(task);
    promp_task_spec_t spec = {.name = "nest", .args = args, .result = true};
    if (e == PROMP_OK)
        e = promp_manager_task(manager, worker, &spec, NULL);
    promp_value_free(&args);
    while (e == PROMP_OK && promp_manager_is_busy(manager) && !promp_task_aborted(task)) {
        e = promp_manager_wait(manager, 50);
        if (e == PROMP_OK || e == PROMP_ERR_TIMEOUT)
            e = promp_manager_process(manager);
    }
    return e == PROMP_OK ? promp_manager_take_result(manager, worker, result, got) : e;
}

/* At the bottom: what the second argument says. */
static void at_bottom(promp_task_t *task)
{
    promp_worker_t *w = promp_task_worker(task);
    const char *what = arg_str(task, 1);
    if (strcmp(what, "print") == 0)
        promp_worker_print(w, PROMP_STREAM_STDOUT, "from the bottom\n", 16);
    if (strcmp(what, "native") == 0 && write(1, "native from the bottom\n", 23) < 0)
        _exit(99);
    if (strcmp(what, "exit") == 0)
        _exit(77);
    while (strcmp(what, "sleep") == 0 && !promp_task_aborted(task))
        nap();
}

/* Arguments: levels below this one, what the lowest does, "own" when output is forwarded by the library's
 * default. Sends a message with its pid and level upwards as soon as it runs. Result: [level, pid, result of
 * the level below or none]. */
int task_nest(promp_task_t *task)
{
    promp_worker_t *w = promp_task_worker(task);
    promp_value_t *list = promp_value_list(), *level = promp_value_int(promp_worker_level(w)),
                  *pid = promp_value_int(getpid()), *below = NULL;
    promp_value_append(list, &level);
    promp_value_append(list, &pid);
    if (arg_int(task, 0) == 0) {
        at_bottom(task);
        below = promp_value_none();
    } else {
        promp_error_t error;
        promp_manager_t *manager = promp_manager_new(&(promp_manager_config_t){.parent = w}, &error);
        promp_result_t result = {0};
        bool got = false;
        if (!manager) {
            promp_value_free(&list);
            return promp_task_fail(task, "manager: %s", error.text);
        }
        promp_manager_set_options(manager, promp_worker_options(w));
        promp_manager_set_timeout(manager, promp_worker_timeout(w));
        if (strcmp(arg_str(task, 2), "own") != 0)
            promp_manager_on_output(manager, forward, w);
        promp_err_t e = run_below(task, manager, &result, &got);
        promp_failure_t failure;
        if (promp_manager_take_error(manager, PROMP_WORKER_ANY, &failure)) {
            below = promp_value_str(failure.text, strlen(failure.text));
            promp_failure_free(&failure);
        } else if (e != PROMP_OK) {
            below = promp_value_int(e);
        } else {
            below = got ? result.value : promp_value_none();
            result.value = NULL;
        }
        promp_result_free(&result);
        promp_manager_destroy(&manager);
    }
    promp_value_append(list, &below);
    return promp_task_result(task, &list) != PROMP_OK;
}
