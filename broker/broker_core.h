/* broker_core.h - what the broker decides: peers, nodes and what they offer, sessions and where they are placed, starts that
 * wait, routes, leases, keys. A plain state machine: no socket, no clock, no thread, no file. A shell (or a simulator) feeds
 * events and then takes effects until there are none:
 *
 *     promp_broker_core_frame(core, peer, &frame, now);
 *     while (promp_broker_core_next(core, &effect))
 *         do what it says
 *     next = promp_broker_core_tick(core, now);    (gives effects too)
 *
 * One thread at a time. Times are milliseconds of a clock that does not go back.
 *
 *   peer:     NEW ── HELLO ──▶ UP ── silent for its lease, broken rule, revoked key, closed ──▶ (no more)
 *   node:     UP ── OFFER ──▶ tells what it has: HELD … HELD_END ──▶ takes starts
 *   session:  WAITING ── a place is free ──▶ ASKED ── STARTED ──▶ RUNNING ── GONE ──▶ ENDED ── GONE_ACK, OVER ──▶ (no more)
 *                ▲                             │ START_REFUSED: another node, or refused
 *                └─────────────────────────────┘
 *
 * Peers are numbered by the shell (promp_zpeer_t of zport.h does; a number is never used again) and are who their key says
 * they are. A manager is a key, not a process: who has the key and knows a session's name, which is 128 random bits, may
 * speak for it, and the latest START or ATTACH says on which connection. Whoever names a session of another key is dropped.
 *
 * Nodes own processes and exit records; the core keeps a row for each session that a node has or is asked for, and nothing of
 * those that ended. A broker that starts anew learns all from its nodes: HELD tells the owner's key, and a child session
 * belongs to its parent's owner, wherever the parent is, as soon as the parent is known. What no node can serve waits for
 * config.gather ms before it is refused, for nodes may be on their way; its manager is told so. A node that takes no more workers,
 * and one that has left, counts until PROMP_TIME_NO_LEASE after it was last heard: it, or another one instead, may come back.
 *
 * A node that an admin takes out (DRAIN) gets no more starts, is told, and leaves when its workers have ended. The core knows that
 * until the node leaves, has been away for PROMP_TIME_NO_LEASE, or another one comes with its key; a broker that starts anew learns
 * it from the node, which offers no places once it has been told.
 *
 * Child sessions (a worker is the manager): the worker's node asks, naming the parent, which must be placed there. When the
 * place found is on that same node, the node relays the session by itself and only says OVER at its end; otherwise its frames
 * go node, broker, node.
 *
 * Relaying: DATA of one session and direction may wait here up to PROMP_LIMIT_RELAY_SESSION bytes, that for one peer and of
 * one key up to theirs; what comes then is dropped and its sender told (CONGESTED). So the shell lets go (promp_zport_release)
 * of each DATA frame as soon as the effects of its event are done, and a slow reader costs itself alone.
 *
 * The core never says GONE for a worker that a node might still have: a relay says NO_ROUTE and the ends' leases decide. It
 * does so when the node itself does not hold the session any more, or when the node's key is revoked. */
#ifndef PROMP_BROKER_CORE_H
#define PROMP_BROKER_CORE_H

#include "base.h"
#include "frame.h"
#include "limits.h"
#include "message.h"

typedef struct promp_broker_core promp_broker_core_t;

typedef uint64_t promp_broker_peer_number_t; /* 0: none */

typedef enum {
    PROMP_BROKER_MANAGER = 1, /* numbers as in HELLO */
    PROMP_BROKER_NODE = 3,
    PROMP_BROKER_OBSERVER,
    PROMP_BROKER_ADMIN
} promp_broker_role_t;

#define PROMP_BROKER_UNLIMITED UINT64_MAX

/* The rows of counters.h. Of nodes, only what those offer that are connected and take new workers counts as room. */
typedef promp_msg_counters_t promp_broker_counters_t;

/* What the store says of a key that may come in now. */
typedef struct {
    promp_broker_role_t role;
    char name[PROMP_LIMIT_KEY_NAME + 1]; /* a node is asked for by it */
    uint64_t workers; /* of a manager, at the same time, those that wait too; or UNLIMITED */
    uint64_t bytes;   /* data and starts of a manager's sessions that wait here; or UNLIMITED */
    char labels[PROMP_LIMIT_KEY_LABELS +
                1]; /* node: its places have them; manager: its workers need one of them */
} promp_broker_key_info_t;

typedef struct {
    uint64_t seed; /* of hashing: random in programs, fixed in simulations */
    promp_id_t
        identity; /* of this broker, not none: the same after restarts and with another key, or all managers take their
                            workers for lost */
    const char *build; /* for WELCOME; static */
    int64_t gather;    /* ms; see above. Programs: PROMP_TIME_GATHER */
    /* Looks a key up in the store, by the first 16 bytes of its public part: PROMP_OK and *info (role one of the four), or why
     * it may not come in (any other number; peers are told KEY_REFUSED whichever it is). Reads memory, does not wait, does not
     * call the core. */
    promp_err_t (*key)(void *arg, const promp_id_t *key, promp_broker_key_info_t *info);
    /* Fills in those counters that are the shell's: connections and joins. NULL: they stay 0. Like key. */
    void (*count)(void *arg, promp_broker_counters_t *counters);
    void *arg;
} promp_broker_config_t;

typedef enum {
    PROMP_BROKER_SEND,    /* send out to peer */
    PROMP_BROKER_FORWARD, /* send *frame, as it is, to peer; tag and urgent as for promp_zport_forward */
    PROMP_BROKER_KICK, /* the core has forgotten peer, and why (error; it was told by REFUSED where it had no good end): give
                             what waits for it a moment to leave, then end its connection. What still comes of it counts for
                             nothing, whether it is given to the core or not */
    PROMP_BROKER_END /* send what the links take within a moment, then end; error: PROMP_OK after a drain, else MEMORY: the core
                        is spoilt and says nothing more (a new one learns all from the nodes) */
} promp_broker_effect_kind_t;

typedef struct {
    promp_broker_effect_kind_t kind;
    promp_broker_peer_number_t peer;
    bool urgent;
    uint64_t tag;
    const promp_frame_t *frame; /* that of the event, borrowed */
    promp_err_t error;
    const promp_out_t *out; /* SEND; valid until the next call into the core */
} promp_broker_effect_t;

/* config is copied. NULL without memory. */
promp_broker_core_t *promp_broker_core_new(const promp_broker_config_t *config, int64_t now);
void promp_broker_core_destroy(promp_broker_core_t **core);

/* The next effect, false: none. What could not be sent: a SEND or FORWARD that is urgent and finds its queue full means that
 * the peer does not read: kick it and call _closed(QUEUE_FULL). A FORWARD with a tag that could not be sent is dropped: call
 * _flushed, the session finds the hole. PEER_LEFT: _closed comes. */
bool promp_broker_core_next(promp_broker_core_t *core, promp_broker_effect_t *effect);

/* --- events --- */

/* A peer is there, with a key that the handshake has proved: the first 16 bytes of its public part. */
void promp_broker_core_opened(promp_broker_core_t *core, promp_broker_peer_number_t peer,
                              const promp_id_t *key, int64_t now);

void promp_broker_core_frame(promp_broker_core_t *core, promp_broker_peer_number_t peer,
                             const promp_frame_t *frame, int64_t now);

/* Nothing more comes from peer, and nothing can be sent to it (PEER_LEFT, or what it broke). No KICK follows. */
void promp_broker_core_closed(promp_broker_core_t *core, promp_broker_peer_number_t peer, promp_err_t why,
                              int64_t now);

/* A forwarded frame with this tag left, or was dropped. */
void promp_broker_core_flushed(promp_broker_core_t *core, uint64_t tag, uint64_t bytes);

/* The store was loaded anew, or a key in it expired: all keys that the core knows are looked up again. Sessions of those that
 * may not come in any more end at once and their connections are kicked; for the others the new limits count for new starts.
 * Call it at least as often as expiry shall be noticed. */
void promp_broker_core_keys_changed(promp_broker_core_t *core, int64_t now);

/* The broker shall end in good order (SIGTERM): peers are told AWAY, nobody is let in, starts are left to the next broker, what
 * is under way is passed on. END follows when nothing waits, at the latest after PROMP_TIME_DRAIN. */
void promp_broker_core_drain(promp_broker_core_t *core, int64_t now);

/* Does what time demands; returns when it wants to be called next. Call it after each round of events, those first: a late call
 * means that we slept, and then nobody else is blamed. */
int64_t promp_broker_core_tick(promp_broker_core_t *core, int64_t now);

/* --- figures --- */

/* Takes no longer for many nodes or sessions. */
void promp_broker_core_count(const promp_broker_core_t *core, promp_broker_counters_t *counters);

#endif
