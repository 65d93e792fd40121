/* window.h - how many data bytes may be on their way on a link that gives them back by LINK_ACK. Pure; the owner's lock.
 *
 * Both ends count the bytes of windowed frames (promp_link_windowed) since the link began. A sender goes on while less than
 * the limit is unreleased, so its last frame may end beyond it; a receiver says what was released each quarter. */
#ifndef PROMP_NET_WINDOW_H
#define PROMP_NET_WINDOW_H

#include "link.h"

typedef struct {
    uint64_t limit;
    uint64_t in_windowed, in_released, in_told; /* theirs: arrived, let go of, as LINK_ACK said */
    uint64_t out_windowed, out_released;        /* ours */
} promp_window_t;

/* Data bytes that may go now. */
static inline uint64_t promp_window_room(const promp_window_t *window)
{
    uint64_t used = window->out_windowed - window->out_released;
    return used < window->limit ? window->limit - used : 0;
}

/* A frame of the peer: counts it, or takes it in where it is a LINK_ACK; *keep: it is for the caller. OK; CREDIT (beyond the
 * window), OFFSET or MESSAGE_* (a bad LINK_ACK): the peer broke the protocol. */
promp_err_t promp_window_take(promp_window_t *window, const promp_frame_t *frame, bool *keep);

/* The caller let go of bytes of windowed frames; more than arrived count as all. */
void promp_window_release(promp_window_t *window, uint64_t bytes);

/* True when it is time to tell: *out is the LINK_ACK. Once it is on its way, call promp_window_told(). */
bool promp_window_due(const promp_window_t *window, promp_out_t *out);
void promp_window_told(promp_window_t *window);

#endif
