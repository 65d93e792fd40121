/* zlink_monitor.c - what libzmq tells about a socket. */
#include <stdio.h>

#include "zlink_inside.h"

#define EVENTS                                                                                               \
    (ZMQ_EVENT_CONNECTED | ZMQ_EVENT_CONNECT_RETRIED | ZMQ_EVENT_DISCONNECTED |                              \
     ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |                                  \
     ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH)

void *promp_zlink_monitor_new(promp_zlink_t *link, promp_error_t *error)
{
    char name[64];
    void *monitor = promp_zsocket_new(link->context, ZMQ_PAIR, error);

    if (!monitor)
        return NULL;
    snprintf(name, sizeof name, "inproc://promp.monitor.%u", link->attempts);
    if (zmq_socket_monitor(link->socket, name, EVENTS) == 0 && zmq_connect(monitor, name) == 0)
        return monitor;
    promp_error_set(error, promp_error_from_errno(errno), errno, "a monitor of libzmq");
    zmq_close(monitor);
    return NULL;
}

/* True when part was received; *more: another one follows. */
static bool receive(void *monitor, zmq_msg_t *part, bool *more)
{
    if (zmq_msg_recv(part, monitor, ZMQ_DONTWAIT) < 0)
        return false;
    *more = zmq_msg_more(part);
    return true;
}

bool promp_zlink_monitor_next(void *monitor, uint16_t *event, uint32_t *value)
{
    uint8_t bytes[6];
    zmq_msg_t part;
    bool more;

    zmq_msg_init(&part);
    bool got = receive(monitor, &part, &more);
    if (got) {
        memcpy(bytes, zmq_msg_data(&part), sizeof bytes); /* in the order of this machine */
        memcpy(event, bytes, sizeof *event);
        memcpy(value, bytes + sizeof *event, sizeof *value);
        while (more && receive(monitor, &part, &more))
            ;
    }
    zmq_msg_close(&part);
    return got;
}
