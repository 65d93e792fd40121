/* duet.h - two sessions, a manager's and a worker's, over a relay and two links: scene_session.c tells what happens to
 * them, duet_side.c is a side as its shell sees it, duet_net.c the links and the relay. */
#ifndef PROMP_TESTS_DUET_H
#define PROMP_TESTS_DUET_H

#include "session.h"
#include "sim.h"
#include "traffic.h"

#define DUET_IDLE_BYTES 2048 /* memory of a session with nothing to do */

typedef struct duet duet_t;

typedef struct {
    duet_t *duet;
    int index; /* 0 the manager's side, 1 the worker's */
    const char *name;
    promp_session_t *session;
    sim_traffic_t traffic;
    int64_t wake;                      /* an event will tick then */
    unsigned take_chance[PROMP_LANES]; /* per mille of the chances to take that are used */
    bool resting;                      /* the other side ended the session */

    /* its link */
    bool up;             /* as this side believes */
    bool relay_up;       /* as the relay believes */
    uint32_t generation; /* counts cuts: what was on the link then is lost */
    int64_t clear[2][2]; /* [to relay, from relay][data, urgent]: the link gives nothing before this time */

    /* what it told the other side so far */
    uint64_t recv[PROMP_LANES], credit[PROMP_LANES];
} duet_side_t;

struct duet {
    sim_t *sim;
    duet_side_t side[2];
    bool good;
    int64_t chaos_ends;
    uint64_t data_frames, ack_frames;
    /* per mille */
    unsigned loss, repeat, reorder, congestion, cut, no_memory;
    int64_t delay; /* longest, ms */
    uint64_t room; /* largest of the links' windows; 0: often shut */
};

/* Takes what has come, sends what there is, ticks. */
void duet_side_pump(duet_side_t *side);
/* Around every call into the session: counts its memory, and checks it. */
void duet_side_enter(duet_side_t *side);
void duet_side_leave(duet_side_t *side);

void duet_net_send(duet_side_t *side, const promp_out_t *out);
void duet_net_cut(duet_side_t *side);    /* both its ends notice, each in its time; it comes up again */
void duet_net_up(sim_t *sim, void *arg); /* event; arg: the side */

#endif
