/* tw_container.c - the test worker reads containers of its manager. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pattern.h"
#include "tw.h"

static int failed(promp_task_t *task, const promp_error_t *error)
{
    promp_task_failure(task, error->code, "", error->text, "");
    return 1;
}

static promp_err_t get(promp_task_t *task, promp_container_t **container, promp_error_t *error)
{
    promp_err_t e;
    do
        e = promp_worker_container(promp_task_worker(task), arg_str(task, 0), container, error);
    while (e == PROMP_ERR_STATE);
    return e;
}

/* Arguments: name. Result: its size, negative when it is mapped. */
int task_size(promp_task_t *task)
{
    promp_error_t error;
    promp_container_t *container;
    if (get(task, &container, &error))
        return failed(task, &error);
    int64_t size = (int64_t)promp_container_size(container);
    bool mapped = promp_container_data(container) != NULL;
    promp_container_drop(&container);
    return result_int(task, mapped ? -size : size);
}

typedef struct {
    promp_container_t *container;
    uint64_t seed, from, to;
    size_t piece;
    bool random;
    uint64_t wrong;
    promp_error_t error;
} walk_t;

/* Reads [from, to) piece by piece, or as many pieces anywhere in it. */
static void *walk(void *arg)
{
    walk_t *w = arg;
    uint8_t *buffer = malloc(w->piece);
    uint64_t size = promp_container_size(w->container), random = w->seed;
    for (uint64_t at = w->from; at < w->to && !w->error.code; at += w->piece) {
        uint64_t offset = at;
        size_t got = 0;
        if (w->random)
            offset = w->from + pattern_word(++random, 1) % (w->to - w->from);
        promp_err_t e = promp_container_read(w->container, offset, buffer, w->piece, &got, &w->error);
        if (e == PROMP_ERR_STATE)
            w->error.code = PROMP_OK; /* what came is checked; a test of signals reads again */
        uint64_t want = offset < size ? size - offset : 0;
        want = want < w->piece ? want : w->piece;
        w->wrong += pattern_check(w->seed, offset, buffer, got) + (e == PROMP_OK && got != want);
    }
    free(buffer);
    return NULL;
}

/* Arguments: name, seed, bytes of each read, random, threads, from, to (0: the end). Result: wrong bytes. */
int task_read(promp_task_t *task)
{
    promp_error_t error;
    promp_container_t *container;
    if (get(task, &container, &error))
        return failed(task, &error);
    int64_t threads = arg_int(task, 4) ? arg_int(task, 4) : 1, to = arg_int(task, 6);
    walk_t walks[16];
    pthread_t thread[16];
    uint64_t wrong = 0;
    error.code = PROMP_OK;
    for (int64_t i = 0; i < threads; i++) {
        walks[i] = (walk_t){.container = container,
                            .seed = (uint64_t)arg_int(task, 1),
                            .from = (uint64_t)arg_int(task, 5),
                            .to = to ? (uint64_t)to : promp_container_size(container),
                            .piece = (size_t)arg_int(task, 2),
                            .random = arg_int(task, 3) != 0};
        pthread_create(&thread[i], NULL, walk, &walks[i]);
    }
    for (int64_t i = 0; i < threads; i++) {
        pthread_join(thread[i], NULL);
        wrong += walks[i].wrong;
        if (walks[i].error.code)
            error = walks[i].error;
    }
    promp_container_drop(&container);
    return error.code ? failed(task, &error) : result_int(task, (int64_t)wrong);
}

/* Arguments: name, pattern (str). Result: where it is, -1 nowhere. */
int task_find(promp_task_t *task)
{
    promp_error_t error;
    promp_container_t *container;
    uint64_t at;
    if (get(task, &container, &error))
        return failed(task, &error);
    const char *pattern = arg_str(task, 1);
    promp_err_t e =
        promp_container_find(container, pattern, strlen(pattern), 0, UINT64_MAX, NULL, NULL, &at, &error);
    promp_container_drop(&container);
    return e ? failed(task, &error) : result_int(task, (int64_t)at);
}

/* Arguments: name, how often. Opens and drops it. Result: how often it could be opened. */
int task_reopen(promp_task_t *task)
{
    int64_t opened = 0;
    for (int64_t i = 0; i < arg_int(task, 1); i++) {
        promp_error_t error;
        promp_container_t *container;
        if (get(task, &container, &error) == PROMP_OK)
            opened++;
        promp_container_drop(&container);
    }
    return result_int(task, opened);
}

/* Arguments: name, so many bytes of the pattern with the given seed are there. Keeps it over the end of the task, reads it
 * again in the next one of the same name. Result: wrong bytes. */
int task_keep(promp_task_t *task)
{
    static promp_container_t *kept;
    promp_error_t error;
    uint8_t buffer[4096];
    size_t got;
    if (!kept && get(task, &kept, &error))
        return failed(task, &error);
    if (promp_container_read(kept, (uint64_t)arg_int(task, 2), buffer, sizeof buffer, &got, &error))
        return failed(task, &error);
    return result_int(
        task, (int64_t)pattern_check((uint64_t)arg_int(task, 1), (uint64_t)arg_int(task, 2), buffer, got) +
                  (got == 0));
}

/* Arguments: name, offset, size. Result: how many of these bytes are zero. */
int task_zeros(promp_task_t *task)
{
    enum { PIECE = 1 << 20 };
    promp_error_t error;
    promp_container_t *container;
    if (get(task, &container, &error))
        return failed(task, &error);
    uint8_t *buffer = malloc(PIECE);
    int64_t zeros = 0, left = arg_int(task, 2);
    uint64_t at = (uint64_t)arg_int(task, 1);
    error.code = PROMP_OK;
    while (left > 0 && !error.code) {
        size_t got, size = left < PIECE ? (size_t)left : PIECE;
        if (promp_container_read(container, at, buffer, size, &got, &error))
            break;
        for (size_t i = 0; i < got; i++)
            zeros += buffer[i] == 0;
        at += size;
        left -= (int64_t)size;
    }
    free(buffer);
    promp_container_drop(&container);
    return error.code ? failed(task, &error) : result_int(task, zeros);
}

static promp_err_t ask_below(promp_manager_t *manager, promp_task_t *task, promp_result_t *result)
{
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    self[n < 0 ? 0 : n] = 0;
    uint32_t worker;
    bool last = arg_int(task, 2) <= 2, got = false;
    promp_value_t *args = promp_value_list();
    promp_value_t *items[] = {promp_value_str("passed", 6), promp_value_int(arg_int(task, 1)),
                              promp_value_int(last ? 100000 : arg_int(task, 2) - 1)};
    for (size_t i = 0; i < 3; i++)
        promp_value_append(args, &items[i]);
    promp_task_spec_t spec = {.name = last ? "read" : "pass_on", .args = args, .result = true};
    promp_err_t e = promp_manager_start(manager, &(promp_start_t){.program = self}, &worker);
    if (!e)
        e = promp_manager_task(manager, worker, &spec, NULL);
    promp_value_free(&args);
    while (!e && promp_manager_is_busy(manager)) {
        (void)promp_manager_wait(manager, 50);
        e = promp_manager_process(manager);
    }
    return e                                                          ? e
           : promp_manager_take_result(manager, worker, result, &got) ? PROMP_ERR_STATE
           : got                                                      ? PROMP_OK
                                                                      : PROMP_ERR_NO_TASK;
}

/* Arguments: name, seed, level of the last one. Shares the container with a worker of its own, which does the same or, as
 * the last one, reads it. Result: wrong bytes. */
int task_pass_on(promp_task_t *task)
{
    promp_error_t error;
    promp_container_t *container;
    promp_result_t result = {0};
    promp_failure_t failure;
    if (get(task, &container, &error))
        return failed(task, &error);
    promp_manager_t *manager =
        promp_manager_new(&(promp_manager_config_t){.parent = promp_task_worker(task)}, &error);
    if (!manager)
        return failed(task, &error);
    promp_err_t e = promp_manager_share(manager, "passed", container);
    if (!e)
        e = ask_below(manager, task, &result);
    if (promp_manager_take_error(manager, PROMP_WORKER_ANY, &failure)) {
        promp_task_failure(task, failure.code, "", failure.text, "");
        promp_failure_free(&failure);
        e = PROMP_ERR_TASK_FAILED;
    } else if (e) {
        promp_task_fail(task, "below: %s", promp_error_name(e));
    }
    if (!e)
        e = promp_task_result(task, &result.value);
    promp_result_free(&result);
    promp_manager_destroy(&manager);
    promp_container_drop(&container);
    return e != PROMP_OK;
}
