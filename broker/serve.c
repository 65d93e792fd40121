#include "serve.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "auth_file.h"
#include "auth_read.h"
#include "notify.h"
#include "serve_inside.h"

#define EVENTS    256  /* in a row, before time is looked at again */
#define LOOK_EACH 1000 /* ms between looks at files that may have changed */
#define LAST_PACE 5    /* ms between looks at what still leaves at the end */

/* --- the loop --- */

static bool take_events(promp_serve_t *s, int64_t now)
{
    promp_zport_event_t event = {.type = PROMP_ZPORT_NEW};

    for (int i = 0; i < EVENTS && event.type && !s->ended; i++) {
        promp_err_t code = promp_zport_next(s->port, &event);

        if (code) {
            promp_serve_say(s, PROMP_LOG_ERROR, code, "the port is broken");
            s->error = code;
            return false;
        }
        promp_serve_peers_event(s, &event, now);
    }
    return !s->ended;
}

static int64_t look_around(promp_serve_t *s, int64_t now)
{
    if (now < s->look_at)
        return s->look_at;
    s->look_at = now + s->look_each;
    promp_notify("WATCHDOG=1");
    if (!s->ended)
        promp_serve_keys_look(s, now);
    if (!s->ended)
        promp_serve_port_look(s, now);
    return s->look_at;
}

static int64_t pass_time(promp_serve_t *s, int64_t now)
{
    int64_t due = promp_serve_join_tick(s, now);

    due = promp_min64(due, promp_serve_peers_tick(s, now));
    due = promp_min64(due, look_around(s, now));
    if (s->ended)
        return now;
    due = promp_min64(due, promp_serve_metrics_tick(s, now));
    promp_serve_flushed(s);
    due = promp_min64(due, promp_broker_core_tick(s->core, now));
    promp_serve_do(s, now);
    return s->ended ? now : promp_min64(due, promp_zport_tick(s->port, now));
}

static void loop(promp_serve_t *s)
{
    while (take_events(s, promp_clock_ms())) {
        int64_t now = promp_clock_ms(), due = pass_time(s, now), wait = 0;

        if (s->ended)
            break;
        if (!promp_zport_ready(s->port))
            wait = due > now ? promp_min64(due - now, INT32_MAX) : 0;
        struct pollfd fds[] = {{promp_zport_fd(s->port), POLLIN, 0},
                               {s->signals, POLLIN, 0},
                               {promp_serve_metrics_fd(s, now), POLLIN, 0}};
        if (poll(fds, 3, (int)wait) <= 0)
            continue;
        if (fds[1].revents)
            promp_serve_signals_take(s, promp_clock_ms());
        if (fds[2].revents)
            promp_metrics_http_wake(s->metrics, promp_clock_ms());
    }
}

/* AWAY and what was relayed shall reach those who read. */
static void last_words(promp_serve_t *s)
{
    int64_t until = promp_clock_ms() + PROMP_TIME_ZMQ_LINGER;
    size_t left = 1;

    while (left && promp_clock_ms() < until) {
        promp_serve_peer_t *peer;
        size_t at = 0;

        (void)promp_zport_tick(s->port, promp_clock_ms());
        for (left = 0; (peer = promp_map_next(s->peers, &at));)
            left += promp_zport_queued(s->port, peer->number);
        if (left)
            poll(NULL, 0, LAST_PACE);
    }
}

/* --- up and down --- */

static void raise_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* The folder, what it says, and what was handed over. */
static promp_err_t read_folder(promp_serve_t *s, promp_error_t *error)
{
    char path[PROMP_LIMIT_PATH + 1];
    promp_err_t code = promp_auth_folder_path(s->options->folder, path, error);

    if (!code)
        code = promp_auth_folder_open(path, false, &s->folder, error);
    if (code == PROMP_ERR_KEY_MISSING)
        promp_error_set(error, code, 0, "there is no folder %s; make it with `promp-auth init`", path);
    if (!code)
        code = promp_options_config(s->options, s->folder, &s->config, error);
    if (code)
        return code;
    atomic_store(&s->level, (int)s->config.level);
    return promp_serve_signals_passphrase(s, error);
}

/* The passphrase's descriptor is read before the others are closed, and the folder is one of ours. */
static void close_foreign(const promp_serve_t *s)
{
    for (int fd = 3; fd < s->folder; fd++)
        close(fd);
    closefrom(s->folder >= 3 ? s->folder + 1 : 3);
}

static promp_err_t make_tables(promp_serve_t *s, promp_error_t *error)
{
    promp_id_t random;

    promp_list_init(&s->silent);
    promp_list_init(&s->asking);
    promp_list_init(&s->leaving);
    if (promp_id_make(&random))
        return promp_error_set(error, PROMP_ERR_SYSTEM, 0, "no random bits");
    s->seed = promp_get64(random.b);
    s->peers = promp_map_new(promp_get64(random.b + 8));
    return s->peers ? PROMP_OK : promp_error_set(error, PROMP_ERR_MEMORY, 0, NULL);
}

/* The handler answers before the port is there. */
static promp_err_t open_port(promp_serve_t *s, promp_error_t *error)
{
    promp_err_t code = promp_zport_context(s->config.threads, &s->context, error);
    promp_auth_store_t *share;

    if (code)
        return code;
    share = promp_auth_store_share(s->store);
    code = promp_auth_handler_start(s->context, &share, promp_serve_told, s, &s->handler, error);
    promp_auth_store_destroy(&share);
    if (code)
        return code;
    promp_auth_handler_newer(s->handler, promp_serve_keys_newer);
    return promp_serve_port_open(s, error);
}

static promp_err_t begin(promp_serve_t *s, promp_error_t *error)
{
    promp_err_t code = read_folder(s, error);

    if (code)
        return code;
    close_foreign(s);
    raise_descriptors();
    code = promp_serve_signals_hold(s, error);
    if (!code)
        code = make_tables(s, error);
    if (!code)
        code = promp_serve_keys_load(s, error);
    if (code == PROMP_ERR_KEY_MISSING)
        promp_error_set(error, code, 0, "there is no store; make it with `promp-auth init`");
    if (!code)
        code = promp_serve_identity(s->folder, &s->identity, error);
    if (!code)
        code = open_port(s, error);
    if (!code && promp_serve_core_new(s, promp_clock_ms()))
        code = promp_error_set(error, PROMP_ERR_MEMORY, 0, NULL);
    return code ? code : promp_serve_metrics_open(s, error);
}

static promp_err_t ready(promp_serve_t *s, promp_error_t *error)
{
    s->look_each = promp_min64(LOOK_EACH, promp_notify_watchdog());
    printf("ready %s\n", s->endpoint);
    if (s->metrics)
        printf("metrics http://%s/metrics\n", promp_metrics_http_where(s->metrics));
    if (fflush(stdout) != 0 || ferror(stdout))
        return promp_error_set(error, promp_error_from_errno(errno), errno, "standard output");
    promp_serve_say(s, PROMP_LOG_INFO, PROMP_OK, "serves at %s", s->endpoint);
    promp_notify("READY=1");
    return PROMP_OK;
}

static void end(promp_serve_t *s)
{
    promp_serve_peer_t *peer;
    size_t at = 0;

    while (s->peers && (peer = promp_map_next(s->peers, &at)))
        free(peer->wish), free(peer);
    promp_map_destroy(&s->peers);
    promp_metrics_http_destroy(&s->metrics);
    promp_broker_core_destroy(&s->core);
    promp_zport_destroy(&s->port);
    promp_auth_handler_stop(&s->handler);
    promp_zport_context_end(&s->context);
    promp_auth_store_destroy(&s->store);
    promp_auth_read_free(&s->passphrase);
    if (s->folder >= 0)
        close(s->folder);
    if (s->signals >= 0)
        close(s->signals);
}

int promp_serve_run(const promp_options_t *options)
{
    promp_serve_t s = {.options = options, .level = PROMP_LOG_INFO, .folder = -1, .signals = -1};
    promp_error_t error = {0};
    promp_err_t code = begin(&s, &error);

    if (!code)
        code = ready(&s, &error);
    if (code) {
        fprintf(stderr, "promp-broker: %d %s: %s\n", (int)code, promp_error_name(code), error.text);
    } else {
        loop(&s);
        if (s.port)
            last_words(&s);
        promp_serve_say(&s, PROMP_LOG_INFO, s.error, "the broker has ended");
    }
    end(&s);
    return code == PROMP_ERR_CONFIG_FILE ? PROMP_OPTIONS_USAGE : code || s.error ? 1 : 0;
}
