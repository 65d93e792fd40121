/* promp-sim - runs promp's state machines in worlds made from seeds, and checks what must always hold. */
#include "mutant.h"
#include "sim.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static const struct {
    const char *name;
    void (*run)(sim_t *sim);
} scenes[] = {{"session", sim_scene_session}, {"system", sim_scene_system}, {"cluster", sim_scene_cluster}};
#define SCENES (sizeof scenes / sizeof scenes[0])

typedef struct {
    uint64_t first, count;
    const char *scene; /* NULL: all */
    bool trace;
} options_t;

#ifdef PROMP_MUTATIONS
int promp_mutation;
#endif

static void usage(FILE *to)
{
    fputs("usage: promp-sim [--seeds N] [--first N] [--scene NAME] | --seed N [--scene NAME] [--trace]\n"
          "\n"
          "  --seeds N     run seeds 1..N of each scene (default 1000)\n"
          "  --first N     begin with seed N instead of 1\n"
          "  --seed N      run one seed\n"
          "  --scene NAME  one scene only:",
          to);
    for (size_t i = 0; i < SCENES; i++)
        fprintf(to, " %s", scenes[i].name);
    fputs("\n  --trace       tell every step\n\nA run that fails names its seed, and the program ends with "
          "1.\n",
          to);
}

static uint64_t number(const char *text)
{
    char *end;
    unsigned long long value = text ? strtoull(text, &end, 10) : 0;
    if (!text || !*text || *end) {
        usage(stderr);
        exit(2);
    }
    return value;
}

static options_t parse(int argc, char **argv)
{
    options_t options = {.first = 1, .count = 1000};
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--trace") == 0) {
            options.trace = true;
            continue;
        }
        if (strcmp(argv[i], "--help") == 0) {
            usage(stdout);
            exit(0);
        }
        if (strcmp(argv[i], "--seeds") == 0) {
            options.count = number(value);
        } else if (strcmp(argv[i], "--first") == 0) {
            options.first = number(value);
        } else if (strcmp(argv[i], "--seed") == 0) {
            options.first = number(value);
            options.count = 1;
#ifdef PROMP_MUTATIONS
        } else if (strcmp(argv[i], "--mutation") == 0) {
            promp_mutation = (int)number(value);
#endif
        } else if (strcmp(argv[i], "--scene") == 0 && value) {
            options.scene = value;
        } else {
            usage(stderr);
            exit(2);
        }
        i++;
    }
    return options;
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    options_t options = parse(argc, argv);
    bool found = false;
    for (size_t i = 0; i < SCENES; i++) {
        if (options.scene && strcmp(options.scene, scenes[i].name) != 0)
            continue;
        found = true;
        double start = seconds();
        uint64_t steps = 0;
        for (uint64_t n = 0; n < options.count; n++) {
            sim_t sim;
            sim_begin(&sim, options.first + n, options.trace, scenes[i].name);
            scenes[i].run(&sim);
            sim_end(&sim);
            steps += sim.steps;
        }
        printf("%s: %" PRIu64 " seeds passed, %" PRIu64 " steps, %.1f s\n", scenes[i].name, options.count,
               steps, seconds() - start);
        fflush(stdout);
    }
    if (!found) {
        usage(stderr);
        return 2;
    }
    return 0;
}
