/* agent_core.h - what the agent decides: links of managers and workers, sessions, routes, leases, exit
 * records. A plain state machine: no socket, no clock, no thread, no process. A shell (agent.c, or the
 * simulator) feeds events and then takes effects until there are none:
 *
 *     promp_agent_core_frame(core, link, &frame, now);
 *     while (promp_agent_core_next(core, &effect))
 *         do what it says
 *     next = promp_agent_core_tick(core, now);    (gives effects too)
 *
 * Before its first ROSTER_END the core only speaks with the keeper; accept managers when
 * promp_agent_core_serving(). One thread at a time. Times are milliseconds of a clock that does not go back.
 *
 *   session:  SPAWNING ── SPAWNED ──▶ RUNNING ── slain ──▶ DYING ── EXITED, link drained ──▶ ENDED ──
 * GONE_ACK ──▶ (no more) └── SPAWN_FAILED ──▶ (no more)   └───────── EXITED, link drained ────────────▲  └──
 * lease ends ──▲
 *
 * Relaying: DATA of one session and direction may wait here up to PROMP_LIMIT_RELAY_SESSION bytes; what comes
 * then is dropped and its sender told (CONGESTED). So the shell lets go (promp_link_release) of each DATA
 * frame as soon as the effects of its event are done, and one slow reader stops nobody else on the same link.
 */
#ifndef PROMP_NODE_AGENT_CORE_H
#define PROMP_NODE_AGENT_CORE_H

#include "base.h"
#include "frame.h"

typedef struct promp_agent_core promp_agent_core_t;

#define PROMP_AGENT_NONE UINT32_MAX /* no link */

/* What a node of a cluster offers: the fields of OFFER. Strings are borrowed as long as the core lives. */
typedef struct {
    uint32_t places, cpus;
    uint64_t memory;
    uint32_t gpus;
    const char *labels, *pythons;
} promp_agent_offer_t;

typedef struct {
    uint64_t seed;     /* of hashing: random in programs, fixed in simulations */
    uint32_t uid;      /* the user whose managers are served */
    int64_t idle;      /* REST so many ms after the last manager; PROMP_NEVER: stay */
    const char *build; /* for WELCOME and HELLO; static */
    bool cluster; /* managers are behind a broker: DIAL; nobody is "opened", and idle counts for nothing */
    promp_agent_offer_t offer;
} promp_agent_config_t;

/* What the kernel says about who connected. */
typedef struct {
    uint32_t pid, uid;
    uint64_t start; /* start time of the process, as in /proc/PID/stat */
} promp_agent_peer_t;

typedef enum {
    PROMP_AGENT_SEND,    /* send out on link */
    PROMP_AGENT_FORWARD, /* send *frame, as it is, on link; tag and urgent as for promp_link_forward */
    PROMP_AGENT_CLOSE, /* send what link takes at once, then close it; its number is free again. error: why the link to
                                the broker is given up, for the log */
    PROMP_AGENT_TO_KEEPER, /* send out to the keeper; link not NONE: make a socket pair, one end becomes that
                              link, the other goes along with out */
    PROMP_AGENT_SLAY,      /* kill process handle/pid and its process group now */
    PROMP_AGENT_DROP,      /* handle is not needed any more: close it */
    PROMP_AGENT_WATCH,   /* watch process pid (start time start): when it ends, or is not there any more, call
                            promp_agent_core_owner_died(owner); where it cannot be watched, _owner_unwatched */
    PROMP_AGENT_UNWATCH, /* stop watching owner; its number is free again */
    PROMP_AGENT_DIAL, /* dial the broker as link. It can be sent to at once; what is sent waits until it is up. When it
                                cannot be had, or has ended: promp_agent_core_closed(link, why) */
    PROMP_AGENT_KILL_KEEPER, /* the keeper does not answer: kill it; then promp_agent_core_keeper_lost */
    PROMP_AGENT_END /* send what the links take within a moment, then end; error: PROMP_OK in good order */
} promp_agent_effect_kind_t;

typedef struct {
    promp_agent_effect_kind_t kind;
    uint32_t link;
    bool urgent;
    uint64_t tag;
    const promp_frame_t
        *frame; /* the frame of the event, borrowed; its descriptors go along where that costs nothing */
    int handle;
    uint32_t owner;
    uint32_t pid;
    uint64_t start;
    promp_err_t error;
    const promp_out_t *out; /* SEND, TO_KEEPER; valid until the next call into the core */
} promp_agent_effect_t;

/* NULL without memory. */
promp_agent_core_t *promp_agent_core_new(const promp_agent_config_t *config, int64_t now);
void promp_agent_core_destroy(promp_agent_core_t **core);

/* The next effect, false: none. A core that ran out of memory says END with MEMORY: the keeper starts a new
 * agent. */
bool promp_agent_core_next(promp_agent_core_t *core, promp_agent_effect_t *effect);

/* The roster is complete and no end is near: connections may be accepted. */
bool promp_agent_core_serving(const promp_agent_core_t *core);

/* --- events: links. Links of workers are made by TO_KEEPER, so only managers are "opened" --- */

/* A process connected. Returns its link's number (below PROMP_LIMIT_LINKS + 2 * PROMP_LIMIT_WORKERS + 2), NONE
 * without memory: then close it. A refused one gets a number too, REFUSED and CLOSE. */
uint32_t promp_agent_core_opened(promp_agent_core_t *core, const promp_agent_peer_t *peer, int64_t now);

/* A frame came. Frames with descriptors are refused; the caller closes those. */
void promp_agent_core_frame(promp_agent_core_t *core, uint32_t link, const promp_frame_t *frame, int64_t now);

/* Nothing more comes from link: CLOSED at its end, else why it is spoilt (its peer is told numbers of 14xx).
 * Everything received before has been given to _frame. Also for a link that could not be made (DESCRIPTORS,
 * SYSTEM, MEMORY): whatever was to go along is not sent then. CLOSE follows in either case. */
void promp_agent_core_closed(promp_agent_core_t *core, uint32_t link, promp_err_t why, int64_t now);

/* A forwarded DATA frame with this tag left, or was dropped on the way. */
void promp_agent_core_flushed(promp_agent_core_t *core, uint64_t tag, uint64_t bytes);

/* --- events: processes --- */

void promp_agent_core_owner_died(promp_agent_core_t *core, uint32_t owner, int64_t now);
/* It could not be watched for want of descriptors or memory here, which is not its fault: it is not let in, but what
 * it has here stays, for its lease, and it is watched when it comes again. */
void promp_agent_core_owner_unwatched(promp_agent_core_t *core, uint32_t owner, int64_t now);

/* A frame of the keeper. handle: the descriptor that came along (a pidfd), -1: none; it is the core's now. */
void promp_agent_core_keeper_frame(promp_agent_core_t *core, const promp_frame_t *frame, int handle,
                                   int64_t now);
void promp_agent_core_keeper_lost(promp_agent_core_t *core, int64_t now);

/* A cluster's node shall end when its last worker has: it offers no places from now on, and REST comes when the last exit
 * record has been acknowledged, or nobody has done so for a while. */
void promp_agent_core_drain(promp_agent_core_t *core, int64_t now);

/* The node shall end in good order: workers are ended, managers told; REST when that is done. */
void promp_agent_core_stop(promp_agent_core_t *core, int64_t now);

/* Does what time demands; returns when it wants to be called next. Call it after each round of events, those
 * first: a late call means that we slept, and then nobody else is blamed. */
int64_t promp_agent_core_tick(promp_agent_core_t *core, int64_t now);

#endif
