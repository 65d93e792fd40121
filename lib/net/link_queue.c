/* link_queue.c - frames that wait, with their descriptors; tags of those that left. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "error.h"
#include "link_inside.h"

/* --- tags --- */

/* Room for one more tag, so that none can be lost later for want of memory. */
promp_err_t promp_link_reserve_tag(promp_link_t *link)
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

void promp_link_tag_left(promp_link_t *link, uint64_t tag, uint64_t bytes)
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

void promp_link_close_fds(promp_link_entry_t *entry)
{
    while (entry->fd_count > 0)
        close(entry->fds[--entry->fd_count]);
}

/* The first of its queue has left, or is dropped. */
void promp_link_take_off(promp_link_t *link, promp_link_entry_t *entry)
{
    promp_link_queue_t *queue = queue_of(link, entry);

    queue->first = entry->next;
    if (!queue->first)
        queue->last = NULL;
    link->queued -= entry->size - entry->sent;
    if (entry->tag) {
        link->tags_waiting--;
        promp_link_tag_left(link, entry->tag, entry->frame);
    }
    promp_link_close_fds(entry);
    free(entry);
}

void promp_link_drop(promp_link_t *link)
{
    while (link->urgent.first)
        promp_link_take_off(link, link->urgent.first);
    while (link->data.first)
        promp_link_take_off(link, link->data.first);
    if (!link->broken)
        link->broken = PROMP_ERR_CLOSED;
}

static promp_err_t duplicate(promp_link_entry_t *entry, const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int fd = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);
        if (fd < 0) {
            promp_err_t err = promp_error_from_errno(errno);
            promp_link_close_fds(entry);
            return err;
        }
        entry->fds[entry->fd_count++] = fd;
    }
    return PROMP_OK;
}

/* Copies what is behind the first `sent` bytes of a frame into its queue. */
promp_err_t promp_link_enqueue(promp_link_t *link, const promp_link_fresh_t *fresh, size_t sent)
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
    link->queued += rest;
    link->tags_waiting += entry->tag != 0;
    return PROMP_OK;
}
