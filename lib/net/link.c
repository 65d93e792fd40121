/* link.c - the life of a link, the peer's credentials, the windows. */
#include "link.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "error.h"
#include "link_inside.h"

/* A frame of the largest size shall fit into the socket; the kernel gives what its own limit (wmem_max)
 * allows. */
#define SOCKET_ROOM (2 * (int)PROMP_LIMIT_FRAME)

promp_link_t *promp_link_new(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    promp_link_t *link = calloc(1, sizeof *link);

    if (!link || flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
        fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) {
        free(link);
        close(fd);
        return NULL;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &(int){SOCKET_ROOM}, sizeof(int));
    link->fd = fd;
    return link;
}

void promp_link_destroy(promp_link_t **link_p)
{
    promp_link_t *link = *link_p;

    *link_p = NULL;
    if (!link)
        return;
    promp_link_drop(link);
    for (size_t i = 0; i < link->fd_count; i++)
        if (link->fds[i].fd >= 0)
            close(link->fds[i].fd);
    free(link->tags);
    free(link->in);
    close(link->fd);
    free(link);
}

int promp_link_fd(const promp_link_t *link)
{
    return link->fd;
}

promp_err_t promp_link_peer(const promp_link_t *link, pid_t *pid, uid_t *uid)
{
    struct ucred peer;
    socklen_t size = sizeof peer;

    if (getsockopt(link->fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
        return promp_error_from_errno(errno);
    *pid = peer.pid;
    *uid = peer.uid;
    return PROMP_OK;
}

uint64_t promp_link_received(const promp_link_t *link)
{
    return link->received;
}

static uint64_t left_of(uint64_t limit, uint64_t used)
{
    return used < limit ? limit - used : 0;
}

uint64_t promp_link_room(const promp_link_t *link)
{
    uint64_t window = left_of(PROMP_LIMIT_LINK_WINDOW, link->out_windowed - link->out_released);
    uint64_t queue = left_of(PROMP_LIMIT_LINK_WINDOW, link->queued);
    return link->broken ? 0 : window < queue ? window : queue;
}

void promp_link_release(promp_link_t *link, uint64_t bytes)
{
    uint64_t held = link->in_windowed - link->in_released;

    link->in_released += bytes < held ? bytes : held;
    promp_link_tell_released(link);
}

void promp_link_tell_released(promp_link_t *link)
{
    static const promp_id_t no_session;
    promp_message_t message = {.type = PROMP_TYPE_LINK_ACK, .link_ack.released = link->in_released};
    promp_out_t out;

    if (link->in_released - link->in_told < PROMP_LIMIT_LINK_WINDOW / 4)
        return;
    /* One that cannot be queued now is made up for by the next. */
    if (promp_message_out(&message, &no_session, 0, &out) == PROMP_OK &&
        promp_link_send(link, &out, NULL, 0, 0) == PROMP_OK)
        link->in_told = link->in_released;
}

promp_err_t promp_link_take_ack(promp_link_t *link, const promp_frame_t *frame)
{
    promp_message_t message;
    /* Whoever may be at either end: all may send it to all. */
    promp_err_t err = promp_message_decode(frame->type, frame->body, PROMP_WHO_NODE, PROMP_WHO_NODE,
                                           PROMP_AT_UP, PROMP_VERSION_HIGH, &message);
    if (err)
        return err;
    if (message.link_ack.released > link->out_windowed)
        return PROMP_ERR_OFFSET;
    if (message.link_ack.released > link->out_released)
        link->out_released = message.link_ack.released;
    return PROMP_OK;
}
