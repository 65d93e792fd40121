/* agent_world.h - an agent core without a shell: events by name, and the effects that followed, copied. */
#ifndef PROMP_NODE_AGENT_WORLD_H
#define PROMP_NODE_AGENT_WORLD_H

/* cmocka wants these first */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "agent_core.h"
#include "limits.h"
#include "message.h"

#define NOW_BEGIN 100000
#define LEASE     1000

/* An effect, its message decoded. */
typedef struct {
    promp_agent_effect_t effect;
    promp_frame_t frame;
    promp_message_t message; /* type 0: none */
    uint8_t *body;
} seen_t;

#define SEEN_MAX 256

typedef struct {
    promp_agent_core_t *core;
    int64_t now;
    seen_t seen[SEEN_MAX]; /* since the last forget() */
    size_t count;
    uint32_t owner;     /* of the last WATCH */
    uint32_t made_link; /* of the last TO_KEEPER that makes one */
} world_t;

void forget(world_t *w);
void drain(world_t *w);
/* Lets time pass in steps, as a shell would: late for nothing. */
void pass(world_t *w, int64_t ms);
/* How many effects of this kind there are; type: of their message, 0 any; link: NONE any. */
size_t count_of(const world_t *w, promp_agent_effect_kind_t kind, int type, uint32_t link);
/* The last one; it must be there. */
const seen_t *last_of(const world_t *w, promp_agent_effect_kind_t kind, int type, uint32_t link);
promp_id_t id_of(uint8_t n);
void say(world_t *w, uint32_t link, const promp_message_t *m, uint8_t session, uint32_t epoch);
void keeper_says(world_t *w, const promp_message_t *m, uint8_t session, int handle);
void data(world_t *w, uint32_t link, uint8_t session, uint32_t epoch, uint8_t lane, uint64_t offset,
          size_t size);
void hello(world_t *w, uint32_t link, uint8_t role);
uint32_t open_manager(world_t *w, uint32_t pid);
void start_with(world_t *w, uint32_t link, uint8_t session, uint32_t lease);
/* What follows the last START: SPAWNED, HELLO. Returns the number of the worker's link. */
uint32_t spawned(world_t *w, uint8_t session, int handle);
/* START, SPAWNED, HELLO: a worker that runs. Returns the number of its link; its handle is session + 100. */
uint32_t start(world_t *w, uint32_t link, uint8_t session);
void attach(world_t *w, uint32_t link, uint8_t session, uint32_t epoch, uint64_t recv1);
void exited(world_t *w, uint8_t session, promp_err_t cause, uint32_t code, uint32_t signal);
void simple(world_t *w, uint32_t link, promp_type_t type, uint8_t session);
void beat_all(world_t *w, const uint32_t *links, size_t count);
void keeper_pulse(world_t *w);
/* A while in which those links beat, and the keeper does. */
void live(world_t *w, int64_t ms, const uint32_t *links, size_t count);
/* An agent that has just begun; setup gives one that knows the (empty) roster. */
void new_core(world_t *w);
void roster_end(world_t *w);
int setup(void **state);
int teardown(void **state);

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
