/* zlink_dial.c - from an address to a link that is UP, or to the reason why not. */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "zlink_inside.h"

#define PREFIX        "tcp://"
#define TURNED_AWAY   2       /* once may be a broker that ends just now; twice it is the key */
#define ATTEMPTS_MOST 16      /* of one link, at all addresses */
#define NEVER_AGAIN   3600000 /* ms: long after this link has been destroyed */

/* --- the address --- */

/* "tcp://HOST:PORT" into host and port. */
static bool split(promp_zlink_t *link, const char *address)
{
    if (!address || strlen(address) >= sizeof link->address || strncmp(address, PREFIX, strlen(PREFIX)) != 0)
        return false;
    strcpy(link->address, address);
    const char *host = address + strlen(PREFIX);
    const char *colon = strrchr(host, ':');
    if (!colon || strlen(colon + 1) < 1 || strlen(colon + 1) >= sizeof link->port)
        return false;
    size_t size = (size_t)(colon - host);
    bool bracketed = size > 2 && host[0] == '[' && host[size - 1] == ']';
    if (bracketed) {
        host++;
        size -= 2;
    }
    if (size == 0 || size >= sizeof link->host || (!bracketed && memchr(host, ':', size)) ||
        memchr(host, '[', size) || memchr(host, ']', size))
        return false;
    memcpy(link->host, host, size);
    strcpy(link->port, colon + 1);
    char *end;
    long port = strtol(link->port, &end, 10);
    return !*end && port > 0 && port < 65536 && link->port[0] >= '0' && link->port[0] <= '9';
}

/* --- the descriptor --- */

static promp_err_t watch(promp_zlink_t *link, int fd)
{
    struct epoll_event event = {.events = EPOLLIN};

    if (fd < 0 || epoll_ctl(link->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
        return promp_error_set(&link->why, PROMP_ERR_SYSTEM, errno, "epoll");
    return PROMP_OK;
}

static void unwatch(promp_zlink_t *link, int fd)
{
    if (fd >= 0)
        (void)epoll_ctl(link->epoll, EPOLL_CTL_DEL, fd, NULL);
}

static void end_job(promp_zlink_t *link)
{
    if (!link->job)
        return;
    unwatch(link, promp_zlink_job_fd(link->job));
    promp_zlink_job_end(&link->job);
}

/* --- the end --- */

static void *close_socket(promp_zlink_t *link, void *socket)
{
    if (socket) {
        unwatch(link, promp_zsocket_fd(socket)); /* libzmq closes it later, in another thread */
        zmq_close(socket);
    }
    return NULL;
}

void promp_zlink_close(promp_zlink_t *link, int linger)
{
    if (link->socket) {
        (void)zmq_setsockopt(link->socket, ZMQ_LINGER, &linger, sizeof linger);
        (void)zmq_socket_monitor(link->socket, NULL, 0);
    }
    link->socket = close_socket(link, link->socket);
    link->monitor = close_socket(link, link->monitor);
    end_job(link);
}

void promp_zlink_lose(promp_zlink_t *link, const promp_error_t *why)
{
    if (link->stage == PROMP_ZLINK_IS_LOST)
        return;
    link->why = *why;
    link->stage = PROMP_ZLINK_IS_LOST;
    link->config.secret_key = NULL;
    promp_zout_drop(&link->out, PROMP_ERR_CLOSED);
    promp_zlink_close(link, 0);
}

static void lose(promp_zlink_t *link, promp_err_t code, int system, const char *text)
{
    promp_error_t why;

    promp_error_set(&why, code, system, "%s%s%s", link->address, text ? ": " : "", text ? text : "");
    promp_zlink_lose(link, &why);
}

/* --- one attempt --- */

static bool endpoint(const struct sockaddr_storage *address, char *text, size_t size)
{
    bool v6 = address->ss_family == AF_INET6;
    char host[NI_MAXHOST], port[NI_MAXSERV];

    if (getnameinfo((const struct sockaddr *)address, sizeof *address, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return false;
    return (size_t)snprintf(text, size, v6 ? PREFIX "[%s]:%s" : PREFIX "%s:%s", host, port) < size;
}

static promp_err_t set_keys(promp_zlink_t *link)
{
    const promp_zlink_config_t *c = &link->config;

    if (zmq_setsockopt(link->socket, ZMQ_CURVE_SERVERKEY, c->server_key, PROMP_ZSOCKET_KEY) == 0 &&
        zmq_setsockopt(link->socket, ZMQ_CURVE_PUBLICKEY, c->public_key, PROMP_ZSOCKET_KEY) == 0 &&
        zmq_setsockopt(link->socket, ZMQ_CURVE_SECRETKEY, c->secret_key, PROMP_ZSOCKET_KEY) == 0)
        return PROMP_OK;
    return promp_error_set(&link->why, PROMP_ERR_SYSTEM, errno, "libzmq refused a key");
}

/* Everything before the first byte. A limit on what libzmq has received (RCVHWM) would end the process together with heartbeats
 * (assertion _input_stopped): the window is the limit. */
static promp_err_t prepare(promp_zlink_t *link)
{
    const int patience = (int)link->config.timeout;
    const promp_zsocket_option_t options[] = {
        {ZMQ_RCVHWM, 0, "RCVHWM"},
        {ZMQ_RECONNECT_IVL, NEVER_AGAIN, "RECONNECT_IVL"},
        {ZMQ_HANDSHAKE_IVL, patience, "HANDSHAKE_IVL"},
        {ZMQ_CONNECT_TIMEOUT, patience / (int)link->addresses.count, "CONNECT_TIMEOUT"},
    };
    promp_err_t err = promp_zsocket_limit(link->socket, link->config.beat, &link->why);

    if (!err)
        err = promp_zsocket_set(link->socket, options, sizeof options / sizeof options[0], &link->why);
    return err ? err : set_keys(link);
}

static promp_err_t open_socket(promp_zlink_t *link)
{
    char text[NI_MAXHOST + 32];

    link->connected = link->closed_early = false;
    link->attempts++;
    link->socket = promp_zsocket_new(link->context, ZMQ_DEALER, &link->why);
    promp_err_t err = link->socket ? prepare(link) : link->why.code;
    if (err)
        return err;
    link->monitor = promp_zlink_monitor_new(link, &link->why);
    if (!link->monitor)
        return link->why.code;
    if (!endpoint(&link->addresses.address[link->at], text, sizeof text) ||
        zmq_connect(link->socket, text) != 0)
        return promp_error_set(&link->why, PROMP_ERR_SYSTEM, errno, "libzmq: connect");
    return watch(link, promp_zsocket_fd(link->monitor));
}

static void try_address(promp_zlink_t *link)
{
    link->stage = PROMP_ZLINK_TRYING;
    promp_zlink_close(link, 0);
    if (open_socket(link)) {
        promp_error_t why = link->why;
        promp_zlink_lose(link, &why);
    }
}

/* libzmq does not tell why: look for ourselves. */
static void ask_port(promp_zlink_t *link)
{
    promp_zlink_close(link, 0);
    promp_err_t err = promp_zlink_job_greet(&link->addresses.address[link->at], &link->job);

    link->stage = PROMP_ZLINK_ASKING;
    if (!err)
        err = watch(link, promp_zlink_job_fd(link->job));
    if (err)
        lose(link, err, 0, NULL);
}

static void attempt_failed(promp_zlink_t *link)
{
    link->turned_away += link->connected && link->closed_early;
    if (link->attempts >= ATTEMPTS_MOST)
        lose(link, link->connected ? PROMP_ERR_NOT_A_BROKER : PROMP_ERR_BROKER_ABSENT, 0, NULL);
    else if (!link->connected && link->at + 1 < link->addresses.count) {
        link->at++;
        try_address(link);
    } else {
        ask_port(link);
    }
}

static void port_answered(promp_zlink_t *link, const promp_error_t *verdict)
{
    if (verdict->code)
        lose(link, verdict->code, verdict->system, NULL);
    else if (link->turned_away >= TURNED_AWAY)
        lose(link, PROMP_ERR_BROKER_KEY, 0, NULL);
    else
        try_address(link);
}

/* --- events --- */

static void went_up(promp_zlink_t *link)
{
    link->stage = PROMP_ZLINK_IS_UP;
    link->config.secret_key = NULL;
    if (watch(link, promp_zsocket_fd(link->socket))) {
        promp_error_t why = link->why;
        promp_zlink_lose(link, &why);
        return;
    }
    link->stirred = true;
    (void)promp_zlink_flush(link);
}

static void on_event(promp_zlink_t *link, uint16_t event, uint32_t value)
{
    bool up = link->stage == PROMP_ZLINK_IS_UP;

    switch (event) {
    case ZMQ_EVENT_CONNECTED:
        link->connected = true;
        break;
    case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
        went_up(link);
        break;
    case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
        link->closed_early = true;
        break;
    case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
        lose(link,
             value == ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH ? PROMP_ERR_NOT_CURVE
                                                                 : PROMP_ERR_NOT_A_BROKER,
             0, NULL);
        break;
    case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
        if (value >= 400)
            lose(link, PROMP_ERR_KEY_REFUSED, 0, NULL);
        break;
    case ZMQ_EVENT_DISCONNECTED:
        link->ended = up;
        if (!up)
            attempt_failed(link);
        break;
    case ZMQ_EVENT_CONNECT_RETRIED: /* said after the last frame was handed over */
        link->flushed = up;
        if (!up)
            attempt_failed(link);
        break;
    default:
        break;
    }
}

static void attend_job(promp_zlink_t *link)
{
    promp_error_t verdict;
    bool resolving = link->stage == PROMP_ZLINK_RESOLVING;

    if (!promp_zlink_job_done(link->job, &verdict, resolving ? &link->addresses : NULL))
        return;
    end_job(link);
    if (!resolving)
        port_answered(link, &verdict);
    else if (verdict.code)
        promp_zlink_lose(link, &verdict);
    else
        try_address(link);
}

void promp_zlink_attend(promp_zlink_t *link)
{
    uint16_t event;
    uint32_t value;

    if (link->job)
        attend_job(link);
    while (link->monitor && promp_zlink_monitor_next(link->monitor, &event, &value))
        on_event(link, event, value);
}

void promp_zlink_time_out(promp_zlink_t *link)
{
    if (link->stage == PROMP_ZLINK_RESOLVING)
        lose(link, PROMP_ERR_BROKER_NAME, ETIMEDOUT, NULL);
    else if (link->stage == PROMP_ZLINK_TRYING && !link->connected)
        lose(link, PROMP_ERR_BROKER_ABSENT, ETIMEDOUT, NULL);
    else
        lose(link, PROMP_ERR_BROKER_SILENT, 0, NULL);
}

promp_err_t promp_zlink_begin(promp_zlink_t *link, int64_t now, promp_error_t *error)
{
    if (!split(link, link->config.address))
        return promp_error_set(error, PROMP_ERR_ARGUMENT, 0, "a broker's address is tcp://HOST:PORT");
    if (!link->config.timeout)
        link->config.timeout = PROMP_TIME_CONNECT;
    link->deadline = now + link->config.timeout;
    if (promp_zlink_numeric(link->host, link->port, &link->addresses)) {
        try_address(link);
    } else {
        promp_err_t err = promp_zlink_job_resolve(link->host, link->port, &link->job);
        if (err)
            return promp_error_set(error, err, 0, "looking up %s", link->host);
        if (watch(link, promp_zlink_job_fd(link->job))) {
            if (error)
                *error = link->why;
            return link->why.code;
        }
    }
    return PROMP_OK;
}
