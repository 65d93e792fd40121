/* Two sessions, a manager's and a worker's, over a relay and two links that lose, repeat, delay, reorder, are cut and
 * are congested; the relay restarts. First chaos, then good weather, in which everything must arrive in time. */
#include <stdlib.h>

#include "buf.h"
#include "session.h"
#include "sim.h"
#include "traffic.h"

#define GOOD_TIME  20000 /* ms of good weather in which all must be delivered and quiet */
#define PUMP_LIMIT 20000 /* frames in one go */
#define IDLE_BYTES 2048  /* memory of a session with nothing to do */

typedef struct world world_t;

typedef struct {
    world_t *world;
    int index; /* 0 the manager's side, 1 the worker's */
    const char *name;
    promp_session_t *session;
    sim_traffic_t traffic;
    int64_t wake;                      /* an event will tick then */
    unsigned take_chance[PROMP_LANES]; /* per mille of the chances to take that are used */
    bool resting;                      /* the other side ended the session */

    /* its link */
    bool up;             /* as this side believes */
    bool relay_up;       /* as the relay believes */
    uint32_t generation; /* counts cuts: what was on the link then is lost */
    int64_t clear[2][2]; /* [to relay, from relay][data, urgent]: the link gives nothing before this time */

    /* what it told the other side so far */
    uint64_t recv[PROMP_LANES], credit[PROMP_LANES];
} side_t;

struct world {
    sim_t *sim;
    side_t side[2];
    bool good;
    int64_t chaos_ends;
    uint64_t data_frames, ack_frames;
    /* per mille */
    unsigned loss, repeat, reorder, congestion, cut, no_memory;
    int64_t delay; /* longest, ms */
    uint64_t room; /* largest of the links' windows; 0: often shut */
};

typedef struct {
    world_t *world;
    int from; /* index of the side it left */
    int to;   /* side that receives; the relay's answers go back to `from` */
    uint32_t generation;
    bool of_relay;
    sim_frame_t *frame;
} packet_t;

static void pump(side_t *side);
static void enter(side_t *side);
static void leave(side_t *side);

/* --- the network --- */

static void arrive(sim_t *sim, void *arg)
{
    packet_t *packet = arg;
    world_t *world = packet->world;
    side_t *to = &world->side[packet->to];
    if (packet->generation == to->generation && to->up) {
        promp_frame_t frame = sim_frame_read(sim, packet->frame);
        sim_trace_frame(sim, to->index ? "   worker <-" : "  manager <-", &frame);
        promp_who_t from = PROMP_WHO_NODE | (to->index ? PROMP_WHO_MANAGER : PROMP_WHO_WORKER);
        enter(to);
        promp_err_t error = promp_session_frame(to->session, &frame, from, sim->now);
        leave(to);
        if (error && error != PROMP_ERR_MEMORY)
            sim_fail(sim, "%s refuses a frame: %s", to->name, promp_error_name(error));
        pump(to);
    }
    free(packet->frame);
    free(packet);
}

/* When a frame is at the other end of a link: in order, urgent ones before data, unless the weather says otherwise. */
static int64_t transit(world_t *world, side_t *side, int way, bool urgent)
{
    sim_t *sim = world->sim;
    int64_t time = sim->now + (world->delay ? sim_between(sim, 0, world->delay) : 0);
    if (!world->good && sim_chance(sim, world->reorder))
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
    side_t *side = &packet->world->side[to];
    packet->to = to;
    packet->generation = side->generation;
    sim_at(packet->world->sim, transit(packet->world, side, 1, packet->frame->urgent), arrive, packet);
}

/* The relay has no way, or no room, for a frame and tells its sender. */
static void relay_answers(packet_t *packet, const promp_frame_t *frame, promp_type_t type)
{
    world_t *world = packet->world;
    sim_t *sim = world->sim;
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
    world_t *world = packet->world;
    side_t *from = &world->side[packet->from];
    side_t *to = &world->side[1 - packet->from];
    promp_frame_t frame = sim_frame_read(sim, packet->frame);
    /* Of what was on a link when it was cut some may have been read already. */
    if (!from->relay_up || (packet->generation != from->generation && !sim_chance(sim, 300))) {
        free(packet->frame);
        free(packet);
    } else if (!to->relay_up) {
        relay_answers(packet, &frame, PROMP_TYPE_NO_ROUTE);
    } else if (!world->good && frame.type == PROMP_TYPE_DATA && frame.lane != PROMP_LANE_CONTROL &&
               sim_chance(sim, world->congestion)) {
        relay_answers(packet, &frame, PROMP_TYPE_CONGESTED);
    } else {
        relay_sends(packet, 1 - packet->from);
    }
}

static void net_send(side_t *side, const promp_out_t *out)
{
    world_t *world = side->world;
    sim_t *sim = world->sim;
    unsigned copies = 1;
    if (!world->good && sim_chance(sim, world->loss))
        copies = 0;
    else if (!world->good && sim_chance(sim, world->repeat))
        copies = 2;
    for (unsigned i = 0; i < copies; i++) {
        packet_t *packet = sim_alloc(sizeof *packet);
        *packet = (packet_t){.world = world,
                             .from = side->index,
                             .generation = side->generation,
                             .frame = sim_frame_of(sim, out)};
        sim_at(sim, transit(world, side, 0, out->urgent), relay, packet);
    }
}

/* --- a side: what a shell does --- */

static void enter(side_t *side)
{
    world_t *world = side->world;
    sim_memory_enter(side->index, world->good ? NULL : world->sim, world->no_memory * 1000);
}

/* Leaves the session's code; what is kept is bounded by what is queued and what was granted. */
static void leave(side_t *side)
{
    sim_memory_leave();
    uint64_t bound = IDLE_BYTES + PROMP_LANES * (PROMP_MIB + 64 * PROMP_KIB);
    for (int i = 0; i < PROMP_LANES; i++) {
        bound += promp_session_backlog(side->session, i);
        /* a record of few bytes costs a malloc and a place in the queue; an incomplete one may have room twice */
        bound += 2 * side->traffic.longest[i] +
                 16 * (promp_session_received(side->session, i) - promp_session_taken(side->session, i));
    }
    if (sim_memory_of(side->index) > bound)
        sim_fail(side->world->sim, "%s holds %zu bytes", side->name, sim_memory_of(side->index));
}

static void watch_position(side_t *side, const promp_frame_t *frame)
{
    sim_t *sim = side->world->sim;
    const uint8_t *p = frame->body.data;
    for (int i = 0; i < PROMP_LANES; i++, p += 8) {
        uint64_t recv = promp_get64(p), credit = promp_get64(p + 8 * PROMP_LANES);
        sim_check(sim, recv >= side->recv[i] && credit >= side->credit[i]);
        sim_check(sim, recv <= promp_session_sent(side->world->side[1 - side->index].session, i));
        side->recv[i] = recv;
        side->credit[i] = credit;
    }
}

/* What may be said of every frame that a session gives. */
static void watch(side_t *side, const promp_out_t *out)
{
    world_t *world = side->world;
    sim_t *sim = world->sim;
    sim_frame_t *copy = sim_frame_of(sim, out);
    promp_frame_t frame = sim_frame_read(sim, copy);
    sim_trace_frame(sim, side->index ? "   worker ->" : "  manager ->", &frame);
    switch (frame.type) {
    case PROMP_TYPE_DATA:
        world->data_frames++;
        sim_check(sim, frame.body.size > 0 &&
                           frame.offset + frame.body.size <= promp_session_sent(side->session, frame.lane));
        sim_check(sim, frame.offset + frame.body.size <= world->side[1 - side->index].credit[frame.lane]);
        break;
    case PROMP_TYPE_ACK:
        world->ack_frames++;
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

static void take_records(side_t *side)
{
    sim_t *sim = side->world->sim;
    for (promp_lane_t lane = 0; lane < PROMP_LANES; lane++)
        while (promp_session_has_record(side->session, lane) &&
               (side->world->good || sim_chance(sim, side->take_chance[lane]))) {
            promp_record_t record;
            enter(side);
            sim_check(sim, promp_session_take(side->session, lane, &record));
            leave(side);
            sim_traffic_check(&side->traffic, lane, &record);
            free(record.body);
        }
    for (int slot = 0; slot < PROMP_SLOTS; slot++) {
        uint64_t a, b;
        if (promp_session_urged(side->session, slot, &a, &b))
            sim_traffic_urged(&side->traffic, slot, a, b);
    }
}

static uint64_t room_now(world_t *world)
{
    if (world->good)
        return UINT64_MAX;
    return sim_chance(world->sim, 200) ? 0 : sim_below(world->sim, world->room) + 1;
}

static void wake(sim_t *sim, void *arg)
{
    side_t *side = arg;
    if (side->wake != sim->now)
        return;
    side->wake = PROMP_NEVER;
    pump(side);
}

static void send_all(side_t *side)
{
    world_t *world = side->world;
    sim_t *sim = world->sim;
    promp_out_t out;
    uint64_t room = room_now(world);
    for (int n = 0; side->up; n++) {
        enter(side);
        bool given = promp_session_next(side->session, &out, room, sim->now);
        leave(side);
        if (!given)
            return;
        sim_check(sim, n < PUMP_LIMIT);
        watch(side, &out);
        if (!out.urgent && out.frame.type == PROMP_TYPE_DATA) {
            sim_check(sim, out.frame.size <= room);
            room -= out.frame.size;
        }
        net_send(side, &out);
    }
}

static void pump(side_t *side)
{
    world_t *world = side->world;
    sim_t *sim = world->sim;
    take_records(side);
    int64_t time = sim->now;
    for (int rounds = 0; time <= sim->now; rounds++) {
        sim_check(sim, rounds < 3);
        send_all(side);
        enter(side);
        time = promp_session_tick(side->session, sim->now);
        leave(side);
    }
    /* A link that is full says so when it is not; here chance does. */
    if (!world->good)
        time = promp_min64(time, sim->now + 100);
    if (time != PROMP_NEVER && time < side->wake) {
        side->wake = time;
        sim_at(sim, time, wake, side);
    }
}

/* --- weather --- */

static void come_up(sim_t *sim, void *arg)
{
    side_t *side = arg;
    side->relay_up = true;
    side->up = true;
    sim_trace(sim, "%s: link up", side->name);
    promp_session_path(side->session, true, sim->now);
    pump(side);
}

static void notice_cut(sim_t *sim, void *arg)
{
    side_t *side = arg;
    if (side->up)
        promp_session_path(side->session, false, sim->now);
    side->up = false;
    sim_trace(sim, "%s: link down", side->name);
    pump(side);
    sim_at(sim, sim->now + sim_between(sim, 0, 300), come_up, side);
}

static void relay_notices_cut(sim_t *sim, void *arg)
{
    (void)sim;
    ((side_t *)arg)->relay_up = false;
}

static void cut(side_t *side)
{
    sim_t *sim = side->world->sim;
    if (!side->up || !side->relay_up)
        return;
    side->generation++;
    sim_trace(sim, "%s: link cut", side->name);
    int64_t both = sim->now + sim_between(sim, 0, 20);
    sim_at(sim, sim_between(sim, sim->now, both), relay_notices_cut, side);
    sim_at(sim, both, notice_cut, side);
}

/* --- the applications --- */

static void act(world_t *world)
{
    sim_t *sim = world->sim;
    side_t *side = &world->side[sim_below(sim, 2)];
    uint64_t dice = sim_below(sim, 1000);
    if (dice < 700) {
        enter(side);
        sim_traffic_send(&side->traffic, side->session);
        leave(side);
    } else if (dice < 750) {
        sim_traffic_urge(&side->traffic, side->session);
    } else if (dice < 800) {
        promp_session_ack_now(side->session);
    } else if (dice < 850) {
        side->take_chance[sim_below(sim, PROMP_LANES)] = (unsigned)sim_below(sim, 1001);
    } else if (dice < 850 + world->cut) {
        cut(side);
        if (sim_chance(sim, 300))
            cut(&world->side[1 - side->index]); /* the relay restarts */
    }
    pump(side);
}

static void chaos(sim_t *sim, void *arg)
{
    world_t *world = arg;
    act(world);
    if (sim->now < world->chaos_ends) {
        sim_at(sim, sim->now + (sim_chance(sim, 600) ? 0 : sim_between(sim, 1, 60)), chaos, world);
        return;
    }
    sim_trace(sim, "good weather");
    world->good = true;
    for (int i = 0; i < 2; i++)
        pump(&world->side[i]);
}

static bool all_done(const world_t *world)
{
    for (int i = 0; i < 2; i++) {
        const side_t *side = &world->side[i];
        if (!sim_traffic_complete(&side->traffic) || !promp_session_settled(side->session))
            return false;
    }
    return true;
}

static void set_weather(world_t *world)
{
    sim_t *sim = world->sim;
    world->delay = sim_chance(sim, 300) ? 0 : sim_chance(sim, 700) ? 3 : 120;
    world->room = sim_chance(sim, 500) ? 8 * PROMP_MIB : 300 * PROMP_KIB;
    world->cut = sim_chance(sim, 600) ? (unsigned)sim_below(sim, 60) : 0;
    world->congestion = sim_chance(sim, 400) ? (unsigned)sim_below(sim, 400) : 0;
    if (sim_chance(sim, 600)) { /* else the links are as on one host */
        world->loss = (unsigned)sim_below(sim, 300);
        world->repeat = (unsigned)sim_below(sim, 200);
        world->reorder = (unsigned)sim_below(sim, 300);
    }
    if (sim_chance(sim, 100))
        world->no_memory = 20;
    for (int i = 0; i < 2; i++)
        for (int lane = 0; lane < PROMP_LANES; lane++)
            world->side[i].take_chance[lane] = sim_chance(sim, 700) ? 1000 : (unsigned)sim_below(sim, 1000);
}

static void begin(world_t *world)
{
    sim_t *sim = world->sim;
    promp_id_t id = {{1, 2, 3}};
    for (int i = 0; i < 2; i++) {
        side_t *side = &world->side[i];
        *side = (side_t){.world = world, .index = i, .name = i ? "worker" : "manager", .wake = PROMP_NEVER};
        sim_memory_enter(i, NULL, 0);
        side->session = promp_session_new(&id, i == 0);
        sim_memory_leave();
        sim_check(sim, side->session);
        sim_check(sim, sim_memory_of(i) <= IDLE_BYTES);
    }
    sim_traffic_pair(&world->side[0].traffic, &world->side[1].traffic, sim);
    set_weather(world);
    world->chaos_ends = sim->now + sim_between(sim, 200, 6000);
    for (int i = 0; i < 2; i++)
        sim_at(sim, sim->now + sim_between(sim, 0, 30), come_up, &world->side[i]);
    sim_at(sim, sim->now, chaos, world);
}

/* One side ends the session; the other learns why, and nobody says more. */
static void finish(world_t *world)
{
    sim_t *sim = world->sim;
    side_t *side = &world->side[sim_below(sim, 2)];
    side_t *other = &world->side[1 - side->index];
    promp_session_over(side->session, PROMP_ERR_WORKER_STOPPED);
    pump(side);
    int64_t deadline = sim->now + GOOD_TIME;
    while (sim_step(sim))
        sim_check(sim, sim->now < deadline);
    sim_check(sim, promp_session_state(other->session) == PROMP_SESSION_OVER);
    sim_check(sim, promp_session_error(other->session) == PROMP_ERR_WORKER_STOPPED);
}

void sim_scene_session(sim_t *sim)
{
    world_t world = {.sim = sim};
    begin(&world);
    while (!world.good)
        sim_check(sim, sim_step(sim));
    int64_t deadline = sim->now + GOOD_TIME;
    while (!all_done(&world)) {
        sim_check(sim, sim_step(sim));
        sim_check(sim, sim->now < deadline);
    }
    /* Then both fall silent: no more events, little memory. */
    while (sim_step(sim))
        sim_check(sim, sim->now < deadline);
    sim_check(sim, all_done(&world));
    for (int i = 0; i < 2; i++) {
        sim_check(sim, promp_session_state(world.side[i].session) == PROMP_SESSION_OPEN);
        sim_check(sim, sim_memory_of(i) <= IDLE_BYTES);
    }
    sim_trace(sim, "%llu data frames, %llu acks", (unsigned long long)world.data_frames,
              (unsigned long long)world.ack_frames);
    finish(&world);
    for (int i = 0; i < 2; i++) {
        promp_session_destroy(&world.side[i].session);
        sim_traffic_end(&world.side[i].traffic);
        sim_check(sim, sim_memory_of(i) == 0);
    }
}
