/* What the agent's core decides, done. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent_shell.h"
#include "error.h"
#include "limits.h"
#include "proc.h"

static void on_broken(promp_agent_t *a, uint32_t number, promp_err_t error, int64_t now)
{
    /* A socket that cannot be written to may still have something to read; its end is told by reading. */
    if (error && error != PROMP_ERR_CLOSED && error != PROMP_ERR_SYSTEM)
        promp_agent_core_closed(a->core, number, error, now);
}

static void send_out(promp_agent_t *a, const promp_agent_effect_t *e, int64_t now)
{
    promp_agent_line_t *line = promp_agent_links_get(a, e->link);

    if (promp_agent_dial_is(a, e->link)) {
        on_broken(a, e->link, promp_agent_dial_send(a, e->out, now), now);
        return;
    }
    if (!line)
        return;
    promp_agent_links_cork(a, e->link, line);
    on_broken(a, e->link, promp_link_send(line->link, e->out, NULL, 0, 0), now);
    promp_agent_links_sent(a, e->link, line);
}

/* We hold nobody's descriptors: where it cannot leave at once the frame goes without, and bytes are asked for. */
static promp_err_t lend(promp_agent_t *a, promp_agent_line_t *line, const promp_frame_t *frame)
{
    promp_out_t out = {.frame = *frame, .urgent = true, .parts = 1};
    bool along = a->given >= 0 && !promp_link_queued(line->link);

    out.frame.fds = along;
    out.part[0] = frame->body;
    return promp_link_send(line->link, &out, &a->given, along, 0);
}

static void forward(promp_agent_t *a, const promp_agent_effect_t *e, int64_t now)
{
    promp_agent_line_t *line = promp_agent_links_get(a, e->link);
    promp_err_t error = PROMP_ERR_CLOSED;

    if (promp_agent_dial_is(a, e->link)) {
        error = promp_agent_dial_forward(a, e);
        if (error && e->tag)
            promp_agent_core_flushed(a->core, e->tag, e->frame->size);
        on_broken(a, e->link, error, now);
        return;
    }
    if (line) {
        /* What is no data is said again until it is answered: a reader so slow does not get it twice. */
        if (!e->tag && promp_link_queued(line->link) > PROMP_LIMIT_LINK_QUEUE / 8 * 7)
            return;
        if (e->frame->fds)
            error = lend(a, line, e->frame);
        else {
            promp_agent_links_cork(a, e->link, line);
            error = promp_link_forward(line->link, e->frame, e->urgent, e->tag);
        }
    }
    if (error && e->tag)
        promp_agent_core_flushed(a->core, e->tag, e->frame->size);
    if (line) {
        on_broken(a, e->link, error, now);
        promp_agent_links_sent(a, e->link, line);
    }
}

static void keeper_sent(promp_agent_t *a)
{
    bool writing = promp_link_wants_write(a->keeper);

    if (writing != a->keeper_writing &&
        promp_agent_watch(a, promp_link_fd(a->keeper), PROMP_AGENT_ON_KEEPER, 0, false, writing))
        a->keeper_writing = writing;
}

static void to_keeper(promp_agent_t *a, const promp_agent_effect_t *e, int64_t now)
{
    bool spawn = e->out->frame.type == PROMP_TYPE_SPAWN;
    promp_err_t error = PROMP_OK;
    int ends[2] = {-1, -1};

    if (!a->keeper)
        return;
    if (spawn && promp_link_queued(a->keeper) > PROMP_LIMIT_LINK_QUEUE / 2)
        error = PROMP_ERR_QUEUE_FULL; /* the other half is for what must not be lost */
    else if (spawn)
        error = promp_agent_reserve_add(a);
    if (error) {
        promp_agent_core_closed(a->core, e->link, error, now);
        return;
    }
    if (e->link != PROMP_AGENT_NONE) {
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
            error = promp_error_from_errno(errno);
        else
            error = promp_agent_links_add(a, e->link, ends[0]);
    }
    if (!error)
        error = promp_link_send(a->keeper, e->out, &ends[1], ends[1] >= 0, 0);
    keeper_sent(a);
    if (ends[1] >= 0)
        close(ends[1]);
    if (!error)
        return;
    if (spawn)
        promp_agent_reserve_done(a);
    if (e->link != PROMP_AGENT_NONE)
        promp_agent_core_closed(a->core, e->link, error == PROMP_ERR_CLOSED ? PROMP_ERR_SYSTEM : error, now);
    else if (error != PROMP_ERR_CLOSED)
        promp_agent_fail(
            a, error); /* what the keeper was to know is lost: another agent begins with what is true */
}

/* The group has the number of its first process, which is its own until that one has been waited for. */
static void slay(const promp_agent_effect_t *e)
{
    if (promp_proc_signal(e->handle, SIGKILL) == 0)
        kill(-(pid_t)e->pid, SIGKILL);
}

static bool has_room(promp_agent_t *a, uint32_t number)
{
    size_t owners = a->owners ? a->owners : 16;
    int *grown;

    while (owners <= number)
        owners *= 2;
    if (owners == a->owners)
        return true;
    grown = reallocarray(a->owner, owners, sizeof *grown);
    if (!grown)
        return false;
    for (size_t i = a->owners; i < owners; i++)
        grown[i] = -1;
    a->owner = grown;
    a->owners = owners;
    return true;
}

static void watch(promp_agent_t *a, const promp_agent_effect_t *e, int64_t now)
{
    int pidfd = promp_proc_pidfd((pid_t)e->pid);
    bool gone = pidfd < 0 && errno == ESRCH;
    promp_proc_t proc;

    if (pidfd >= 0 && !promp_proc_read((pid_t)e->pid, &proc))
        gone = errno == ENOENT || errno == ESRCH;
    else if (pidfd >= 0 && proc.start != e->start)
        gone = true;
    else if (pidfd >= 0 && has_room(a, e->owner) &&
             promp_agent_watch(a, pidfd, PROMP_AGENT_ON_OWNER, e->owner, true, false)) {
        a->owner[e->owner] = pidfd;
        return;
    }
    if (pidfd >= 0)
        close(pidfd);
    if (gone) {
        promp_agent_core_owner_died(a->core, e->owner, now);
        return;
    }
    promp_agent_links_full(a, now);
    promp_agent_core_owner_unwatched(a->core, e->owner, now);
}

static void unwatch(promp_agent_t *a, uint32_t owner)
{
    if (owner >= a->owners || a->owner[owner] < 0)
        return;
    close(a->owner[owner]);
    a->owner[owner] = -1;
}

/* Only while it is our parent: its number may belong to somebody else afterwards. */
static void kill_keeper(promp_agent_t *a)
{
    promp_log(a->config.log, PROMP_LOG_ERROR, PROMP_ERR_SILENT, "the keeper does not answer: the node ends");
    if (getppid() == a->keeper_pid)
        kill(a->keeper_pid, SIGKILL);
}

bool promp_agent_do(promp_agent_t *a, int64_t now)
{
    promp_agent_effect_t e;
    bool any = false;

    for (; promp_agent_core_next(a->core, &e); any = true)
        switch (e.kind) {
        case PROMP_AGENT_SEND:
            send_out(a, &e, now);
            break;
        case PROMP_AGENT_FORWARD:
            forward(a, &e, now);
            break;
        case PROMP_AGENT_CLOSE:
            if (promp_agent_dial_is(a, e.link))
                promp_agent_dial_close(a, e.error);
            else
                promp_agent_links_close(a, e.link);
            break;
        case PROMP_AGENT_TO_KEEPER:
            to_keeper(a, &e, now);
            break;
        case PROMP_AGENT_SLAY:
            slay(&e);
            break;
        case PROMP_AGENT_DROP:
            close(e.handle);
            break;
        case PROMP_AGENT_WATCH:
            watch(a, &e, now);
            break;
        case PROMP_AGENT_UNWATCH:
            unwatch(a, e.owner);
            break;
        case PROMP_AGENT_DIAL:
            promp_agent_dial_begin(a, e.link, now);
            break;
        case PROMP_AGENT_KILL_KEEPER:
            kill_keeper(a);
            break;
        case PROMP_AGENT_END:
            a->ended = true;
            a->error = e.error;
            break;
        }
    return any;
}
