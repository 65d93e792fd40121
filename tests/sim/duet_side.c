/* A side: what a shell does with a session, and what may be said of everything that it sends. */
#include <stdlib.h>

#include "buf.h"
#include "duet.h"

#define PUMP_LIMIT 20000 /* frames in one go */

void duet_side_enter(duet_side_t *side)
{
    duet_t *duet = side->duet;
    sim_memory_enter(side->index, duet->good ? NULL : duet->sim, duet->no_memory * 1000);
}

/* Leaves the session's code; what is kept is bounded by what is queued and what was granted. */
void duet_side_leave(duet_side_t *side)
{
    sim_memory_leave();
    uint64_t bound = DUET_IDLE_BYTES + PROMP_LANES * (PROMP_MIB + 64 * PROMP_KIB);
    for (int i = 0; i < PROMP_LANES; i++) {
        bound += promp_session_backlog(side->session, i);
        /* a record of few bytes costs a malloc and a place in the queue; an incomplete one may have room twice */
        bound += 2 * side->traffic.longest[i] +
                 16 * (promp_session_received(side->session, i) - promp_session_taken(side->session, i));
    }
    if (sim_memory_of(side->index) > bound)
        sim_fail(side->duet->sim, "%s holds %zu bytes", side->name, sim_memory_of(side->index));
}

static void watch_position(duet_side_t *side, const promp_frame_t *frame)
{
    sim_t *sim = side->duet->sim;
    const uint8_t *p = frame->body.data;
    for (int i = 0; i < PROMP_LANES; i++, p += 8) {
        uint64_t recv = promp_get64(p), credit = promp_get64(p + 8 * PROMP_LANES);
        sim_check(sim, recv >= side->recv[i] && credit >= side->credit[i]);
        sim_check(sim, recv <= promp_session_sent(side->duet->side[1 - side->index].session, i));
        side->recv[i] = recv;
        side->credit[i] = credit;
    }
}

/* What may be said of every frame that a session gives. */
static void watch(duet_side_t *side, const promp_out_t *out)
{
    duet_t *duet = side->duet;
    sim_t *sim = duet->sim;
    sim_frame_t *copy = sim_frame_of(sim, out);
    promp_frame_t frame = sim_frame_read(sim, copy);
    sim_trace_frame(sim, side->index ? "   worker ->" : "  manager ->", &frame);
    switch (frame.type) {
    case PROMP_TYPE_DATA:
        duet->data_frames++;
        sim_check(sim, frame.body.size > 0 &&
                           frame.offset + frame.body.size <= promp_session_sent(side->session, frame.lane));
        sim_check(sim, frame.offset + frame.body.size <= duet->side[1 - side->index].credit[frame.lane]);
        break;
    case PROMP_TYPE_ACK:
        duet->ack_frames++;
        watch_position(side, &frame);
        break;
    case PROMP_TYPE_ATTACH:
    case PROMP_TYPE_ATTACHED:
        watch_position(side, &frame);
        break;
    default:
        break;
    }
    free(copy);
}

static void take_records(duet_side_t *side)
{
    sim_t *sim = side->duet->sim;
    for (promp_lane_t lane = 0; lane < PROMP_LANES; lane++)
        while (promp_session_has_record(side->session, lane) &&
               (side->duet->good || sim_chance(sim, side->take_chance[lane]))) {
            promp_record_t record;
            duet_side_enter(side);
            sim_check(sim, promp_session_take(side->session, lane, &record));
            duet_side_leave(side);
            sim_traffic_check(&side->traffic, lane, &record);
            free(record.body);
        }
    for (int slot = 0; slot < PROMP_SLOTS; slot++) {
        uint64_t a, b;
        if (promp_session_urged(side->session, slot, &a, &b))
            sim_traffic_urged(&side->traffic, slot, a, b);
    }
}

static uint64_t room_now(duet_t *duet)
{
    if (duet->good)
        return UINT64_MAX;
    return sim_chance(duet->sim, 200) ? 0 : sim_below(duet->sim, duet->room) + 1;
}

static void wake(sim_t *sim, void *arg)
{
    duet_side_t *side = arg;
    if (side->wake != sim->now)
        return;
    side->wake = PROMP_NEVER;
    duet_side_pump(side);
}

static void send_all(duet_side_t *side)
{
    duet_t *duet = side->duet;
    sim_t *sim = duet->sim;
    promp_out_t out;
    uint64_t room = room_now(duet);
    for (int n = 0; side->up; n++) {
        duet_side_enter(side);
        bool given = promp_session_next(side->session, &out, room, sim->now);
        duet_side_leave(side);
        if (!given)
            return;
        sim_check(sim, n < PUMP_LIMIT);
        watch(side, &out);
        if (!out.urgent && out.frame.type == PROMP_TYPE_DATA) {
            sim_check(sim, out.frame.size <= room);
            room -= out.frame.size;
        }
        duet_net_send(side, &out);
    }
}

void duet_side_pump(duet_side_t *side)
{
    duet_t *duet = side->duet;
    sim_t *sim = duet->sim;
    take_records(side);
    int64_t time = sim->now;
    for (int rounds = 0; time <= sim->now; rounds++) {
        sim_check(sim, rounds < 3);
        send_all(side);
        duet_side_enter(side);
        time = promp_session_tick(side->session, sim->now);
        duet_side_leave(side);
    }
    /* A link that is full says so when it is not; here chance does. */
    if (!duet->good)
        time = promp_min64(time, sim->now + 100);
    if (time != PROMP_NEVER && time < side->wake) {
        side->wake = time;
        sim_at(sim, time, wake, side);
    }
}
