/* session.h - the reliable two-way stream between one manager and one worker: four ordered lanes, exactly
 * once, whatever happens to the path. A plain state machine: no socket, no clock, no thread. One thread (or
 * lock) at a time.
 *
 *              ATTACH(e+1) sent            ATTACHED(e+1)
 *   DOWN ----------------------> ATTACHING ------------> OPEN        (manager's side)
 *   DOWN ------------------------- ATTACH(e) ----------> OPEN        (worker's side, answers ATTACHED)
 *   any  -- path lost, NO_ROUTE, REATTACH --> DOWN (the manager's side tries again with back-off)
 *   any  -- RESET, or the owner says so ----> OVER
 *
 * A lane is a stream of bytes with 64-bit offsets. The sender keeps what is not acknowledged. A DATA frame
 * carries a piece at an offset: the wanted one is taken, an older one dropped (its new part taken), a later
 * one dropped and told as a gap. Acknowledgement and credit are absolute offsets, so repeating or losing them
 * does no harm. Credit is "taken + window", where bytes of a record that is still being put together count as
 * taken (its memory grows with what arrives and is bounded by PROMP_LIMIT_RECORD). What is lost is
 * found by PROBE: data unacknowledged for PROMP_TIME_PROBE asks for an ACK; if the answer shows a hole before
 * what had been sent by then, the lane goes back. CONGESTED makes the lane go back too, after a pause that
 * doubles while no progress is seen.
 *
 * The manager's side of a session raises the epoch at every attach; frames of an older epoch are dropped, but for DATA:
 * at an offset there is only ever the same byte, whichever way it came.
 */
#ifndef PROMP_SESSION_SESSION_H
#define PROMP_SESSION_SESSION_H

#include "base.h"
#include "buf.h"
#include "frame.h"
#include "message.h"
#include "pool.h"

typedef struct promp_session promp_session_t;

typedef enum {
    PROMP_SESSION_DOWN,
    PROMP_SESSION_ATTACHING,
    PROMP_SESSION_OPEN,
    PROMP_SESSION_OVER
} promp_session_state_t;

#define PROMP_SLOT_ABORT 0 /* urgent slots */
#define PROMP_SLOT_STOP  1
#define PROMP_SLOTS      2

typedef struct {
    uint16_t type; /* promp_type_t of the record */
    uint8_t *body; /* malloc'd, the taker frees it; NULL when size is 0 */
    size_t size;
    uint64_t end; /* lane offset behind this record */
} promp_record_t;

/* manager: this is the manager's side (it attaches). Returns NULL without memory. */
promp_session_t *promp_session_new(const promp_id_t *id, bool manager);
void promp_session_destroy(promp_session_t **session);

const promp_id_t *promp_session_id(const promp_session_t *session);
promp_session_state_t promp_session_state(const promp_session_t *session);
promp_err_t promp_session_error(const promp_session_t *session); /* why it is OVER */

/* --- the application's side --- */

/* Queues one record: body is the parts one behind the other, copied. OK, MEMORY, VALUE_SIZE, CLOSED (session
 * is OVER), ARGUMENT (a type that this side does not send, or not on this lane). There is no limit here: the
 * caller looks at promp_session_backlog first. */
promp_err_t promp_session_send(promp_session_t *session, promp_lane_t lane, uint16_t type,
                               const promp_slice_t *parts, size_t count);

/* Likewise; the record is head and then the bytes of *rest, which moves in instead of being copied: a large body costs
 * neither time nor memory here. *rest is empty afterwards, unchanged on failure. */
promp_err_t promp_session_send_moved(promp_session_t *session, promp_lane_t lane, uint16_t type,
                                     promp_slice_t head, promp_buf_t *rest);

/* Bodies that moved into a lane and fit into the pool are given to it when they are acknowledged. It outlives the session. */
void promp_session_pool(promp_session_t *session, promp_lane_t lane, promp_pool_t *pool);

/* The last size bytes queued on a lane, for a caller who has memory for a record made before he reads its bytes: he writes
 * them before anything else is done with the session. NULL: they do not lie in one piece (size is above 256 KiB). */
uint8_t *promp_session_last(promp_session_t *session, promp_lane_t lane, size_t size);

uint64_t promp_session_sent(const promp_session_t *session,
                            promp_lane_t lane); /* offset behind what was queued */
uint64_t promp_session_acked(const promp_session_t *session,
                             promp_lane_t lane); /* offset the peer has up to */
uint64_t promp_session_backlog(const promp_session_t *session,
                               promp_lane_t lane); /* queued, not acknowledged */
uint64_t promp_session_unsent(const promp_session_t *session,
                              promp_lane_t lane); /* queued, not on any path yet */
bool promp_session_settled(
    const promp_session_t *session); /* everything queued, urgent too, is acknowledged */

/* Takes the next complete record of a lane; credit returns by this. False: none. */
bool promp_session_take(promp_session_t *session, promp_lane_t lane, promp_record_t *record);
uint64_t promp_session_taken(const promp_session_t *session,
                             promp_lane_t lane); /* offset behind the last one taken */
/* Next byte wanted: everything of the lane before it is here. */
uint64_t promp_session_received(const promp_session_t *session, promp_lane_t lane);
/* Behind the last byte of the lane that has come at all, also of what was dropped because something before it was missing. */
uint64_t promp_session_heard(const promp_session_t *session, promp_lane_t lane);
bool promp_session_has_record(const promp_session_t *session, promp_lane_t lane);

/* Sets an urgent slot; a later call replaces an earlier one. */
void promp_session_urge(promp_session_t *session, int slot, uint64_t a, uint64_t b);
/* True once for each new version that has come from the peer; of several that came meanwhile the last is
 * told. */
bool promp_session_urged(promp_session_t *session, int slot, uint64_t *a, uint64_t *b);

/* --- the path's side --- */

/* The link below is there (up) or not. Manager's side: up starts attaching. Worker's side: up after a loss
 * asks for it (REATTACH). */
void promp_session_path(promp_session_t *session, bool up, int64_t now);

/* A frame of this session (ATTACH .. CONGESTED, by messages.def) came. from: mask of those who may speak
 * there; on a link to a node PROMP_WHO_NODE and the other end of the session. Other frame types:
 * MESSAGE_STATE. Frames of an older epoch but DATA, and what comes when it no longer can matter, are dropped: OK. A
 * relay's NO_ROUTE and CONGESTED carry the epoch of the frame that they answer, or 0. MEMORY: the frame is as
 * if lost, it will come again. Any other error: the peer broke the protocol; the caller drops it or ends the
 * session. */
promp_err_t promp_session_frame(promp_session_t *session, const promp_frame_t *frame, promp_who_t from,
                                int64_t now);

/* Where the bytes of a DATA frame that are still to come (from frame->offset on) belong, when they are the next ones of a
 * record that is being put together: room for *size bytes, made less where fewer fit. Good until anything else is done with
 * the session; a frame whose body lies there is taken without copying. NULL: nowhere. */
uint8_t *promp_session_place(promp_session_t *session, const promp_frame_t *frame, size_t *size);

/* The next frame to send, most pressing first: attach, urgent, acks, control lane, then the other lanes in
 * turn. out->urgent is set but for DATA of lanes other than control, and PROBE, which must stay behind that
 * DATA. room: data bytes the link takes now (its window); 0: only frames that need no window. False: nothing
 * to send. A DATA frame returned counts as sent; one that the link could not take is found again by
 * path(false) or PROBE. */
bool promp_session_next(promp_session_t *session, promp_out_t *out, uint64_t room, int64_t now);

/* Acknowledge with the next frames rather than by time: called when the taker is about to send anyway or an
 * exchange is over. (Acks otherwise wait PROMP_TIME_ACK or for a quarter of a window.) */
void promp_session_ack_now(promp_session_t *session);

/* Does what time demands; returns when it wants to be called next (PROMP_NEVER: not by time; now: next() has a frame).
 * Call it when that time has come, and whenever next() has come to its end: what was sent starts waits. */
int64_t promp_session_tick(promp_session_t *session, int64_t now);

/* Ends it: RESET with error is sent once if a path is there (and again to a peer that goes on sending),
 * nothing is retained. Records that are complete can still be taken, also after a RESET from the peer. */
void promp_session_over(promp_session_t *session, promp_err_t error);

#endif
