/* bench-call - one call to a native worker and back, against a bare Unix socket ping-pong through one relay process: the same
 * bytes, in the same run, in turns. */
#include <stdio.h>
#include <stdlib.h>

#include "bare.h"
#include "bench.h"

static long rounds = 9, calls = 4000, bytes = 64;

typedef struct {
    double p50, p99;
} figures_t;

/* One round of calls, each timed; call_one does one. */
static figures_t measure(void (*call_one)(void *arg), void *arg)
{
    double *times = malloc((size_t)calls * sizeof *times);
    if (!times)
        bench_check(PROMP_ERR_MEMORY, "times");
    for (long i = 0; i < calls; i++) {
        int64_t start = bench_ns();
        call_one(arg);
        times[i] = (double)(bench_ns() - start) / 1000;
    }
    figures_t figures = {bench_quantile(times, (size_t)calls, 0.5),
                         bench_quantile(times, (size_t)calls, 0.99)};
    free(times);
    return figures;
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

int main(int argc, char **argv)
{
    bench_options(
        argc, argv,
        (const bench_option_t[]){{"rounds", &rounds}, {"calls", &calls}, {"bytes", &bytes}, {NULL, NULL}});
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

    measure(call_bare, &bare); /* to get warm */
    measure(call_promp, &promp);
    double *figures[5];
    for (size_t i = 0; i < 5; i++)
        figures[i] = malloc((size_t)rounds * sizeof **figures);
    for (long i = 0; i < rounds; i++) {
        figures_t b = measure(call_bare, &bare), p = measure(call_promp, &promp);
        figures[0][i] = b.p50;
        figures[1][i] = b.p99;
        figures[2][i] = p.p50;
        figures[3][i] = p.p99;
        figures[4][i] = p.p50 / b.p50;
    }
    static const char *const names[] = {"bare sockets through a relay, p50",
                                        "bare sockets through a relay, p99", "call of a native worker, p50",
                                        "call of a native worker, p99", "ratio of p50"};
    for (size_t i = 0; i < 5; i++) {
        bench_print(names[i], bench_quantile(figures[i], (size_t)rounds, 0.5), i < 4 ? "us" : "x");
        free(figures[i]);
    }
    promp_value_free(&list);
    promp_manager_destroy(&promp.manager);
    bare_stop(&bare.bare);
    free(bare.payload);
    return 0;
}
