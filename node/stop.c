#include "stop.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include "auth_file.h"
#include "cluster.h"
#include "detach.h"
#include "local.h"
#include "proc.h"

#define MARK_TIME 5000 /* ms that a node may take from its lock to its mark: joining, reading its key */
#define PACE      20   /* ms between looks */

void promp_stop_mark(int lock)
{
    struct flock mark = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    (void)fcntl(lock, F_SETLK, &mark);
}

/* The process that has marked the file; 0: none, -1: it is not in our namespace. */
static pid_t holder(int lock)
{
    struct flock mark = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    if (fcntl(lock, F_GETLK, &mark) < 0 || mark.l_type == F_UNLCK)
        return 0;
    return mark.l_pid > 0 ? mark.l_pid : -1;
}

/* Whether somebody has the flock. */
static bool is_served(int lock)
{
    bool served = flock(lock, LOCK_SH | LOCK_NB) < 0;

    if (!served)
        flock(lock, LOCK_UN);
    return served;
}

/* A pidfd of the node, *pid its number; -1: there is none (any more), or *error. */
static int find(int lock, const char *path, pid_t *pid, promp_error_t *error)
{
    int64_t until = promp_clock_ms() + MARK_TIME;
    int node;

    for (;;) {
        *pid = holder(lock);
        node = *pid > 0 ? promp_proc_pidfd(*pid) : -1;
        if (node >= 0 && holder(lock) == *pid)
            return node; /* the number has not become another's */
        if (node >= 0)
            close(node);
        if (*pid <= 0 && !is_served(lock))
            return -1;
        if (*pid < 0 || promp_clock_ms() >= until) {
            promp_error_set(
                error, PROMP_ERR_NODE_RUNS, 0,
                "%s is held where this program cannot see it, in a container or on another machine", path);
            return -1;
        }
        poll(NULL, 0, PACE);
    }
}

static promp_err_t end(int node, pid_t pid, bool drains, promp_error_t *error)
{
    struct pollfd ended = {.fd = node, .events = POLLIN};

    if (promp_proc_signal(node, SIGTERM) < 0 && errno != ESRCH)
        return promp_error_set(error, promp_error_from_errno(errno), errno, "ending promp-node %ld",
                               (long)pid);
    printf("waits for promp-node %ld, %s\n", (long)pid,
           drains ? "which ends when its workers have ended, at the latest after its --drain-timeout; at "
                    "once where it has been signalled before"
                  : "which ends its workers");
    fflush(stdout);
    while (poll(&ended, 1, -1) < 0 && errno == EINTR)
        ;
    puts("it has ended");
    return PROMP_OK;
}

static promp_err_t stop(int lock, const char *path, bool drains, promp_error_t *error)
{
    pid_t pid;

    *error = (promp_error_t){0};

    int node = find(lock, path, &pid, error);

    if (node < 0 && !error->code)
        puts("no node");
    if (node < 0)
        return error->code;
    end(node, pid, drains, error);
    close(node);
    return error->code;
}

/* The lock of this user's local node, or of the cluster's node of a folder; *path for people. -1: not there, or *error. */
static int open_lock(const promp_options_t *options, char path[PROMP_LIMIT_PATH + 32], promp_error_t *error)
{
    char given[PROMP_LIMIT_PATH + 1];
    promp_local_t local;
    int folder = AT_FDCWD, lock;

    *error = (promp_error_t){0};
    if (options->what == PROMP_OPTIONS_LOCAL) {
        if (promp_local_find(&local, false, error))
            goto none;
        snprintf(path, PROMP_LIMIT_PATH + 32, "%s", local.lock);
        lock = open(local.lock, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    } else {
        if (promp_auth_folder_path(options->config, given, error) ||
            promp_auth_folder_open(given, false, &folder, error))
            goto none;
        snprintf(path, PROMP_LIMIT_PATH + 32, "%s/" PROMP_CLUSTER_LOCK, given);
        lock = openat(folder, PROMP_CLUSTER_LOCK, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        int failed = errno;
        close(folder);
        errno = failed;
    }
    if (lock < 0 && errno != ENOENT)
        promp_error_set(error, promp_error_from_errno(errno), errno, "%s", path);
    return lock;
none:
    if (error->code == PROMP_ERR_NODE_GONE || error->code == PROMP_ERR_KEY_MISSING)
        *error = (promp_error_t){0};
    return -1;
}

int promp_stop_run(const promp_options_t *options)
{
    char path[PROMP_LIMIT_PATH + 32];
    promp_error_t error;
    int lock = open_lock(options, path, &error);

    if (lock >= 0) {
        stop(lock, path, options->what == PROMP_OPTIONS_CLUSTER, &error);
        close(lock);
    } else if (!error.code) {
        puts("no node");
    }
    if (error.code)
        promp_detach_complain(&error);
    return promp_detach_code(error.code);
}
