/* bench-call - one call to a native worker and back, against a bare Unix socket ping-pong through one relay process: the same
 * bytes, in the same run, in turns. */
#include <sched.h>
#include <stdlib.h>

#include "bare.h"
#include "bench.h"
#include "pair.h"

static long rounds = 9, calls = 4000, bytes = 64, one_cpu;

typedef struct {
    bare_t bare;
    uint8_t *payload;
} bare_side_t;

static void call_bare(void *arg)
{
    bare_side_t *side = arg;

    bare_call(&side->bare, side->payload, (size_t)bytes);
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

int main(int argc, char **argv)
{
    bare_side_t bare = {.payload = NULL};
    bench_echo_t echo;

    bench_options(
        argc, argv,
        (const bench_option_t[]){
            {"rounds", &rounds}, {"calls", &calls}, {"bytes", &bytes}, {"one-cpu", &one_cpu}, {NULL, NULL}});
    if (one_cpu)
        stay_here();
    bare.payload = calloc(1, (size_t)bytes);
    if (!bare.payload)
        bench_check(PROMP_ERR_MEMORY, "payload");
    bare_start_echo(&bare.bare); /* forks: before there are threads */
    bench_echo_start(&echo, bare.payload, (size_t)bytes);
    pair_run((const pair_side_t[]){{"bare sockets through a relay", call_bare, &bare},
                                   {"call of a native worker", bench_echo_call, &echo}},
             rounds, calls, one_cpu ? ", on one CPU" : "");
    bench_echo_stop(&echo);
    bare_stop(&bare.bare);
    free(bare.payload);
    return 0;
}
