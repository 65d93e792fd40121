/* zport.c - the life of the broker's end, its options, its time. */
#include "zport.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/resource.h>

#include "zport_inside.h"

#define PREFIX "tcp://"

/* --- options --- */

static promp_err_t set_identity(void *socket, const promp_zport_config_t *config, promp_error_t *error)
{
    const int yes = 1;

    if (zmq_setsockopt(socket, ZMQ_CURVE_SERVER, &yes, sizeof yes) != 0 ||
        zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, config->secret_key, PROMP_ZSOCKET_KEY) != 0 ||
        zmq_setsockopt(socket, ZMQ_ZAP_DOMAIN, config->zap_domain, strlen(config->zap_domain)) != 0)
        return promp_error_set(error, PROMP_ERR_CURVE_MISSING, errno, "an option was refused");
    /* Without it everybody is let in while there is no handler. Where libzmq does not know it, that there is one is checked
     * before, and nobody without a User-Id is listened to. */
    if (zmq_setsockopt(socket, ZMQ_ZAP_ENFORCE_DOMAIN, &yes, sizeof yes) != 0 && errno != EINVAL)
        return promp_error_set(error, PROMP_ERR_SYSTEM, errno,
                               "libzmq refused its option ZAP_ENFORCE_DOMAIN");
    return PROMP_OK;
}

promp_err_t promp_zport_prepare(void *socket, const promp_zport_config_t *config, promp_error_t *error)
{
    const promp_zsocket_option_t options[] = {
        {ZMQ_ROUTER_MANDATORY, 1, "ROUTER_MANDATORY"}, /* else it drops frames and says nothing */
        {ZMQ_ROUTER_HANDOVER, 0, "ROUTER_HANDOVER"},   /* else any key takes over any routing id */
        {ZMQ_RCVHWM, PROMP_LIMIT_ZMQ_UNREAD, "RCVHWM"},
        {ZMQ_BACKLOG, PROMP_LIMIT_ZMQ_BACKLOG, "BACKLOG"},
        {ZMQ_HANDSHAKE_IVL, config->handshake ? config->handshake : PROMP_TIME_HANDSHAKE, "HANDSHAKE_IVL"},
    };

    if (!config->zap_domain || !*config->zap_domain || !config->secret_key)
        return promp_error_set(error, PROMP_ERR_ARGUMENT, 0, "a port needs a key and a ZAP domain");
    promp_err_t err = promp_zsocket_limit(socket, config->beat, error);
    if (!err)
        err = promp_zsocket_set(socket, options, sizeof options / sizeof options[0], error);
    return err ? err : set_identity(socket, config, error);
}

promp_err_t promp_zport_context(int threads, void **context, promp_error_t *error)
{
    *context = zmq_ctx_new();
    if (!*context)
        return promp_error_set(error, promp_error_from_errno(errno), errno, "a context of libzmq");
    if (zmq_ctx_set(*context, ZMQ_IO_THREADS, threads) == 0)
        return PROMP_OK;
    promp_error_set(error, PROMP_ERR_SYSTEM, errno, "libzmq refused %d threads", threads);
    promp_zport_context_end(context);
    return error->code;
}

void promp_zport_context_end(void **context)
{
    while (*context && zmq_ctx_term(*context) != 0 && errno == EINTR)
        ;
    *context = NULL;
}

/* --- checks --- */

static promp_err_t check_descriptors(uint32_t peers, promp_error_t *error)
{
    struct rlimit limit;
    uint64_t needed = (uint64_t)peers + PROMP_PEERS_SPARE;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < needed)
        return promp_error_set(error, PROMP_ERR_PEER_DESCRIPTORS, 0, "%llu allowed, %llu needed for %u peers",
                               (unsigned long long)limit.rlim_cur, (unsigned long long)needed,
                               (unsigned)peers);
    return PROMP_OK;
}

/* Who can take the handler's place finds that there is none. */
static promp_err_t check_handler(void *context, promp_error_t *error)
{
    void *socket = promp_zsocket_new(context, ZMQ_REP, error);

    if (!socket)
        return error->code;
    bool none = zmq_bind(socket, "inproc://zeromq.zap.01") == 0;
    zmq_close(socket);
    return none ? promp_error_set(error, PROMP_ERR_SELFTEST, 0, "nobody answers ZAP") : PROMP_OK;
}

/* --- life --- */

static promp_err_t listen_at(promp_zport_t *port, const char *endpoint, promp_error_t *error)
{
    size_t size = sizeof port->endpoint;

    if (!endpoint || strncmp(endpoint, PREFIX, strlen(PREFIX)) != 0)
        return promp_error_set(error, PROMP_ERR_PORT_ADDRESS, 0, "%s", endpoint ? endpoint : "none");
    if (zmq_bind(port->socket, endpoint) != 0)
        return promp_error_set(error,
                               errno == EADDRINUSE                  ? PROMP_ERR_PORT_TAKEN
                               : errno == EMFILE || errno == ENFILE ? PROMP_ERR_DESCRIPTORS
                                                                    : PROMP_ERR_PORT_ADDRESS,
                               errno, "%s", endpoint);
    if (zmq_getsockopt(port->socket, ZMQ_LAST_ENDPOINT, port->endpoint, &size) != 0)
        return promp_error_set(error, PROMP_ERR_SYSTEM, errno, "libzmq: the port");
    const char *colon = strrchr(port->endpoint, ':');
    port->tcp_port = (uint16_t)strtoul(colon ? colon + 1 : "0", NULL, 10);
    return PROMP_OK;
}

static promp_err_t make_tables(promp_zport_t *port, promp_error_t *error)
{
    uint64_t seed = 0;

    promp_list_init(&port->free);
    promp_list_init(&port->gone);
    promp_list_init(&port->blocked);
    zmq_msg_init(&port->body);
    (void)!getrandom(&seed, sizeof seed, 0);
    port->by_id = promp_map_new(seed);
    port->peers = calloc(2 * (size_t)port->config.peers, sizeof *port->peers);
    return port->by_id && port->peers ? PROMP_OK : promp_error_set(error, PROMP_ERR_MEMORY, 0, NULL);
}

static promp_err_t start(promp_zport_t *port, void *context, const promp_zport_config_t *config,
                         promp_error_t *error)
{
    promp_err_t err = make_tables(port, error);

    if (err)
        return err;
    port->socket = promp_zsocket_new(context, ZMQ_ROUTER, error);
    err = port->socket ? promp_zport_prepare(port->socket, config, error) : error->code;
    if (!err)
        err = promp_zport_monitor_start(context, port->socket, &port->monitor, error);
    if (!err)
        err = listen_at(port, config->endpoint, error);
    port->fd = port->socket ? promp_zsocket_fd(port->socket) : -1;
    port->stirred = true;
    return err;
}

promp_err_t promp_zport_new(void *context, const promp_zport_config_t *config, promp_zport_t **port_p,
                            promp_error_t *error)
{
    promp_error_t own;

    *port_p = NULL;
    if (!error)
        error = &own;
    if (config->peers < 1 || config->peers > PROMP_LIMIT_PEERS)
        return promp_error_set(error, PROMP_ERR_ARGUMENT, 0, "number of peers");
    promp_err_t err = promp_zsocket_check(error);
    if (!err)
        err = check_descriptors(config->peers, error);
    if (!err)
        err = check_handler(context, error);
    if (err)
        return err;
    promp_zport_t *port = calloc(1, sizeof *port);
    if (!port)
        return promp_error_set(error, PROMP_ERR_MEMORY, 0, NULL);
    port->config = *config;
    port->config.secret_key = NULL;
    if (!port->config.window)
        port->config.window = PROMP_LIMIT_LINK_WINDOW;
    err = start(port, context, config, error);
    if (err)
        promp_zport_destroy(&port);
    *port_p = port;
    return err;
}

void promp_zport_destroy(promp_zport_t **port_p)
{
    promp_zport_t *port = *port_p;
    const int linger = PROMP_TIME_ZMQ_LINGER;

    *port_p = NULL;
    if (!port)
        return;
    if (port->socket) {
        promp_zport_monitor_stop(port->socket, &port->monitor);
        (void)zmq_setsockopt(port->socket, ZMQ_LINGER, &linger, sizeof linger);
        zmq_close(port->socket);
    }
    for (uint32_t i = 0; i < port->made; i++) {
        promp_zout_drop(&port->peers[i]->out, PROMP_ERR_CLOSED);
        if (port->peers[i]->state != PROMP_ZPEER_FREE)
            zmq_msg_close(&port->peers[i]->pin);
        free(port->peers[i]);
    }
    zmq_msg_close(&port->body);
    promp_ztags_free(&port->tags);
    promp_map_destroy(&port->by_id);
    free(port->by_fd);
    free(port->peers);
    free(port);
}

const char *promp_zport_endpoint(const promp_zport_t *port)
{
    return port->endpoint;
}

int promp_zport_fd(const promp_zport_t *port)
{
    return port->fd;
}

int64_t promp_zport_tick(promp_zport_t *port, int64_t now)
{
    if (now >= port->sweep_at) {
        promp_zpeer_sweep(port);
        port->sweep_at = now + PROMP_TIME_SWEEP;
    }
    promp_zpeer_retry(port);
    return port->blocked.count ? promp_min64(port->sweep_at, now + PROMP_TIME_ZMQ_RETRY) : port->sweep_at;
}

void promp_zport_count(const promp_zport_t *port, promp_zport_counters_t *counters)
{
    promp_zport_monitor_count(port->monitor, counters);
    counters->peers = port->live;
    counters->refused = port->refused;
}
