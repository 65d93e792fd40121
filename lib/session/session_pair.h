/* session_pair.h - for tests: a manager's and a worker's session joined by hand. */
#ifndef PROMP_SESSION_PAIR_H
#define PROMP_SESSION_PAIR_H

#include "session.h"

#define PAIR_ROOM UINT64_MAX

typedef struct {
    promp_frame_t frame; /* body is `bytes` */
    bool urgent;
    uint8_t *bytes;
} pair_frame_t;

typedef struct {
    promp_session_t *manager, *worker;
    int64_t now;
} pair_t;

void pair_begin(pair_t *pair);      /* both paths down */
void pair_begin_open(pair_t *pair); /* attached and quiet */
void pair_end(pair_t *pair);

/* The next frame of session, as a copy; false: none. */
bool pair_next(pair_t *pair, promp_session_t *session, uint64_t room, pair_frame_t *frame);
void pair_free(pair_frame_t *frame);
/* The next frame, which must be of this type. */
pair_frame_t pair_expect(pair_t *pair, promp_session_t *session, promp_type_t type);
void pair_expect_nothing(pair_t *pair, promp_session_t *session);
/* Gives the frame to session (and keeps it). */
promp_err_t pair_give(pair_t *pair, promp_session_t *session, const pair_frame_t *frame);
/* What both have to send goes to and fro until there is nothing more. Returns how many frames that were. */
int pair_exchange(pair_t *pair);
/* Time passes: one tick each at the end. */
void pair_wait(pair_t *pair, int64_t ms);

/* Queues a record of `size` bytes that follow from `seed`. */
void pair_send(promp_session_t *session, promp_lane_t lane, uint16_t type, size_t size, uint8_t seed);
/* Takes a record and checks it. */
void pair_take(promp_session_t *session, promp_lane_t lane, uint16_t type, size_t size, uint8_t seed);

/* Frames of a hostile peer; pair_free. */
pair_frame_t pair_data(const pair_t *pair, uint32_t epoch, promp_lane_t lane, uint64_t offset,
                       const void *bytes, size_t size);
pair_frame_t pair_message(const pair_t *pair, uint32_t epoch, const promp_message_t *message);

#endif
