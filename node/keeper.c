#include "keeper.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cgroup.h"
#include "keeper_inside.h"
#include "limits.h"
#include "proc.h"
#include "tree.h"

#define OOM_PACE   1000 /* ms between looks at how many the kernel has killed for want of memory */
#define AGENT_TIME 1000 /* ms that an agent has to end by itself at the end of the node */
#define LAST_TIME  3000 /* ms for killing whatever is left then */

static void close_all(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        close(fds[i]);
}

static void on_frame(promp_keeper_t *k, const promp_frame_t *frame, const int *fds, int64_t now)
{
    k->given = frame->fds ? fds[0] : -1;
    promp_keeper_core_frame(k->core, frame, now);
    promp_keeper_effects_do(k, now);
    k->given = -1;
    close_all(fds, frame->fds);
}

/* All that the agent has sent. Its end is told by its process, not by its link. */
static void read_agent(promp_keeper_t *k, int64_t now)
{
    int fds[PROMP_LIMIT_FRAME_FDS];
    promp_frame_t frame;
    bool again = true, got;

    while (k->link && !k->link_over && again) {
        promp_err_t error = promp_link_read(k->link, &again);

        /* Without its descriptor a frame is answered with an error, or in vain. */
        if (error && error != PROMP_ERR_DESCRIPTORS)
            k->link_over = true;
        do {
            promp_err_t spoilt = promp_link_next(k->link, &frame, fds, &got);

            if (spoilt)
                k->link_over = true;
            error = spoilt ? spoilt : error;
            if (got)
                on_frame(k, &frame, fds, now);
        } while (got);
        if (k->link_over && error != PROMP_ERR_CLOSED && error != PROMP_ERR_FRAME_TRUNCATED)
            promp_keeper_effects_signal_agent(k, SIGKILL);
    }
}

/* --- children --- */

static bool out_of_memory(promp_keeper_t *k, int64_t now)
{
    uint64_t before = k->oom_kills;

    k->oom_kills = promp_proc_oom_kills();
    k->oom_seen = now;
    return k->oom_kills > before;
}

static void worker_ended(promp_keeper_t *k, uint32_t number, int64_t now)
{
    pid_t pid = k->worker[number].pid;
    promp_keeper_exit_t how = {0};
    struct rusage usage;
    int status;

    kill(-pid, SIGKILL); /* while the number is still its own */
    if (wait4(pid, &status, 0, &usage) != pid)
        return;
    how.memory = (uint64_t)usage.ru_maxrss * PROMP_KIB;
    if (WIFSIGNALED(status))
        how.signal = WTERMSIG(status);
    else
        how.code = WEXITSTATUS(status);
    how.out_of_memory = how.signal == SIGKILL && out_of_memory(k, now);
    promp_log(k->config.log, PROMP_LOG_DEBUG, PROMP_OK, "worker %d ended, code %d, signal %d", (int)pid,
              how.code, how.signal);
    promp_keeper_core_exited(k->core, number, &how, now);
}

static void agent_ended(promp_keeper_t *k, int64_t now)
{
    int status = 0;

    waitpid(k->agent, &status, 0);
    promp_log(k->config.log, k->stopping ? PROMP_LOG_INFO : PROMP_LOG_WARNING, PROMP_OK,
              "agent %d ended, code %d, signal %d", (int)k->agent,
              WIFEXITED(status) ? WEXITSTATUS(status) : 0, WIFSIGNALED(status) ? WTERMSIG(status) : 0);
    k->agent = 0;
    promp_link_destroy(&k->link);
    promp_keeper_core_agent_down(k->core, now);
}

static void reap(promp_keeper_t *k, int64_t now)
{
    read_agent(k, now); /* a SLAY that explains a death was sent before it */
    for (;;) {
        siginfo_t info = {0};
        uint32_t number;

        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || !info.si_pid)
            return;
        number = promp_keeper_core_by_pid(k->core, (uint32_t)info.si_pid);
        if (number != PROMP_KEEPER_NONE)
            worker_ended(k, number, now);
        else if (info.si_pid == k->agent)
            agent_ended(k, now);
        else
            waitpid(info.si_pid, NULL, 0); /* somebody's orphan */
        promp_keeper_effects_do(k, now);
    }
}

static void read_signals(promp_keeper_t *k, int64_t now)
{
    struct signalfd_siginfo info;

    while (read(k->signals, &info, sizeof info) == sizeof info) {
        if (info.ssi_signo == SIGCHLD)
            continue; /* reap looks at all */
        k->stopping = true;
        promp_log(k->config.log, PROMP_LOG_INFO, PROMP_OK, "signal %u: the node ends", info.ssi_signo);
        promp_keeper_core_stop(k->core, now);
        promp_keeper_effects_do(k, now);
    }
    reap(k, now);
}

static int wait_ms(int64_t until, int64_t now)
{
    int64_t ms = until <= now ? 0 : until - now;

    return ms > 60000 ? 60000 : (int)ms;
}

static void loop(promp_keeper_t *k)
{
    while (!k->ended) {
        int64_t now = promp_clock_ms(), next;
        struct pollfd fds[2] = {{k->signals, POLLIN, 0}, {-1, POLLIN, 0}};

        do
            next = promp_keeper_core_tick(k->core, now);
        while (promp_keeper_effects_do(k, now));
        if (k->ended)
            return;
        if (k->link && !k->link_over) {
            fds[1].fd = promp_link_fd(k->link);
            if (promp_link_wants_write(k->link))
                fds[1].events |= POLLOUT;
        }
        poll(fds, 2, wait_ms(next, now));
        now = promp_clock_ms();
        if (fds[1].revents & POLLOUT)
            promp_link_flush(k->link);
        if (fds[1].revents)
            read_agent(k, now);
        if (fds[0].revents)
            read_signals(k, now);
        if (now - k->oom_seen >= OOM_PACE)
            out_of_memory(k, now);
    }
}

/* --- the end --- */

static bool nobody_known(void *arg, pid_t pid)
{
    promp_keeper_t *k = arg;

    return pid == k->agent;
}

static bool all_stray(void *arg, pid_t session, uint64_t serial)
{
    (void)arg;
    (void)session;
    (void)serial;
    return true;
}

/* Waits until no child is left; from the given times on agent and others are killed. */
static void last_children(promp_keeper_t *k)
{
    const promp_tree_judge_t judge = {nobody_known, all_stray, k};
    int64_t begin = promp_clock_ms();

    for (;;) {
        pid_t pid = waitpid(-1, NULL, WNOHANG);

        if (pid < 0 || promp_clock_ms() - begin >= LAST_TIME)
            return;
        if (pid > 0) {
            if (pid == k->agent)
                k->agent = 0;
            continue;
        }
        if (k->agent && promp_clock_ms() - begin >= AGENT_TIME)
            promp_keeper_effects_signal_agent(k, SIGKILL);
        promp_tree_sweep(&k->node, &judge);
        poll(&(struct pollfd){k->signals, POLLIN, 0}, 1, 10);
    }
}

static void finish(promp_keeper_t *k)
{
    unlink(k->config.socket); /* whoever comes now starts a node of his own */
    close(k->config.listening);
    promp_link_destroy(&k->link);
    last_children(k);
    promp_cgroup_close(k->cgroup);
    for (size_t i = 0; i < k->workers; i++)
        if (k->worker[i].pid)
            promp_spawn_close(&k->worker[i]);
    free(k->worker);
    promp_keeper_core_destroy(&k->core);
    if (k->signals >= 0)
        close(k->signals);
}

static promp_err_t begin(promp_keeper_t *k, promp_error_t *error)
{
    struct rlimit all;
    sigset_t set;
    uint64_t seed;
    promp_id_t random;

    prctl(PR_SET_CHILD_SUBREAPER, 1);
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    k->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (k->signals < 0)
        return promp_error_set(error, promp_error_from_errno(errno), errno, "signalfd");
    getrlimit(RLIMIT_NOFILE, &k->files);
    all = k->files;
    all.rlim_cur = all.rlim_max;
    setrlimit(RLIMIT_NOFILE, &all);
    if (promp_id_make(&k->node) || promp_id_make(&random))
        return promp_error_set(error, PROMP_ERR_SYSTEM, errno, "random bits");
    k->cgroup = promp_cgroup_open();
    seed = promp_get64(random.b);
    k->core = promp_keeper_core_new(seed, &k->node, promp_clock_ms());
    return k->core ? PROMP_OK : promp_error_set(error, PROMP_ERR_MEMORY, 0, NULL);
}

promp_err_t promp_keeper_run(const promp_keeper_config_t *config, promp_error_t *error)
{
    promp_keeper_t k = {.config = *config, .signals = -1, .cgroup = -1, .given = -1};
    promp_err_t code = begin(&k, error);

    if (!code) {
        out_of_memory(&k, promp_clock_ms());
        loop(&k);
    }
    finish(&k);
    return code;
}
