/* What the keeper's core decides, done. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "keeper_inside.h"
#include "proc.h"
#include "tail.h"
#include "tree.h"

static void warn(const promp_keeper_t *k, const promp_error_t *error)
{
    promp_log(k->config.log, PROMP_LOG_WARNING, error->code, "%s", error->text);
}

void promp_keeper_effects_signal_agent(const promp_keeper_t *k, int signal)
{
    if (k->agent > 0)
        kill(k->agent, signal);
}

/* A pipe that has it: neither arguments nor environment nor files are as private. */
static promp_err_t hand_over(promp_slice_t secret, int *from, promp_error_t *error)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) < 0)
        return promp_error_set(error, promp_error_from_errno(errno), errno, "a pipe to the agent");
    ssize_t n = write(ends[1], secret.data, secret.size); /* a pipe takes more than it can have */

    close(ends[1]);
    *from = ends[0];
    if (n == (ssize_t)secret.size)
        return PROMP_OK;
    close(ends[0]);
    return promp_error_set(error, PROMP_ERR_SYSTEM, errno, "a pipe to the agent");
}

static void start_agent(promp_keeper_t *k, int64_t now)
{
    promp_error_t error;
    sigset_t held;
    int ends[2], given = k->config.listening;

    sigemptyset(&held); /* until the agent asks for them: they must neither end it nor be lost */
    sigaddset(&held, SIGTERM);
    sigaddset(&held, SIGINT);
    sigaddset(&held, SIGHUP);
    sigaddset(&held, SIGUSR1);
    promp_link_destroy(&k->link);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
        promp_error_set(&error, promp_error_from_errno(errno), errno, "a link to the agent");
        goto err1;
    }
    k->link = promp_link_new(ends[0]);
    if (!k->link) {
        promp_error_set(&error, PROMP_ERR_MEMORY, 0, NULL);
        goto err2;
    }
    if (k->config.secret.size && hand_over(k->config.secret, &given, &error))
        goto err2;
    promp_err_t failed = promp_spawn_self(k->config.agent, ends[1], given, &held, &k->agent, &error);

    if (given != k->config.listening)
        close(given);
    if (failed)
        goto err2;
    close(ends[1]);
    if (k->drained != PROMP_NEVER)
        promp_keeper_effects_signal_agent(k, SIGUSR1);
    k->link_over = false;
    promp_log(k->config.log, PROMP_LOG_INFO, PROMP_OK, "agent %d started", (int)k->agent);
    promp_keeper_core_agent_up(k->core, now);
    return;

err2:
    close(ends[1]);
    promp_link_destroy(&k->link);
err1:
    k->agent = 0;
    warn(k, &error);
    promp_keeper_core_agent_down(k->core, now);
}

/* One byte with the descriptor; a lifeline that takes nothing belongs to a worker that will be found dead or mute. */
static void relink(promp_keeper_t *k, uint32_t number)
{
    char byte = 'L';
    struct iovec iov = {&byte, 1};
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct msghdr m = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control.bytes,
                       .msg_controllen = sizeof control.bytes};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);

    if (k->given < 0)
        return; /* lost on its way: the agent tries again */
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &k->given, sizeof(int));
    if (sendmsg(k->worker[number].lifeline, &m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        promp_log(k->config.log, PROMP_LOG_WARNING, PROMP_ERR_SYSTEM, "no new link for worker %d",
                  (int)k->worker[number].pid);
}

/* Only while its first process has not been waited for: until then the number is its own. */
static void slay(promp_keeper_t *k, uint32_t number)
{
    if (!promp_keeper_core_lives(k->core, number))
        return;
    kill(k->worker[number].pid, SIGKILL);
    kill(-k->worker[number].pid, SIGKILL);
    promp_cgroup_kill(&k->cgroup, k->worker[number].serial);
}

static bool known(void *arg, pid_t pid)
{
    promp_keeper_t *k = arg;

    return pid == k->agent || promp_keeper_core_by_pid(k->core, (uint32_t)pid) != PROMP_KEEPER_NONE ||
           promp_keeper_scratch_cleaner(k, pid, false);
}

static bool stray(void *arg, pid_t session, uint64_t serial)
{
    promp_keeper_t *k = arg;

    for (uint32_t i = 0; i < k->workers; i++)
        if (k->worker[i].pid && (k->worker[i].serial == serial || k->worker[i].pid == session))
            return !promp_keeper_core_lives(k->core, i);
    /* Of a worker that is gone; or it hides whose it is, and then it may stay as long as it may belong to somebody. */
    return serial || !promp_keeper_core_living(k->core);
}

static void sweep(promp_keeper_t *k, int64_t now)
{
    const promp_tree_judge_t judge = {known, stray, k};
    size_t left = promp_tree_sweep(&k->node, &judge);

    for (uint32_t i = 0; k->cgroup.folder >= 0 && i < k->workers; i++)
        if (k->worker[i].pid && !promp_keeper_core_lives(k->core, i))
            left += promp_cgroup_kill(&k->cgroup, k->worker[i].serial);
    promp_keeper_core_swept(k->core, left, now);
}

static void collect(promp_keeper_t *k, uint32_t number)
{
    promp_spawn_t *worker = &k->worker[number];
    promp_buf_t tail = {0};

    promp_tail_read(worker->output, &tail);
    promp_keeper_starts_clean(k, worker);
    promp_keeper_core_collected(k->core, number, promp_slice(tail.data, tail.size));
    promp_buf_free(&tail);
}

static void to_agent(promp_keeper_t *k, const promp_keeper_effect_t *e)
{
    int pidfd = e->worker == PROMP_KEEPER_NONE ? -1 : promp_proc_pidfd(k->worker[e->worker].pid);
    promp_err_t error = k->link ? promp_link_send(k->link, e->out, &pidfd, pidfd >= 0, 0) : PROMP_OK;

    if (error == PROMP_ERR_DESCRIPTORS) /* rather without it than not at all */
        error = promp_link_send(k->link, e->out, NULL, 0, 0);
    /* What it does not hear of would be wrong with it for ever; the next one hears all. (CLOSED: it has ended.) */
    if (error && error != PROMP_ERR_CLOSED) {
        promp_log(k->config.log, PROMP_LOG_WARNING, error, "agent %d cannot be told: it is replaced",
                  (int)k->agent);
        promp_keeper_effects_signal_agent(k, SIGKILL);
    }
    if (pidfd >= 0)
        close(pidfd);
}

bool promp_keeper_effects_do(promp_keeper_t *k, int64_t now)
{
    promp_keeper_effect_t e;
    bool any = false;

    for (; promp_keeper_core_next(k->core, &e); any = true)
        switch (e.kind) {
        case PROMP_KEEPER_START_AGENT:
            start_agent(k, now);
            break;
        case PROMP_KEEPER_KILL_AGENT:
            promp_log(k->config.log, PROMP_LOG_WARNING, PROMP_ERR_SILENT, "agent %d is replaced",
                      (int)k->agent);
            promp_keeper_effects_signal_agent(k, SIGKILL);
            break;
        case PROMP_KEEPER_STOP_AGENT:
            promp_keeper_effects_signal_agent(k, SIGTERM);
            break;
        case PROMP_KEEPER_SPAWN:
            promp_keeper_starts_begin(k, &e, now);
            break;
        case PROMP_KEEPER_RELINK:
            relink(k, e.worker);
            break;
        case PROMP_KEEPER_SLAY:
            slay(k, e.worker);
            break;
        case PROMP_KEEPER_SWEEP:
            sweep(k, now);
            break;
        case PROMP_KEEPER_COLLECT:
            collect(k, e.worker);
            break;
        case PROMP_KEEPER_TO_AGENT:
            to_agent(k, &e);
            break;
        case PROMP_KEEPER_END:
            k->ended = true;
            break;
        }
    return any;
}
