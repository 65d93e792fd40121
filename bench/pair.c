#include "pair.h"

#include <stdio.h>
#include <stdlib.h>

#include "bench.h"

#define BLOCK 50 /* calls of one side before it is the other's turn */

enum { P50, P99, FIGURES };

static double *numbers(long count)
{
    double *all = calloc((size_t)count, sizeof *all);

    if (!all)
        bench_check(PROMP_ERR_MEMORY, "numbers");
    return all;
}

static void measure(const pair_side_t *side, double *times, long count)
{
    for (long i = 0; i < count; i++) {
        int64_t start = bench_ns();

        side->call(side->arg);
        times[i] = (double)(bench_ns() - start) / 1000;
    }
}

static void round_of(const pair_side_t side[2], double *times[2], long calls)
{
    for (long i = 0; i < calls; i += BLOCK) {
        long count = calls - i < BLOCK ? calls - i : BLOCK;

        measure(&side[0], times[0] + i, count);
        measure(&side[1], times[1] + i, count);
    }
}

static void print(double *figure, long rounds, const char *name, const char *which, const char *suffix,
                  const char *unit)
{
    char what[96];

    snprintf(what, sizeof what, "%s%s%s", name, which, suffix);
    bench_print(what, bench_quantile(figure, (size_t)rounds, 0.5), unit);
    free(figure);
}

void pair_run(const pair_side_t side[2], long rounds, long calls, const char *suffix)
{
    double *times[2] = {numbers(calls), numbers(calls)}, *ratio = numbers(rounds);
    double *figure[2][FIGURES] = {{numbers(rounds), numbers(rounds)}, {numbers(rounds), numbers(rounds)}};

    round_of(side, times, calls);
    for (long round = 0; round < rounds; round++) {
        round_of(side, times, calls);
        for (size_t i = 0; i < 2; i++) {
            figure[i][P50][round] = bench_quantile(times[i], (size_t)calls, 0.5);
            figure[i][P99][round] = bench_quantile(times[i], (size_t)calls, 0.99);
        }
        ratio[round] = figure[1][P50][round] / figure[0][P50][round];
    }
    for (size_t i = 0; i < 2; i++) {
        print(figure[i][P50], rounds, side[i].name, ", p50", suffix, "us");
        print(figure[i][P99], rounds, side[i].name, ", p99", suffix, "us");
        free(times[i]);
    }
    print(ratio, rounds, "ratio of p50", "", suffix, "x");
}
