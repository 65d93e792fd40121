#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cgroup.h"
#include "spawn_child.h"

promp_err_t promp_spawn_reserve(void)
{
    for (;;) {
        int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

        if (fd < 0)
            return promp_error_from_errno(errno);
        if (fd >= PROMP_SPAWN_FIRST) {
            close(fd);
            return PROMP_OK;
        }
    }
}

/* --- a worker --- */

/* The two ends of everything; what the worker gets is closed by us afterwards. */
typedef struct {
    int life[2];   /* ours, the worker's */
    int out[2][2]; /* pipes: read end, write end */
    int report[2]; /* likewise */
} ends_t;

static const ends_t no_ends = {{-1, -1}, {{-1, -1}, {-1, -1}}, {-1, -1}};

static void shut(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void ends_close(ends_t *e)
{
    int *all[] = {&e->life[0],   &e->life[1],   &e->out[0][0], &e->out[0][1],
                  &e->out[1][0], &e->out[1][1], &e->report[0], &e->report[1]};

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        shut(all[i]);
}

static promp_err_t ends_make(ends_t *e, promp_error_t *error)
{
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, e->life) < 0 || pipe2(e->out[0], O_CLOEXEC) < 0 ||
        pipe2(e->out[1], O_CLOEXEC) < 0 || pipe2(e->report, O_CLOEXEC) < 0 ||
        fcntl(e->report[0], F_SETFL, O_NONBLOCK) < 0)
        return promp_error_set(error, promp_error_from_errno(errno), errno, "pipes of a worker");
    return PROMP_OK;
}

promp_err_t promp_spawn_worker(const promp_spawn_order_t *order, promp_spawn_t *spawn, promp_error_t *error)
{
    promp_spawn_words_t words;
    ends_t ends = no_ends;
    promp_err_t code = promp_spawn_words_make(&words, order, error);

    if (!code)
        code = ends_make(&ends, error);
    if (code)
        goto out;

    promp_spawn_child_t child = {.words = &words,
                                 .order = order,
                                 .fds = {-1, ends.out[0][1], ends.out[1][1], order->link, ends.life[1],
                                         ends.out[0][0], ends.out[1][0]},
                                 .report = ends.report[1],
                                 .keeper = getpid()};

    spawn->pid = promp_cgroup_fork(order->group, &child.outside);
    if (spawn->pid == 0)
        promp_spawn_child(&child);
    if (spawn->pid < 0) {
        code = promp_error_set(error, errno == EAGAIN ? PROMP_ERR_PROCESSES : promp_error_from_errno(errno),
                               errno, "%s", words.program);
        spawn->pid = 0;
        goto out;
    }
    spawn->lifeline = ends.life[0];
    spawn->output[0] = ends.out[0][0];
    spawn->output[1] = ends.out[1][0];
    spawn->report = ends.report[0];
    spawn->scratch = !words.folder;
    ends.life[0] = ends.out[0][0] = ends.out[1][0] = ends.report[0] = -1; /* spawn has them now */
out:
    ends_close(&ends);
    promp_spawn_words_free(&words);
    return code;
}

promp_spawn_state_t promp_spawn_look(promp_spawn_t *spawn)
{
    promp_error_t why;
    ssize_t n;

    if (spawn->failed)
        return PROMP_SPAWN_FAILS;
    if (spawn->report < 0)
        return PROMP_SPAWN_RUNS;
    do
        n = read(spawn->report, &why, sizeof why);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN)
        return PROMP_SPAWN_WAITS;
    shut(&spawn->report);
    if (n != sizeof why) /* the whole of it comes at once, or its end */
        return PROMP_SPAWN_RUNS;
    spawn->failed = true;
    spawn->why = malloc(sizeof why);
    if (spawn->why)
        *spawn->why = why;
    return PROMP_SPAWN_FAILS;
}

void promp_spawn_close(promp_spawn_t *spawn)
{
    shut(&spawn->lifeline);
    shut(&spawn->output[0]);
    shut(&spawn->output[1]);
    shut(&spawn->report);
    free(spawn->why);
    spawn->why = NULL;
}

/* --- an agent --- */

/* Each source lies above every target, so the order does not matter. */
static int plan(posix_spawn_file_actions_t *actions, const int *fds, int count)
{
    int failed = 0;

    for (int i = 0; i < count && !failed; i++)
        failed = posix_spawn_file_actions_adddup2(actions, fds[i], i);
    return failed ? failed : posix_spawn_file_actions_addclosefrom_np(actions, count);
}

static int launch(char *const argv[], const int *fds, int count, const sigset_t *blocked, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t all;
    int failed;

    sigfillset(&all);
    failed = posix_spawn_file_actions_init(&actions);
    if (failed)
        return failed;
    failed = posix_spawnattr_init(&attr);
    if (failed)
        goto err1;
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setsigmask(&attr, blocked);
    posix_spawnattr_setsigdefault(&attr, &all);
    failed = plan(&actions, fds, count);
    if (!failed)
        failed = posix_spawn(pid, "/proc/self/exe", &actions, &attr, argv, environ);
    posix_spawnattr_destroy(&attr);
err1:
    posix_spawn_file_actions_destroy(&actions);
    return failed;
}

promp_err_t promp_spawn_self(char *const argv[], int fd3, int fd4, const sigset_t *blocked, pid_t *pid,
                             promp_error_t *error)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int err = fcntl(2, F_DUPFD_CLOEXEC, PROMP_SPAWN_FIRST);
    const int fds[] = {null, null, err >= 0 ? err : null, fd3, fd4 >= 0 ? fd4 : null};
    int failed = null < 0 ? errno : launch(argv, fds, 5, blocked, pid);

    shut(&null);
    shut(&err);
    return failed ? promp_error_set(error,
                                    failed == EAGAIN ? PROMP_ERR_PROCESSES : promp_error_from_errno(failed),
                                    failed, "starting the agent")
                  : PROMP_OK;
}
