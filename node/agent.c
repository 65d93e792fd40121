#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "agent_shell.h"
#include "limits.h"
#include "local.h"
#include "tree.h"

#define EVENTS     64
#define LAST_WORDS 300  /* ms for what is still to be sent at the end */
#define LAST_KILLS 1000 /* ms for killing workers' trees when the keeper is gone */

bool promp_agent_watch(promp_agent_t *a, int fd, promp_agent_on_t on, uint32_t number, bool add, bool write)
{
    struct epoll_event event = {.events = EPOLLIN | (write ? EPOLLOUT : 0),
                                .data.u64 = (uint64_t)on << 32 | number};

    return epoll_ctl(a->epoll, add ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &event) == 0;
}

void promp_agent_fail(promp_agent_t *a, promp_err_t error)
{
    a->ended = true;
    a->error = error;
}

/* --- the keeper --- */

static void keeper_frames(promp_agent_t *a, promp_err_t *error, int64_t now)
{
    int fds[PROMP_LIMIT_FRAME_FDS];
    promp_frame_t frame;
    bool got;

    while (!(*error = promp_link_next(a->keeper, &frame, fds, &got)) && got) {
        for (size_t i = 1; i < frame.fds; i++)
            close(fds[i]);
        if (frame.type == PROMP_TYPE_ROSTER_END && frame.body.size >= sizeof a->node.b)
            memcpy(a->node.b, frame.body.data, sizeof a->node.b);
        if (frame.type == PROMP_TYPE_SPAWNED || frame.type == PROMP_TYPE_SPAWN_FAILED)
            promp_agent_reserve_done(a);
        promp_agent_core_keeper_frame(a->core, &frame, frame.fds ? fds[0] : -1, now);
        promp_agent_do(a, now);
    }
}

/* A pidfd that cannot be taken is done without: the keeper can still end that worker. */
static promp_err_t keeper_read(promp_agent_t *a, bool *more)
{
    promp_agent_reserve_lend(a);
    promp_err_t error = promp_link_read(a->keeper, more);

    promp_agent_reserve_settle(a);
    return error == PROMP_ERR_DESCRIPTORS ? PROMP_OK : error;
}

static void keeper_ready(promp_agent_t *a, uint32_t events, int64_t now)
{
    promp_err_t end = PROMP_OK, error;
    bool more = true;

    if (!a->keeper)
        return;
    if (events & EPOLLOUT) {
        promp_link_flush(a->keeper);
        promp_agent_watch(a, promp_link_fd(a->keeper), PROMP_AGENT_ON_KEEPER, 0, false, false);
        a->keeper_writing = false;
    }
    while (more && !end) {
        end = keeper_read(a, &more);
        keeper_frames(a, &error, now);
        end = error ? error : end;
    }
    if (!end)
        return;
    if (end != PROMP_ERR_CLOSED && end != PROMP_ERR_FRAME_TRUNCATED) {
        promp_agent_fail(
            a, end); /* not the keeper has ended, and with it all workers: another agent can do better */
        return;
    }
    promp_link_destroy(&a->keeper);
    promp_agent_core_keeper_lost(a->core, now);
    promp_agent_do(a, now);
    if (a->error) {
        promp_log(a->config.log, PROMP_LOG_ERROR, PROMP_ERR_NODE_GONE,
                  "the keeper has ended: all workers are killed");
        promp_tree_kill_all(&a->node, LAST_KILLS);
    }
}

/* --- the loop --- */

/* What was watched under this number when the event came may have gone since, and somebody else be there: so the
 * descriptor itself is asked. */
static bool has_ended(const promp_agent_t *a, uint32_t number)
{
    struct pollfd owner = {.fd = number < a->owners ? a->owner[number] : -1, .events = POLLIN};

    return poll(&owner, 1, 0) > 0 && (owner.revents & POLLIN);
}

static void on_event(promp_agent_t *a, const struct epoll_event *event, int64_t now)
{
    uint32_t number = (uint32_t)event->data.u64;
    struct signalfd_siginfo info;
    uint64_t times;

    switch ((promp_agent_on_t)(event->data.u64 >> 32)) {
    case PROMP_AGENT_ON_LISTEN:
        promp_agent_links_accept(a, now);
        break;
    case PROMP_AGENT_ON_KEEPER:
        keeper_ready(a, event->events, now);
        break;
    case PROMP_AGENT_ON_SIGNAL:
        while (read(a->signals, &info, sizeof info) == sizeof info)
            if (info.ssi_signo == SIGUSR1)
                promp_agent_core_drain(a->core, now);
            else
                promp_agent_core_stop(a->core, now);
        break;
    case PROMP_AGENT_ON_TIMER:
        (void)!read(a->timer, &times, sizeof times);
        a->alarm = PROMP_NEVER;
        break;
    case PROMP_AGENT_ON_LINK:
        promp_agent_links_ready(a, number, event->events, now);
        break;
    case PROMP_AGENT_ON_OWNER:
        if (has_ended(a, number))
            promp_agent_core_owner_died(a->core, number, now);
        break;
    case PROMP_AGENT_ON_BROKER:
        promp_agent_dial_read(a, now);
        break;
    }
    promp_agent_do(a, now);
}

/* Accepts while the core serves. */
static void look_at_door(promp_agent_t *a)
{
    bool serving = a->listening >= 0 && promp_agent_core_serving(a->core);

    if (serving && !a->accepting)
        a->accepting = promp_agent_watch(a, a->listening, PROMP_AGENT_ON_LISTEN, 0, true, false);
    else if (!serving && a->accepting)
        a->accepting = epoll_ctl(a->epoll, EPOLL_CTL_DEL, a->listening, NULL) < 0;
}

/* A time-out of epoll_wait would be set and cleared with each frame that is relayed, and cost more than that frame. This
 * timer is only moved to an earlier time; when it goes off too early nothing is due, and it is set anew. */
static void set_alarm(promp_agent_t *a, int64_t next)
{
    struct itimerspec when = {.it_value = {.tv_sec = next / 1000, .tv_nsec = next % 1000 * 1000000}};

    if (next < a->alarm && timerfd_settime(a->timer, TFD_TIMER_ABSTIME, &when, NULL) == 0)
        a->alarm = next;
}

static void loop(promp_agent_t *a)
{
    struct epoll_event events[EVENTS];

    while (!a->ended) {
        int64_t now = promp_clock_ms(), next, due;
        int count;

        do {
            due = promp_agent_dial_tick(a, now);
            next = promp_agent_core_tick(a->core, now);
        } while (promp_agent_do(a, now));
        next = promp_min64(next, due);
        look_at_door(a);
        if (a->ended)
            break;
        set_alarm(a, next);
        count = epoll_wait(a->epoll, events, EVENTS, next <= now || promp_agent_dial_ready(a) ? 0 : -1);
        now = promp_clock_ms();
        for (int i = 0; i < count && !a->ended; i++)
            on_event(a, &events[i], now);
        if (promp_agent_dial_ready(a) && !a->ended)
            promp_agent_dial_read(a, now);
    }
}

/* Managers shall hear how it ended, but not hold us up. */
static void last_words(promp_agent_t *a)
{
    int64_t until = promp_clock_ms() + LAST_WORDS;
    bool waits = true;

    while (waits && promp_clock_ms() < until) {
        waits = false;
        for (uint32_t i = 0; i < a->lines; i++) {
            promp_agent_line_t *line = promp_agent_links_get(a, i);

            if (line && !promp_link_flush(line->link) && promp_link_wants_write(line->link))
                waits = true;
        }
        if (waits)
            poll(NULL, 0, 5);
    }
}

/* --- from start to end --- */

static promp_err_t begin(promp_agent_t *a, promp_error_t *error)
{
    promp_agent_config_t config = {.uid = getuid(),
                                   .idle = a->config.idle,
                                   .build = promp_local_build(),
                                   .cluster = a->config.folder != NULL,
                                   .offer = a->config.offer};
    promp_id_t random;
    sigset_t set;

    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    a->keeper_pid = getppid();
    a->keeper = promp_link_new(PROMP_AGENT_FD_KEEPER);
    a->listening = config.cluster ? -1 : PROMP_AGENT_FD_LISTEN;
    a->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    a->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    a->epoll = epoll_create1(EPOLL_CLOEXEC);
    a->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    a->alarm = PROMP_NEVER;
    if (!a->keeper || a->signals < 0 || a->epoll < 0 || a->timer < 0 ||
        (!config.cluster &&
         (fcntl(a->listening, F_SETFD, FD_CLOEXEC) < 0 || fcntl(a->listening, F_SETFL, O_NONBLOCK) < 0)))
        return promp_error_set(error, promp_error_from_errno(errno), errno, "starting the agent");
    if (config.cluster && promp_agent_dial_open(a, error)) {
        promp_agent_dial_report(a, error, true);
        return error->code;
    }
    if (!promp_agent_watch(a, PROMP_AGENT_FD_KEEPER, PROMP_AGENT_ON_KEEPER, 0, true, false) ||
        !promp_agent_watch(a, a->signals, PROMP_AGENT_ON_SIGNAL, 0, true, false) ||
        !promp_agent_watch(a, a->timer, PROMP_AGENT_ON_TIMER, 0, true, false) || promp_id_make(&random))
        return promp_error_set(error, PROMP_ERR_SYSTEM, errno, "starting the agent");
    config.seed = promp_get64(random.b);
    a->core = promp_agent_core_new(&config, promp_clock_ms());
    return a->core ? PROMP_OK : promp_error_set(error, PROMP_ERR_MEMORY, 0, NULL);
}

/* Why it has ended; where that is the broker's doing, another agent would fare no better. */
static promp_err_t finished(promp_agent_t *a, promp_error_t *error)
{
    bool brokers =
        a->config.folder && (a->error == PROMP_ERR_VERSION || a->error == PROMP_ERR_CURVE_MISSING ||
                             (a->error >= PROMP_ERR_BROKER_NAME && a->error <= PROMP_ERR_NODE_TWICE));

    if (!a->error)
        return PROMP_OK;
    if (a->error == a->dial.why.code)
        *error = a->dial.why;
    else
        promp_error_set(error, a->error, 0, "%s", brokers ? a->dial.joined.address : "the agent");
    if (brokers)
        promp_agent_dial_report(a, error, true);
    return a->error;
}

promp_err_t promp_agent_run(const promp_agent_run_t *config, promp_error_t *error)
{
    promp_agent_t a = {.config = *config,
                       .epoll = -1,
                       .listening = -1,
                       .signals = -1,
                       .timer = -1,
                       .spare = -1,
                       .given = -1,
                       .dial = {.folder = -1, .number = PROMP_AGENT_NONE}};
    int *fds[] = {&a.epoll, &a.listening, &a.signals, &a.timer, &a.spare};
    promp_err_t code = begin(&a, error);

    if (!code) {
        loop(&a);
        last_words(&a);
        code = finished(&a, error);
    }
    if (a.keeper)
        promp_link_flush(a.keeper);
    promp_agent_dial_free(&a);
    promp_agent_links_free(&a);
    for (size_t i = 0; i < a.owners; i++)
        if (a.owner[i] >= 0)
            close(a.owner[i]);
    free(a.owner);
    promp_agent_reserve_free(&a);
    promp_link_destroy(&a.keeper);
    promp_agent_core_destroy(&a.core);
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++)
        if (*fds[i] >= 0)
            close(*fds[i]);
    return code;
}
