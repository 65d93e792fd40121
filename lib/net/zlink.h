/* zlink.h - one encrypted connection to a broker that carries frames: ZeroMQ with CURVE. What link.h is on one host, with the
 * same windows, queues and tags. One thread (or lock) at a time, not always the same: between two threads there must be a full
 * fence, which every lock is.
 *
 * A zlink is one connection and lives CONNECTING -> UP -> LOST, or CONNECTING -> LOST. libzmq never reconnects by itself, since
 * it would carry old frames to a broker that has not heard HELLO: who wants another connection destroys this one and dials
 * again, after a pause of its own choice.
 *
 * Waiting. Poll promp_zlink_fd() for POLLIN, until the time that promp_zlink_tick() returned, but only while promp_zlink_ready()
 * is false: the descriptor tells what is new since libzmq was last looked at, and any call here that sends also looks. So:
 *
 *     for (;;) {
 *         while (promp_zlink_ready(link)) { promp_zlink_read(link, NULL); take all frames by promp_zlink_next(); }
 *         due = promp_zlink_tick(link, now);
 *         send what there is to send
 *         if (!promp_zlink_ready(link)) poll fd until due; then promp_zlink_read() and take all frames
 *     }
 *
 * Who stops taking frames for a while leaves fd out of the poll and comes back with read. */
#ifndef PROMP_NET_ZLINK_H
#define PROMP_NET_ZLINK_H

#include "error.h"
#include "link.h"

typedef struct promp_zlink promp_zlink_t;

typedef enum { PROMP_ZLINK_CONNECTING, PROMP_ZLINK_UP, PROMP_ZLINK_LOST } promp_zlink_state_t;

typedef struct {
    const char *address; /* "tcp://HOST:PORT"; a HOST that is an IPv6 address stands in brackets; copied */
    const uint8_t *server_key; /* 32 bytes: the broker's public key */
    const uint8_t *public_key; /* ours */
    const uint8_t *secret_key; /* the three keys are borrowed until the link is UP or LOST */
    int64_t timeout;           /* ms until it must be UP; 0: PROMP_TIME_CONNECT */
    uint64_t window;           /* bytes, the same at both ends; 0: PROMP_LIMIT_LINK_WINDOW */
    int beat;                  /* ms between ZMTP heartbeats; 0: PROMP_TIME_ZMQ_BEAT */
} promp_zlink_config_t;

/* Begins to connect at time now (ms, as promp_clock_ms) and returns at once. ARGUMENT: the address; ZMQ_MISSING, CURVE_MISSING, MEMORY,
 * DESCRIPTORS, SYSTEM. The link, and a context of libzmq with its threads, live until promp_zlink_destroy. */
promp_err_t promp_zlink_dial(const promp_zlink_config_t *config, int64_t now, promp_zlink_t **link,
                             promp_error_t *error);

/* Closes. Frames that libzmq has, of a link that is UP, get PROMP_TIME_ZMQ_LINGER ms to leave; otherwise, and after promp_zlink_cut, it does not wait. In a
 * forked child it frees only what is ours. */
void promp_zlink_destroy(promp_zlink_t **link);

/* The connection is given up: destroying it waits for nothing. */
void promp_zlink_cut(promp_zlink_t *link);

promp_zlink_state_t promp_zlink_state(const promp_zlink_t *link);

/* Why it is LOST: BROKER_NAME, BROKER_ABSENT, BROKER_SILENT, NOT_A_BROKER, NOT_CURVE, BROKER_KEY, KEY_REFUSED while
 * connecting, CLOSED after that; MEMORY, DESCRIPTORS, SYSTEM. PROMP_OK while it is not. error (may be NULL) gets the words. */
promp_err_t promp_zlink_why(const promp_zlink_t *link, promp_error_t *error);

int promp_zlink_fd(const promp_zlink_t *link);

/* Call promp_zlink_read() before polling: something was read and not yet taken, or may have come meanwhile. */
bool promp_zlink_ready(const promp_zlink_t *link);

/* Lets time pass: time-outs, connecting. Returns when it wants to be called next, PROMP_NEVER where only fd can tell. The link
 * may be LOST afterwards, as after promp_zlink_dial and promp_zlink_read: fd does not tell. */
int64_t promp_zlink_tick(promp_zlink_t *link, int64_t now);

/* Goes on with connecting, sends what can go, takes in frames up to a limit. OK (something or nothing came); what
 * promp_zlink_why() says once the link is LOST, which it becomes only behind the last frame that came; QUEUE_FULL (what was
 * read before must be taken first). *again (may be NULL): there may be more. */
promp_err_t promp_zlink_read(promp_zlink_t *link, bool *again);

/* Bytes of frames read since the link began. */
uint64_t promp_zlink_received(const promp_zlink_t *link);

/* Next frame of those read: OK and *got; OK and not *got: read again. FRAME_SIZE, FRAME_HEADER, DESCRIPTOR_COUNT, CREDIT,
 * OFFSET, MESSAGE_*: the link is spoilt, says the same from then on and must be destroyed. The frame borrows until the next
 * call of next or read. It never has descriptors. */
promp_err_t promp_zlink_next(promp_zlink_t *link, promp_frame_t *frame, bool *got);

/* The caller is done with bytes of windowed frames of the peer (size of the whole frame). */
void promp_zlink_release(promp_zlink_t *link, uint64_t bytes);

/* Sends or queues a frame; before the link is UP it waits here. Data beyond the window waits here as well. tag: comes back from
 * promp_zlink_flushed for frames that are not urgent when tag is not 0, once libzmq has the frame. OK; CLOSED when the link is
 * LOST; QUEUE_FULL when PROMP_LIMIT_LINK_QUEUE would be passed; MEMORY; ARGUMENT when size and parts do not fit together. */
promp_err_t promp_zlink_send(promp_zlink_t *link, const promp_out_t *out, uint64_t tag);

/* Likewise a frame as it was received from some link. */
promp_err_t promp_zlink_forward(promp_zlink_t *link, const promp_frame_t *frame, bool urgent, uint64_t tag);

/* Sends what libzmq and the window take; promp_zlink_read() does it too. OK, CLOSED. */
promp_err_t promp_zlink_flush(promp_zlink_t *link);
/* Frames wait that the window would let go. Not to be polled for: fd tells. */
bool promp_zlink_wants_write(const promp_zlink_t *link);
size_t promp_zlink_queued(const promp_zlink_t *link); /* bytes that wait here */
uint64_t promp_zlink_room(const promp_zlink_t *link); /* data bytes that window and queue take now */

/* Drops what is queued, for good: the way to get all tags back before destroying a link. LOST does the same. */
void promp_zlink_drop(promp_zlink_t *link);

/* Frames with a tag that have gone to libzmq, or were dropped: true and one of them (neighbours with the same tag may come as
 * one, their bytes added), false when there is none. */
bool promp_zlink_flushed(promp_zlink_t *link, uint64_t *tag, uint64_t *bytes);

#endif
