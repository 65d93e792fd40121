/* session_inner.h - the session's state, shared by the session_*.c files. */
#ifndef PROMP_SESSION_INNER_H
#define PROMP_SESSION_INNER_H

#include "lane.h"

typedef struct {
    uint32_t version; /* counts from 1; 0: never set */
    uint32_t seen;    /* out: acknowledged by the peer; in: shown to the application */
    uint64_t a, b;
    bool due; /* out: to be sent */
} promp_slot_t;

struct promp_session {
    promp_id_t id;
    bool manager;
    bool path; /* the link below is up */
    bool lost; /* it was up before */
    promp_session_state_t state;
    promp_err_t error; /* why it is OVER */
    uint32_t epoch;    /* 0: never attached */
    promp_lane_out_t out[PROMP_LANES];
    promp_lane_in_t in[PROMP_LANES];
    promp_slot_t slot_out[PROMP_SLOTS], slot_in[PROMP_SLOTS];
    promp_lane_t turn; /* lane that may send next, control apart */

    /* frames that are to be sent */
    bool attach_due; /* ATTACH or, worker's side, REATTACH */
    bool attached_due;
    bool ack_due;
    bool probe_due;
    bool reset_due;

    uint32_t attach_wait; /* back-off, ms */
    int64_t attach_at;    /* next try */
    int64_t ack_at;       /* something has come and was not acknowledged: do so then */
    uint32_t ack_nonce;   /* of the PROBE to answer, or 0 */
    uint32_t probe_wait;  /* patience, ms */
    int64_t probe_at;     /* nothing acknowledged by then: ask */
    uint32_t probe_nonce; /* of the last PROBE */
    bool probe_open;      /* it was not answered yet */
};

/* The lanes and slots begin on a new path: what the peer does not have goes out again. */
void promp_session_open(promp_session_t *session, int64_t now);
/* Manager's side: a new epoch; ATTACH goes out at once or after the first back-off. */
void promp_session_attach(promp_session_t *session, bool at_once, int64_t now);
/* OVER without a word to the peer. */
void promp_session_close(promp_session_t *session, promp_err_t error);
/* Starts, keeps or ends the wait for an acknowledgement, whichever is right. progress: the patience begins
 * anew. */
void promp_session_patience(promp_session_t *session, bool progress, int64_t now);

#endif
