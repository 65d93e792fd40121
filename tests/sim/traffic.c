#include "traffic.h"

#include <stdlib.h>

#include "message.h"

#define LARGEST      (900 * PROMP_KIB)
#define BACKLOG_MOST (3 * PROMP_MIB)

/* Which records each side may send on a lane; 0: none. */
static const uint16_t types[2][PROMP_LANES] = {
    {PROMP_TYPE_SETUP, PROMP_TYPE_USER_MESSAGE, 0, 0},
    {PROMP_TYPE_TEXT, PROMP_TYPE_USER_MESSAGE, PROMP_TYPE_OUTPUT, 0}};

void sim_traffic_pair(sim_traffic_t *manager, sim_traffic_t *worker, sim_t *sim)
{
    uint64_t dice = sim_below(sim, 100);
    uint64_t largest = dice < 60 ? 300 : dice < 95 ? 20000 : LARGEST;
    uint64_t budget = dice < 60 ? 256 * PROMP_KIB : dice < 95 ? PROMP_MIB : 8 * PROMP_MIB;
    *manager = (sim_traffic_t){.sim = sim, .peer = worker, .index = 0, .budget = budget, .largest = largest};
    *worker = (sim_traffic_t){.sim = sim, .peer = manager, .index = 1, .budget = budget, .largest = largest};
    manager->scratch = sim_alloc(LARGEST);
    worker->scratch = sim_alloc(LARGEST);
}

void sim_traffic_end(sim_traffic_t *traffic)
{
    free(traffic->scratch);
}

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    return x ^ x >> 31;
}

/* Record n of a lane from the side `of`: its size, and its bytes in `into`. */
static size_t content(const sim_traffic_t *of, promp_lane_t lane, uint64_t n, uint8_t *into)
{
    uint64_t key = mix(of->sim->seed * 8 + (uint64_t)lane * 2 + (uint64_t)of->index + (n << 32));
    uint64_t most = of->largest;
    if (lane == PROMP_LANE_CONTROL && most > 60000)
        most = 60000;
    size_t size = key % 16 == 0 ? 0 : key % 4 == 0 ? (size_t)(key >> 8) % most : (size_t)(key >> 8) % 100;
    for (size_t i = 0; i < size; i += 8) {
        uint64_t word = (key + i) * 0x9e3779b97f4a7c15;
        memcpy(into + i, &word, size - i < 8 ? size - i : 8);
    }
    return size;
}

void sim_traffic_send(sim_traffic_t *traffic, promp_session_t *session)
{
    sim_t *sim = traffic->sim;
    promp_lane_t lane = (promp_lane_t)sim_below(sim, PROMP_LANES);
    uint16_t type = types[traffic->index][lane];
    if (!type)
        return;
    for (uint64_t n = sim_chance(sim, 700) ? 1 : sim_below(sim, 60); n > 0; n--) {
        if (promp_session_backlog(session, lane) > BACKLOG_MOST)
            return;
        size_t size = content(traffic, lane, traffic->sent[lane], traffic->scratch);
        if (size + PROMP_RECORD_HEAD > traffic->budget)
            return;
        size_t cut = size ? sim_below(sim, size + 1) : 0;
        const promp_slice_t parts[] = {promp_slice(traffic->scratch, cut),
                                       promp_slice(traffic->scratch + cut, size - cut)};
        uint64_t before = promp_session_sent(session, lane);
        promp_err_t error = promp_session_send(session, lane, type, parts, 2);
        if (error == PROMP_ERR_MEMORY) {
            sim_check(sim, promp_session_sent(session, lane) == before);
            return;
        }
        sim_check(sim, error == PROMP_OK);
        sim_check(sim, promp_session_sent(session, lane) == before + PROMP_RECORD_HEAD + size);
        traffic->budget -= size + PROMP_RECORD_HEAD;
        traffic->sent[lane]++;
        if (traffic->peer->longest[lane] < size)
            traffic->peer->longest[lane] = size;
    }
}

void sim_traffic_urge(sim_traffic_t *traffic, promp_session_t *session)
{
    int slot = (int)sim_below(traffic->sim, PROMP_SLOTS);
    uint64_t a = traffic->urged_a[slot] += 1 + sim_below(traffic->sim, 5);
    promp_session_urge(session, slot, a, mix(a));
}

void sim_traffic_check(sim_traffic_t *traffic, promp_lane_t lane, const promp_record_t *record)
{
    sim_t *sim = traffic->sim;
    sim_check(sim, traffic->taken[lane] < traffic->peer->sent[lane]);
    size_t size = content(traffic->peer, lane, traffic->taken[lane], traffic->scratch);
    sim_check(sim, record->type == types[traffic->peer->index][lane]);
    sim_check(sim, record->size == size);
    sim_check(sim, size == 0 ? !record->body : memcmp(record->body, traffic->scratch, size) == 0);
    traffic->end[lane] += PROMP_RECORD_HEAD + size;
    sim_check(sim, record->end == traffic->end[lane]);
    traffic->taken[lane]++;
}

void sim_traffic_urged(sim_traffic_t *traffic, int slot, uint64_t a, uint64_t b)
{
    sim_check(traffic->sim, a > traffic->seen_a[slot]);
    sim_check(traffic->sim, a <= traffic->peer->urged_a[slot] && b == mix(a));
    traffic->seen_a[slot] = a;
}

bool sim_traffic_complete(const sim_traffic_t *traffic)
{
    for (int i = 0; i < PROMP_LANES; i++)
        if (traffic->taken[i] != traffic->peer->sent[i])
            return false;
    for (int i = 0; i < PROMP_SLOTS; i++)
        if (traffic->seen_a[i] != traffic->peer->urged_a[i])
            return false;
    return true;
}
