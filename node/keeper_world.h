/* keeper_world.h - a keeper core without a shell: events by name, and the effects that followed, copied. */
#ifndef PROMP_NODE_KEEPER_WORLD_H
#define PROMP_NODE_KEEPER_WORLD_H

/* cmocka wants these first */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "keeper_core.h"

#define NODE_ID ((promp_id_t){{9}})

typedef struct {
    promp_keeper_effect_t effect;
    promp_frame_t frame;
    promp_message_t message;
    uint8_t body[2048];
} seen_t;

typedef struct {
    promp_keeper_core_t *core;
    int64_t now;
    seen_t seen[64]; /* since the last forget() */
    size_t count;
    size_t left; /* what sweeps find */
} world_t;

void forget(world_t *w);
void drain(world_t *w);
void pass(world_t *w, int64_t ms);
size_t count_of(const world_t *w, promp_keeper_effect_kind_t kind, int type);
const seen_t *last_of(const world_t *w, promp_keeper_effect_kind_t kind, int type);
void says(world_t *w, const promp_message_t *m, uint8_t session, uint8_t fds);
void pulse(world_t *w, uint32_t patience);
/* SPAWN up to SPAWNED; the number of the worker, its process is session + 1000. */
uint32_t spawn(world_t *w, uint8_t session);
void ends(world_t *w, uint32_t number, int code, int signal, bool out_of_memory);
int setup(void **state);
int teardown(void **state);

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
