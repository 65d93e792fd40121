/* broker_world.h - a broker core without a shell, for tests: peers that the test plays, and the effects that followed, copied. */
#ifndef PROMP_BROKER_WORLD_H
#define PROMP_BROKER_WORLD_H

/* cmocka wants these first */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "broker_core.h"
#include "limits.h"
#include "message.h"

#define NOW_BEGIN 100000
#define LEASE     1000
#define GATHER    3000

/* Keys are numbers below KEYS; all exist as managers, those from NODE_KEY on as nodes, until a test says otherwise. */
#define KEYS     40
#define NODE_KEY 20
#define OBSERVER 19
#define ADMIN    18

/* An effect, its message decoded. */
typedef struct {
    promp_broker_effect_t effect;
    promp_frame_t frame;
    promp_message_t message; /* type 0: none */
    uint8_t *body;
} seen_t;

#define SEEN_MAX 512

typedef struct {
    promp_broker_core_t *core;
    int64_t now;
    promp_broker_key_info_t key[KEYS]; /* role 0: may not come in */
    seen_t seen[SEEN_MAX];             /* since the last forget() */
    size_t count;
    promp_broker_peer_number_t last; /* peer that was opened */
} world_t;

void forget(world_t *w);
void drain(world_t *w);
void tick(world_t *w);
/* Lets time pass in steps, as a shell would: late for nothing. */
void pass(world_t *w, int64_t ms);
/* The same, with a beat of those peers (0 ends them) each 50 ms. */
void live(world_t *w, int64_t ms, const promp_broker_peer_number_t *peers);
/* How many effects of this kind there are; type: of their message, 0 any; peer 0: any. */
size_t count_of(const world_t *w, promp_broker_effect_kind_t kind, int type, promp_broker_peer_number_t peer);
/* The last one; it must be there. */
const seen_t *last_of(const world_t *w, promp_broker_effect_kind_t kind, int type,
                      promp_broker_peer_number_t peer);
bool kicked(const world_t *w, promp_broker_peer_number_t peer, promp_err_t why);
promp_broker_counters_t counters(const world_t *w);

promp_id_t id_of(uint8_t n);  /* of a session */
promp_id_t key_of(uint8_t n); /* of a key */
void say(world_t *w, promp_broker_peer_number_t peer, const promp_message_t *m, uint8_t session,
         uint32_t epoch);
void simple(world_t *w, promp_broker_peer_number_t peer, promp_type_t type, uint8_t session);
void data(world_t *w, promp_broker_peer_number_t peer, uint8_t session, uint64_t offset, size_t size);

promp_broker_peer_number_t opened(world_t *w, uint8_t key);
/* With HELLO. */
promp_broker_peer_number_t manager(world_t *w, uint8_t key);
void offer(world_t *w, promp_broker_peer_number_t node, uint8_t identity, uint32_t places,
           const char *labels);
void held(world_t *w, promp_broker_peer_number_t node, uint8_t session, uint8_t owner, uint8_t parent,
          uint8_t state);
/* With HELLO and OFFER; settled: with HELD_END. Its identity is its key's number. */
promp_broker_peer_number_t node(world_t *w, uint8_t key, uint32_t places, bool settled);

/* A START that asks for nothing special, to be changed and said. */
promp_message_t start_of(void);
void start(world_t *w, promp_broker_peer_number_t manager, uint8_t session);
void started(world_t *w, promp_broker_peer_number_t node, uint8_t session);
/* START, STARTED, ATTACH. */
void run(world_t *w, promp_broker_peer_number_t manager, promp_broker_peer_number_t node, uint8_t session);
void kill_it(world_t *w, promp_broker_peer_number_t manager, uint8_t session, promp_err_t cause);
void gone(world_t *w, promp_broker_peer_number_t node, uint8_t session);
void refused(world_t *w, promp_broker_peer_number_t node, uint8_t session, promp_err_t error);

void new_core(world_t *w);
int setup(void **state);
int teardown(void **state);

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
