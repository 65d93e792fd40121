/* hub_lifeline.c - a worker's lifeline: new links come over it, and its end is ours. */
#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hub_inside.h"

/* Takes one byte and its descriptor (*fd, -1 when there is none). 1; 0 when nothing is there; -1 at its end. */
static int take_line(int lifeline, char *byte, int *fd)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int) * PROMP_LIMIT_FRAME_FDS)];
    } control;
    struct iovec iov = {byte, 1};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    ssize_t n;

    *fd = -1;
    do
        n = recvmsg(lifeline, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOMEM ? 0 : -1;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        int fds[PROMP_LIMIT_FRAME_FDS];
        size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(fds, CMSG_DATA(c), count * sizeof(int));
        for (size_t i = 0; i < count; i++) {
            if (*fd >= 0)
                close(*fd);
            *fd = fds[i];
        }
    }
    return n > 0 ? 1 : -1;
}

void promp_hub_relink(promp_hub_t *hub, int64_t now)
{
    int link = -1, fd, got;
    char byte;

    while ((got = take_line(hub->lifeline, &byte, &fd)) > 0) {
        int spare = byte == 'L' && fd >= 0 ? link : fd;
        if (byte == 'L' && fd >= 0)
            link = fd; /* the last one counts */
        if (spare >= 0)
            close(spare);
    }
    if (got < 0) {
        close(hub->lifeline);
        hub->lifeline = -1;
        hub->orphaned = true;
        if (link >= 0)
            close(link);
        promp_hub_lose(hub, now);
        return;
    }
    if (link < 0)
        return;
    if (hub->line.self)
        promp_hub_drop(hub, PROMP_ERR_CLOSED, now);
    if (hub->state == PROMP_HUB_LOST)
        close(link);
    else
        promp_hub_begin(hub, promp_line_of(link), now);
}

void promp_hub_end_orphan(promp_hub_t *hub)
{
    if (!hub->orphaned || hub->orphan_told)
        return;
    hub->orphan_told = true;
    promp_hub_let(hub);
    if (hub->orphan) {
        hub->orphan(hub->orphan_arg);
    } else {
        if (getpgrp() == getpid())
            kill(0, SIGKILL);
        _exit(1); /* a group of somebody else's is not ours to end */
    }
    promp_hub_take(hub);
}
