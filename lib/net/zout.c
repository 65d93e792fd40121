#include "zout.h"

#include <errno.h>
#include <stdlib.h>

#include "zpart.h"

struct promp_zout_entry {
    struct promp_zout_entry *next;
    zmq_msg_t part;
    uint64_t tag; /* 0: none */
    bool windowed;
};
typedef struct promp_zout_entry entry_t;

/* --- tags --- */

/* Room for one more tag, so that none can be lost later for want of memory. */
static bool reserve(promp_ztags_t *tags)
{
    if (tags->count + tags->waiting < tags->capacity)
        return true;
    size_t capacity = tags->capacity ? 2 * tags->capacity : 16;
    struct promp_ztag *ring = calloc(capacity, sizeof *ring);
    if (!ring)
        return false;
    for (size_t i = 0; i < tags->count; i++)
        ring[i] = tags->ring[(tags->first + i) % tags->capacity];
    free(tags->ring);
    tags->ring = ring;
    tags->first = 0;
    tags->capacity = capacity;
    return true;
}

static void tag_left(promp_ztags_t *tags, uint64_t tag, uint64_t bytes)
{
    if (!tag)
        return;
    if (tags->count > 0) {
        struct promp_ztag *last = &tags->ring[(tags->first + tags->count - 1) % tags->capacity];
        if (last->tag == tag) {
            last->bytes += bytes;
            return;
        }
    }
    tags->ring[(tags->first + tags->count++) % tags->capacity] = (struct promp_ztag){tag, bytes};
}

bool promp_ztags_next(promp_ztags_t *tags, uint64_t *tag, uint64_t *bytes)
{
    if (tags->count == 0)
        return false;
    *tag = tags->ring[tags->first].tag;
    *bytes = tags->ring[tags->first].bytes;
    tags->first = (tags->first + 1) % tags->capacity;
    tags->count--;
    return true;
}

void promp_ztags_free(promp_ztags_t *tags)
{
    free(tags->ring);
    *tags = (promp_ztags_t){0};
}

/* --- queues --- */

static void append(promp_zout_queue_t *queue, entry_t *entry)
{
    if (queue->last)
        queue->last->next = entry;
    else
        queue->first = entry;
    queue->last = entry;
    queue->bytes += zmq_msg_size(&entry->part);
}

/* The first of its queue, whose part had so many bytes, has left or is dropped. */
static void take_off(promp_zout_t *out, promp_zout_queue_t *queue, size_t size)
{
    entry_t *entry = queue->first;

    queue->first = entry->next;
    if (!queue->first)
        queue->last = NULL;
    queue->bytes -= size;
    if (entry->tag) {
        out->tags->waiting--;
        tag_left(out->tags, entry->tag, size);
    }
    zmq_msg_close(&entry->part);
    free(entry);
}

static void drop_queue(promp_zout_t *out, promp_zout_queue_t *queue)
{
    while (queue->first)
        take_off(out, queue, zmq_msg_size(&queue->first->part));
}

void promp_zout_drop(promp_zout_t *out, promp_err_t why)
{
    drop_queue(out, &out->urgent);
    drop_queue(out, &out->data);
    if (!out->broken)
        out->broken = why;
}

/* --- into libzmq --- */

/* True: libzmq has it. Else it is full, or the connection is gone (broken). */
static bool give(promp_zout_t *out, zmq_msg_t *part, bool windowed)
{
    size_t size = zmq_msg_size(part);
    int e = out->give(out->arg, part);

    if (e == 0) {
        if (windowed)
            out->window->out_windowed += size;
        return true;
    }
    out->full = true;
    if (e != EAGAIN)
        out->broken = PROMP_ERR_CLOSED;
    return false;
}

static bool data_may_go(const promp_zout_t *out)
{
    return out->data.first && (!out->data.first->windowed || promp_window_room(out->window) > 0);
}

bool promp_zout_waits(const promp_zout_t *out)
{
    return out->urgent.first || data_may_go(out);
}

/* The queue whose first frame may go, NULL: none. */
static promp_zout_queue_t *next_queue(promp_zout_t *out)
{
    if (out->urgent.first)
        return &out->urgent;
    return data_may_go(out) ? &out->data : NULL;
}

promp_err_t promp_zout_flush(promp_zout_t *out)
{
    promp_zout_queue_t *queue;

    out->full = false;
    while (!out->broken && !out->full && (queue = next_queue(out))) {
        size_t size = zmq_msg_size(&queue->first->part);
        if (give(out, &queue->first->part, queue->first->windowed))
            take_off(out, queue, size);
    }
    if (out->broken)
        promp_zout_drop(out, out->broken);
    return out->broken;
}

static bool must_wait(const promp_zout_t *out, bool urgent, bool windowed)
{
    if (out->full || out->urgent.first)
        return true;
    return !urgent && (out->data.first || (windowed && promp_window_room(out->window) == 0));
}

static promp_err_t put(promp_zout_t *out, zmq_msg_t *part, bool urgent, bool windowed, uint64_t tag)
{
    promp_zout_queue_t *queue = urgent ? &out->urgent : &out->data;
    size_t size = zmq_msg_size(part);

    if (out->broken)
        return out->broken;
    if (size > queue->limit || queue->bytes > queue->limit - size)
        return PROMP_ERR_QUEUE_FULL;
    if (tag && !reserve(out->tags))
        return PROMP_ERR_MEMORY;
    if (!must_wait(out, urgent, windowed)) {
        if (give(out, part, windowed)) {
            tag_left(out->tags, tag, size);
            return PROMP_OK;
        }
        if (out->broken) {
            promp_zout_drop(out, out->broken);
            return out->broken;
        }
    }
    entry_t *entry = malloc(sizeof *entry);
    if (!entry)
        return PROMP_ERR_MEMORY;
    *entry = (entry_t){.tag = tag, .windowed = windowed};
    zmq_msg_init(&entry->part);
    zmq_msg_move(&entry->part, part);
    append(queue, entry);
    out->tags->waiting += tag != 0;
    return PROMP_OK;
}

promp_err_t promp_zout_put(promp_zout_t *out, zmq_msg_t *part, bool urgent, bool windowed, uint64_t tag)
{
    promp_err_t err = put(out, part, urgent, windowed, urgent ? 0 : tag);

    zmq_msg_close(part); /* empty where it was taken */
    return err;
}

void promp_zout_tell_released(promp_zout_t *out)
{
    promp_out_t ack;
    zmq_msg_t part;

    if (promp_window_due(out->window, &ack) && promp_zpart_make(&part, &ack) == PROMP_OK &&
        promp_zout_put(out, &part, true, false, 0) == PROMP_OK)
        promp_window_told(out->window);
}

uint64_t promp_zout_room(const promp_zout_t *out)
{
    uint64_t window = promp_window_room(out->window);

    return out->broken || out->data.bytes >= window ? 0 : window - out->data.bytes;
}
