#include "metrics_http.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "list.h"

#define PACE 10 /* ms between two runs of the daemon: what strangers cause cannot fill the owner's time */
#define LOOK                                                                                                 \
    1000 /* ms: it is run so often in any case, as it may have stopped listening for want of descriptors */

typedef struct {
    promp_node_t member; /* in http->open, or in http->unused */
    int fd;
    int64_t due;
} connection_t;

struct promp_metrics_http {
    promp_metrics_look_t *look;
    void *arg;
    int listening;
    char where[PROMP_METRICS_ADDRESS_TEXT];
    struct MHD_Daemon *daemon;
    int epoll;
    int64_t now;       /* of the tick that is under way */
    int64_t rest;      /* ms: not polled until then */
    int64_t due;       /* ms: the next run */
    bool changed;      /* a connection came or went in this run */
    promp_list_t open; /* connections, in the order of due */
    promp_list_t unused;
    connection_t connection[PROMP_LIMIT_METRICS_CONNECTIONS];
    char text[PROMP_METRICS_MOST];
};

/* --- answers --- */

static enum MHD_Result say(struct MHD_Connection *connection, unsigned status, const char *type,
                           const char *text, size_t size)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(size, (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);
    enum MHD_Result result;

    if (!response)
        return MHD_NO;
    result = MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    if (result == MHD_YES)
        result = MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    if (result == MHD_YES && status == MHD_HTTP_METHOD_NOT_ALLOWED)
        result = MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    if (result == MHD_YES)
        result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result say_line(struct MHD_Connection *connection, unsigned status, const char *line)
{
    return say(connection, status, "text/plain; charset=utf-8", line, strlen(line));
}

/* Paths are compared as they were sent. */
static size_t keep(void *arg, struct MHD_Connection *connection, char *text)
{
    (void)arg, (void)connection;
    return strlen(text);
}

/* The head of a request has come; a body is not waited for. */
static enum MHD_Result answer(void *arg, struct MHD_Connection *connection, const char *path,
                              const char *method, const char *version, const char *body, size_t *size,
                              void **request)
{
    promp_metrics_http_t *http = arg;
    promp_metrics_t metrics = {.build = ""};

    (void)version, (void)body, (void)size, (void)request;
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
        return say_line(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "GET and HEAD only\n");
    const bool health = strcmp(path, "/healthz") == 0;
    if (!health && strcmp(path, "/metrics") != 0)
        return say_line(connection, MHD_HTTP_NOT_FOUND, "there are /metrics and /healthz\n");
    http->look(http->arg, &metrics);
    if (health)
        return metrics.stopping ? say_line(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "stopping\n")
                                : say_line(connection, MHD_HTTP_OK, "ok\n");
    return say(connection, MHD_HTTP_OK, PROMP_METRICS_TYPE, http->text,
               promp_metrics_text(&metrics, http->text));
}

/* --- connections --- */

/* Each has a time in which all must be over, however busy it is; libmicrohttpd only knows of idle ones. */
static void on_connection(void *arg, struct MHD_Connection *connection, void **slot,
                          enum MHD_ConnectionNotificationCode what)
{
    promp_metrics_http_t *http = arg;
    connection_t *c = *slot;

    http->changed = true;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        promp_node_t *n = promp_list_first(&http->unused);
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

        if (!n || !info)
            return;
        c = PROMP_CONTAINER(n, connection_t, member);
        c->fd = info->connect_fd;
        c->due = http->now + PROMP_TIME_METRICS;
        promp_list_remove(&http->unused, n);
        promp_list_append(&http->open, n);
        *slot = c;
    } else if (c) {
        promp_list_remove(&http->open, &c->member);
        promp_list_append(&http->unused, &c->member);
    }
}

/* The daemon sees the end of those whose time is over. Returns when the next one's is. */
static int64_t end_slow(promp_metrics_http_t *http, int64_t now)
{
    for (promp_node_t *n = promp_list_first(&http->open); n; n = promp_list_after(&http->open, n)) {
        connection_t *c = PROMP_CONTAINER(n, connection_t, member);

        if (c->due > now)
            return c->due;
        (void)shutdown(c->fd, SHUT_RDWR);
    }
    return PROMP_NEVER;
}

int promp_metrics_http_fd(const promp_metrics_http_t *http, int64_t now)
{
    return now < http->rest ? -1 : http->epoll;
}

void promp_metrics_http_wake(promp_metrics_http_t *http, int64_t now)
{
    http->due = promp_min64(http->due, now);
}

int64_t promp_metrics_http_tick(promp_metrics_http_t *http, int64_t now)
{
    MHD_UNSIGNED_LONG_LONG wait;

    if (now < http->rest)
        return http->rest;
    if (now < http->due)
        return http->due;
    http->now = now;
    http->changed = false;
    int64_t next = promp_max64(end_slow(http, now), now + PACE);
    (void)MHD_run(http->daemon);
    http->rest = now + PACE;
    http->due = promp_min64(next, now + LOOK);
    if (MHD_get_timeout(http->daemon, &wait) == MHD_YES && wait < LOOK)
        http->due = promp_min64(http->due, now + (int64_t)wait);
    if (http->changed) /* it listens anew, or has read nothing yet */
        http->due = http->rest;
    return http->rest;
}

/* --- up and down --- */

static int listen_at(promp_metrics_address_t *address)
{
    const int on = 1, off = 0;
    const int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (address->any.sa_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, address->all ? &off : &on, sizeof on);
    if (bind(fd, &address->any, address->size) == 0 && listen(fd, PROMP_LIMIT_METRICS_CONNECTIONS) == 0 &&
        getsockname(fd, &address->any, &address->size) == 0)
        return fd;
    const int why = errno;
    close(fd);
    errno = why;
    return -1;
}

static promp_err_t start_listening(promp_metrics_http_t *http, const promp_metrics_address_t *wanted,
                                   promp_error_t *error)
{
    promp_metrics_address_t address = *wanted;

    http->listening = listen_at(&address);
    if (http->listening < 0 && wanted->all && errno != EADDRINUSE) { /* a host without IPv6 */
        const in_port_t port = wanted->in6.sin6_port;

        address = (promp_metrics_address_t){
            .in = {.sin_family = AF_INET, .sin_port = port}, .size = sizeof address.in, .all = true};
        http->listening = listen_at(&address);
    }
    const int why = errno;
    promp_metrics_address_write(http->listening < 0 ? wanted : &address, http->where);
    if (http->listening >= 0)
        return PROMP_OK;
    return promp_error_set(error,
                           why == EADDRINUSE                ? PROMP_ERR_PORT_TAKEN
                           : why == EMFILE || why == ENFILE ? PROMP_ERR_DESCRIPTORS
                                                            : PROMP_ERR_PORT_ADDRESS,
                           why, "for metrics: %s", http->where);
}

static promp_err_t start_daemon(promp_metrics_http_t *http, promp_error_t *error)
{
    const union MHD_DaemonInfo *info;

    http->daemon = MHD_start_daemon(
        MHD_USE_EPOLL, 0, NULL, NULL, answer, http, MHD_OPTION_LISTEN_SOCKET, http->listening,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)PROMP_LIMIT_METRICS_CONNECTIONS,
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)PROMP_LIMIT_METRICS_ADDRESS,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)PROMP_LIMIT_METRICS_MEMORY, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)(PROMP_TIME_METRICS / 1000), MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_UNESCAPE_CALLBACK,
        keep, NULL, MHD_OPTION_NOTIFY_CONNECTION, on_connection, http, MHD_OPTION_END);
    if (!http->daemon)
        return promp_error_set(error, promp_error_from_errno(errno), errno, "libmicrohttpd");
    http->listening = -1; /* the daemon's */
    info = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    if (!info || info->epoll_fd < 0)
        return promp_error_set(error, PROMP_ERR_SYSTEM, 0, "this libmicrohttpd has no epoll");
    http->epoll = info->epoll_fd;
    return PROMP_OK;
}

promp_err_t promp_metrics_http_open(const promp_metrics_address_t *address, promp_metrics_look_t *look,
                                    void *arg, promp_metrics_http_t **http, promp_error_t *error)
{
    promp_metrics_http_t *h = calloc(1, sizeof *h);
    promp_err_t code;

    *http = NULL;
    if (!h)
        return promp_error_set(error, PROMP_ERR_MEMORY, 0, NULL);
    h->look = look;
    h->arg = arg;
    h->listening = h->epoll = -1;
    promp_list_init(&h->open);
    promp_list_init(&h->unused);
    for (size_t i = 0; i < PROMP_LIMIT_METRICS_CONNECTIONS; i++)
        promp_list_append(&h->unused, &h->connection[i].member);
    code = start_listening(h, address, error);
    if (!code)
        code = start_daemon(h, error);
    if (code)
        promp_metrics_http_destroy(&h);
    *http = h;
    return code;
}

void promp_metrics_http_destroy(promp_metrics_http_t **http)
{
    promp_metrics_http_t *h = *http;

    if (!h)
        return;
    if (h->daemon)
        MHD_stop_daemon(h->daemon);
    if (h->listening >= 0)
        close(h->listening);
    free(h);
    *http = NULL;
}

const char *promp_metrics_http_where(const promp_metrics_http_t *http)
{
    return http->where;
}
