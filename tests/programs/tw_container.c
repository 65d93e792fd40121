/* tw_container.c - the test worker reads containers of its manager. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

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
