/* A process's end of its link, as lib/net/hub.h says: HELLO, beats, silence, dialling again. */
#include "message.h"
#include "world.h"

static const promp_id_t no_session;

static sim_t *sim_of(const hub_t *hub)
{
    return hub->proc->world->sim;
}

static int64_t patience(const hub_t *hub)
{
    if (hub->lease)
        return hub->lease;
    return hub->worker ? PROMP_TIMEOUT_MIN : PROMP_TIME_NO_LEASE;
}

static void post(hub_t *hub, const promp_message_t *message, const promp_id_t *session)
{
    promp_out_t out;
    sim_check(sim_of(hub), promp_message_out(message, session, 0, &out) == PROMP_OK);
    pipe_send(hub->pipe, 1, (packet_t){.frame = sim_frame_of(sim_of(hub), &out)});
    hub->last_sent = sim_of(hub)->now;
}

static void tell_path(hub_t *hub, bool up, bool lost)
{
    for (size_t i = 0; i < hub->count; i++)
        hub->ports[i].ops->path(hub->ports[i].core, up, lost, &hub->node, sim_of(hub)->now);
}

void hub_begin(hub_t *hub, pipe_t *pipe)
{
    hub->pipe = pipe;
    pipe->end[1].proc = hub->proc;
    hub->state = HUB_HELLO;
    hub->dial_at = PROMP_NEVER;
    hub->handshake_at = sim_of(hub)->now + PROMP_TIME_HANDSHAKE;
    hub->last_heard = sim_of(hub)->now;
    promp_message_t hello = {.type = PROMP_TYPE_HELLO,
                             .hello = {.version_low = PROMP_VERSION_LOW,
                                       .version_high = PROMP_VERSION_HIGH,
                                       .role = hub->worker ? 2 : 1,
                                       .lease_ms = hub->lease,
                                       .build = promp_slice_str("simulated")}};
    post(hub, &hello, &no_session);
}

void hub_close(hub_t *hub)
{
    if (hub->pipe)
        pipe_close(hub->pipe, 1);
    hub->pipe = NULL;
    hub->handshake_at = PROMP_NEVER;
}

static void lose(hub_t *hub)
{
    hub_close(hub);
    if (hub->state == HUB_LOST)
        return;
    sides_end(hub, NULL);
    hub->state = HUB_LOST;
    hub->dial_at = PROMP_NEVER;
    sim_trace(sim_of(hub), "%s: the node is gone", hub->proc->name);
    tell_path(hub, false, true);
}

static int64_t back_off(hub_t *hub)
{
    int64_t delay = hub->attempts ? PROMP_TIME_RECONNECT << (hub->attempts < 8 ? hub->attempts : 8) : 0;
    hub->attempts++;
    return promp_min64(delay, promp_max64(patience(hub) / 10, PROMP_TIME_RECONNECT));
}

static void drop(hub_t *hub)
{
    bool was_up = hub->state == HUB_UP;
    hub_close(hub);
    sides_end(hub, NULL);
    hub->state = HUB_DOWN;
    if (was_up)
        tell_path(hub, false, false);
    if (!hub->worker)
        hub->dial_at = sim_of(hub)->now + back_off(hub);
}

static void dial(hub_t *hub)
{
    world_t *world = hub->proc->world;
    if (!world->keeper && !world->agent) {
        lose(hub);
        return;
    }
    sim_check(world->sim, world->backlogs < 64);
    pipe_t *pipe = pipe_new(world, NULL, hub->proc);
    world->backlog[world->backlogs++] = pipe;
    hub_begin(hub, pipe);
    if (world->agent)
        proc_stir(world->agent);
}

/* --- what comes --- */

/* Nobody here breaks the protocol, so nobody is refused for that. */
static void refused(hub_t *hub, const promp_frame_t *frame)
{
    promp_message_t m;
    promp_err_t error = promp_message_decode(frame->type, frame->body, PROMP_WHO_NODE,
                                             hub->worker ? PROMP_WHO_WORKER : PROMP_WHO_MANAGER, PROMP_AT_UP,
                                             PROMP_VERSION_HIGH, &m);
    sim_check(sim_of(hub), error == PROMP_OK);
    if (m.refused.error != PROMP_ERR_NODE_GONE && m.refused.error != PROMP_ERR_SILENT)
        sim_fail(sim_of(hub), "%s is refused: %s", hub->proc->name,
                 promp_error_name((promp_err_t)m.refused.error));
    drop(hub);
}

static void welcomed(hub_t *hub, const promp_frame_t *frame)
{
    sim_t *sim = sim_of(hub);
    promp_message_t m;
    promp_err_t error = promp_message_decode(frame->type, frame->body, PROMP_WHO_NODE,
                                             hub->worker ? PROMP_WHO_WORKER : PROMP_WHO_MANAGER, PROMP_AT_NEW,
                                             PROMP_VERSION_HIGH, &m);
    sim_check(sim, error == PROMP_OK);
    if (m.type == PROMP_TYPE_REFUSED) {
        refused(hub, frame);
        return;
    }
    sim_check(sim, m.type == PROMP_TYPE_WELCOME);
    hub->state = HUB_UP;
    hub->handshake_at = PROMP_NEVER;
    hub->attempts = 0;
    hub->session = frame->session;
    if (hub->known && !promp_id_equal(&hub->node, &m.welcome.node))
        tell_path(hub, false, true);
    hub->node = m.welcome.node;
    hub->known = true;
    tell_path(hub, true, false);
}

static void answer_unknown(hub_t *hub, const promp_frame_t *frame)
{
    promp_message_t reset = {.type = PROMP_TYPE_RESET, .reset.error = PROMP_ERR_CLOSED};
    const promp_message_t seen = {.type = PROMP_TYPE_GONE_ACK};
    switch (frame->type) {
    case PROMP_TYPE_ATTACH:
    case PROMP_TYPE_ATTACHED:
    case PROMP_TYPE_REATTACH:
    case PROMP_TYPE_DATA:
    case PROMP_TYPE_PROBE:
    case PROMP_TYPE_URGENT:
        post(hub, &reset, &frame->session);
        break;
    case PROMP_TYPE_GONE:
        post(hub, &seen, &frame->session);
        break;
    default:
        break;
    }
}

static void on_frame(hub_t *hub, const promp_frame_t *frame, packet_t *packet)
{
    sim_t *sim = sim_of(hub);
    hub->last_heard = sim->now;
    if (hub->state == HUB_HELLO) {
        welcomed(hub, frame);
        return;
    }
    const promp_message_row_t *row = promp_message_row(frame->type);
    if (row->on == PROMP_ON_LINK) {
        if (frame->type == PROMP_TYPE_REFUSED)
            refused(hub, frame);
        return;
    }
    if (frame->type == PROMP_TYPE_LEND) {
        side_lent(hub, frame, packet);
        return;
    }
    if (frame->type == PROMP_TYPE_GONE)
        side_drain(hub, &frame->session);
    for (size_t i = 0; i < hub->count; i++) {
        bool mine = false;
        promp_err_t error = hub->ports[i].ops->frame(hub->ports[i].core, frame, &mine, sim->now);
        if (error)
            sim_fail(sim, "%s: the node broke the protocol: %s", hub->proc->name, promp_error_name(error));
        if (mine)
            return;
    }
    answer_unknown(hub, frame);
}

void hub_read(hub_t *hub)
{
    packet_t *packet;
    /* A worker's first core is there only after WELCOME; what comes for it stays in the link until then. */
    while (hub->pipe && !(hub->worker && hub->state == HUB_UP && !hub->count) &&
           (packet = pipe_receive(hub->pipe, 1))) {
        promp_frame_t frame = sim_frame_read(sim_of(hub), packet->frame);
        sim_trace_frame(sim_of(hub), hub->proc->name, &frame);
        on_frame(hub, &frame, packet);
        packet_free(hub->proc->world, packet);
        if (hub->proc->dead)
            return;
    }
    if (hub->pipe && pipe_ended(hub->pipe, 1))
        drop(hub);
    sides_read(hub);
}

void hub_attach(hub_t *hub, promp_port_t port)
{
    sim_check(sim_of(hub), hub->count < HUB_PORTS);
    hub->ports[hub->count++] = port;
    if (hub->state == HUB_UP)
        port.ops->path(port.core, true, false, &hub->node, sim_of(hub)->now);
    else if (hub->state == HUB_LOST)
        port.ops->path(port.core, false, true, &hub->node, sim_of(hub)->now);
}

void hub_detach(hub_t *hub, void *core)
{
    sides_end(hub, core);
    for (size_t i = 0; i < hub->count; i++)
        if (hub->ports[i].core == core)
            hub->ports[i] = hub->ports[--hub->count];
}

/* --- what goes, and time --- */

static void send_one(hub_t *hub, const promp_out_t *out)
{
    sim_t *sim = sim_of(hub);
    bool session = promp_message_row(out->frame.type)->on == PROMP_ON_SESSION;
    side_t *side = session ? side_to(hub, &out->frame.session) : NULL;
    const packet_t packet = {.frame = sim_frame_of(sim, out)};
    if (hub->worker && out->frame.type == PROMP_TYPE_DATA)
        worker_said(hub, &out->frame);
    if (side) {
        pipe_send(side->pipe, side->end, packet);
        side->port.ops->side(side->port.core, &side->session, PROMP_WAY_OPEN,
                             pipe_room(side->pipe, side->end), sim->now);
    } else {
        pipe_send(hub->pipe, 1, packet);
        hub->last_sent = sim->now;
    }
}

static void send_all(hub_t *hub)
{
    sim_t *sim = sim_of(hub);
    int frames = 0;
    for (bool some = true; some && hub->state == HUB_UP;) {
        some = false;
        for (size_t i = 0; i < hub->count; i++) {
            const promp_port_t *port = &hub->ports[i];
            promp_out_t out;
            if (!port->ops->next(port->core, &out, pipe_room(hub->pipe, 1), sim->now)) {
                if (port->ops == &promp_worker_core_ops && promp_worker_core_may_move(port->core))
                    side_use(hub, &hub->session);
                continue;
            }
            some = true;
            sim_check(sim, ++frames < 20000);
            send_one(hub, &out);
        }
    }
}

static int64_t tick_all(hub_t *hub)
{
    uint32_t least = 0, most = 0;
    int64_t next = PROMP_NEVER;
    for (size_t i = 0; i < hub->count; i++) {
        const promp_port_t *port = &hub->ports[i];
        next = promp_min64(next, port->ops->tick(port->core, sim_of(hub)->now));
        uint32_t lease = port->ops->lease(port->core);
        if (lease && (!least || lease < least))
            least = lease;
        most = lease > most ? lease : most;
    }
    hub->lease_most = most;
    if (least != hub->lease) {
        hub->lease = least;
        hub->last_heard = sim_of(hub)->now;
        hub->last_sent = sim_of(hub)->now - patience(hub);
    }
    return next;
}

static int64_t silent_at(const hub_t *hub)
{
    if (!hub->worker)
        return hub->state == HUB_UP ? hub->last_heard + patience(hub) * 2 / 5 : PROMP_NEVER;
    return hub->lease_most && hub->state != HUB_LOST ? hub->last_heard + hub->lease_most : PROMP_NEVER;
}

static void times(hub_t *hub)
{
    sim_t *sim = sim_of(hub);
    if (sim->now >= hub->dial_at)
        dial(hub);
    if (sim->now >= hub->handshake_at)
        drop(hub);
    if (sim->now >= silent_at(hub)) {
        if (hub->worker)
            lose(hub);
        else
            drop(hub);
    }
    if (hub->state == HUB_UP && sim->now - hub->last_sent >= patience(hub) / 5) {
        const promp_message_t beat = {.type = PROMP_TYPE_BEAT, .beat.lease_ms = hub->lease};
        post(hub, &beat, &no_session);
    }
}

int64_t hub_settle(hub_t *hub)
{
    sim_t *sim = sim_of(hub);
    int64_t next = sim->now;
    for (int rounds = 0; next <= sim->now; rounds++) {
        sides_make(hub);
        send_all(hub);
        next = tick_all(hub);
        times(hub);
        if (hub->proc->dead)
            return PROMP_NEVER;
        if (rounds > 10)
            sim_fail(sim, "%s turns in circles", hub->proc->name);
    }
    next = promp_min64(next, promp_min64(hub->dial_at, hub->handshake_at));
    next = promp_min64(next, silent_at(hub));
    if (hub->state == HUB_UP)
        next = promp_min64(next, hub->last_sent + patience(hub) / 5);
    return next;
}
