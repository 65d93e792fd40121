/* Two sessions over a relay: first chaos, then good weather, in which everything must arrive in time. */
#include <stdlib.h>

#include "duet.h"

#define GOOD_TIME 20000 /* ms of good weather in which all must be delivered and quiet */

static void act(duet_t *duet)
{
    sim_t *sim = duet->sim;
    duet_side_t *side = &duet->side[sim_below(sim, 2)];
    uint64_t dice = sim_below(sim, 1000);
    if (dice < 700) {
        duet_side_enter(side);
        sim_traffic_send(&side->traffic, side->session);
        duet_side_leave(side);
    } else if (dice < 750) {
        sim_traffic_urge(&side->traffic, side->session);
    } else if (dice < 800) {
        promp_session_ack_now(side->session);
    } else if (dice < 850) {
        side->take_chance[sim_below(sim, PROMP_LANES)] = (unsigned)sim_below(sim, 1001);
    } else if (dice < 850 + duet->cut) {
        duet_net_cut(side);
        if (sim_chance(sim, 300))
            duet_net_cut(&duet->side[1 - side->index]); /* the relay restarts */
    }
    duet_side_pump(side);
}

static void chaos(sim_t *sim, void *arg)
{
    duet_t *duet = arg;
    act(duet);
    if (sim->now < duet->chaos_ends) {
        sim_at(sim, sim->now + (sim_chance(sim, 600) ? 0 : sim_between(sim, 1, 60)), chaos, duet);
        return;
    }
    sim_trace(sim, "good weather");
    duet->good = true;
    for (int i = 0; i < 2; i++)
        duet_side_pump(&duet->side[i]);
}

static bool all_done(const duet_t *duet)
{
    for (int i = 0; i < 2; i++) {
        const duet_side_t *side = &duet->side[i];
        if (!sim_traffic_complete(&side->traffic) || !promp_session_settled(side->session))
            return false;
    }
    return true;
}

static void set_weather(duet_t *duet)
{
    sim_t *sim = duet->sim;
    duet->delay = sim_chance(sim, 300) ? 0 : sim_chance(sim, 700) ? 3 : 120;
    duet->room = sim_chance(sim, 500) ? 8 * PROMP_MIB : 300 * PROMP_KIB;
    duet->cut = sim_chance(sim, 600) ? (unsigned)sim_below(sim, 60) : 0;
    duet->congestion = sim_chance(sim, 400) ? (unsigned)sim_below(sim, 400) : 0;
    if (sim_chance(sim, 600)) { /* else the links are as on one host */
        duet->loss = (unsigned)sim_below(sim, 300);
        duet->repeat = (unsigned)sim_below(sim, 200);
        duet->reorder = (unsigned)sim_below(sim, 300);
    }
    if (sim_chance(sim, 100))
        duet->no_memory = 20;
    for (int i = 0; i < 2; i++)
        for (int lane = 0; lane < PROMP_LANES; lane++)
            duet->side[i].take_chance[lane] = sim_chance(sim, 700) ? 1000 : (unsigned)sim_below(sim, 1000);
}

static void begin(duet_t *duet)
{
    sim_t *sim = duet->sim;
    promp_id_t id = {{1, 2, 3}};
    for (int i = 0; i < 2; i++) {
        duet_side_t *side = &duet->side[i];
        *side =
            (duet_side_t){.duet = duet, .index = i, .name = i ? "worker" : "manager", .wake = PROMP_NEVER};
        sim_memory_enter(i, NULL, 0);
        side->session = promp_session_new(&id, i == 0);
        sim_memory_leave();
        sim_check(sim, side->session);
        sim_check(sim, sim_memory_of(i) <= DUET_IDLE_BYTES);
    }
    sim_traffic_pair(&duet->side[0].traffic, &duet->side[1].traffic, sim);
    set_weather(duet);
    duet->chaos_ends = sim->now + sim_between(sim, 200, 6000);
    for (int i = 0; i < 2; i++)
        sim_at(sim, sim->now + sim_between(sim, 0, 30), duet_net_up, &duet->side[i]);
    sim_at(sim, sim->now, chaos, duet);
}

/* One side ends the session; the other learns why, and nobody says more. */
static void finish(duet_t *duet)
{
    sim_t *sim = duet->sim;
    duet_side_t *side = &duet->side[sim_below(sim, 2)];
    duet_side_t *other = &duet->side[1 - side->index];
    promp_session_over(side->session, PROMP_ERR_WORKER_STOPPED);
    duet_side_pump(side);
    int64_t deadline = sim->now + GOOD_TIME;
    while (sim_step(sim))
        sim_check(sim, sim->now < deadline);
    sim_check(sim, promp_session_state(other->session) == PROMP_SESSION_OVER);
    sim_check(sim, promp_session_error(other->session) == PROMP_ERR_WORKER_STOPPED);
}

void sim_scene_session(sim_t *sim)
{
    duet_t duet = {.sim = sim};
    begin(&duet);
    while (!duet.good)
        sim_check(sim, sim_step(sim));
    int64_t deadline = sim->now + GOOD_TIME;
    while (!all_done(&duet)) {
        sim_check(sim, sim_step(sim));
        sim_check(sim, sim->now < deadline);
    }
    /* Then both fall silent: no more events, little memory. */
    while (sim_step(sim))
        sim_check(sim, sim->now < deadline);
    sim_check(sim, all_done(&duet));
    for (int i = 0; i < 2; i++) {
        sim_check(sim, promp_session_state(duet.side[i].session) == PROMP_SESSION_OPEN);
        sim_check(sim, sim_memory_of(i) <= DUET_IDLE_BYTES);
    }
    sim_trace(sim, "%llu data frames, %llu acks", (unsigned long long)duet.data_frames,
              (unsigned long long)duet.ack_frames);
    finish(&duet);
    for (int i = 0; i < 2; i++) {
        promp_session_destroy(&duet.side[i].session);
        sim_traffic_end(&duet.side[i].traffic);
        sim_check(sim, sim_memory_of(i) == 0);
    }
}
