/* bench-broker - one call to a native worker through broker and node, against bare ZeroMQ with CURVE through two relays: the same
 * bytes, in the same run, in turns. The cluster is the one of PROMP_CONFIG (bench/cluster starts one). */
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"
#include "pair.h"
#include "relay.h"

static long rounds = 9, calls = 2000, bytes = 64;

typedef struct {
    relay_t relay;
    uint8_t *payload;
} bare_side_t;

static void call_bare(void *arg)
{
    bare_side_t *side = arg;

    relay_send(&side->relay, side->payload, (size_t)bytes);
    relay_take(&side->relay);
}

int main(int argc, char **argv)
{
    bare_side_t bare = {.payload = NULL};
    bench_echo_t echo;

    bench_options(
        argc, argv,
        (const bench_option_t[]){{"rounds", &rounds}, {"calls", &calls}, {"bytes", &bytes}, {NULL, NULL}});
    bare.payload = calloc(1, (size_t)bytes);
    if (!bare.payload)
        bench_check(PROMP_ERR_MEMORY, "payload");
    relay_start(&bare.relay, 2); /* forks: before there are threads */
    relay_connect(&bare.relay);
    bench_echo_start(&echo, bare.payload, (size_t)bytes);
    if (!promp_manager_remote(echo.manager)) {
        fputs("bench: PROMP_CONFIG names no cluster\n", stderr);
        return 1;
    }
    pair_run((const pair_side_t[]){{"bare ZeroMQ, CURVE, two relays", call_bare, &bare},
                                   {"call through broker and node", bench_echo_call, &echo}},
             rounds, calls, "");
    bench_echo_stop(&echo);
    relay_stop(&bare.relay);
    free(bare.payload);
    return 0;
}
