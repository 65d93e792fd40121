/* bench-throughput - how much goes through: calls in flight, messages both ways, lines of output, one large value. */
#include <stdio.h>
#include <stdlib.h>

#include "bare.h"
#include "bench.h"

static long calls = 100000, messages = 200000, lines = 500000, value_mib = 1024;

static double seconds_since(int64_t start)
{
    return (double)(bench_ns() - start) / 1e9;
}

/* Keeps so many calls in flight, spread over the workers. */
static void measure_calls(promp_manager_t *manager, const uint32_t *workers, size_t count, long in_flight)
{
    promp_value_t *list = promp_value_list();
    promp_value_t *item = promp_value_int(7);
    bench_check(promp_value_append(list, &item), "arguments");
    const promp_task_spec_t spec = {.name = "echo", .args = list, .result = true};
    int64_t start = bench_ns();
    long given = 0, taken = 0;
    while (taken < calls) {
        for (; given < calls && given - taken < in_flight; given++)
            bench_check(promp_manager_task(manager, workers[given % (long)count], &spec, NULL), "task");
        promp_result_t result;
        while (promp_manager_take_result_cbor(manager, PROMP_WORKER_ANY, &result)) {
            promp_result_free(&result);
            taken++;
        }
        if (taken < calls && given - taken == in_flight)
            promp_manager_wait(manager, -1);
        promp_manager_process(manager);
    }
    char what[64];
    snprintf(what, sizeof what, "calls, %ld in flight, %zu worker%s", in_flight, count, count > 1 ? "s" : "");
    bench_print(what, (double)calls / seconds_since(start), "1/s");
    promp_value_free(&list);
    bench_wait_idle(manager);
}

static void measure_messages_out(promp_manager_t *manager, uint32_t worker)
{
    static const uint8_t data[64];
    bench_task(manager, worker, "sink", true, 1, (int64_t[]){messages});
    int64_t start = bench_ns();
    for (long i = 0; i < messages; i++)
        bench_check(promp_manager_send(manager, worker, (uint32_t)i, data, sizeof data), "message");
    bench_wait_idle(manager);
    bench_print("messages to a worker, 64 B", (double)messages / seconds_since(start), "1/s");
    promp_result_t result;
    if (promp_manager_take_result_cbor(manager, worker, &result))
        promp_result_free(&result);
}

static void measure_messages_in(promp_manager_t *manager, uint32_t worker)
{
    int64_t start = bench_ns();
    bench_task(manager, worker, "flood", false, 2, (int64_t[]){messages, 64});
    promp_message_user_t message;
    for (long i = 0; i < messages;) {
        if (promp_manager_receive(manager, worker, &message)) {
            promp_message_user_free(&message);
            i++;
        } else {
            bench_check(promp_manager_wait_message(manager, worker, 10000), "waiting for a message");
        }
    }
    bench_print("messages from a worker, 64 B", (double)messages / seconds_since(start), "1/s");
    bench_wait_idle(manager);
}

static void count_line(void *arg, uint32_t worker, int stream, const char *text, size_t size)
{
    (void)worker, (void)stream, (void)text, (void)size;
    ++*(long *)arg;
}

static void measure_lines(promp_manager_t *manager, uint32_t worker)
{
    long count = 0;
    promp_manager_on_output(manager, count_line, &count);
    int64_t start = bench_ns();
    bench_task(manager, worker, "lines", false, 1, (int64_t[]){lines});
    bench_wait_idle(manager);
    if (count != lines)
        bench_check(PROMP_ERR_STATE, "lines were lost");
    bench_print("lines of output", (double)lines / seconds_since(start), "1/s");
}

static void measure_value(promp_manager_t *manager, uint32_t worker, bare_t *bare)
{
    char what[64];
    const uint64_t size = (uint64_t)value_mib << 20;
    int64_t start = bench_ns();
    bare_drain(bare, size);
    double floor = seconds_since(start);
    start = bench_ns();
    bench_task(manager, worker, "values", true, 1, (int64_t[]){(int64_t)size});
    bench_wait_idle(manager);
    double time = seconds_since(start);
    promp_result_t result;
    if (!promp_manager_take_result_cbor(manager, worker, &result) || result.size < size)
        bench_check(PROMP_ERR_STATE, "value");
    promp_result_free(&result);
    snprintf(what, sizeof what, "value of %ld MiB, bare sockets through a relay", value_mib);
    bench_print(what, floor, "s");
    snprintf(what, sizeof what, "value of %ld MiB, as result of a call", value_mib);
    bench_print(what, time, "s");
}

int main(int argc, char **argv)
{
    bench_options(argc, argv,
                  (const bench_option_t[]){{"calls", &calls},
                                           {"messages", &messages},
                                           {"lines", &lines},
                                           {"value-mib", &value_mib},
                                           {NULL, NULL}});
    bare_t bare;
    bare_start_source(&bare, (uint64_t)value_mib << 20); /* forks: before there are threads */
    uint32_t workers[2];
    promp_manager_t *manager = bench_manager(PROMP_OPT_REDIRECT, 2, workers);
    measure_calls(manager, workers, 1, 1);
    measure_calls(manager, workers, 1, 64);
    measure_calls(manager, workers, 1, 1024);
    measure_calls(manager, workers, 2, 1024);
    measure_messages_out(manager, workers[0]);
    measure_messages_in(manager, workers[0]);
    measure_lines(manager, workers[0]);
    measure_value(manager, workers[0], &bare);
    promp_manager_destroy(&manager);
    bare_stop(&bare);
    return 0;
}
