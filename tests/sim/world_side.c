/* Sides: direct ways from managers to workers, as lib/net/hub_side.c has them. Their bytes are never late: what a dead
 * process wrote is in the socket. They are cut at random moments, and a descriptor may be lost on its way. */
#include "message.h"
#include "world.h"

static sim_t *sim_of(const hub_t *hub)
{
    return hub->proc->world->sim;
}

static side_t *side_find(hub_t *hub, const promp_id_t *session)
{
    for (size_t i = 0; i < hub->sides; i++)
        if (promp_id_equal(&hub->side[i].session, session))
            return &hub->side[i];
    return NULL;
}

side_t *side_to(hub_t *hub, const promp_id_t *session)
{
    side_t *side = side_find(hub, session);
    return side && !side->held ? side : NULL;
}

static void tell_room(hub_t *hub, side_t *side)
{
    if (!side->held)
        side->port.ops->side(side->port.core, &side->session, PROMP_WAY_OPEN,
                             pipe_room(side->pipe, side->end), sim_of(hub)->now);
}

void side_add(hub_t *hub, promp_port_t port, const promp_id_t *session, pipe_t *pipe, int end)
{
    if (hub->sides == HUB_SIDES || hub->state != HUB_UP || side_find(hub, session)) {
        pipe_close(pipe, end);
        return;
    }
    side_t *side = &hub->side[hub->sides++];
    *side = (side_t){.session = *session, .pipe = pipe, .end = end, .port = port, .held = hub->worker};
    pipe->end[end].proc = hub->proc;
    tell_room(hub, side);
    sim_trace(sim_of(hub), "%s has a side", hub->proc->name);
}

void side_use(hub_t *hub, const promp_id_t *session)
{
    side_t *side = side_find(hub, session);
    if (!side || !side->held)
        return;
    side->held = false;
    tell_room(hub, side);
    sim_trace(sim_of(hub), "%s uses its side", hub->proc->name);
}

static void side_end(hub_t *hub, side_t *side)
{
    side_t over = *side;
    promp_way_t way = !over.read_out ? PROMP_WAY_CUT : over.came ? PROMP_WAY_READ_OUT : PROMP_WAY_UNUSED;
    *side = hub->side[--hub->sides];
    pipe_close(over.pipe, over.end);
    sim_trace(sim_of(hub), "%s has a side less", hub->proc->name);
    over.port.ops->side(over.port.core, &over.session, way, 0, sim_of(hub)->now);
}

/* What has come over it; false: it is over. */
static bool read_side(hub_t *hub, size_t i)
{
    packet_t *packet;
    while ((packet = pipe_receive(hub->side[i].pipe, hub->side[i].end))) {
        promp_frame_t frame = sim_frame_read(sim_of(hub), packet->frame);
        const promp_port_t port = hub->side[i].port;
        bool mine = false;
        hub->side[i].came = true;
        sim_trace_frame(sim_of(hub), hub->proc->name, &frame);
        sim_check(sim_of(hub), promp_id_equal(&frame.session, &hub->side[i].session));
        promp_err_t error = port.ops->frame(port.core, &frame, &mine, sim_of(hub)->now);
        sim_check(sim_of(hub), !error);
        packet_free(hub->proc->world, packet);
        if (hub->proc->dead)
            return true;
    }
    if (pipe_ended(hub->side[i].pipe, hub->side[i].end)) {
        hub->side[i].read_out = true;
        return false;
    }
    tell_room(hub, &hub->side[i]);
    return true;
}

void sides_read(hub_t *hub)
{
    world_t *world = hub->proc->world;
    for (size_t i = 0; i < hub->sides && !hub->proc->dead;) {
        bool cut = !world->good && sim_chance(world->sim, 3);
        if (read_side(hub, i) && !cut)
            i++;
        else if (!hub->proc->dead)
            side_end(hub, &hub->side[i]);
    }
}

static void drain(hub_t *hub, side_t *side)
{
    pipe_hurry(side->pipe, side->end);
    read_side(hub, (size_t)(side - hub->side));
    if (!hub->proc->dead)
        side_end(hub, side);
}

void side_drain(hub_t *hub, const promp_id_t *session)
{
    side_t *side = side_find(hub, session);
    if (side)
        drain(hub, side);
}

void sides_end(hub_t *hub, void *core)
{
    for (size_t i = 0; i < hub->sides;) {
        if (core && hub->side[i].port.core != core) {
            i++;
        } else if (core) {
            side_end(hub, &hub->side[i]);
        } else {
            drain(hub, &hub->side[i]);
        }
    }
}

/* The manager's shell makes what its core wants. */
void sides_make(hub_t *hub)
{
    world_t *world = hub->proc->world;
    for (size_t i = 0; i < hub->count && hub->state == HUB_UP; i++) {
        promp_id_t session;
        if (hub->ports[i].ops != &promp_manager_core_ops)
            continue;
        while (promp_manager_core_side_wanted(hub->ports[i].core, &session)) {
            const promp_message_t lend = {.type = PROMP_TYPE_LEND};
            promp_out_t out;
            if (!world->good && sim_chance(world->sim, 200)) /* no descriptors left */
                continue;
            sim_check(world->sim, promp_message_out(&lend, &session, 0, &out) == PROMP_OK);
            out.frame.fds = 1;
            pipe_t *pipe = pipe_new(world, NULL, NULL);
            pipe_send(hub->pipe, 1, (packet_t){.frame = sim_frame_of(world->sim, &out), .carried = pipe});
            side_add(hub, hub->ports[i], &session, pipe, 0);
        }
    }
}

/* The worker's shell takes what came; a relay may have lost it. */
void side_lent(hub_t *hub, const promp_frame_t *frame, packet_t *packet)
{
    pipe_t *pipe = packet->carried;
    packet->carried = NULL;
    if (!pipe)
        return;
    sim_check(sim_of(hub), hub->worker && hub->count && frame->fds == 1);
    side_add(hub, hub->ports[0], &frame->session, pipe, 1);
}
