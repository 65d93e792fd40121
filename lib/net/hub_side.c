/* hub_side.c - sides: direct ways to the other ends of single sessions, past the node.
 *
 * A side carries what is on == SESSION, for its own session only. All sides of a hub are in one epoll descriptor, which
 * is a watch of whoever drives, so that many of them cost a poll nothing. A side ends with the link to the node, and by
 * any fault of its own; then its session goes on over the link.
 */
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hub_inside.h"

#define EVENTS_AT_ONCE 16
#define READS_AT_ONCE  16 /* of one side, before others have their turn */

struct promp_side {
    promp_node_t node; /* in hub->sides or hub->sides_ended */
    promp_id_t session;
    promp_link_t *link;
    promp_port_t port; /* whose session it is */
    bool ended;
    bool read_out; /* the other end has closed it, and all that it sent was read */
    bool held;     /* only read: what we send still goes over the link */
    bool writes;   /* epoll looks for room, too */
    bool corked;
};

static promp_side_t *side_of(promp_node_t *node)
{
    return PROMP_CONTAINER(node, promp_side_t, node);
}

promp_side_t *promp_hub_side_find(promp_hub_t *hub, const promp_id_t *session)
{
    return hub->side_map ? promp_map_get(hub->side_map, session) : NULL;
}

promp_side_t *promp_hub_side_to(promp_hub_t *hub, const promp_id_t *session)
{
    promp_side_t *side = promp_hub_side_find(hub, session);

    return side && !side->held ? side : NULL;
}

static uint64_t room_of(const promp_side_t *side)
{
    return promp_link_wants_write(side->link) ? 0 : promp_link_room(side->link);
}

static void tell_room(promp_side_t *side, int64_t now)
{
    if (!side->ended && !side->held)
        side->port.ops->side(side->port.core, &side->session, PROMP_WAY_OPEN, room_of(side), now);
}

/* epoll looks for what the side waits for. */
static void arm(promp_hub_t *hub, promp_side_t *side)
{
    bool writes = promp_link_wants_write(side->link);
    struct epoll_event event = {.events = EPOLLIN | (writes ? EPOLLOUT : 0), .data.ptr = side};

    if (writes != side->writes &&
        epoll_ctl(hub->side_epoll, EPOLL_CTL_MOD, promp_link_fd(side->link), &event) == 0)
        side->writes = writes;
}

/* --- its end --- */

/* Between the two nothing of a side that ends is freed: callers and events further up may name it. */
static bool hold(promp_hub_t *hub)
{
    bool held = hub->side_round;

    hub->side_round = true;
    return held;
}

static void let_go(promp_hub_t *hub, bool held)
{
    hub->side_round = held;
    for (promp_node_t *node; !held && (node = promp_list_first(&hub->sides_ended));) {
        promp_list_remove(&hub->sides_ended, node);
        free(side_of(node));
    }
}

static promp_way_t way_of(const promp_side_t *side)
{
    if (!side->read_out)
        return PROMP_WAY_CUT;
    return promp_link_received(side->link) ? PROMP_WAY_READ_OUT : PROMP_WAY_UNUSED;
}

static void end(promp_hub_t *hub, promp_side_t *side, int64_t now)
{
    if (side->ended)
        return;
    const promp_way_t way = way_of(side);
    side->ended = true;
    promp_map_remove(hub->side_map, &side->session);
    promp_list_remove(&hub->sides, &side->node);
    promp_list_append(&hub->sides_ended, &side->node);
    /* Closing alone would not do: a forked child may hold the same socket. Epoll and the other end would go on with it. */
    (void)epoll_ctl(hub->side_epoll, EPOLL_CTL_DEL, promp_link_fd(side->link), NULL);
    (void)shutdown(promp_link_fd(side->link), SHUT_RDWR);
    promp_link_destroy(&side->link);
    side->port.ops->side(side->port.core, &side->session, way, 0, now);
    hub->dirty = true;
}

/* What came of writing. That the other end reads no more is seen by reading, behind what it said last. */
static void written(promp_hub_t *hub, promp_side_t *side, promp_err_t err, int64_t now)
{
    if (err == PROMP_ERR_CLOSED)
        (void)shutdown(promp_link_fd(side->link), SHUT_RDWR); /* it may have closed the one direction alone */
    else if (err)
        end(hub, side, now);
}

/* --- in --- */

static promp_err_t on_frame(promp_hub_t *hub, promp_side_t *side, const promp_frame_t *frame, const int *fds,
                            int64_t now)
{
    const promp_message_row_t *row = promp_message_row(frame->type);
    bool mine = false;

    if (!row || row->on != PROMP_ON_SESSION || !promp_id_equal(&frame->session, &side->session)) {
        promp_hub_close_fds(frame, fds);
        return PROMP_ERR_MESSAGE_SENDER;
    }
    if (frame->type == PROMP_TYPE_LEND)
        return promp_hub_lent(hub, frame, fds, now);
    promp_hub_close_fds(frame, fds);
    if (frame->fds > 0)
        return PROMP_ERR_DESCRIPTOR_COUNT;
    return side->port.ops->frame(side->port.core, frame, &mine, now);
}

static promp_err_t hand_out(promp_hub_t *hub, promp_side_t *side, int64_t now)
{
    for (;;) {
        int fds[PROMP_LIMIT_FRAME_FDS];
        promp_frame_t frame;
        bool got;
        promp_err_t err = promp_link_next(side->link, &frame, fds, &got);
        if (!err && !got)
            err = promp_link_begin(side->link, &frame, &got);
        if (!err && got)
            err = on_frame(hub, side, &frame, fds, now);
        if (err || !got || side->ended)
            return err;
        if (promp_link_windowed(&frame))
            promp_link_release(side->link, frame.size);
    }
}

/* Reads once; a side that is over ends. False: nothing more is there. */
static bool read_once(promp_hub_t *hub, promp_side_t *side, int64_t now)
{
    bool again;
    promp_hub_place(side->link, &side->port);
    promp_err_t over = promp_link_read(side->link, &again);
    promp_err_t err = hand_out(hub, side, now);

    hub->dirty = true;
    if (over == PROMP_ERR_DESCRIPTORS)
        over = PROMP_OK;
    side->read_out = !err && over == PROMP_ERR_CLOSED;
    if (err || over)
        end(hub, side, now);
    return again && !side->ended;
}

static void read_side(promp_hub_t *hub, promp_side_t *side, int64_t now)
{
    int reads = 0;

    while (reads < READS_AT_ONCE && read_once(hub, side, now))
        reads++;
    tell_room(side, now);
}

static void on_event(promp_hub_t *hub, promp_side_t *side, uint32_t events, int64_t now)
{
    if (side->ended)
        return;
    if (events & EPOLLOUT) {
        written(hub, side, promp_link_flush(side->link), now);
        tell_room(side, now);
    }
    if (!side->ended && events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        read_side(hub, side, now);
    if (!side->ended)
        arm(hub, side); /* a LINK_ACK may wait */
}

void promp_hub_sides_look(promp_hub_t *hub, int64_t now)
{
    struct epoll_event events[EVENTS_AT_ONCE];
    int count = hub->sides.count ? epoll_wait(hub->side_epoll, events, EVENTS_AT_ONCE, 0) : 0;

    bool held = hold(hub);
    for (int i = 0; i < count; i++)
        on_event(hub, events[i].data.ptr, events[i].events, now);
    let_go(hub, held);
}

static void ready(void *arg, int fd, short revents)
{
    (void)fd, (void)revents;
    promp_hub_sides_look(arg, promp_clock_ms());
}

/* --- out --- */

promp_err_t promp_hub_side_send(promp_hub_t *hub, promp_side_t *side, const promp_out_t *out, const int *fds,
                                size_t count, int64_t now)
{
    if (!side->corked && hub->sending) {
        promp_link_cork(side->link);
        side->corked = true;
        promp_list_remove(&hub->sides, &side->node); /* those that are corked stand in front */
        promp_list_prepend(&hub->sides, &side->node);
    }
    promp_err_t err = promp_link_send(side->link, out, fds, count, 0);
    if (err == PROMP_ERR_DESCRIPTORS && count > 0)
        return err; /* nothing but this frame is missing */
    written(hub, side, err, now);
    if (!side->ended && side->corked && promp_link_queued(side->link) >= PROMP_HUB_GATHER &&
        !promp_link_wants_write(side->link))
        written(hub, side, promp_link_flush(side->link), now);
    tell_room(side, now);
    if (!side->ended && !side->corked)
        arm(hub, side);
    return err == PROMP_ERR_CLOSED ? PROMP_OK : err;
}

void promp_hub_sides_uncork(promp_hub_t *hub, int64_t now)
{
    promp_node_t *next, *node = promp_list_first(&hub->sides);
    bool held = hold(hub);

    for (; node && side_of(node)->corked; node = next) {
        promp_side_t *side = side_of(node);
        next = promp_list_after(&hub->sides, node);
        side->corked = false;
        written(hub, side, promp_link_uncork(side->link), now);
        if (!side->ended)
            arm(hub, side);
        tell_room(side, now);
    }
    let_go(hub, held);
}

bool promp_hub_sides_sent(const promp_hub_t *hub)
{
    promp_node_t *node = promp_list_first(&hub->sides);

    while (node && !promp_link_wants_write(side_of(node)->link))
        node = promp_list_after(&hub->sides, node);
    return !node;
}

/* --- coming and going --- */

static promp_err_t prepare(promp_hub_t *hub)
{
    promp_hub_watch_t watch = {.ready = ready, .arg = hub};

    if (!hub->side_map && !(hub->side_map = promp_map_new(hub->jitter)))
        return PROMP_ERR_MEMORY;
    if (hub->side_epoll >= 0)
        return PROMP_OK;
    watch.fd = epoll_create1(EPOLL_CLOEXEC);
    if (watch.fd < 0)
        return PROMP_ERR_DESCRIPTORS;
    promp_err_t err = promp_hub_watch(hub, &watch, POLLIN);
    if (err)
        close(watch.fd);
    else
        hub->side_epoll = watch.fd;
    return err;
}

promp_err_t promp_hub_side_add(promp_hub_t *hub, void *core, const promp_id_t *session, int fd, bool held)
{
    promp_side_t *side = calloc(1, sizeof *side);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = side};
    int64_t now = promp_clock_ms();
    promp_err_t err = side ? prepare(hub) : PROMP_ERR_MEMORY;

    for (size_t i = 0; side && i < hub->port_count; i++)
        if (hub->ports[i].core == core)
            side->port = hub->ports[i];
    if (!err && (!side->port.core || hub->state != PROMP_HUB_UP || hub->broker.ops ||
                 promp_hub_side_find(hub, session)))
        err = PROMP_ERR_STATE;
    if (err) {
        close(fd);
        goto err0;
    }
    side->session = *session;
    side->held = held;
    side->link = promp_link_new(fd); /* takes fd over, also on failure */
    if (!side->link || promp_map_put(hub->side_map, session, side)) {
        err = PROMP_ERR_MEMORY;
        goto err1;
    }
    if (epoll_ctl(hub->side_epoll, EPOLL_CTL_ADD, promp_link_fd(side->link), &event) < 0) {
        err = PROMP_ERR_DESCRIPTORS;
        goto err2;
    }
    promp_list_append(&hub->sides, &side->node);
    tell_room(side, now);
    hub->dirty = true;
    return PROMP_OK;

err2:
    promp_map_remove(hub->side_map, session);
err1:
    if (side->link)
        promp_link_destroy(&side->link);
err0:
    free(side);
    return err;
}

void promp_hub_side_use(promp_hub_t *hub, const promp_id_t *session)
{
    promp_side_t *side = promp_hub_side_find(hub, session);

    if (!side || !side->held)
        return;
    side->held = false;
    tell_room(side, promp_clock_ms());
    hub->dirty = true;
}

/* What the other end has written, when it is dead, is all in the socket. Who goes on writing is not waited for. */
static void drain(promp_hub_t *hub, promp_side_t *side, bool dead, int64_t now)
{
    int there = 0;

    (void)ioctl(promp_link_fd(side->link), FIONREAD, &there);
    uint64_t before, at = promp_link_received(side->link), last = at + (uint64_t)there;
    do {
        before = at;
        (void)read_once(hub, side, now);
        at = side->ended ? before : promp_link_received(side->link);
    } while (at > before && at < last);
    if (dead && !side->ended) /* behind it comes the end, or half a frame was the last that it sent */
        (void)read_once(hub, side, now);
    end(hub, side, now);
}

void promp_hub_side_drain(promp_hub_t *hub, const promp_id_t *session, int64_t now)
{
    promp_side_t *side = promp_hub_side_find(hub, session);
    bool held = hold(hub);

    if (side)
        drain(hub, side, true, now);
    let_go(hub, held);
}

void promp_hub_sides_end(promp_hub_t *hub, void *core, int64_t now)
{
    bool held = hold(hub);
    promp_node_t *next;

    for (promp_node_t *node = promp_list_first(&hub->sides); node; node = next) {
        promp_side_t *side = side_of(node);
        next = promp_list_after(&hub->sides, node);
        if (!core)
            drain(hub, side, false, now);
        else if (side->port.core == core)
            end(hub, side, now);
    }
    let_go(hub, held);
}

void promp_hub_sides_free(promp_hub_t *hub)
{
    promp_hub_sides_end(hub, NULL, promp_clock_ms());
    promp_map_destroy(&hub->side_map);
    if (hub->side_epoll >= 0)
        close(hub->side_epoll);
}
