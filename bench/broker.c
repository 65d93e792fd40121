/* bench-broker - one call to a native worker through broker and node, against bare ZeroMQ with CURVE through two relays: the same
 * bytes, in the same run, in turns. The cluster is the one of PROMP_CONFIG (bench/cluster starts one). */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench.h"
#include "relay.h"

static long rounds = 9, calls = 2000, bytes = 64;

#define BLOCK                                                                                                \
    50 /* calls of one side before it is the other's turn: what else the machine does meets both alike */

typedef struct {
    relay_t bare;
    promp_manager_t *manager;
    uint32_t worker;
    promp_task_spec_t spec;
    uint8_t *payload;
} sides_t;

static void call_bare(sides_t *sides)
{
    relay_send(&sides->bare, sides->payload, (size_t)bytes);
    relay_take(&sides->bare);
}

static void call_promp(sides_t *sides)
{
    promp_result_t result;

    bench_check(promp_manager_task(sides->manager, sides->worker, &sides->spec, NULL), "task");
    do {
        promp_manager_wait(sides->manager, -1);
        promp_manager_process(sides->manager);
    } while (!promp_manager_take_result_cbor(sides->manager, sides->worker, &result));
    promp_result_free(&result);
}

static void measure(double *times, long count, void (*call)(sides_t *), sides_t *sides)
{
    for (long i = 0; i < count; i++) {
        int64_t start = bench_ns();
        call(sides);
        times[i] = (double)(bench_ns() - start) / 1000;
    }
}

static double *numbers(long count)
{
    double *all = calloc((size_t)count, sizeof *all);

    if (!all)
        bench_check(PROMP_ERR_MEMORY, "numbers");
    return all;
}

static void begin(sides_t *sides)
{
    sides->payload = calloc(1, (size_t)bytes);
    if (!sides->payload)
        bench_check(PROMP_ERR_MEMORY, "payload");
    relay_start(&sides->bare, 2); /* forks: before there are threads */
    relay_connect(&sides->bare);
    sides->spec = (promp_task_spec_t){.name = "echo", .result = true};
    sides->manager = bench_manager(0, 1, &sides->worker);
    if (!promp_manager_remote(sides->manager)) {
        fputs("bench: PROMP_CONFIG names no cluster\n", stderr);
        exit(1);
    }
    promp_value_t *list = promp_value_list();
    promp_value_t *value = promp_value_bytes(sides->payload, (size_t)bytes);
    bench_check(promp_value_append(list, &value), "arguments");
    sides->spec.args = list;
}

static void print(double *figures[5])
{
    static const char *const names[] = {
        "bare ZeroMQ, CURVE, two relays, p50", "bare ZeroMQ, CURVE, two relays, p99",
        "call through broker and node, p50", "call through broker and node, p99", "ratio of p50"};

    for (size_t i = 0; i < 5; i++) {
        bench_print(names[i], bench_quantile(figures[i], (size_t)rounds, 0.5), i < 4 ? "us" : "x");
        free(figures[i]);
    }
}

int main(int argc, char **argv)
{
    sides_t sides = {.payload = NULL};
    double *times[2], *figures[5];

    bench_options(
        argc, argv,
        (const bench_option_t[]){{"rounds", &rounds}, {"calls", &calls}, {"bytes", &bytes}, {NULL, NULL}});
    begin(&sides);
    for (size_t i = 0; i < 2; i++)
        times[i] = numbers(calls);
    for (size_t i = 0; i < 5; i++)
        figures[i] = numbers(rounds);
    for (long round = -1; round < rounds; round++) { /* the first one is to get warm */
        for (long i = 0; i < calls; i += BLOCK) {
            long count = calls - i < BLOCK ? calls - i : BLOCK;
            measure(times[0] + i, count, call_bare, &sides);
            measure(times[1] + i, count, call_promp, &sides);
        }
        for (size_t i = 0; i < 4 && round >= 0; i++)
            figures[i][round] = bench_quantile(times[i / 2], (size_t)calls, i % 2 ? 0.99 : 0.5);
        if (round >= 0)
            figures[4][round] = figures[2][round] / figures[0][round];
    }
    print(figures);
    free(times[0]);
    free(times[1]);
    promp_value_t *list = (promp_value_t *)sides.spec.args;
    promp_value_free(&list);
    promp_manager_destroy(&sides.manager);
    relay_stop(&sides.bare);
    free(sides.payload);
    return 0;
}
