/* bench.h - what the measurements share: time, figures, a manager with workers, and the lines they print. A measurement that
 * cannot be made ends the program with a message. */
#ifndef PROMP_BENCH_H
#define PROMP_BENCH_H

#include "promp.h"

/* Reads --json, and --NAME N into the options that have a name; ended by {NULL, NULL}. */
typedef struct {
    const char *name;
    long *value;
} bench_option_t;
void bench_options(int argc, char **argv, const bench_option_t *options);

int64_t bench_ns(void);

/* The p-th part (0..1) of values, which it sorts. */
double bench_quantile(double *values, size_t count, double p);

/* A manager with count workers of echo-worker, all ready. */
promp_manager_t *bench_manager(uint32_t options, size_t count, uint32_t *workers);
void bench_check(promp_err_t err, const char *what);

/* Gives a task of echo-worker with integer arguments. */
void bench_task(promp_manager_t *manager, uint32_t worker, const char *name, bool result, size_t count,
                const int64_t *args);
/* One worker of echo-worker, to be called with the same bytes again and again. */
typedef struct {
    promp_manager_t *manager;
    uint32_t worker;
    promp_value_t *args;
} bench_echo_t;
void bench_echo_start(bench_echo_t *echo, const void *payload, size_t size);
void bench_echo_call(void *echo); /* a pair_side_t's call */
void bench_echo_stop(bench_echo_t *echo);

/* Until no worker has a task, and all is processed. */
void bench_wait_idle(promp_manager_t *manager);

/* One figure: in a table a line, with --json an object. */
void bench_print(const char *what, double value, const char *unit);

#endif
