/* zout.h - frames on their way into a ZeroMQ connection: two queues, urgent frames before data frames. libzmq's own queues
 * cannot be read, so no data beyond the window enters them. One thread (or lock) at a time.
 *
 * Tags come back (promp_ztags_next) when their frame has entered libzmq, or was dropped. */
#ifndef PROMP_NET_ZOUT_H
#define PROMP_NET_ZOUT_H

#include <zmq.h>

#include "window.h"

typedef struct {
    struct promp_ztag {
        uint64_t tag, bytes;
    } * ring;
    size_t first, count, capacity;
    size_t waiting; /* in queues; there is always room for them in the ring */
} promp_ztags_t;    /* all zero: empty */

/* True and a tag that left (neighbours with the same tag may come as one, their bytes added); false: none. */
bool promp_ztags_next(promp_ztags_t *tags, uint64_t *tag, uint64_t *bytes);
void promp_ztags_free(promp_ztags_t *tags);

/* Gives part to libzmq without waiting. 0: it is taken; EAGAIN: not now; else the connection is gone. */
typedef int promp_zout_give_f(void *arg, zmq_msg_t *part);

typedef struct {
    struct promp_zout_entry *first, *last;
    size_t bytes, limit;
} promp_zout_queue_t;

typedef struct {
    promp_zout_give_f *give;
    void *arg;
    promp_ztags_t *tags;
    promp_window_t *window;
    promp_zout_queue_t urgent, data;
    bool full;          /* libzmq took no more, or is not asked yet */
    promp_err_t broken; /* PROMP_OK: not */
} promp_zout_t;         /* set give, arg, tags, window and the limits; all else zero */

/* Sends or queues; takes part over in any case. tag 0: none; urgent frames have none. OK; QUEUE_FULL, MEMORY: part was dropped;
 * what is broken says why from then on. */
promp_err_t promp_zout_put(promp_zout_t *out, zmq_msg_t *part, bool urgent, bool windowed, uint64_t tag);

/* Sends what may go. OK, or what is broken. */
promp_err_t promp_zout_flush(promp_zout_t *out);

/* Drops what is queued, for good. */
void promp_zout_drop(promp_zout_t *out, promp_err_t why);

/* Sends the LINK_ACK that is due; one that cannot be queued now is made up for by the next. */
void promp_zout_tell_released(promp_zout_t *out);

static inline size_t promp_zout_queued(const promp_zout_t *out)
{
    return out->urgent.bytes + out->data.bytes;
}

/* Something waits that the window would let go. */
bool promp_zout_waits(const promp_zout_t *out);

/* Data bytes that window and queue take now. */
uint64_t promp_zout_room(const promp_zout_t *out);

#endif
