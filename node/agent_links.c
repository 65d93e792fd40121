/* Links of managers and workers: accepting, reading, writing. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent_shell.h"
#include "limits.h"
#include "proc.h"

#define ACCEPT_ROUND 16    /* connections taken before others have their turn */
#define FULL_PACE    10000 /* ms between complaints about no descriptors */

promp_agent_line_t *promp_agent_links_get(promp_agent_t *a, uint32_t number)
{
    return number < a->lines ? a->line[number] : NULL;
}

static bool has_room(promp_agent_t *a, uint32_t number)
{
    size_t lines = a->lines ? a->lines : 16;
    promp_agent_line_t **grown;

    while (lines <= number)
        lines *= 2;
    if (lines == a->lines)
        return true;
    grown = reallocarray(a->line, lines, sizeof *grown);
    if (!grown)
        return false;
    memset(grown + a->lines, 0, (lines - a->lines) * sizeof *grown);
    a->line = grown;
    a->lines = lines;
    return true;
}

promp_err_t promp_agent_links_add(promp_agent_t *a, uint32_t number, int fd)
{
    promp_agent_line_t *line = calloc(1, sizeof *line);

    if (!line || !has_room(a, number)) {
        close(fd);
        free(line);
        return PROMP_ERR_MEMORY;
    }
    line->link = promp_link_new(fd);
    if (!line->link) {
        free(line);
        return PROMP_ERR_MEMORY;
    }
    if (!promp_agent_watch(a, fd, PROMP_AGENT_ON_LINK, number, true, false)) {
        promp_link_destroy(&line->link);
        free(line);
        return PROMP_ERR_SYSTEM;
    }
    a->line[number] = line;
    return PROMP_OK;
}

void promp_agent_links_close(promp_agent_t *a, uint32_t number)
{
    promp_agent_line_t *line = promp_agent_links_get(a, number);

    if (!line)
        return;
    promp_link_uncork(line->link);
    promp_link_flush(line->link);
    promp_link_destroy(&line->link);
    free(line);
    a->line[number] = NULL;
}

void promp_agent_links_free(promp_agent_t *a)
{
    for (uint32_t i = 0; i < a->lines; i++)
        promp_agent_links_close(a, i);
    free(a->line);
}

/* --- accepting --- */

/* Told again after a while only: whoever cannot connect tries often. */
void promp_agent_links_full(promp_agent_t *a, int64_t now)
{
    if (now < a->full_until)
        return;
    a->full_until = now + FULL_PACE;
    promp_log(a->config.log, PROMP_LOG_ERROR, PROMP_ERR_DESCRIPTORS, "a connection is turned away: %s",
              promp_error_text(PROMP_ERR_DESCRIPTORS));
}

static void greet(promp_agent_t *a, int fd, int64_t now)
{
    struct ucred who = {0};
    socklen_t size = sizeof who;
    promp_proc_t proc = {0};
    promp_agent_peer_t peer;
    uint32_t number;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) < 0 || who.pid <= 0) {
        close(fd);
        return;
    }
    if (!promp_proc_read(who.pid, &proc)) {
        if (errno == EMFILE || errno == ENFILE)
            promp_agent_links_full(a, now);
        close(fd);
        return;
    }
    peer = (promp_agent_peer_t){.pid = (uint32_t)who.pid, .uid = who.uid, .start = proc.start};
    number = promp_agent_core_opened(a->core, &peer, now);
    if (number == PROMP_AGENT_NONE) {
        close(fd);
        return;
    }
    promp_err_t error = promp_agent_links_add(a, number, fd);

    if (error)
        promp_agent_core_closed(a->core, number, error, now);
}

/* Without this the connection would wait, and wake us, for ever: it is taken and dropped, and its manager tries again. */
static void turn_away(promp_agent_t *a, int64_t now)
{
    promp_agent_links_full(a, now);
    if (a->spare >= 0)
        close(a->spare);
    a->spare = accept4(a->listening, NULL, NULL, SOCK_CLOEXEC);
    if (a->spare >= 0)
        close(a->spare);
    a->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

void promp_agent_links_accept(promp_agent_t *a, int64_t now)
{
    for (int i = 0; i < ACCEPT_ROUND && promp_agent_core_serving(a->core); i++) {
        int fd = accept4(a->listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM))
            turn_away(a, now);
        if (fd < 0)
            return;
        greet(a, fd, now);
        promp_agent_do(a, now);
    }
}

/* --- writing --- */

void promp_agent_links_sent(promp_agent_t *a, uint32_t number, promp_agent_line_t *line)
{
    uint64_t tag, bytes;
    bool writing = !line->corked && promp_link_wants_write(line->link);

    while (promp_link_flushed(line->link, &tag, &bytes))
        promp_agent_core_flushed(a->core, tag, bytes);
    if (writing != line->writing &&
        promp_agent_watch(a, promp_link_fd(line->link), PROMP_AGENT_ON_LINK, number, false, writing))
        line->writing = writing;
}

void promp_agent_links_cork(promp_agent_t *a, uint32_t number, promp_agent_line_t *line)
{
    if (!a->gathering || line->corked || a->corks == PROMP_AGENT_CORKED)
        return;
    promp_link_cork(line->link);
    line->corked = true;
    a->corked[a->corks++] = number;
}

void promp_agent_links_uncork(promp_agent_t *a)
{
    a->gathering = false;
    for (size_t i = 0; i < a->corks; i++) {
        promp_agent_line_t *line = promp_agent_links_get(a, a->corked[i]);

        if (!line || !line->corked)
            continue;
        line->corked = false;
        promp_link_uncork(line->link);
        promp_agent_links_sent(a, a->corked[i], line);
    }
    a->corks = 0;
}

/* --- reading --- */

/* One frame from line to the core, and what follows from it; bytes: read and not yet handled. False: there is none, or the link is over. */
static bool read_frame(promp_agent_t *a, uint32_t number, promp_agent_line_t *line, uint64_t *bytes,
                       promp_err_t *error, int64_t now)
{
    int fds[PROMP_LIMIT_FRAME_FDS];
    promp_frame_t frame;
    bool got;

    *error = promp_link_next(line->link, &frame, fds, &got);
    if (*error || !got)
        return false;
    a->given = frame.fds == 1 ? fds[0] : -1;
    /* More has come than this frame: what goes to one link is gathered. A single one goes out at once, uncopied. */
    if (frame.size < *bytes)
        a->gathering = true;
    *bytes -= frame.size < *bytes ? frame.size : *bytes;
    promp_agent_core_frame(a->core, number, &frame, now);
    promp_agent_do(a, now);
    a->given = -1;
    for (size_t i = 0; i < frame.fds; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    if (promp_agent_links_get(a, number) != line)
        return false;
    if (promp_link_windowed(&frame))
        promp_link_release(line->link, frame.size);
    return true;
}

static void read_link(promp_agent_t *a, uint32_t number, promp_agent_line_t *line, int64_t now)
{
    uint64_t before = promp_link_received(line->link);
    bool more;
    promp_err_t end = promp_link_read(line->link, &more), error;
    uint64_t bytes = promp_link_received(line->link) - before;

    while (read_frame(a, number, line, &bytes, &error, now))
        ;
    promp_agent_links_uncork(a);
    if (promp_agent_links_get(a, number) != line)
        return;
    promp_agent_links_sent(a, number, line); /* LINK_ACK */
    if (end == PROMP_ERR_DESCRIPTORS)        /* what was lent is passed on without its descriptor */
        end = PROMP_OK;
    if (error || end) {
        promp_agent_core_closed(a->core, number, error ? error : end, now);
        promp_agent_do(a, now);
    }
}

void promp_agent_links_ready(promp_agent_t *a, uint32_t number, uint32_t events, int64_t now)
{
    promp_agent_line_t *line = promp_agent_links_get(a, number);

    if (!line)
        return;
    if (events & EPOLLOUT) {
        promp_link_flush(line->link);
        promp_agent_links_sent(a, number, line);
    }
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        read_link(a, number, line, now);
}
