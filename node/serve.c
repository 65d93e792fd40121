#include "serve.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "detach.h"
#include "keeper.h"
#include "limits.h"
#include "local.h"
#include "spawn.h"
#include "stop.h"

#define LOCK_TIME 10000 /* ms to wait for another node to answer, or to let go of the lock */
#define LOCK_PACE 10    /* ms between looks */
#define BACKLOG   1024

/* --- one node per folder --- */

/* OK: the lock is ours, in *lock, or *other: another node answers. Else NODE_RUNS and the like. */
static promp_err_t get_lock(const promp_local_t *local, int *lock, bool *other, promp_error_t *error)
{
    int64_t until = promp_clock_ms() + LOCK_TIME;
    promp_error_t ignored;
    int fd;

    *other = false;
    *lock = open(local->lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (*lock < 0)
        return promp_error_set(error, promp_error_from_errno(errno), errno, "%s", local->lock);
    while (flock(*lock, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return promp_error_set(error, PROMP_ERR_SYSTEM, errno, "locking %s", local->lock);
        if (!promp_local_open(local->socket, &fd, &ignored)) {
            close(fd);
            *other = true;
            return PROMP_OK;
        }
        if (promp_clock_ms() >= until)
            return promp_error_set(error, PROMP_ERR_NODE_RUNS, 0,
                                   "%s is locked, but nobody answers at the socket", local->lock);
        poll(NULL, 0, LOCK_PACE);
    }
    return PROMP_OK;
}

/* Bound under another name first, so that what stands at the path always listens. */
static promp_err_t listen_at(const char *path, int *fd, promp_error_t *error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int n = snprintf(address.sun_path, sizeof address.sun_path, "%s.new", path);

    if (n < 0 || (size_t)n >= sizeof address.sun_path)
        return promp_error_set(error, PROMP_ERR_SOCKET_PATH, 0, "%s", path);
    *fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (*fd < 0)
        return promp_error_set(error, promp_error_from_errno(errno), errno, "socket");
    unlink(address.sun_path);
    if (bind(*fd, (struct sockaddr *)&address, sizeof address) < 0 || chmod(address.sun_path, 0600) < 0 ||
        listen(*fd, BACKLOG) < 0 || rename(address.sun_path, path) < 0) {
        promp_error_set(error, promp_error_from_errno(errno), errno, "%s", path);
        unlink(address.sun_path);
        close(*fd);
        return error->code;
    }
    return PROMP_OK;
}

/* --- serving --- */

static promp_err_t keep(const promp_options_t *options, const promp_local_t *local, int listening,
                        promp_error_t *error)
{
    const promp_log_t log = {
        .fd = 2, .level = options->verbose ? PROMP_LOG_DEBUG : PROMP_LOG_WARNING, .program = "promp-node"};
    char idle[32];
    char *agent[] = {(char *)"promp-node", (char *)"--agent", (char *)"--idle", idle, NULL, NULL};
    const promp_keeper_config_t config = {
        .listening = listening, .socket = local->socket, .agent = agent, .log = &log, .drain = PROMP_NEVER};

    if (options->idle == PROMP_NEVER)
        agent[2] = (char *)"--stay";
    else
        snprintf(idle, sizeof idle, "%" PRId64, options->idle);
    agent[options->idle == PROMP_NEVER ? 3 : 4] = options->verbose ? (char *)"--verbose" : NULL;
    return promp_keeper_run(&config, error);
}

/* All but detaching. ready: where to say so, -1: stdout. */
static promp_err_t serve(const promp_options_t *options, int ready, promp_error_t *error)
{
    promp_local_t local;
    int lock, listening = -1;
    bool other;
    promp_err_t code = promp_local_find(&local, true, error);

    if (code)
        return code;
    code = get_lock(&local, &lock, &other, error);
    if (code || other)
        goto out;
    promp_stop_mark(lock);
    code = listen_at(local.socket, &listening, error);
    if (!code && ready >= 0)
        code = promp_detach_log(AT_FDCWD, local.log, error);
    if (code)
        goto out;
    if (ready >= 0) {
        promp_detach_tell(ready, 0, NULL);
        close(ready);
    } else {
        printf("ready ipc://%s\n", local.socket);
        fflush(stdout);
    }
    return keep(options, &local, listening, error);

out:
    if (!code && ready >= 0)
        promp_detach_tell(ready, 0, NULL);
    else if (!code)
        printf("ready ipc://%s\n", local.socket);
    return code;
}

int promp_serve_run(const promp_options_t *options)
{
    promp_error_t error;
    int ready = -1, code;
    bool first;

    code = (int)promp_spawn_reserve();
    if (code) {
        promp_error_set(&error, (promp_err_t)code, 0, "/dev/null");
        promp_detach_complain(&error);
        return 1;
    }
    if (options->detach) {
        if (promp_detach(&ready, &first, &code, &error)) {
            if (ready >= 0)
                promp_detach_tell(ready, 1, &error);
            else
                promp_detach_complain(&error);
            return 1;
        }
        if (first)
            return code;
    }
    if (chdir("/") == 0 && !serve(options, ready, &error))
        return 0;
    if (ready >= 0)
        promp_detach_tell(ready, 1, &error);
    else
        promp_detach_complain(&error);
    return 1;
}

int promp_serve_status(void)
{
    promp_local_t local;
    promp_error_t error;
    int fd;

    promp_err_t code = promp_local_find(&local, false, &error);
    if (!code)
        code = promp_local_open(local.socket, &fd, &error);
    if (code == PROMP_ERR_NODE_GONE)
        printf("no node\n");
    else if (code)
        promp_detach_complain(&error);
    if (code)
        return 1;
    close(fd);
    printf("ready ipc://%s\n", local.socket);
    return 0;
}
