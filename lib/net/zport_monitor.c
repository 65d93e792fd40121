/* zport_monitor.c - the thread that counts failed connections. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "zport_inside.h"

#define EVENTS                                                                                               \
    (ZMQ_EVENT_ACCEPT_FAILED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |  \
     ZMQ_EVENT_HANDSHAKE_FAILED_AUTH | ZMQ_EVENT_MONITOR_STOPPED)

struct promp_zport_monitor {
    pthread_t thread;
    void *pair; /* the thread's, once it runs */
    atomic_uint_fast64_t accept_failed, cut, broken, denied;
};

static void count(promp_zport_monitor_t *monitor, uint16_t event)
{
    atomic_uint_fast64_t *counter = event == ZMQ_EVENT_ACCEPT_FAILED                ? &monitor->accept_failed
                                    : event == ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL  ? &monitor->broken
                                    : event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH      ? &monitor->denied
                                    : event == ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL ? &monitor->cut
                                                                                    : NULL;
    if (counter)
        atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* One event: its number, and the address, which is not wanted. False: the context ends. */
static bool receive(void *pair, uint16_t *event)
{
    zmq_msg_t part;
    bool first = true, more = true, good = true;

    zmq_msg_init(&part);
    while (good && more) {
        good = zmq_msg_recv(&part, pair, 0) >= 0 || errno == EINTR;
        if (good && first && zmq_msg_size(&part) >= sizeof *event) {
            memcpy(event, zmq_msg_data(&part), sizeof *event);
            first = false;
        }
        more = first || zmq_msg_more(&part);
    }
    zmq_msg_close(&part);
    return good;
}

static void *drain(void *arg)
{
    promp_zport_monitor_t *monitor = arg;
    uint16_t event = 0;

    while (event != ZMQ_EVENT_MONITOR_STOPPED && receive(monitor->pair, &event))
        count(monitor, event);
    zmq_close(monitor->pair);
    return NULL;
}

static int start_thread(promp_zport_monitor_t *monitor)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int e = pthread_create(&monitor->thread, NULL, drain, monitor);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return e;
}

promp_err_t promp_zport_monitor_start(void *context, void *socket, promp_zport_monitor_t **monitor_p,
                                      promp_error_t *error)
{
    promp_zport_monitor_t *monitor = calloc(1, sizeof *monitor);
    char name[80];

    *monitor_p = NULL;
    if (!monitor)
        return promp_error_set(error, PROMP_ERR_MEMORY, 0, NULL);
    /* The name of one that was just closed may still be taken. */
    snprintf(name, sizeof name, "inproc://promp.port.%p.%lld", (void *)monitor, (long long)promp_clock_us());
    monitor->pair = promp_zsocket_new(context, ZMQ_PAIR, error);
    if (!monitor->pair)
        goto err0;
    int e =
        zmq_socket_monitor(socket, name, EVENTS) == 0 && zmq_connect(monitor->pair, name) == 0 ? 0 : errno;
    if (!e)
        e = start_thread(monitor);
    if (e) {
        promp_error_set(error, promp_error_from_errno(e), e, "a monitor of libzmq");
        goto err1;
    }
    *monitor_p = monitor;
    return PROMP_OK;

err1:
    (void)zmq_socket_monitor(socket, NULL, 0);
    zmq_close(monitor->pair);
err0:
    free(monitor);
    return error->code;
}

void promp_zport_monitor_stop(void *socket, promp_zport_monitor_t **monitor_p)
{
    promp_zport_monitor_t *monitor = *monitor_p;

    *monitor_p = NULL;
    if (!monitor)
        return;
    (void)zmq_socket_monitor(socket, NULL, 0); /* says MONITOR_STOPPED */
    pthread_join(monitor->thread, NULL);
    free(monitor);
}

void promp_zport_monitor_count(const promp_zport_monitor_t *monitor, promp_zport_counters_t *counters)
{
    counters->accept_failed = atomic_load(&monitor->accept_failed);
    counters->handshake_cut = atomic_load(&monitor->cut);
    counters->handshake_broken = atomic_load(&monitor->broken);
    counters->handshake_denied = atomic_load(&monitor->denied);
}
