#include "cluster.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "auth_file.h"
#include "auth_joined.h"
#include "auth_read.h"
#include "detach.h"
#include "keeper.h"
#include "notify.h"
#include "spawn.h"
#include "stop.h"

#define LOCK PROMP_CLUSTER_LOCK /* files in the folder */
#define LOG  "node.log"
#define ROLE PROMP_AUTH_NODE

typedef struct {
    const promp_options_t *options;
    char path[PROMP_LIMIT_PATH + 1]; /* of the folder, absolute */
    int folder, lock;
    promp_settings_t settings;
    promp_auth_joined_t joined;
    promp_slice_t passphrase; /* while the key is unlocked */
    uint8_t *secret;          /* of the key */
    promp_pythons_t pythons;
    int waiting; /* who waits for us to be ready; -1: nobody (any more) */
    bool ready;
} cluster_t;

/* --- what there is to know before --- */

static promp_err_t open_folder(cluster_t *c, promp_error_t *error)
{
    char given[PROMP_LIMIT_PATH + 1];
    char *whole;

    if (promp_auth_folder_path(c->options->config, given, error) ||
        promp_auth_folder_open(given, c->options->join != NULL, &c->folder, error))
        return error->code;
    whole = realpath(given, NULL); /* an agent starts elsewhere */
    if (!whole || strlen(whole) >= sizeof c->path) {
        free(whole);
        return promp_error_set(error, PROMP_ERR_SYSTEM, errno, "%s", given);
    }
    strcpy(c->path, whole);
    free(whole);
    return PROMP_OK;
}

/* One node for each folder: a broker takes one connection of a key. */
static promp_err_t take_lock(cluster_t *c, promp_error_t *error)
{
    c->lock = openat(c->folder, LOCK, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (c->lock < 0)
        return promp_error_set(error, promp_error_from_errno(errno), errno, "%s/" LOCK, c->path);
    if (flock(c->lock, LOCK_EX | LOCK_NB) == 0)
        return PROMP_OK;
    if (errno != EWOULDBLOCK)
        return promp_error_set(error, PROMP_ERR_SYSTEM, errno, "locking %s/" LOCK, c->path);
    return promp_error_set(error, PROMP_ERR_NODE_RUNS, 0, "%s", c->path);
}

static promp_err_t get_passphrase(cluster_t *c, promp_error_t *error)
{
    const char *source = c->settings.passphrase;
    char descriptor[32];

    if (c->options->passphrase_fd >= 0) {
        snprintf(descriptor, sizeof descriptor, "fd:%d", c->options->passphrase_fd);
        source = descriptor;
    }
    if (!*source)
        return promp_error_set(error, PROMP_ERR_KEY_LOCKED, 0,
                               "the key in %s: --passphrase-file or --passphrase-fd is needed", c->path);
    promp_err_t code = promp_auth_read(source, PROMP_LIMIT_PASSPHRASE, &c->passphrase, error);

    if (c->options->passphrase_fd > 2)
        close(c->options->passphrase_fd);
    if (code)
        return code;
    if (!c->passphrase.size || c->passphrase.size > PROMP_LIMIT_PASSPHRASE)
        return promp_error_set(error, PROMP_ERR_KEY_PASSPHRASE, 0, "it has to have 1 to %d bytes",
                               PROMP_LIMIT_PASSPHRASE);
    return PROMP_OK;
}

/* Agents get it from us: unlocking it may take longer than a new one has, and by then the passphrase may be another one. */
static promp_err_t keep_secret(cluster_t *c, promp_auth_key_t *key, promp_error_t *error)
{
    c->secret = promp_auth_secret_alloc(PROMP_AUTH_KEY_SIZE);
    if (!c->secret)
        return promp_error_set(error, PROMP_ERR_MEMORY, 0, NULL);
    memcpy(c->secret, promp_auth_key_show(key), PROMP_AUTH_KEY_SIZE);
    promp_auth_key_hide(key);
    return PROMP_OK;
}

/* What an agent would stumble over is told now. */
static promp_err_t check_key(cluster_t *c, promp_error_t *error)
{
    const char *name = promp_auth_role_text(ROLE);
    promp_auth_key_info_t info;
    promp_auth_key_t *key = NULL;

    if (promp_auth_joined_load(c->folder, ROLE, &c->joined, error) ||
        promp_auth_key_load(c->folder, name, promp_slice(NULL, 0), NULL, &info, error))
        return error->code;
    if (info.locked && get_passphrase(c, error))
        return error->code;
    promp_err_t code = promp_auth_key_load(c->folder, name, c->passphrase, &key, NULL, error);

    if (!code)
        code = keep_secret(c, key, error);
    promp_auth_key_destroy(&key);
    promp_auth_read_free(&c->passphrase);
    return code;
}

static promp_err_t find_pythons(cluster_t *c, promp_error_t *error)
{
    for (size_t i = 0; i < c->settings.python_count; i++)
        if (promp_pythons_add(&c->pythons, c->settings.python[i], error))
            return error->code;
    if (!c->settings.python_count && promp_pythons_add(&c->pythons, "python3", error) &&
        error->code != PROMP_ERR_PROGRAM_MISSING)
        promp_detach_complain(error); /* it can do without */
    return PROMP_OK;
}

/* OK, or all is said and *code is the exit code. */
static promp_err_t prepare(cluster_t *c, int *code)
{
    promp_error_t error;
    bool joined = false;

    if (open_folder(c, &error) || promp_options_settings(c->options, c->folder, &c->settings, &error) ||
        take_lock(c, &error))
        goto err;
    if (c->options->join) {
        *code = promp_cluster_join(c->options, c->folder);
        if (*code)
            return PROMP_ERR_STATE;
        joined = true;
        if (c->options->join_only)
            return PROMP_ERR_STATE; /* with exit code 0 */
    }
    if (!check_key(c, &error) && !find_pythons(c, &error))
        return PROMP_OK;
err:
    promp_detach_complain(&error);
    if (!joined && (error.code == PROMP_ERR_NO_BROKER || error.code == PROMP_ERR_KEY_MISSING))
        fprintf(stderr, "promp-node: to join a cluster: `promp-auth token node` where its broker is, then "
                        "`promp-node --join -` here\n"
                        "promp-node: to serve this machine's programs alone: `promp-node --local`\n");
    *code = promp_detach_code(error.code);
    return error.code;
}

/* --- serving --- */

static void on_report(void *arg, promp_err_t code, const char *text)
{
    cluster_t *c = arg;
    promp_error_t error = {.code = code};

    if (!code && !c->ready) {
        if (!c->options->detach) {
            printf("ready %s\n", text);
            fflush(stdout);
        }
        promp_notify("READY=1");
        c->ready = true;
    }
    if (c->waiting < 0)
        return;
    snprintf(error.text, sizeof error.text, "%.400s; it keeps trying, see %.100s", text, LOG);
    promp_detach_tell(c->waiting, 0, code ? &error : NULL);
    close(c->waiting);
    c->waiting = -1;
}

static promp_err_t keep(cluster_t *c, promp_error_t *error)
{
    static const char *const levels[] = {"error", "warning", "info", "debug"};
    const promp_settings_t *s = &c->settings;
    const promp_log_t log = {.fd = 2, .level = s->level, .program = "promp-node"};
    char places[16], cpus[16], memory[32], gpus[16], pythons[PROMP_LIMIT_LABELS + 1];
    const char *const agent[] = {
        "promp-node", "--agent",        "--config",  c->path,
        "--places",   places,           "--cpus",    cpus,
        "--memory",   memory,           "--gpus",    gpus,
        "--labels",   s->labels,        "--pythons", promp_pythons_text(&c->pythons, pythons),
        "--log",      levels[s->level], NULL};
    const promp_keeper_config_t config = {.listening = -1,
                                          .agent = (char *const *)(uintptr_t)agent,
                                          .log = &log,
                                          .pythons = &c->pythons,
                                          .secret = promp_slice(c->secret, PROMP_AUTH_KEY_SIZE),
                                          .processes = s->limit_processes,
                                          .cpus_hard = s->limit_cpus,
                                          .drain = s->drain,
                                          .report = on_report,
                                          .arg = c};

    snprintf(places, sizeof places, "%u", s->places);
    snprintf(cpus, sizeof cpus, "%u.%03u", s->cpus / 1000, s->cpus % 1000);
    snprintf(memory, sizeof memory, "%" PRIu64, s->memory);
    snprintf(gpus, sizeof gpus, "%u", s->gpus);
    return promp_keeper_run(&config, error);
}

static promp_err_t serve(cluster_t *c, promp_error_t *error)
{
    if (c->options->detach && promp_detach_log(c->folder, LOG, error))
        return error->code;
    if (chdir("/") < 0)
        return promp_error_set(error, PROMP_ERR_SYSTEM, errno, "/");
    promp_stop_mark(c->lock);
    return keep(c, error);
}

static int run(cluster_t *c)
{
    promp_error_t error;
    bool first = false;
    int code;

    if (prepare(c, &code))
        return code;
    if (c->options->detach) {
        promp_err_t failed = promp_detach(&c->waiting, &first, &code, &error);

        if (first)
            return code;
        if (failed)
            goto err;
    }
    if (!serve(c, &error))
        return 0;
err:
    code = promp_detach_code(error.code);
    if (c->waiting >= 0)
        promp_detach_tell(c->waiting, code, &error);
    if (c->waiting < 0 || c->options->detach)
        promp_detach_complain(&error);
    return code;
}

/* Process 1 of a container is not ended by signals that it does not wait for: they would be lost until the keeper does. Held, they
 * wait for it. */
static void hold_signals(void)
{
    sigset_t set;

    if (getpid() != 1)
        return;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
}

int promp_cluster_run(const promp_options_t *options)
{
    cluster_t *c = calloc(1, sizeof *c);
    promp_error_t error;
    int code = 1;

    if (!c || promp_spawn_reserve()) {
        promp_error_set(&error, c ? PROMP_ERR_DESCRIPTORS : PROMP_ERR_MEMORY, 0, NULL);
        promp_detach_complain(&error);
        goto out;
    }
    hold_signals();
    c->options = options;
    c->folder = c->lock = c->waiting = -1;
    code = run(c);
    promp_auth_read_free(&c->passphrase);
    promp_auth_secret_free(c->secret);
    if (c->lock >= 0)
        close(c->lock);
    if (c->folder >= 0)
        close(c->folder);
out:
    free(c);
    return code;
}
