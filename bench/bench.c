#include "bench.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static bool json;

static void give_up(const char *what, const char *why)
{
    fprintf(stderr, "bench: %s: %s\n", what, why);
    exit(1);
}

void bench_options(int argc, char **argv, const bench_option_t *options)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            json = true;
            continue;
        }
        const bench_option_t *o = options;
        while (o->name && (strncmp(argv[i], "--", 2) != 0 || strcmp(argv[i] + 2, o->name) != 0))
            o++;
        char *rest = NULL;
        if (!o->name || i + 1 == argc || (*o->value = strtol(argv[i + 1], &rest, 10)) <= 0 || *rest)
            give_up(argv[i], "no such option, or not a number behind it");
        i++;
    }
}

int64_t bench_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_quantile(double *values, size_t count, double p)
{
    qsort(values, count, sizeof *values, by_value);
    return values[(size_t)(p * (double)(count - 1) + 0.5)];
}

void bench_check(promp_err_t err, const char *what)
{
    if (err)
        give_up(what, promp_error_text(err));
}

/* Beside this program. */
static const char *worker_program(void)
{
    static char path[PATH_MAX + 16];
    ssize_t n = readlink("/proc/self/exe", path, PATH_MAX);
    if (n <= 0)
        give_up("/proc/self/exe", "cannot be read");
    path[n] = 0;
    strcpy(strrchr(path, '/') + 1, "echo-worker");
    return path;
}

promp_manager_t *bench_manager(uint32_t options, size_t count, uint32_t *workers)
{
    promp_error_t error;
    promp_manager_t *manager = promp_manager_new(NULL, &error);
    if (!manager)
        give_up("manager", error.text);
    bench_check(promp_manager_set_options(manager, options), "options");
    promp_start_t start = {.program = worker_program()};
    size_t started = 0;
    if (promp_manager_start_many(manager, &start, count, workers, &started))
        give_up("worker", promp_manager_error(manager)->text);
    while (!promp_manager_worker_ready(manager, PROMP_WORKER_ALL)) {
        promp_manager_wait(manager, 100);
        promp_manager_process(manager);
        if (promp_manager_workers_alive(manager) < count)
            give_up("worker", "ended before it was ready");
    }
    return manager;
}

void bench_task(promp_manager_t *manager, uint32_t worker, const char *name, bool result, size_t count,
                const int64_t *args)
{
    promp_value_t *list = promp_value_list();
    for (size_t i = 0; i < count; i++) {
        promp_value_t *item = promp_value_int(args[i]);
        bench_check(promp_value_append(list, &item), "arguments");
    }
    promp_task_spec_t spec = {.name = name, .args = list, .result = result};
    bench_check(promp_manager_task(manager, worker, &spec, NULL), name);
    promp_value_free(&list);
}

void bench_echo_start(bench_echo_t *echo, const void *payload, size_t size)
{
    promp_value_t *value = promp_value_bytes(payload, size);

    echo->manager = bench_manager(0, 1, &echo->worker);
    echo->args = promp_value_list();
    bench_check(promp_value_append(echo->args, &value), "arguments");
}

void bench_echo_call(void *arg)
{
    bench_echo_t *echo = arg;
    promp_task_spec_t spec = {.name = "echo", .args = echo->args, .result = true};
    promp_result_t result;

    bench_check(promp_manager_task(echo->manager, echo->worker, &spec, NULL), "task");
    do {
        promp_manager_wait(echo->manager, -1);
        promp_manager_process(echo->manager);
    } while (!promp_manager_take_result_cbor(echo->manager, echo->worker, &result));
    promp_result_free(&result);
}

void bench_echo_stop(bench_echo_t *echo)
{
    promp_value_free(&echo->args);
    promp_manager_destroy(&echo->manager);
}

void bench_wait_idle(promp_manager_t *manager)
{
    while (promp_manager_is_busy(manager)) {
        promp_manager_wait(manager, 1000);
        promp_manager_process(manager);
    }
    promp_failure_t failure;
    if (promp_manager_take_error(manager, PROMP_WORKER_ANY, &failure))
        give_up("task", failure.text);
}

void bench_print(const char *what, double value, const char *unit)
{
    if (json)
        printf("{\"what\": \"%s\", \"value\": %.6g, \"unit\": \"%s\"}\n", what, value, unit);
    else
        printf("%-56s %14.*f  %s\n", what, value < 100 ? 2 : 0, value, unit);
    fflush(stdout);
}
