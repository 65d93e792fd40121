/* serve_port.c - the port, and the broker's own key: which is served, and changes while peers work. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "auth_file.h"
#include "serve_inside.h"

#define SECRET      PROMP_AUTH_BROKER_NAME ".cert_secret"
#define NEXT_SECRET PROMP_AUTH_BROKER_NAME ".next.cert_secret"

#define PEERS_MOST 8192  /* connections, where nobody says how many */
#define BIND_TIME  3000  /* ms for libzmq to let go of the port that it listened at */
#define BIND_PACE  10    /* ms between tries */
#define KEY_PAUSE  10000 /* ms until a change of keys that failed is tried again */

/* --- the broker's key --- */

static void take_stamps(int folder, promp_serve_stamp_t stamp[2])
{
    static const char *const names[] = {SECRET, NEXT_SECRET};
    struct stat status;

    for (size_t i = 0; i < 2; i++) {
        stamp[i] = (promp_serve_stamp_t){0};
        if (fstatat(folder, names[i], &status, 0) == 0)
            stamp[i] = (promp_serve_stamp_t){status.st_ino, status.st_ctim};
    }
}

static bool same_stamps(const promp_serve_stamp_t a[2], const promp_serve_stamp_t b[2])
{
    for (size_t i = 0; i < 2; i++)
        if (a[i].inode != b[i].inode || a[i].time.tv_sec != b[i].time.tv_sec ||
            a[i].time.tv_nsec != b[i].time.tv_nsec)
            return false;
    return true;
}

/* The stamps are taken first: what changes while we look is seen the next time. */
static promp_err_t look_at_key(promp_serve_t *s, promp_auth_broker_info_t *info, promp_error_t *error)
{
    take_stamps(s->folder, s->stamp);
    return promp_auth_broker_look(s->folder, (int64_t)time(NULL), info, error);
}

/* --- listening --- */

static uint32_t count_peers(const promp_serve_t *s)
{
    struct rlimit limit = {PEERS_MOST, PEERS_MOST};

    if (s->config.peers)
        return s->config.peers;
    getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur > PEERS_MOST + PROMP_PEERS_SPARE)
        return PEERS_MOST;
    return limit.rlim_cur > PROMP_PEERS_SPARE ? (uint32_t)limit.rlim_cur - PROMP_PEERS_SPARE : 1;
}

static promp_err_t prepare(void *socket, void *arg, promp_error_t *error)
{
    return promp_zport_prepare(socket, arg, error);
}

static promp_zport_config_t describe(const promp_serve_t *s, promp_auth_key_t *key)
{
    return (promp_zport_config_t){.endpoint = s->endpoint,
                                  .secret_key = promp_auth_key_show(key),
                                  .zap_domain = PROMP_AUTH_DOMAIN,
                                  .peers = s->peers_most};
}

/* Proves that strangers are turned away from a port with this key. */
static promp_err_t test_key(promp_serve_t *s, promp_auth_key_t *key, promp_error_t *error)
{
    promp_zport_config_t config = describe(s, key);
    promp_err_t code;

    atomic_store(&s->testing, true);
    code = promp_auth_selftest(s->context, prepare, &config, promp_auth_key_public(key), PROMP_TIME_SELFTEST,
                               error);
    atomic_store(&s->testing, false);
    promp_auth_key_hide(key);
    return code;
}

/* libzmq closes a port behind our back, so an address that was ours may be taken for a moment (patience, ms). */
static promp_err_t listen_with(promp_serve_t *s, promp_auth_key_t *key, int64_t patience,
                               promp_error_t *error)
{
    const promp_zport_config_t config = describe(s, key);
    const int64_t until = promp_clock_ms() + patience;
    promp_err_t code;

    while ((code = promp_zport_new(s->context, &config, &s->port, error)) == PROMP_ERR_PORT_TAKEN &&
           promp_clock_ms() < until)
        poll(NULL, 0, BIND_PACE);
    promp_auth_key_hide(key);
    return code;
}

promp_err_t promp_serve_port_open(promp_serve_t *s, promp_error_t *error)
{
    promp_auth_key_t *key;
    promp_err_t code = promp_auth_broker_load(s->folder, s->passphrase, (int64_t)time(NULL), &key, error);

    if (code == PROMP_ERR_KEY_MISSING)
        return promp_error_set(error, code, 0, "%s is not there; make it with `promp-auth init`", SECRET);
    if (code == PROMP_ERR_KEY_LOCKED)
        return promp_error_set(error, code, 0, "--passphrase-file or --passphrase-fd unlocks it");
    if (code)
        return code;
    strcpy(s->endpoint, s->config.listen);
    s->peers_most = count_peers(s);
    code = test_key(s, key, error);
    if (!code)
        code = listen_with(s, key, 0, error);
    promp_auth_key_destroy(&key);
    if (code)
        return code;
    /* As it was asked for, with the port that it became. */
    const char *port = strrchr(promp_zport_endpoint(s->port), ':');
    char *end = strrchr(s->endpoint, ':');
    snprintf(end, sizeof s->endpoint - (size_t)(end - s->endpoint), "%s", port);
    return look_at_key(s, &s->key, error);
}

/* --- figures --- */

void promp_serve_port_count(const promp_serve_t *s, promp_broker_counters_t *counters)
{
    promp_zport_counters_t now;

    promp_zport_count(s->port, &now);
    counters->connections = now.peers;
    counters->connections_limit = s->peers_most;
    counters->refused_key = s->before.handshake_denied + now.handshake_denied;
    counters->refused_stranger = s->before.handshake_broken + now.handshake_broken;
    counters->refused_cut = s->before.handshake_cut + now.handshake_cut;
    counters->refused_limit = s->before.refused + now.refused;
    counters->refused_descriptors = s->before.accept_failed + now.accept_failed;
}

/* What the port has counted outlives it. */
static void close_port(promp_serve_t *s)
{
    promp_zport_counters_t now;

    promp_zport_count(s->port, &now);
    s->before.handshake_denied += now.handshake_denied;
    s->before.handshake_broken += now.handshake_broken;
    s->before.handshake_cut += now.handshake_cut;
    s->before.refused += now.refused;
    s->before.accept_failed += now.accept_failed;
    promp_zport_destroy(&s->port);
}

/* --- the next key --- */

/* All peers lose their connection, and come back to the new key. */
static void change_port(promp_serve_t *s, promp_auth_key_t *key, int64_t now)
{
    promp_error_t error = {0};

    promp_err_t code = test_key(s, key, &error);
    if (!code) {
        promp_serve_peers_drop_all(s, now);
        close_port(s);
        code = listen_with(s, key, BIND_TIME, &error);
    }
    if (!code)
        return;
    promp_serve_say(s, PROMP_LOG_ERROR, code, "%s", error.text);
    s->ended = true;
    s->error = code;
}

/* Tools hold the folder's lock for a moment only: we come back rather than wait. */
static bool is_locked(int folder)
{
    promp_error_t error;
    int lock;

    if (promp_auth_folder_lock(folder, 0, &lock, &error))
        return true;
    close(lock);
    return false;
}

/* What is served is another key than the folder's. */
static void change_key(promp_serve_t *s, const promp_auth_broker_info_t *info, int64_t now)
{
    promp_auth_key_t *key;
    promp_error_t error = {0};

    s->key_retry = now;
    if (is_locked(s->folder))
        return;
    promp_err_t code = promp_auth_broker_load(s->folder, s->passphrase, (int64_t)time(NULL), &key, &error);
    if (code) {
        promp_serve_say(s, PROMP_LOG_ERROR, code,
                        "%s; the broker's key should change, the one before is still served", error.text);
        s->key_retry = now + KEY_PAUSE;
        return;
    }
    promp_serve_say(s, PROMP_LOG_INFO, PROMP_OK,
                    "the broker's key changes, its peers come back with the new one");
    change_port(s, key, now);
    promp_auth_key_destroy(&key);
    s->key = *info;
    s->key_retry = 0;
}

static void look(promp_serve_t *s, int64_t now)
{
    promp_auth_broker_info_t info;
    promp_error_t error = {0};
    promp_err_t code = look_at_key(s, &info, &error);

    s->key_retry = code ? now + KEY_PAUSE : 0;
    if (code) {
        promp_serve_say(s, PROMP_LOG_ERROR, code, "%s; the broker's key stays as it is", error.text);
        return;
    }
    if (memcmp(info.key, s->key.key, sizeof info.key) != 0) {
        change_key(s, &info, now);
        return;
    }
    const bool news = info.has_next != s->key.has_next || info.change != s->key.change ||
                      memcmp(info.next, s->key.next, sizeof info.next) != 0;
    s->key = info;
    if (news)
        promp_serve_peers_next_key(s, NULL);
}

void promp_serve_port_look(promp_serve_t *s, int64_t now)
{
    promp_serve_stamp_t stamp[2];
    const bool due = s->key.has_next && (int64_t)time(NULL) >= s->key.change;

    take_stamps(s->folder, stamp);
    if (!same_stamps(stamp, s->stamp) || (s->key_retry ? now >= s->key_retry : due))
        look(s, now);
}
