/* pair.h - two ways of one call, timed in the same run and in turns, so that what else the machine does meets both alike. */
#ifndef PROMP_BENCH_PAIR_H
#define PROMP_BENCH_PAIR_H

typedef struct {
    const char *name;
    void (*call)(void *arg); /* one, to its end */
    void *arg;
} pair_side_t;

/* Makes `calls` calls of each side in each round, one round more to get warm, and prints each side's p50 and p99 (us) and the ratio
 * of the second's p50 to the first's, as medians over the rounds. suffix stands behind each line's name. */
void pair_run(const pair_side_t side[2], long rounds, long calls, const char *suffix);

#endif
