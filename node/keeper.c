#include "keeper.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "keeper_inside.h"
#include "limits.h"
#include "notify.h"
#include "tree.h"

#define OOM_PACE   1000 /* ms between looks at how many the kernel has killed for want of memory */
#define AGENT_TIME 1000 /* ms that an agent has to end by itself at the end of the node */
#define LAST_TIME  3000 /* ms for killing whatever is left then */

static void close_all(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        close(fds[i]);
}

/* For the operator, so no matter of the core's. */
static void on_report(promp_keeper_t *k, const promp_frame_t *frame)
{
    promp_message_t m;
    char text[sizeof k->over.text];

    if (promp_message_decode(frame->type, frame->body, PROMP_WHO_NODE, PROMP_WHO_KEEPER, PROMP_AT_UP,
                             PROMP_VERSION_HIGH, &m))
        return;
    snprintf(text, sizeof text, "%.*s", (int)m.report.text.size, (const char *)m.report.text.data);
    if (m.report.over) {
        k->over.code = (promp_err_t)m.report.error;
        memcpy(k->over.text, text, sizeof text);
    } else if (k->config.report) {
        k->config.report(k->config.arg, (promp_err_t)m.report.error, text);
    }
}

static bool may_drain(const promp_keeper_t *k)
{
    return k->config.drain != PROMP_NEVER && k->drained == PROMP_NEVER;
}

/* Each agent is told, as it may be another one that sees the last worker end. */
static void drain(promp_keeper_t *k, const char *why, int64_t now)
{
    promp_log(k->config.log, PROMP_LOG_INFO, PROMP_OK,
              "%s: the node drains: it takes no more workers and ends when the last has ended", why);
    promp_notify("STOPPING=1");
    k->drained = now + k->config.drain;
    promp_keeper_effects_signal_agent(k, SIGUSR1);
}

static void on_frame(promp_keeper_t *k, const promp_frame_t *frame, const int *fds, int64_t now)
{
    if (frame->type == PROMP_TYPE_REPORT) {
        on_report(k, frame);
        close_all(fds, frame->fds);
        return;
    }
    if (frame->type == PROMP_TYPE_LEAVE && !frame->fds && !frame->body.size) {
        if (may_drain(k))
            drain(k, "the broker's operator takes it out", now);
        return;
    }
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

/* --- the loop --- */

static void stop(promp_keeper_t *k, int64_t now)
{
    if (!k->stopping)
        promp_notify("STOPPING=1");
    k->stopping = true;
    k->drained = PROMP_NEVER - 1; /* a SIGTERM that comes yet is one more */
    promp_keeper_core_stop(k->core, now);
    promp_keeper_effects_do(k, now);
}

static void read_signals(promp_keeper_t *k, int64_t now)
{
    struct signalfd_siginfo info;

    while (read(k->signals, &info, sizeof info) == sizeof info) {
        if (info.ssi_signo == SIGCHLD)
            continue; /* all are looked at, below */
        char why[32];

        snprintf(why, sizeof why, "signal %u", info.ssi_signo);
        bool first = info.ssi_signo == SIGTERM && !k->asked;

        k->asked = true;
        if (first && may_drain(k)) {
            drain(k, why, now);
        } else if (first && k->drained != PROMP_NEVER && !k->stopping) { /* the operator has asked for it */
            promp_log(k->config.log, PROMP_LOG_INFO, PROMP_OK, "%s: the node drains already", why);
        } else {
            promp_log(k->config.log, PROMP_LOG_INFO, PROMP_OK, "%s: the node ends", why);
            stop(k, now);
        }
    }
    read_agent(k, now); /* a SLAY that explains a death was sent before it */
    promp_keeper_reap(k, now);
}

static int wait_ms(int64_t until, int64_t now)
{
    int64_t ms = until <= now ? 0 : until - now;

    return ms > 60000 ? 60000 : (int)ms;
}

static void wait_for(promp_keeper_t *k, int ms)
{
    struct pollfd *fds = k->polls;
    bool started = false;

    fds[0] = (struct pollfd){k->signals, POLLIN, 0};
    fds[1] = (struct pollfd){-1, POLLIN, 0};
    if (k->link && !k->link_over) {
        fds[1].fd = promp_link_fd(k->link);
        if (promp_link_wants_write(k->link))
            fds[1].events |= POLLOUT;
    }
    size_t starting = promp_keeper_starts_poll(k, fds + PROMP_KEEPER_POLLS);

    poll(fds, PROMP_KEEPER_POLLS + starting, ms);
    for (size_t i = 0; i < starting; i++)
        started |= fds[PROMP_KEEPER_POLLS + i].revents != 0;
    short signals = fds[0].revents, agent = fds[1].revents; /* k->polls may move */
    int64_t now = promp_clock_ms();

    if (started)
        promp_keeper_starts_ready(k, now);
    if (agent & POLLOUT)
        promp_link_flush(k->link);
    if (agent)
        read_agent(k, now);
    if (signals)
        read_signals(k, now);
    if (now - k->oom_seen >= OOM_PACE)
        promp_keeper_reap_memory(k, now);
}

static void loop(promp_keeper_t *k)
{
    while (!k->ended) {
        int64_t now = promp_clock_ms(), next;

        do
            next = promp_keeper_core_tick(k->core, now);
        while (promp_keeper_effects_do(k, now));
        promp_keeper_scratch_go(k);
        if (now >= k->drained && !k->stopping) {
            promp_log(k->config.log, PROMP_LOG_WARNING, PROMP_OK, "workers are left, and are ended");
            stop(k, now);
            continue;
        }
        if (now - k->watched >= k->watchdog) {
            promp_notify("WATCHDOG=1");
            k->watched = now;
        }
        next = promp_min64(next, k->drained);
        if (k->watchdog != PROMP_NEVER)
            next = promp_min64(next, k->watched + k->watchdog);
        if (!k->ended)
            wait_for(k, wait_ms(next, now));
    }
}

/* --- the end --- */

static bool nobody_known(void *arg, pid_t pid)
{
    promp_keeper_t *k = arg;

    return pid == k->agent || promp_keeper_scratch_cleaner(k, pid, false);
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
            promp_keeper_scratch_cleaner(k, pid, true);
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
    if (k->config.socket)
        unlink(k->config.socket); /* whoever comes now starts a node of his own */
    if (k->config.listening >= 0)
        close(k->config.listening);
    promp_link_destroy(&k->link);
    last_children(k);
    for (size_t i = 0; i < k->workers; i++)
        promp_keeper_starts_clean(k, &k->worker[i]);
    promp_keeper_scratch_end(k);
    promp_cgroup_close(&k->cgroup);
    free(k->worker);
    free(k->polls);
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
    k->polls = calloc(PROMP_KEEPER_POLLS, sizeof *k->polls);
    if (k->signals < 0 || !k->polls)
        return promp_error_set(error, promp_error_from_errno(errno), errno, "starting the keeper");
    getrlimit(RLIMIT_NOFILE, &k->files);
    all = k->files;
    all.rlim_cur = all.rlim_max;
    setrlimit(RLIMIT_NOFILE, &all);
    if (promp_id_make(&k->node) || promp_id_make(&random))
        return promp_error_set(error, PROMP_ERR_SYSTEM, errno, "random bits");
    promp_cgroup_open(&k->cgroup);
    promp_keeper_starts_limits(k);
    if (k->config.secret.size) /* of a cluster */
        promp_keeper_scratch_begin(k);
    seed = promp_get64(random.b);
    k->core = promp_keeper_core_new(seed, &k->node, promp_clock_ms());
    return k->core ? PROMP_OK : promp_error_set(error, PROMP_ERR_MEMORY, 0, NULL);
}

promp_err_t promp_keeper_run(const promp_keeper_config_t *config, promp_error_t *error)
{
    promp_keeper_t k = {.drained = PROMP_NEVER,
                        .watchdog = promp_notify_watchdog(),
                        .config = *config,
                        .signals = -1,
                        .cgroup = {.folder = -1},
                        .scratch_lock = -1,
                        .given = -1};
    promp_err_t code = begin(&k, error);

    if (!code) {
        promp_keeper_reap_memory(&k, promp_clock_ms());
        loop(&k);
        if (k.over.code) {
            *error = k.over;
            code = error->code;
        }
    }
    finish(&k);
    return code;
}
