/* traffic.h - what two sides of a session send one another: records whose bytes follow from the seed, so that whoever
 * takes them can check each byte, and urgent values that only rise. */
#ifndef PROMP_TESTS_TRAFFIC_H
#define PROMP_TESTS_TRAFFIC_H

#include "session.h"
#include "sim.h"

typedef struct sim_traffic {
    sim_t *sim;
    struct sim_traffic *peer;
    int index;
    uint64_t budget; /* bytes that may still be queued */
    uint64_t largest;
    uint64_t sent[PROMP_LANES], taken[PROMP_LANES]; /* records */
    uint64_t end[PROMP_LANES];                      /* lane offset behind the last one taken */
    uint64_t longest[PROMP_LANES];                  /* bytes of the largest record on its way to us */
    uint64_t urged_a[PROMP_SLOTS], seen_a[PROMP_SLOTS];
    uint8_t *scratch;
} sim_traffic_t;

void sim_traffic_pair(sim_traffic_t *manager, sim_traffic_t *worker, sim_t *sim);
void sim_traffic_end(sim_traffic_t *traffic);

/* Queues a few records on a lane, unless too much waits there. */
void sim_traffic_send(sim_traffic_t *traffic, promp_session_t *session);
void sim_traffic_urge(sim_traffic_t *traffic, promp_session_t *session);

/* The record taken is the next one that the peer sent, byte for byte. */
void sim_traffic_check(sim_traffic_t *traffic, promp_lane_t lane, const promp_record_t *record);
void sim_traffic_urged(sim_traffic_t *traffic, int slot, uint64_t a, uint64_t b);

/* We have taken all that the peer sent and seen its last urgent values. */
bool sim_traffic_complete(const sim_traffic_t *traffic);

#endif
