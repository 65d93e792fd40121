/* The links and the relay: they lose, repeat, delay, reorder, are cut and are congested. */
#include <stdlib.h>

#include "duet.h"

typedef struct {
    duet_t *duet;
    int from; /* index of the side it left */
    int to;   /* side that receives; the relay's answers go back to `from` */
    uint32_t generation;
    bool of_relay;
    sim_frame_t *frame;
} packet_t;

static void arrive(sim_t *sim, void *arg)
{
    packet_t *packet = arg;
    duet_t *duet = packet->duet;
    duet_side_t *to = &duet->side[packet->to];
    if (packet->generation == to->generation && to->up) {
        promp_frame_t frame = sim_frame_read(sim, packet->frame);
        sim_trace_frame(sim, to->index ? "   worker <-" : "  manager <-", &frame);
        promp_who_t from = PROMP_WHO_NODE | (to->index ? PROMP_WHO_MANAGER : PROMP_WHO_WORKER);
        duet_side_enter(to);
        promp_err_t error = promp_session_frame(to->session, &frame, from, sim->now);
        duet_side_leave(to);
        if (error && error != PROMP_ERR_MEMORY)
            sim_fail(sim, "%s refuses a frame: %s", to->name, promp_error_name(error));
        duet_side_pump(to);
    }
    free(packet->frame);
    free(packet);
}

/* When a frame is at the other end of a link: in order, urgent ones before data, unless the weather says otherwise. */
static int64_t transit(duet_t *duet, duet_side_t *side, int way, bool urgent)
{
    sim_t *sim = duet->sim;
    int64_t time = sim->now + (duet->delay ? sim_between(sim, 0, duet->delay) : 0);
    if (!duet->good && sim_chance(sim, duet->reorder))
        return time + sim_between(sim, 0, 50);
    int64_t *clear = &side->clear[way][urgent];
    if (!urgent && *clear < side->clear[way][1])
        *clear = side->clear[way][1];
    if (time < *clear)
        time = *clear;
    return *clear = time;
}

static void relay_sends(packet_t *packet, int to)
{
    duet_side_t *side = &packet->duet->side[to];
    packet->to = to;
    packet->generation = side->generation;
    sim_at(packet->duet->sim, transit(packet->duet, side, 1, packet->frame->urgent), arrive, packet);
}

/* The relay has no way, or no room, for a frame and tells its sender. */
static void relay_answers(packet_t *packet, const promp_frame_t *frame, promp_type_t type)
{
    duet_t *duet = packet->duet;
    sim_t *sim = duet->sim;
    promp_message_t message = {.type = type};
    promp_out_t out;
    promp_id_t session = frame->session;
    promp_err_t error = promp_message_out(&message, &session, sim_chance(sim, 900) ? frame->epoch : 0, &out);
    sim_check(sim, error == PROMP_OK);
    if (type == PROMP_TYPE_CONGESTED) {
        out.frame.lane = frame->lane;
        out.frame.offset = frame->offset;
        out.frame.epoch = frame->epoch;
    }
    free(packet->frame);
    packet->frame = sim_frame_of(sim, &out);
    relay_sends(packet, packet->from);
}

static void relay(sim_t *sim, void *arg)
{
    packet_t *packet = arg;
    duet_t *duet = packet->duet;
    duet_side_t *from = &duet->side[packet->from];
    duet_side_t *to = &duet->side[1 - packet->from];
    promp_frame_t frame = sim_frame_read(sim, packet->frame);
    /* Of what was on a link when it was cut some may have been read already. */
    if (!from->relay_up || (packet->generation != from->generation && !sim_chance(sim, 300))) {
        free(packet->frame);
        free(packet);
    } else if (!to->relay_up) {
        relay_answers(packet, &frame, PROMP_TYPE_NO_ROUTE);
    } else if (!duet->good && frame.type == PROMP_TYPE_DATA && frame.lane != PROMP_LANE_CONTROL &&
               sim_chance(sim, duet->congestion)) {
        relay_answers(packet, &frame, PROMP_TYPE_CONGESTED);
    } else {
        relay_sends(packet, 1 - packet->from);
    }
}

void duet_net_send(duet_side_t *side, const promp_out_t *out)
{
    duet_t *duet = side->duet;
    sim_t *sim = duet->sim;
    unsigned copies = 1;
    if (!duet->good && sim_chance(sim, duet->loss))
        copies = 0;
    else if (!duet->good && sim_chance(sim, duet->repeat))
        copies = 2;
    for (unsigned i = 0; i < copies; i++) {
        packet_t *packet = sim_alloc(sizeof *packet);
        *packet = (packet_t){.duet = duet,
                             .from = side->index,
                             .generation = side->generation,
                             .frame = sim_frame_of(sim, out)};
        sim_at(sim, transit(duet, side, 0, out->urgent), relay, packet);
    }
}

void duet_net_up(sim_t *sim, void *arg)
{
    duet_side_t *side = arg;
    side->relay_up = true;
    side->up = true;
    sim_trace(sim, "%s: link up", side->name);
    promp_session_path(side->session, true, sim->now);
    duet_side_pump(side);
}

static void notice_cut(sim_t *sim, void *arg)
{
    duet_side_t *side = arg;
    if (side->up)
        promp_session_path(side->session, false, sim->now);
    side->up = false;
    sim_trace(sim, "%s: link down", side->name);
    duet_side_pump(side);
    sim_at(sim, sim->now + sim_between(sim, 0, 300), duet_net_up, side);
}

static void relay_notices_cut(sim_t *sim, void *arg)
{
    (void)sim;
    ((duet_side_t *)arg)->relay_up = false;
}

void duet_net_cut(duet_side_t *side)
{
    sim_t *sim = side->duet->sim;
    if (!side->up || !side->relay_up)
        return;
    side->generation++;
    sim_trace(sim, "%s: link cut", side->name);
    int64_t both = sim->now + sim_between(sim, 0, 20);
    sim_at(sim, sim_between(sim, sim->now, both), relay_notices_cut, side);
    sim_at(sim, both, notice_cut, side);
}
