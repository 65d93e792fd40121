/* sim.h - a world in which time and chance come from a seed: events, random numbers, failing with the seed told. */
#ifndef PROMP_TESTS_SIM_H
#define PROMP_TESTS_SIM_H

#include "base.h"
#include "frame.h"

typedef struct sim sim_t;

/* What happens at a time; arg is the event's. */
typedef void (*sim_event_t)(sim_t *sim, void *arg);

struct sim {
    uint64_t seed;
    bool trace;
    uint64_t random;  /* state of the generator */
    int64_t now;      /* ms; only sim_step moves it */
    uint64_t steps;   /* events so far */
    uint64_t at_once; /* of them since time passed */
    struct sim_entry *heap;
    size_t count, capacity;
    uint64_t order; /* events of the same time keep the order they were made in */
    const char *scene;
};

void sim_begin(sim_t *sim, uint64_t seed, bool trace, const char *scene);
void sim_end(sim_t *sim); /* nothing may wait any more */

uint64_t sim_random(sim_t *sim);
uint64_t sim_below(sim_t *sim, uint64_t limit);             /* 0..limit-1 */
int64_t sim_between(sim_t *sim, int64_t low, int64_t high); /* both included */
bool sim_chance(sim_t *sim, unsigned per_mille);

void sim_at(sim_t *sim, int64_t time, sim_event_t event, void *arg);
/* The next event happens. False: none waits. Fails when time stands still for too long. */
bool sim_step(sim_t *sim);

/* Tells what is wrong, with seed and step, and ends the program with 1. */
void sim_fail(sim_t *sim, const char *format, ...) __attribute__((format(printf, 2, 3), noreturn));
#define sim_check(sim, condition)                                                                            \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            sim_fail(sim, "%s:%d: %s", __func__, __LINE__, #condition);                                      \
    } while (0)

/* A line of --trace. */
void sim_trace(sim_t *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));
void sim_trace_frame(sim_t *sim, const char *who, const promp_frame_t *frame);

void *sim_alloc(size_t size); /* zeroed; ends the program without memory */

/* --- frames as they travel: one run of bytes, so that header and body pass the codec of lib/proto --- */

typedef struct {
    bool urgent;
    size_t size;
    uint8_t bytes[];
} sim_frame_t;

sim_frame_t *sim_frame_of(sim_t *sim, const promp_out_t *out);
sim_frame_t *sim_frame_again(const sim_frame_t *frame);
promp_frame_t sim_frame_read(sim_t *sim, const sim_frame_t *frame); /* borrows */

/* --- memory: what is allocated between enter and leave is counted for `owner` until it is freed --- */

#define SIM_OWNERS 8
void sim_memory_enter(int owner, sim_t *failing,
                      unsigned per_million); /* failing NULL: every malloc succeeds */
void sim_memory_leave(void);
size_t sim_memory_of(int owner);

/* --- scenes: one run each; they return when all their checks have passed --- */

void sim_scene_session(sim_t *sim);
void sim_scene_system(sim_t *sim);
void sim_scene_cluster(sim_t *sim);

#endif
