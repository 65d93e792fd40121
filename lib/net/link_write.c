/* link_write.c - frames into the socket, at once where it takes them, else over the queues; tags of those
 * that left. */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "error.h"
#include "link_inside.h"

/* While corked, frames up to this size are gathered; a larger one takes what has gathered along. */
#define GATHER_SIZE (8 * PROMP_KIB)
/* Runs of bytes in one sendmsg(2); a frame on its way past the queue has its own. */
#define BATCH 64

/* --- writing --- */

typedef struct {
    struct iovec iov[BATCH + PROMP_LINK_FRAME_IOV];
    promp_link_entry_t *entry[BATCH]; /* of the first runs */
    size_t entries;
    const int *fds; /* go with the first byte */
    size_t fd_count;
    bool all; /* nothing is left in the queues */
} batch_t;

static bool add(batch_t *batch, promp_link_entry_t *entry)
{
    if (batch->entries == BATCH || (entry->fd_count > 0 && batch->entries > 0))
        return false; /* descriptors go with the first byte of a write */
    if (entry->fd_count > 0) {
        batch->fds = entry->fds;
        batch->fd_count = entry->fd_count;
    }
    batch->iov[batch->entries] = (struct iovec){entry->bytes + entry->sent, entry->size - entry->sent};
    batch->entry[batch->entries++] = entry;
    return true;
}

static bool add_all(batch_t *batch, promp_link_entry_t *entry)
{
    for (; entry; entry = entry->next)
        if (!add(batch, entry))
            return false;
    return true;
}

/* What to write next: the frame that has begun, the urgent ones, the others. */
static void gather(const promp_link_t *link, batch_t *batch)
{
    promp_link_entry_t *data = link->data.first;

    batch->entries = batch->fd_count = 0;
    batch->fds = NULL;
    if (data && data->begun) {
        add(batch, data);
        data = data->next;
    }
    batch->all = add_all(batch, link->urgent.first) && add_all(batch, data);
}

static promp_err_t breaks(promp_link_t *link, promp_err_t err)
{
    link->broken = err;
    promp_link_drop(link);
    return err;
}

/* One sendmsg(2). *sent: bytes that the socket took. DESCRIPTORS: too many are under way between processes of this user;
 * nothing was sent, and the link is whole. */
static promp_err_t push(promp_link_t *link, batch_t *batch, size_t iovs, size_t size, size_t *sent)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int) * PROMP_LIMIT_FRAME_FDS)];
    } control;
    struct msghdr message = {.msg_iov = batch->iov, .msg_iovlen = iovs};

    if (batch->fd_count > 0) {
        memset(&control, 0, sizeof control);
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(batch->fd_count * sizeof(int));
        struct cmsghdr *c = CMSG_FIRSTHDR(&message);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(batch->fd_count * sizeof(int));
        memcpy(CMSG_DATA(c), batch->fds, batch->fd_count * sizeof(int));
    }
    ssize_t n;
    do
        n = sendmsg(link->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    *sent = 0;
    if (n < 0 && errno == ETOOMANYREFS)
        return PROMP_ERR_DESCRIPTORS;
    if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
        return breaks(link, errno == EPIPE || errno == ECONNRESET ? PROMP_ERR_CLOSED
                                                                  : promp_error_from_errno(errno));
    *sent = n < 0 ? 0 : (size_t)n;
    link->full = *sent < size;
    return PROMP_OK;
}

/* Takes n written bytes off the queued frames of a batch; returns what is left of n. */
static size_t settle(promp_link_t *link, const batch_t *batch, size_t n)
{
    for (size_t i = 0; i < batch->entries && n > 0; i++) {
        promp_link_entry_t *entry = batch->entry[i];
        size_t part = entry->size - entry->sent;
        if (n < part) {
            entry->sent += (uint32_t)n;
            entry->begun = true;
            link->queued -= n;
            promp_link_close_fds(entry); /* they went with the first byte */
            return 0;
        }
        n -= part;
        promp_link_take_off(link, entry);
    }
    return n;
}

/* A frame that was accepted goes rather without its descriptors than not at all. */
static void strip(promp_link_entry_t *entry)
{
    promp_frame_t frame;
    size_t need;

    promp_link_close_fds(entry);
    if (promp_frame_unpack(promp_slice(entry->bytes, entry->size), &frame, &need) == PROMP_OK && !need) {
        frame.fds = 0;
        promp_frame_pack(&frame, entry->bytes);
    }
}

promp_err_t promp_link_flush(promp_link_t *link)
{
    batch_t batch;

    link->full = false;
    while (!link->broken && !link->full && link->queued > 0) {
        size_t size = 0, sent;
        gather(link, &batch);
        for (size_t i = 0; i < batch.entries; i++)
            size += batch.iov[i].iov_len;
        promp_err_t err = push(link, &batch, batch.entries, size, &sent);
        if (err == PROMP_OK)
            settle(link, &batch, sent);
        else if (err == PROMP_ERR_DESCRIPTORS && !link->broken)
            strip(batch.entry[0]);
    }
    return link->broken;
}

/* Writes what is queued and the fresh frame behind it in one call. *done false: it must take the queue's way. */
static promp_err_t write_through(promp_link_t *link, const promp_link_fresh_t *fresh, bool *done)
{
    batch_t batch;
    size_t sent;

    *done = false;
    gather(link, &batch);
    if (!batch.all || (fresh->fd_count > 0 && batch.entries > 0))
        return PROMP_OK;
    if (fresh->fd_count > 0) {
        batch.fds = fresh->fds;
        batch.fd_count = fresh->fd_count;
    }
    memcpy(batch.iov + batch.entries, fresh->iov, fresh->iovs * sizeof fresh->iov[0]);
    bool with_queued = batch.fd_count > fresh->fd_count;
    promp_err_t err = push(link, &batch, batch.entries + fresh->iovs, link->queued + fresh->size, &sent);
    if (err == PROMP_ERR_DESCRIPTORS && !link->broken && with_queued) {
        strip(batch.entry[0]);
        return PROMP_OK;
    }
    if (err)
        return err;
    sent = settle(link, &batch, sent);
    if (sent == 0)
        return PROMP_OK;
    *done = true;
    if (sent < fresh->size) {
        err = promp_link_enqueue(link, fresh, sent);
        return err ? breaks(link, err)
                   : PROMP_OK; /* half a frame has left: there is no going on without the rest */
    }
    if (fresh->tag)
        promp_link_tag_left(link, fresh->tag, fresh->size);
    return PROMP_OK;
}

static promp_err_t put(promp_link_t *link, const promp_frame_t *frame, const promp_link_fresh_t *fresh)
{
    bool done = false;
    promp_err_t err = link->broken;

    if (!err && fresh->size > PROMP_LIMIT_LINK_QUEUE - link->queued)
        err = PROMP_ERR_QUEUE_FULL;
    if (!err && fresh->tag)
        err = promp_link_reserve_tag(link);
    if (err)
        return err;
    bool gather_it = link->corked && fresh->size <= GATHER_SIZE;
    bool overtakes = fresh->urgent && link->data.first;
    if (!link->full && !gather_it && !overtakes)
        err = write_through(link, fresh, &done);
    if (!err && !done)
        err = promp_link_enqueue(link, fresh, 0);
    if (!err && promp_link_windowed(frame))
        link->out_windowed += fresh->size;
    /* Kept back by what is ahead of it, not by the socket. Should that break now, the frame was queued and is
     * dropped. */
    if (!err && !done && !link->full && !link->corked)
        (void)promp_link_flush(link);
    return err;
}

promp_err_t promp_link_send(promp_link_t *link, const promp_out_t *out, const int *fds, size_t count,
                            uint64_t tag)
{
    uint8_t header[PROMP_FRAME_HEADER];
    promp_frame_t frame = out->frame;
    promp_link_fresh_t fresh = {
        .urgent = out->urgent, .fds = fds, .fd_count = count, .tag = out->urgent ? 0 : tag};

    if (count > PROMP_LIMIT_FRAME_FDS || out->parts > PROMP_OUT_PARTS)
        return PROMP_ERR_ARGUMENT;
    frame.fds = (uint8_t)count;
    promp_frame_pack(&frame, header);
    fresh.iov[fresh.iovs++] = (struct iovec){header, sizeof header};
    fresh.size = sizeof header;
    for (size_t i = 0; i < out->parts; i++) {
        if (out->part[i].size > PROMP_LIMIT_FRAME - fresh.size)
            return PROMP_ERR_ARGUMENT;
        fresh.iov[fresh.iovs++] = (struct iovec){(void *)out->part[i].data, out->part[i].size};
        fresh.size += out->part[i].size;
    }
    if (fresh.size != frame.size)
        return PROMP_ERR_ARGUMENT;
    return put(link, &frame, &fresh);
}

promp_err_t promp_link_forward(promp_link_t *link, const promp_frame_t *frame, bool urgent, uint64_t tag)
{
    uint8_t header[PROMP_FRAME_HEADER];
    promp_frame_t copy = *frame;

    if (frame->size > PROMP_LIMIT_FRAME || frame->body.size != frame->size - sizeof header)
        return PROMP_ERR_ARGUMENT;
    copy.fds = 0;
    promp_frame_pack(&copy, header);
    promp_link_fresh_t fresh = {
        .iov = {{header, sizeof header}, {(void *)frame->body.data, frame->body.size}},
        .iovs = frame->body.size > 0 ? 2 : 1,
        .size = frame->size,
        .urgent = urgent,
        .tag = urgent ? 0 : tag};
    return put(link, &copy, &fresh);
}

void promp_link_cork(promp_link_t *link)
{
    link->corked = true;
}

promp_err_t promp_link_uncork(promp_link_t *link)
{
    link->corked = false;
    return link->full || link->queued == 0 ? link->broken : promp_link_flush(link);
}

bool promp_link_wants_write(const promp_link_t *link)
{
    bool gathers = link->corked && !link->full;
    return link->queued > 0 && !link->broken && !gathers;
}

size_t promp_link_queued(const promp_link_t *link)
{
    return link->queued;
}
