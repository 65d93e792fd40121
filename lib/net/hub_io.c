/* hub_io.c - frames between the link and the cores. */
#include <unistd.h>

#include "hub_inside.h"

/* Reads without a pause; then others get the lock. */
#define READS_AT_ONCE 16

void promp_hub_path(promp_hub_t *hub, bool up, bool lost, int64_t now)
{
    for (size_t i = 0; i < hub->port_count; i++)
        hub->ports[i].ops->path(hub->ports[i].core, up, lost, &hub->node, now);
    hub->dirty = true;
}

/* --- in --- */

bool promp_hub_holds(const promp_hub_t *hub)
{
    return hub->worker && hub->state == PROMP_HUB_UP && !hub->attached;
}

static promp_err_t on_link(promp_hub_t *hub, const promp_frame_t *frame)
{
    promp_who_t self = hub->worker ? PROMP_WHO_WORKER : PROMP_WHO_MANAGER;
    promp_message_t message;
    promp_err_t err = promp_message_decode(frame->type, frame->body, promp_hub_peer(hub), self, PROMP_AT_UP,
                                           hub->version, &message);
    if (err)
        return err;
    if (message.type == PROMP_TYPE_REFUSED)
        return promp_hub_refused(hub, &message.refused);
    if (hub->broker.ops)
        promp_hub_broker_said(hub, &message);
    return PROMP_OK;
}

/* A session that none of our cores knows (any more): its other end must not wait for us. */
static promp_err_t answer_unknown(promp_hub_t *hub, const promp_frame_t *frame, int64_t now)
{
    promp_message_t reset = {.type = PROMP_TYPE_RESET, .reset.error = PROMP_ERR_CLOSED};
    const promp_message_t seen = {.type = PROMP_TYPE_GONE_ACK};

    if (hub->worker && promp_id_equal(&frame->session, &hub->session))
        return PROMP_OK; /* this process ends: the node will say so */
    switch (frame->type) {
    case PROMP_TYPE_ATTACH:
    case PROMP_TYPE_ATTACHED:
    case PROMP_TYPE_REATTACH:
    case PROMP_TYPE_DATA:
    case PROMP_TYPE_PROBE:
    case PROMP_TYPE_URGENT:
        return promp_hub_post(hub, &reset, &frame->session, now);
    case PROMP_TYPE_GONE:
        return promp_hub_post(hub, &seen, &frame->session, now);
    default:
        return PROMP_OK;
    }
}

static promp_err_t on_session(promp_hub_t *hub, const promp_frame_t *frame, int64_t now)
{
    for (size_t i = 0; i < hub->port_count; i++) {
        bool mine = false;
        promp_err_t err = hub->ports[i].ops->frame(hub->ports[i].core, frame, &mine, now);
        if (err || mine)
            return err;
    }
    return answer_unknown(hub, frame, now);
}

void promp_hub_close_fds(const promp_frame_t *frame, const int *fds)
{
    for (size_t i = 0; i < frame->fds; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

promp_err_t promp_hub_lent(promp_hub_t *hub, const promp_frame_t *frame, const int *fds, int64_t now)
{
    bool mine = false;
    int fd = frame->fds ? fds[0] : -1;
    promp_err_t err = frame->fds > 1 ? PROMP_ERR_DESCRIPTOR_COUNT : PROMP_OK;
    for (size_t i = 0; i < hub->port_count && !err && !mine; i++) {
        const promp_port_t *port = &hub->ports[i];
        if (port->ops->handed)
            err = port->ops->handed(port->core, frame, fd, &mine, now);
    }
    if (!mine)
        promp_hub_close_fds(frame, fds);
    return err;
}

static promp_err_t on_frame(promp_hub_t *hub, const promp_frame_t *frame, const int *fds, int64_t now)
{
    const promp_message_row_t *row = promp_message_row(frame->type);

    if (frame->type == PROMP_TYPE_LEND && hub->state == PROMP_HUB_UP)
        return promp_hub_lent(hub, frame, fds, now);
    promp_hub_close_fds(frame, fds);
    if (frame->fds > 0)
        return PROMP_ERR_DESCRIPTOR_COUNT;
    if (hub->state == PROMP_HUB_HELLO)
        return promp_hub_greeted(hub, frame, now);
    if (!row)
        return PROMP_ERR_MESSAGE_UNKNOWN;
    if (row->on == PROMP_ON_LINK)
        return on_link(hub, frame);
    if (frame->type == PROMP_TYPE_GONE) /* whoever wrote to its side is dead: what it wrote comes first */
        promp_hub_side_drain(hub, &frame->session, now);
    if (row->on == PROMP_ON_NODE || row->on == PROMP_ON_SESSION)
        return on_session(hub, frame, now);
    return PROMP_ERR_MESSAGE_SENDER;
}

void promp_hub_place(promp_link_t *link, const promp_port_t *port)
{
    const promp_frame_t *frame = port->ops->place ? promp_link_begun(link) : NULL;
    size_t size = frame ? frame->size : 0;
    uint8_t *place = frame ? port->ops->place(port->core, frame, &size) : NULL;
    if (place)
        promp_link_place(link, place, size);
}

/* All frames of the buffer, as long as there is somebody to have them. */
static promp_err_t hand_out(promp_hub_t *hub, int64_t now)
{
    while (!promp_hub_holds(hub)) {
        promp_frame_t frame;
        int fds[PROMP_LIMIT_FRAME_FDS];
        bool got;
        promp_err_t err = hub->line.ops->next(hub->line.self, &frame, fds, &got);
        if (!err && got)
            err = on_frame(hub, &frame, fds, now);
        if (err || !got)
            return err;
        if (promp_link_windowed(&frame))
            hub->line.ops->release(hub->line.self, frame.size);
    }
    return PROMP_OK;
}

void promp_hub_read(promp_hub_t *hub, int64_t now)
{
    const promp_line_t *line = &hub->line;
    bool again = line->self != NULL;

    hub->reads++;
    for (int i = 0; again && i < READS_AT_ONCE; i++) {
        uint64_t before = line->ops->received(line->self);
        promp_err_t end = line->ops->read(line->self, &again);
        if (end == PROMP_ERR_DESCRIPTORS)
            end = PROMP_OK; /* what was lent is read in another way */
        if (line->ops->received(line->self) != before) {
            hub->last_heard = now;
            hub->dirty = true;
        }
        promp_err_t err = hand_out(hub, now);
        if (err || end) {
            promp_hub_drop(hub, err ? err : end, now);
            return;
        }
    }
}

/* --- out --- */

static void sent(promp_hub_t *hub, promp_err_t err, int64_t now)
{
    if (!err)
        hub->last_sent = now;
    else if (err == PROMP_ERR_CLOSED)
        hub->mute = true; /* the end comes by reading, behind what the peer said last */
    else
        promp_hub_drop(hub, err, now);
}

promp_err_t promp_hub_post(promp_hub_t *hub, const promp_message_t *message, const promp_id_t *session,
                           int64_t now)
{
    promp_out_t out;
    promp_err_t err = promp_message_out(message, session, 0, &out);

    if (err || hub->mute)
        return err;
    err = hub->line.ops->send(hub->line.self, &out, NULL, 0);
    if (!err)
        hub->last_sent = now;
    hub->mute = err == PROMP_ERR_CLOSED;
    return hub->mute ? PROMP_OK : err;
}

promp_err_t promp_hub_hand(promp_hub_t *hub, const promp_id_t *session, const promp_message_t *message,
                           int fd)
{
    promp_out_t out;
    promp_err_t err = promp_message_out(message, session, 0, &out);

    if (!err && (hub->state != PROMP_HUB_UP || hub->mute || hub->broker.ops))
        err = PROMP_ERR_STATE;
    if (err)
        return err;
    out.frame.fds = 1;
    promp_side_t *side = promp_hub_side_to(hub, session);
    if (side)
        return promp_hub_side_send(hub, side, &out, &fd, 1, promp_clock_ms());
    err = hub->line.ops->send(hub->line.self, &out, &fd, 1);
    if (!err)
        hub->last_sent = promp_clock_ms();
    return err;
}

/* Data goes into the socket, not into our queue: while that holds anything, only what needs no room is asked
 * for. */
static uint64_t room_for(const promp_hub_t *hub)
{
    const promp_line_t *line = &hub->line;

    return line->ops->wants_write(line->self) ? 0 : line->ops->room(line->self);
}

/* Over the session's side where it has one; what is about its life goes to the node. */
static promp_err_t send_one(promp_hub_t *hub, const promp_out_t *out, bool *linked, int64_t now)
{
    promp_side_t *side = NULL;

    if (hub->sides.count && promp_message_row(out->frame.type)->on == PROMP_ON_SESSION)
        side = promp_hub_side_to(hub, &out->frame.session);
    if (side) {
        (void)promp_hub_side_send(hub, side, out, NULL, 0,
                                  now); /* on failure the session finds another way */
        return PROMP_OK;
    }
    *linked = true;
    return hub->line.ops->send(hub->line.self, out, NULL, 0);
}

/* What the cores want to send, one frame of each in turn. True when something was. */
static bool send_all(promp_hub_t *hub, int64_t now)
{
    const promp_line_t *line = &hub->line;
    promp_err_t err = PROMP_OK;
    bool any = false, some = true, linked = false;
    promp_out_t out;

    if (hub->state != PROMP_HUB_UP || hub->mute)
        return false;
    line->ops->cork(line->self);
    hub->sending = true;
    while (some && !err) {
        some = false;
        for (size_t i = 0; i < hub->port_count && !err; i++) {
            const promp_port_t *port = &hub->ports[i];
            if (!port->ops->next(port->core, &out, room_for(hub), now))
                continue;
            err = send_one(hub, &out, &linked, now);
            some = any = true;
        }
        if (!err && line->ops->queued(line->self) >= PROMP_HUB_GATHER && !line->ops->wants_write(line->self))
            err = line->ops->flush(line->self);
    }
    hub->sending = false;
    promp_hub_sides_uncork(hub, now);
    promp_err_t last = line->ops->uncork(line->self);
    if (linked)
        sent(hub, err ? err : last, now);
    return any;
}

/* --- time --- */

static void tick_all(promp_hub_t *hub, int64_t now)
{
    uint32_t least = 0, most = 0;

    hub->tick_at = PROMP_NEVER;
    hub->ticked = now;
    hub->dirty = false;
    for (size_t i = 0; i < hub->port_count; i++) {
        const promp_port_t *port = &hub->ports[i];
        hub->tick_at = promp_min64(hub->tick_at, port->ops->tick(port->core, now));
        uint32_t lease = port->ops->lease(port->core);
        if (lease && (!least || lease < least))
            least = lease;
        most = lease > most ? lease : most;
    }
    hub->lease_most = most;
    if (least != hub->lease) {
        hub->lease = least;
        hub->last_heard = now; /* the peer learns the new pace only now */
        hub->last_sent = now - promp_hub_patience(hub);
        promp_hub_broker_hurry(hub, now);
    }
}

/* Ticks are exact when they are due, but the cores' wishes are asked for at most each PROMP_TIME_TICK: a
 * rapid exchange of frames does not pay for them. */
static bool tick_is_due(const promp_hub_t *hub, int64_t now)
{
    return now >= hub->tick_at || (hub->dirty && now - hub->ticked >= PROMP_TIME_TICK);
}

/* Who was late himself must not blame the node for silence. */
static void forgive_absence(promp_hub_t *hub, int64_t now)
{
    if (hub->expected != PROMP_NEVER && now - hub->expected > PROMP_TIME_GAP)
        hub->last_heard = promp_min64(hub->last_heard + (now - hub->expected), now);
}

/* Sending over a line may hide from its descriptor what has come: whoever polls it would sleep on. */
static void catch_up(promp_hub_t *hub, int64_t now)
{
    for (int round = 0; round < 2 && promp_line_ready(&hub->line); round++) {
        promp_hub_read(hub, now);
        send_all(hub, now);
    }
}

void promp_hub_settle(promp_hub_t *hub, int64_t now)
{
    forgive_absence(hub, now);
    hub->dirty = true; /* whoever had the lock may have done anything to the cores */
    send_all(hub, now);
    catch_up(hub, now);
    if (tick_is_due(hub, now)) {
        int rounds = 0;
        do
            tick_all(hub, now); /* what was sent starts waits, which a tick tells */
        while (++rounds < 3 && send_all(hub, now));
        hub->tick_at = promp_max64(hub->tick_at, now + 1);
    }
    promp_hub_times(hub, now);
    hub->expected = promp_hub_due(hub);
}

bool promp_hub_sent(const promp_hub_t *hub)
{
    return hub->state == PROMP_HUB_UP && !hub->mute && !hub->line.ops->wants_write(hub->line.self) &&
           promp_hub_sides_sent(hub);
}

bool promp_hub_send(promp_hub_t *hub)
{
    promp_hub_settle(hub, promp_clock_ms());
    return promp_hub_sent(hub);
}

int64_t promp_hub_due(const promp_hub_t *hub)
{
    int64_t tick = hub->dirty ? promp_min64(hub->tick_at, hub->ticked + PROMP_TIME_TICK) : hub->tick_at;
    return promp_min64(tick, promp_hub_times_due(hub));
}

void promp_hub_pump(promp_hub_t *hub)
{
    int64_t now = promp_clock_ms();

    if (promp_line_polls_room(&hub->line))
        (void)hub->line.ops->flush(hub->line.self);
    promp_hub_read(hub, now);
    promp_hub_sides_look(hub, now);
    promp_hub_settle(hub, now);
    promp_hub_tell(hub, NULL);
}
