/* link_write.c - frames into the socket, at once where it takes them, else over the queues; tags of those
 * that left. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "error.h"
#include "link_inside.h"

/* While corked, frames up to this size are gathered; a larger one takes what has gathered along. */
#define GATHER_SIZE (8 * PROMP_KIB)
/* Runs of bytes in one sendmsg(2); a frame on its way past the queue has its own. */
#define BATCH     64
#define FRAME_IOV (1 + PROMP_OUT_PARTS)

/* A frame that is to be sent and that nothing has been copied of yet. */
typedef struct {
    struct iovec iov[FRAME_IOV];
    size_t iovs;
    size_t size;
    bool urgent;
    const int *fds;
    size_t fd_count;
    uint64_t tag;
} fresh_t;

/* --- tags --- */

/* Room for one more tag, so that none can be lost later for want of memory. */
static promp_err_t reserve_tag(promp_link_t *link)
{
    if (link->tags_count + link->tags_waiting < link->tags_capacity)
        return PROMP_OK;
    size_t capacity = link->tags_capacity ? 2 * link->tags_capacity : 16;
    promp_link_tag_t *tags = calloc(capacity, sizeof *tags);
    if (!tags)
        return PROMP_ERR_MEMORY;
    for (size_t i = 0; i < link->tags_count; i++)
        tags[i] = link->tags[(link->tags_first + i) % link->tags_capacity];
    free(link->tags);
    link->tags = tags;
    link->tags_first = 0;
    link->tags_capacity = capacity;
    return PROMP_OK;
}

static void tag_left(promp_link_t *link, uint64_t tag, uint64_t bytes)
{
    if (link->tags_count > 0) {
        promp_link_tag_t *last = &link->tags[(link->tags_first + link->tags_count - 1) % link->tags_capacity];
        if (last->tag == tag) {
            last->bytes += bytes;
            return;
        }
    }
    link->tags[(link->tags_first + link->tags_count++) % link->tags_capacity] =
        (promp_link_tag_t){tag, bytes};
}

bool promp_link_flushed(promp_link_t *link, uint64_t *tag, uint64_t *bytes)
{
    if (link->tags_count == 0)
        return false;
    *tag = link->tags[link->tags_first].tag;
    *bytes = link->tags[link->tags_first].bytes;
    link->tags_first = (link->tags_first + 1) % link->tags_capacity;
    link->tags_count--;
    return true;
}

/* --- queues --- */

static promp_link_queue_t *queue_of(promp_link_t *link, const promp_link_entry_t *entry)
{
    return entry->urgent ? &link->urgent : &link->data;
}

static void close_fds(promp_link_entry_t *entry)
{
    while (entry->fd_count > 0)
        close(entry->fds[--entry->fd_count]);
}

/* The first of its queue has left, or is dropped. */
static void take_off(promp_link_t *link, promp_link_entry_t *entry)
{
    promp_link_queue_t *queue = queue_of(link, entry);

    queue->first = entry->next;
    if (!queue->first)
        queue->last = NULL;
    queue->count--;
    link->queued -= entry->size - entry->sent;
    if (entry->tag) {
        link->tags_waiting--;
        tag_left(link, entry->tag, entry->frame);
    }
    close_fds(entry);
    free(entry);
}

void promp_link_drop(promp_link_t *link)
{
    while (link->urgent.first)
        take_off(link, link->urgent.first);
    while (link->data.first)
        take_off(link, link->data.first);
    if (!link->broken)
        link->broken = PROMP_ERR_CLOSED;
}

static promp_err_t duplicate(promp_link_entry_t *entry, const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int fd = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);
        if (fd < 0) {
            promp_err_t err = promp_error_from_errno(errno);
            close_fds(entry);
            return err;
        }
        entry->fds[entry->fd_count++] = fd;
    }
    return PROMP_OK;
}

/* Copies what is behind the first `sent` bytes of a frame into its queue. */
static promp_err_t enqueue(promp_link_t *link, const fresh_t *fresh, size_t sent)
{
    promp_link_queue_t *queue = fresh->urgent ? &link->urgent : &link->data;
    size_t rest = fresh->size - sent;
    promp_link_entry_t *entry = malloc(sizeof *entry + rest);

    if (!entry)
        return PROMP_ERR_MEMORY;
    *entry = (promp_link_entry_t){.tag = fresh->tag,
                                  .frame = (uint32_t)fresh->size,
                                  .size = (uint32_t)rest,
                                  .begun = sent > 0,
                                  .urgent = fresh->urgent};
    promp_err_t err = sent > 0 ? PROMP_OK : duplicate(entry, fresh->fds, fresh->fd_count);
    if (err) {
        free(entry);
        return err;
    }
    uint8_t *to = entry->bytes;
    for (size_t i = 0; i < fresh->iovs; i++) {
        size_t skip = sent < fresh->iov[i].iov_len ? sent : fresh->iov[i].iov_len;
        sent -= skip;
        if (fresh->iov[i].iov_len > skip)
            to = mempcpy(to, (const uint8_t *)fresh->iov[i].iov_base + skip, fresh->iov[i].iov_len - skip);
    }
    if (queue->last)
        queue->last->next = entry;
    else
        queue->first = entry;
    queue->last = entry;
    queue->count++;
    link->queued += rest;
    link->tags_waiting += entry->tag != 0;
    return PROMP_OK;
}

/* --- writing --- */

typedef struct {
    struct iovec iov[BATCH + FRAME_IOV];
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

/* One sendmsg(2). *sent: bytes that the socket took. */
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
            close_fds(entry); /* they went with the first byte */
            return 0;
        }
        n -= part;
        take_off(link, entry);
    }
    return n;
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
        if (push(link, &batch, batch.entries, size, &sent) == PROMP_OK)
            settle(link, &batch, sent);
    }
    return link->broken;
}

/* Writes what is queued and the fresh frame behind it in one call. *done false: it must take the queue's way.
 */
static promp_err_t write_through(promp_link_t *link, const fresh_t *fresh, bool *done)
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
    promp_err_t err = push(link, &batch, batch.entries + fresh->iovs, link->queued + fresh->size, &sent);
    if (err)
        return err;
    sent = settle(link, &batch, sent);
    if (sent == 0)
        return PROMP_OK;
    *done = true;
    if (sent < fresh->size) {
        err = enqueue(link, fresh, sent);
        return err ? breaks(link, err)
                   : PROMP_OK; /* half a frame has left: there is no going on without the rest */
    }
    if (fresh->tag)
        tag_left(link, fresh->tag, fresh->size);
    return PROMP_OK;
}

static promp_err_t put(promp_link_t *link, const promp_frame_t *frame, const fresh_t *fresh)
{
    bool done = false;
    promp_err_t err = link->broken;

    if (!err && fresh->size > PROMP_LIMIT_LINK_QUEUE - link->queued)
        err = PROMP_ERR_QUEUE_FULL;
    if (!err && fresh->tag)
        err = reserve_tag(link);
    if (err)
        return err;
    bool gather_it = link->corked && fresh->size <= GATHER_SIZE;
    bool overtakes = fresh->urgent && link->data.first;
    if (!link->full && !gather_it && !overtakes)
        err = write_through(link, fresh, &done);
    if (!err && !done)
        err = enqueue(link, fresh, 0);
    if (!err && promp_link_windowed(frame))
        link->out_windowed += fresh->size;
    /* Kept back by what is ahead of it, not by the socket. Should that break now, the frame was queued and is dropped. */
    if (!err && !done && !link->full && !link->corked)
        (void)promp_link_flush(link);
    return err;
}

promp_err_t promp_link_send(promp_link_t *link, const promp_out_t *out, const int *fds, size_t count,
                            uint64_t tag)
{
    uint8_t header[PROMP_FRAME_HEADER];
    promp_frame_t frame = out->frame;
    fresh_t fresh = {.urgent = out->urgent, .fds = fds, .fd_count = count, .tag = out->urgent ? 0 : tag};

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
    fresh_t fresh = {.iov = {{header, sizeof header}, {(void *)frame->body.data, frame->body.size}},
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
