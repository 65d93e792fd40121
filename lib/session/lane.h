/* lane.h - the two halves of a lane: what is sent and kept until it is acknowledged (out), what comes and is
 * put together until it is taken (in). Inner parts of the session; they know offsets and bytes, no frames and
 * no path. */
#ifndef PROMP_SESSION_LANE_H
#define PROMP_SESSION_LANE_H

#include "buf.h"
#include "pool.h"
#include "session.h"

/* --- out --- */

typedef struct promp_segment
    promp_segment_t; /* a run of queued bytes; records never move once they are in one */

typedef struct {
    promp_segment_t *first, *last; /* what is retained, oldest first */
    promp_segment_t *cursor;       /* at or before the segment that holds `next` */
    uint64_t acked;                /* the peer has everything before */
    uint64_t next;                 /* goes out next */
    uint64_t high;                 /* `next` at its highest: what was ever sent */
    uint64_t end;                  /* behind what is queued */
    uint64_t credit;               /* first byte not granted */
    uint64_t probed;               /* `next` when the last PROBE went out */
    int64_t resume_at;             /* congested: nothing before this time */
    uint32_t pause;                /* the last pause in ms; 0 after progress */
    promp_pool_t *pool;            /* where bodies that moved in and fit go in the end; NULL: none */
} promp_lane_out_t;

void promp_lane_out_clear(promp_lane_out_t *lane); /* frees what is retained; only the offsets stay */
uint8_t *promp_lane_out_last(promp_lane_out_t *lane, size_t size); /* see promp_session_last */

/* Queues a record, all or nothing. size: of the parts together. rest (may be NULL): its bytes end the record, and it
 * moves in; not empty. OK or MEMORY. */
promp_err_t promp_lane_out_queue(promp_lane_out_t *lane, uint16_t type, const promp_slice_t *parts,
                                 size_t count, uint64_t size, promp_buf_t *rest);

/* The peer has everything before recv and grants up to credit; older news than ours is passed over. *progress
 * is set when either moved. OFFSET: that much was never sent. */
promp_err_t promp_lane_out_ack(promp_lane_out_t *lane, uint64_t recv, uint64_t credit, bool *progress);

/* What lies at `offset` and behind goes out again. Offsets that are acknowledged or not yet sent change
 * nothing. */
void promp_lane_out_go_back(promp_lane_out_t *lane, uint64_t offset);
/* Likewise, a relay's wish: after a pause that doubles while nothing is acknowledged. */
void promp_lane_out_congested(promp_lane_out_t *lane, uint64_t offset, int64_t now);

/* Bytes that may go out now. */
uint64_t promp_lane_out_ready(const promp_lane_out_t *lane, int64_t now);
/* Makes out's parts the next `most` ready bytes (fewer where parts run out); they count as sent. Returns how
 * many. */
size_t promp_lane_out_send(promp_lane_out_t *lane, size_t most, promp_out_t *out);

/* Something is under way, or waits for credit: an acknowledgement must come one day. */
bool promp_lane_out_waits(const promp_lane_out_t *lane);

/* --- in --- */

typedef struct {
    promp_record_t *ring; /* complete records that wait, a power of two of places */
    size_t places, first, count;
    uint64_t recv;    /* next byte wanted */
    uint64_t heard;   /* behind the last byte that came, also of pieces that were dropped */
    uint64_t taken;   /* behind the last record taken */
    uint64_t held;    /* bytes of the records in ring, heads included */
    uint64_t told;    /* recv as the peer was last told */
    uint64_t granted; /* credit as the peer was last told */
    uint64_t window;
    uint64_t gap_told; /* recv + 1 when a gap was last told; 0: none */
    int64_t gap_again; /* then it may be told again */
    bool gap;          /* to be told */
    /* the record that is being put together */
    uint8_t head_size; /* bytes of head that are here */
    uint8_t head[PROMP_RECORD_HEAD];
    uint16_t type;
    uint8_t *body;
    uint64_t size, got, room; /* of body: in the end, here, allocated */
} promp_lane_in_t;

void promp_lane_in_init(promp_lane_in_t *lane, promp_lane_t number);
void promp_lane_in_drop_part(promp_lane_in_t *lane); /* frees the incomplete record: no more will come */
void promp_lane_in_clear(promp_lane_in_t *lane);     /* frees everything */

/* A piece at offset. What is new is taken; *gap: something before it is missing. CREDIT; what is wrong with a
 * record's head: MESSAGE_UNKNOWN, MESSAGE_SENDER, MESSAGE_STATE (not on this lane), MESSAGE_SIZE; MEMORY: the
 * rest of the piece is as if lost. */
promp_err_t promp_lane_in_data(promp_lane_in_t *lane, promp_lane_t number, promp_who_t from, uint64_t offset,
                               promp_slice_t piece, bool *gap);

uint8_t *promp_lane_in_place(promp_lane_in_t *lane, uint64_t offset,
                             size_t *size); /* see promp_session_place */

bool promp_lane_in_take(promp_lane_in_t *lane, promp_record_t *record);

/* The first byte that the peer may not send; never moves back. */
uint64_t promp_lane_in_grant(const promp_lane_in_t *lane);
/* It is worth an acknowledgement now. */
bool promp_lane_in_due(const promp_lane_in_t *lane);

#endif
