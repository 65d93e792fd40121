/* link_read.c - from the socket into the buffer, from the buffer into frames; descriptors find their frames. */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "error.h"
#include "link_inside.h"

/* An idle link keeps the small buffer. One that is filled becomes the large one, which takes whatever the
 * socket holds in one read, until so many reads in a row would have been content with the small one. */
#define SMALL_BUFFER (16 * PROMP_KIB)
#define LARGE_BUFFER (2 * PROMP_LIMIT_FRAME)
#define CALM_READS   64
/* Behind bytes that have a place: the next header, and not so much of its body that this could have none. */
#define FOLLOWING (4 * PROMP_KIB)

static promp_err_t resize(promp_link_t *link, size_t capacity)
{
    uint8_t *in = malloc(capacity);

    if (!in)
        return PROMP_ERR_MEMORY;
    if (link->in_end > link->in_start)
        memcpy(in, link->in + link->in_start, link->in_end - link->in_start);
    free(link->in);
    link->in = in;
    link->in_capacity = capacity;
    link->in_end -= link->in_start;
    link->in_start = 0;
    return PROMP_OK;
}

/* Makes room behind in_end for the rest of the frame that is being read, and for more than a bit in any case. */
static promp_err_t make_room(promp_link_t *link)
{
    size_t held = link->in_end - link->in_start;
    size_t missing = link->need > held ? link->need - held : 0;

    if (!link->in)
        return resize(link, SMALL_BUFFER);
    if (held == 0) {
        link->in_start = link->in_end = 0;
        if (link->in_capacity > SMALL_BUFFER && link->calm >= CALM_READS)
            (void)resize(link, SMALL_BUFFER); /* without memory for less we keep more */
    }
    if (link->in_capacity < LARGE_BUFFER && (missing > link->in_capacity - held || held == link->in_capacity))
        return resize(link, LARGE_BUFFER);
    size_t room = link->in_capacity - link->in_end;
    if (room < missing || room < link->in_capacity / 4) {
        memmove(link->in, link->in + link->in_start, held);
        link->in_start = 0;
        link->in_end = held;
    }
    /* Only a caller that does not take the frames it has read gets here. */
    return link->in_end < link->in_capacity ? PROMP_OK : PROMP_ERR_QUEUE_FULL;
}

static promp_err_t keep_fds(promp_link_t *link, const int *fds, size_t count)
{
    promp_err_t err = PROMP_OK;

    for (size_t i = 0; i < count; i++) {
        if (link->fd_count < PROMP_LIMIT_LINK_FDS) {
            link->fds[link->fd_count].fd = fds[i];
            link->fds[link->fd_count++].end = link->received;
        } else {
            close(fds[i]);
            err = PROMP_ERR_DESCRIPTOR_COUNT;
        }
    }
    return err;
}

/* A descriptor that we could not take has its place all the same: -1. How many a frame has it tells itself. */
static promp_err_t keep_lost(promp_link_t *link, size_t count)
{
    static const int lost[PROMP_LIMIT_FRAME_FDS] = {-1, -1, -1, -1};
    promp_err_t err = keep_fds(link, lost, PROMP_LIMIT_FRAME_FDS - count);

    return err ? err : PROMP_ERR_DESCRIPTORS;
}

static promp_err_t take_control(promp_link_t *link, struct msghdr *message, bool *any)
{
    promp_err_t err = PROMP_OK;
    size_t count = 0;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        int fds[PROMP_LIMIT_FRAME_FDS];
        count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(fds, CMSG_DATA(c), count * sizeof(int));
        err = keep_fds(link, fds, count);
    }
    bool cut = message->msg_flags & MSG_CTRUNC;
    *any = count > 0 || cut;
    /* Cut short: there were more than a frame may have, or we could not take what would have fitted. */
    if (cut && !err)
        err = count == PROMP_LIMIT_FRAME_FDS ? PROMP_ERR_DESCRIPTOR_COUNT : keep_lost(link, count);
    return err;
}

/* Is what remains in the buffer nothing but complete frames? */
static bool complete(const promp_link_t *link)
{
    promp_slice_t rest = promp_slice(link->in + link->in_start, link->in_end - link->in_start);
    promp_frame_t frame;
    size_t need;

    if (link->rest)
        return false;
    while (rest.size > 0) {
        if (promp_frame_unpack(rest, &frame, &need) != PROMP_OK || need > 0)
            return false;
        rest = promp_slice(rest.data + frame.size, rest.size - frame.size);
    }
    return true;
}

promp_err_t promp_link_read(promp_link_t *link, bool *again)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int) * PROMP_LIMIT_FRAME_FDS)];
    } control;
    bool more, fds;

    if (!again)
        again = &more;
    *again = false;
    promp_err_t err = make_room(link);
    if (err)
        return err;
    size_t room = link->in_capacity - link->in_end, placed = link->place_size;
    if (placed && room > FOLLOWING)
        room = FOLLOWING;
    struct iovec iov[2] = {{link->place, placed}, {link->in + link->in_end, room}};
    struct msghdr message = {.msg_iov = placed ? iov : iov + 1,
                             .msg_iovlen = placed ? 2 : 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    ssize_t n;
    do
        n = recvmsg(link->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    link->place_size = 0;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return PROMP_OK;
    if (n < 0 && errno != ECONNRESET)
        return promp_error_from_errno(errno);
    if (n <= 0)
        return link->spoilt || complete(link) ? PROMP_ERR_CLOSED : PROMP_ERR_FRAME_TRUNCATED;
    room += placed;
    placed = (size_t)n < placed ? (size_t)n : placed;
    link->placed = placed;
    link->in_end += (size_t)n - placed;
    link->received += (uint64_t)n;
    link->calm = (size_t)n - placed < SMALL_BUFFER ? link->calm + 1 : 0;
    err = take_control(link, &message, &fds);
    *again = (size_t)n == room || fds; /* the kernel stops behind descriptors */
    return err;
}

/* Gives the frame that begins at stream offset `begin` its descriptors. They come with its first byte: one
 * that came before belongs to no frame. */
static promp_err_t claim(promp_link_t *link, const promp_frame_t *frame, uint64_t begin, int *fds)
{
    if (link->fd_count > 0 && link->fds[0].end <= begin)
        return PROMP_ERR_DESCRIPTOR_COUNT;
    if (link->fd_count < frame->fds)
        return PROMP_ERR_DESCRIPTOR_COUNT;
    size_t taken = frame->fds;
    for (size_t i = 0; i < taken; i++)
        fds[i] = link->fds[i].fd;
    /* Of those that were lost with its last one, more were noted than there may have been. */
    while (taken > 0 && taken < link->fd_count && link->fds[taken].fd < 0 &&
           link->fds[taken].end == link->fds[taken - 1].end)
        taken++;
    link->fd_count -= taken;
    memmove(link->fds, link->fds + taken, link->fd_count * sizeof link->fds[0]);
    return PROMP_OK;
}

static void close_all(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        close(fds[i]);
}

promp_err_t promp_link_note(promp_link_t *link, const promp_frame_t *frame)
{
    if (frame->type == PROMP_TYPE_LINK_ACK)
        return frame->fds ? PROMP_ERR_DESCRIPTOR_COUNT : promp_link_take_ack(link, frame);
    if (promp_link_windowed(frame)) {
        /* One frame of grace: the window may end inside the last one. */
        if (link->in_windowed - link->in_released >= PROMP_LIMIT_LINK_WINDOW + PROMP_LIMIT_FRAME)
            return PROMP_ERR_CREDIT;
        link->in_windowed += frame->size;
    }
    return PROMP_OK;
}

promp_err_t promp_link_next(promp_link_t *link, promp_frame_t *frame, int *fds, bool *got)
{
    *got = false;
    while (!link->spoilt) {
        if (link->rest) {
            if (!promp_link_more(link, frame))
                break;
            link->spoilt = promp_link_note(link, frame);
            *got = !link->spoilt;
            break;
        }
        size_t held = link->in_end - link->in_start;
        promp_slice_t rest = promp_slice(held ? link->in + link->in_start : NULL, held);
        link->spoilt = promp_frame_unpack(rest, frame, &link->need);
        if (link->spoilt || link->need > 0)
            break;
        link->spoilt = claim(link, frame, link->received - held, fds);
        if (link->spoilt)
            break;
        link->in_start += frame->size;
        link->spoilt = promp_link_note(link, frame);
        if (link->spoilt) {
            close_all(fds, frame->fds);
        } else if (frame->type != PROMP_TYPE_LINK_ACK) {
            *got = true;
            break;
        }
    }
    return link->spoilt;
}
