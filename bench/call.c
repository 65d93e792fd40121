/* bench-call - one call to a native worker and back, against a bare Unix socket ping-pong through one relay process: the same
 * bytes, in the same run, in turns. */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "bare.h"
#include "bench.h"

static long rounds = 9, calls = 4000, bytes = 64, one_cpu;

#define BLOCK                                                                                                \
    50 /* calls of one side before it is the other's turn: what else the machine does meets both alike */

/* Times some calls, each for itself; us. */
static void measure(double *times, long count, void (*call_one)(void *arg), void *arg)
{
    for (long i = 0; i < count; i++) {
        int64_t start = bench_ns();
        call_one(arg);
        times[i] = (double)(bench_ns() - start) / 1000;
    }
}

typedef struct {
    bare_t bare;
    uint8_t *payload;
} bare_side_t;

static void call_bare(void *arg)
{
    bare_side_t *side = arg;
    bare_call(&side->bare, side->payload, (size_t)bytes);
}

typedef struct {
    promp_manager_t *manager;
    uint32_t worker;
    promp_task_spec_t spec;
} promp_side_t;

static void call_promp(void *arg)
{
    promp_side_t *side = arg;
    promp_result_t result;
    bench_check(promp_manager_task(side->manager, side->worker, &side->spec, NULL), "task");
    do {
        promp_manager_wait(side->manager, -1);
        promp_manager_process(side->manager);
    } while (!promp_manager_take_result_cbor(side->manager, side->worker, &result));
    promp_result_free(&result);
}

/* All processes of this run on one CPU, as long as the node is started by it: where they lie is then the same for both. */
static void stay_here(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)sched_getcpu(), &set);
    if (sched_setaffinity(0, sizeof set, &set))
        bench_check(PROMP_ERR_SYSTEM, "sched_setaffinity");
}

static double *numbers(long count)
{
    double *all = calloc((size_t)count, sizeof *all);
    if (!all)
        bench_check(PROMP_ERR_MEMORY, "numbers");
    return all;
}

/* Medians over the rounds. */
static void print(double *figures[5])
{
    static const char *const names[] = {"bare sockets through a relay, p50",
                                        "bare sockets through a relay, p99", "call of a native worker, p50",
                                        "call of a native worker, p99", "ratio of p50"};
    for (size_t i = 0; i < 5; i++) {
        char what[80];
        snprintf(what, sizeof what, "%s%s", names[i], one_cpu ? ", on one CPU" : "");
        bench_print(what, bench_quantile(figures[i], (size_t)rounds, 0.5), i < 4 ? "us" : "x");
        free(figures[i]);
    }
}

int main(int argc, char **argv)
{
    bench_options(
        argc, argv,
        (const bench_option_t[]){
            {"rounds", &rounds}, {"calls", &calls}, {"bytes", &bytes}, {"one-cpu", &one_cpu}, {NULL, NULL}});
    if (one_cpu)
        stay_here();
    bare_side_t bare = {.payload = calloc(1, (size_t)bytes)};
    if (!bare.payload)
        bench_check(PROMP_ERR_MEMORY, "payload");
    bare_start_echo(&bare.bare); /* forks: before there are threads */

    promp_side_t promp = {.spec = {.name = "echo", .result = true}};
    promp.manager = bench_manager(0, 1, &promp.worker);
    promp_value_t *list = promp_value_list();
    promp_value_t *value = promp_value_bytes(bare.payload, (size_t)bytes);
    bench_check(promp_value_append(list, &value), "arguments");
    promp.spec.args = list;

    double *times[2], *figures[5];
    for (size_t i = 0; i < 2; i++)
        times[i] = numbers(calls);
    for (size_t i = 0; i < 5; i++)
        figures[i] = numbers(rounds);
    for (long round = -1; round < rounds; round++) { /* the first one is to get warm */
        for (long i = 0; i < calls; i += BLOCK) {
            long count = calls - i < BLOCK ? calls - i : BLOCK;
            measure(times[0] + i, count, call_bare, &bare);
            measure(times[1] + i, count, call_promp, &promp);
        }
        for (size_t i = 0; i < 4 && round >= 0; i++)
            figures[i][round] = bench_quantile(times[i / 2], (size_t)calls, i % 2 ? 0.99 : 0.5);
        if (round >= 0)
            figures[4][round] = figures[2][round] / figures[0][round];
    }
    print(figures);
    free(times[0]);
    free(times[1]);
    promp_value_free(&list);
    promp_manager_destroy(&promp.manager);
    bare_stop(&bare.bare);
    free(bare.payload);
    return 0;
}
