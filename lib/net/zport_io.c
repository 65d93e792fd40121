/* zport_io.c - frames in and out of the broker's end. */
#include <errno.h>

#include "zpart.h"
#include "zport_inside.h"

/* --- in --- */

bool promp_zport_ready(const promp_zport_t *port)
{
    return port->stirred || port->gone.count > 0 || port->introduced;
}

static promp_err_t receive_part(promp_zport_t *port, zmq_msg_t *part)
{
    while (zmq_msg_recv(part, port->socket, ZMQ_DONTWAIT) < 0) {
        if (errno == EAGAIN)
            return PROMP_ERR_TIMEOUT;
        if (errno != EINTR)
            return PROMP_ERR_SYSTEM;
    }
    return PROMP_OK;
}

/* One message: routing id and body; more parts are read and dropped, and body tells that there were some. OK, TIMEOUT (there is
 * none now), SYSTEM. */
static promp_err_t receive(promp_zport_t *port, zmq_msg_t *id)
{
    promp_err_t err = receive_part(port, id);

    if (!err)
        err = receive_part(port, &port->body);
    if (!err && zmq_msg_more(&port->body)) {
        zmq_msg_t rest;
        zmq_msg_init(&rest);
        do
            err = receive_part(port, &rest);
        while (!err && zmq_msg_more(&rest));
        zmq_msg_close(&rest);
    }
    return err;
}

static void tell(promp_zport_event_t *event, promp_zport_happening_t type, const promp_zpeer_entry_t *peer)
{
    event->type = type;
    event->peer = promp_zpeer_name(peer);
}

static bool tell_gone(promp_zport_t *port, promp_zport_event_t *event)
{
    promp_node_t *node = promp_list_first(&port->gone);

    if (!node)
        return false;
    promp_zpeer_entry_t *peer = PROMP_CONTAINER(node, promp_zpeer_entry_t, list);
    tell(event, PROMP_ZPORT_GONE, peer);
    event->why = peer->why;
    promp_zpeer_told(peer);
    return true;
}

/* The frame in body; a peer that breaks the protocol leaves. True: event tells of it. */
static bool tell_frame(promp_zport_t *port, promp_zpeer_entry_t *peer, promp_zport_event_t *event)
{
    bool keep = false;
    promp_err_t err = promp_zpart_read(&port->body, &event->frame);

    if (!err)
        err = promp_window_take(&peer->window, &event->frame, &keep);
    if (err) {
        promp_zpeer_leave(peer, err);
        return false;
    }
    if (keep) {
        tell(event, PROMP_ZPORT_FRAME, peer);
        return true;
    }
    (void)promp_zout_flush(&peer->out); /* its window has opened */
    promp_zpeer_settle(peer);
    return false;
}

/* What is known already; false: nothing. */
static bool tell_pending(promp_zport_t *port, promp_zport_event_t *event)
{
    if (tell_gone(port, event))
        return true;
    promp_zpeer_entry_t *peer = port->introduced ? promp_zpeer_find(port, port->introduced) : NULL;
    if (!peer) { /* it was kicked at once */
        port->introduced = 0;
        return false;
    }
    if (!port->announced) {
        port->announced = true;
        tell(event, PROMP_ZPORT_NEW, peer);
        return true;
    }
    port->introduced = 0;
    return tell_frame(port, peer, event) || tell_gone(port, event);
}

static promp_err_t next_message(promp_zport_t *port, promp_zport_event_t *event)
{
    zmq_msg_t id;
    bool new_one;

    zmq_msg_init(&id);
    promp_err_t err = receive(port, &id);
    if (!err) {
        promp_zpeer_entry_t *peer = promp_zpeer_of(port, &id, &port->body, &new_one);
        port->announced = false;
        if (peer && new_one)
            port->introduced = promp_zpeer_name(peer);
        else if (peer)
            (void)tell_frame(port, peer, event);
    }
    zmq_msg_close(&id);
    return err;
}

promp_err_t promp_zport_next(promp_zport_t *port, promp_zport_event_t *event)
{
    promp_err_t err = PROMP_OK;

    memset(event, 0, sizeof *event);
    while (!err && !event->type && !tell_pending(port, event))
        err = next_message(port, event);
    if (err == PROMP_ERR_TIMEOUT) {
        port->stirred = false;
        port->drained++;
        err = PROMP_OK;
    }
    return err;
}

const char *promp_zport_property(promp_zport_t *port, promp_zpeer_t name, const char *property)
{
    promp_zpeer_entry_t *peer = promp_zpeer_find(port, name);

    return peer ? zmq_msg_gets(&peer->pin, property) : NULL;
}

void promp_zport_release(promp_zport_t *port, promp_zpeer_t name, uint64_t bytes)
{
    promp_zpeer_entry_t *peer = promp_zpeer_find(port, name);

    if (!peer)
        return;
    promp_window_release(&peer->window, bytes);
    promp_zout_tell_released(&peer->out);
    promp_zpeer_settle(peer);
}

/* --- out --- */

static promp_err_t put(promp_zpeer_entry_t *peer, zmq_msg_t *part, const promp_frame_t *frame, bool urgent,
                       uint64_t tag)
{
    promp_err_t err = promp_zout_put(&peer->out, part, urgent, promp_link_windowed(frame), tag);

    promp_zpeer_settle(peer);
    return err == PROMP_ERR_CLOSED ? PROMP_ERR_PEER_LEFT : err;
}

promp_err_t promp_zport_send(promp_zport_t *port, promp_zpeer_t name, const promp_out_t *out, uint64_t tag)
{
    promp_zpeer_entry_t *peer = promp_zpeer_find(port, name);
    zmq_msg_t part;

    if (!peer)
        return PROMP_ERR_PEER_LEFT;
    promp_err_t err = promp_zpart_make(&part, out);
    return err ? err : put(peer, &part, &out->frame, out->urgent, tag);
}

promp_err_t promp_zport_forward(promp_zport_t *port, promp_zpeer_t name, const promp_frame_t *frame,
                                bool urgent, uint64_t tag)
{
    promp_zpeer_entry_t *peer = promp_zpeer_find(port, name);
    zmq_msg_t part;

    if (!peer)
        return PROMP_ERR_PEER_LEFT;
    promp_err_t err = promp_zpart_pass(&part, frame, &port->body);
    return err ? err : put(peer, &part, frame, urgent, tag);
}

size_t promp_zport_queued(const promp_zport_t *port, promp_zpeer_t name)
{
    const promp_zpeer_entry_t *peer = promp_zpeer_find(port, name);

    return peer ? promp_zout_queued(&peer->out) : 0;
}

uint64_t promp_zport_room(const promp_zport_t *port, promp_zpeer_t name)
{
    const promp_zpeer_entry_t *peer = promp_zpeer_find(port, name);

    return peer ? promp_zout_room(&peer->out) : 0;
}

bool promp_zport_flushed(promp_zport_t *port, uint64_t *tag, uint64_t *bytes)
{
    return promp_ztags_next(&port->tags, tag, bytes);
}

void promp_zport_kick(promp_zport_t *port, promp_zpeer_t name)
{
    promp_zpeer_entry_t *peer = promp_zpeer_find(port, name);

    if (peer)
        promp_zpeer_kick(peer);
}
