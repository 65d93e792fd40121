#include <errno.h>
#include <stdio.h>
#include <zmq.h>

#include "auth_handler.h"

/* One stranger who knocks. */
typedef struct {
    void *server, *client, *monitor;
    char address[64];
} knock_t;

static promp_err_t failed(promp_error_t *error, const char *what)
{
    return promp_error_set(error, PROMP_ERR_SELFTEST, errno, "%s", what);
}

static void close_all(knock_t *knock)
{
    if (knock->client)
        zmq_socket_monitor(knock->client, NULL, 0);
    if (knock->monitor)
        zmq_close(knock->monitor);
    if (knock->client)
        zmq_close(knock->client);
    if (knock->server)
        zmq_close(knock->server);
}

static void *open_socket(void *context, int type)
{
    const int none = 0;
    void *socket = zmq_socket(context, type);
    if (socket)
        zmq_setsockopt(socket, ZMQ_LINGER, &none, sizeof none);
    return socket;
}

/* Gives the client a key of its own, made for this knock. */
static promp_err_t use_curve(void *client, const uint8_t *server_key, promp_error_t *error)
{
    promp_auth_key_t *key;
    promp_err_t code = promp_auth_key_make(&key, error);
    if (code)
        return code;
    bool good =
        zmq_setsockopt(client, ZMQ_CURVE_SERVERKEY, server_key, PROMP_AUTH_KEY_SIZE) == 0 &&
        zmq_setsockopt(client, ZMQ_CURVE_PUBLICKEY, promp_auth_key_public(key), PROMP_AUTH_KEY_SIZE) == 0 &&
        zmq_setsockopt(client, ZMQ_CURVE_SECRETKEY, promp_auth_key_show(key), PROMP_AUTH_KEY_SIZE) == 0;
    promp_auth_key_destroy(&key);
    return good ? PROMP_OK : failed(error, "the options of CURVE");
}

/* A socket of the broker's kind, bound where nobody looks, and a client's monitor. */
static promp_err_t prepare_knock(void *context, promp_auth_prepare_f *prepare, void *arg, knock_t *knock,
                                 promp_error_t *error)
{
    char monitor[80], text[33];
    promp_id_t id;

    if (promp_id_make(&id))
        return failed(error, "no random bits");
    snprintf(knock->address, sizeof knock->address, "ipc://@promp-selftest-%s", promp_id_text(&id, text));
    snprintf(monitor, sizeof monitor, "inproc://promp-selftest-%s", text);
    knock->server = open_socket(context, ZMQ_ROUTER);
    knock->client = open_socket(context, ZMQ_DEALER);
    knock->monitor = open_socket(context, ZMQ_PAIR);
    if (!knock->server || !knock->client || !knock->monitor)
        return failed(error, "no sockets");
    promp_err_t code = prepare(knock->server, arg, error);
    if (code)
        return code;
    const int events = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                       ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;
    if (zmq_bind(knock->server, knock->address) < 0 ||
        zmq_socket_monitor(knock->client, monitor, events) < 0 || zmq_connect(knock->monitor, monitor) < 0)
        return failed(error, "no place to listen");
    return PROMP_OK;
}

/* The next event of the monitor, 0 without one until end. Its second part, the address, is passed over. */
static int next_event(void *monitor, int64_t end)
{
    uint8_t frame[6] = {0}; /* number of the event in two bytes, its value in four */
    uint16_t event;
    char address[128];
    for (;;) {
        zmq_pollitem_t item = {.socket = monitor, .events = ZMQ_POLLIN};
        int64_t left = promp_max64(0, end - promp_clock_ms());
        int n = zmq_poll(&item, 1, (long)left);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0 || zmq_recv(monitor, frame, sizeof frame, 0) < 0)
            return 0;
        zmq_recv(monitor, address, sizeof address, 0);
        memcpy(&event, frame, sizeof event);
        return event;
    }
}

/* wanted: the events that tell of a refusal. */
static promp_err_t knock_at(knock_t *knock, int wanted, const char *who, int64_t wait, promp_error_t *error)
{
    char byte;
    if (zmq_connect(knock->client, knock->address) < 0)
        return failed(error, "no connection");
    zmq_send(knock->client, "?", 1, ZMQ_DONTWAIT);
    int event = next_event(knock->monitor, promp_clock_ms() + wait);
    errno = 0;
    if (event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED)
        return promp_error_set(error, PROMP_ERR_SELFTEST, 0, "a peer %s was let in", who);
    if (!(event & wanted))
        return promp_error_set(error, PROMP_ERR_SELFTEST, 0,
                               "a peer %s was not turned away in time (event %d)", who, event);
    if (zmq_recv(knock->server, &byte, 1, ZMQ_DONTWAIT) >= 0)
        return promp_error_set(error, PROMP_ERR_SELFTEST, 0, "a peer %s was heard", who);
    return PROMP_OK;
}

static promp_err_t try_one(void *context, promp_auth_prepare_f *prepare, void *arg, const uint8_t *public_key,
                           int64_t wait, promp_error_t *error)
{
    knock_t knock = {0};
    promp_err_t code = prepare_knock(context, prepare, arg, &knock, error);
    if (!code && public_key)
        code = use_curve(knock.client, public_key, error);
    if (!code && public_key)
        code = knock_at(&knock, ZMQ_EVENT_HANDSHAKE_FAILED_AUTH, "with an unknown key", wait, error);
    else if (!code) /* whichever side notices first that the other one speaks another language */
        code = knock_at(&knock, ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL,
                        "without CURVE", wait, error);
    close_all(&knock);
    return code;
}

promp_err_t promp_auth_selftest(void *context, promp_auth_prepare_f *prepare, void *arg,
                                const uint8_t public_key[PROMP_AUTH_KEY_SIZE], int64_t wait,
                                promp_error_t *error)
{
    promp_err_t code = try_one(context, prepare, arg, public_key, wait, error);
    return code ? code : try_one(context, prepare, arg, NULL, wait, error);
}
