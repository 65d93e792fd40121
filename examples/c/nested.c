/* nested - workers that are managers themselves: each level starts the next one below it and waits for its
 * answer.
 *
 * What any of them prints goes up from manager to manager, and only the root process writes it. When the
 * root is killed, all levels end with it.
 *
 *   nested [DEPTH]     default 5
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "promp.h"

#define MOST 32

/* Starts one worker below manager, lets it descend to depth, and returns the sum that comes back; -1 on
 * failure. */
static int64_t ask_below(promp_manager_t *manager, int64_t depth)
{
    const char *argv[] = {"nested", "--worker", NULL};
    const promp_start_t start = {.program = "/proc/self/exe", .argv = argv};
    uint32_t worker;
    int64_t sum = -1;
    promp_value_t *args = promp_value_list(), *item = promp_value_int(depth);
    promp_value_append(args, &item);
    const promp_task_spec_t task = {
        .kind = PROMP_TASK_NATIVE, .name = "descend", .args = args, .result = true};

    promp_manager_set_options(manager, PROMP_OPT_REDIRECT);
    if (promp_manager_start(manager, &start, &worker) || promp_manager_task(manager, worker, &task, NULL)) {
        fprintf(stderr, "nested: %s\n", promp_manager_error(manager)->text);
        goto out;
    }
    while (promp_manager_is_busy(manager)) {
        promp_manager_wait(manager, -1);
        promp_manager_process(manager); /* hands the output of below on */
    }
    promp_result_t result;
    bool got;
    if (promp_manager_take_result(manager, worker, &result, &got) == PROMP_OK && got)
        sum = promp_value_as_int(result.value);
    promp_result_free(&result);
    promp_failure_t failure;
    while (promp_manager_take_error(manager, worker, &failure)) {
        fprintf(stderr, "nested: %s\n", failure.text);
        promp_failure_free(&failure);
    }
out:
    promp_value_free(&args);
    return sum;
}

/* Task: says where it is, goes one level deeper, and returns how many workers there are from here on. */
static int descend(promp_task_t *task)
{
    promp_worker_t *self = promp_task_worker(task);
    int64_t depth = promp_value_as_int(promp_value_at(promp_task_args(task), 0)), below = 0;
    char line[100];
    int size = snprintf(line, sizeof line, "level %u is process %d\n", (unsigned)promp_worker_level(self),
                        (int)getpid());
    promp_worker_print(self, PROMP_STREAM_STDOUT, line, (size_t)size);
    if (promp_worker_level(self) < depth) {
        promp_error_t error;
        promp_manager_t *manager = promp_manager_new(&(promp_manager_config_t){.parent = self}, &error);
        if (!manager)
            return promp_task_fail(task, "%s", error.text);
        below = ask_below(manager, depth);
        promp_manager_destroy(&manager);
        if (below < 0)
            return promp_task_fail(task, "level %u had no answer from below",
                                   (unsigned)promp_worker_level(self));
    }
    promp_value_t *sum = promp_value_int(below + 1);
    return promp_task_result(task, &sum) == PROMP_OK ? 0 : 1;
}

static int root(int64_t depth)
{
    promp_error_t error;
    promp_manager_t *manager = promp_manager_new(NULL, &error);
    if (!manager) {
        fprintf(stderr, "nested: %s\n", error.text);
        return 1;
    }
    printf("level 0 is process %d\n", (int)getpid());
    int64_t sum = ask_below(manager, depth);
    promp_manager_destroy(&manager);
    printf("%lld workers answered\n", (long long)sum);
    return sum == depth ? 0 : 1;
}

int main(int argc, char **argv)
{
    static const promp_task_def_t tasks[] = {{"descend", descend}, {NULL, NULL}};
    if (argc > 1 && strcmp(argv[1], "--worker") == 0)
        return promp_worker_run(tasks);
    long depth = argc > 1 ? strtol(argv[1], NULL, 10) : 5;
    if (argc > 2 || depth < 1 || depth > MOST) {
        fprintf(stderr, "usage: nested [DEPTH], DEPTH from 1 to %d\n", MOST);
        return 2;
    }
    return root(depth);
}
