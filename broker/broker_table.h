/* broker_table.h - inside the broker core: its peers, keys, nodes and sessions, and how they hang together. */
#ifndef PROMP_BROKER_TABLE_H
#define PROMP_BROKER_TABLE_H

#include "broker_core.h"
#include "broker_heap.h"
#include "effects.h"
#include "list.h"
#include "map.h"
#include "message.h"
#include "numbers.h"

typedef struct promp_broker_session promp_broker_session_t;
typedef struct promp_broker_node promp_broker_node_t;
typedef struct promp_broker_peer promp_broker_peer_t;

typedef enum {
    PROMP_BROKER_TIMER_PEER,
    PROMP_BROKER_TIMER_NODE,
    PROMP_BROKER_TIMER_SESSION
} promp_broker_timer_kind_t;

/* A key with a connection, a session or a node here. */
typedef struct {
    promp_id_t id;
    promp_broker_key_info_t info;
    promp_list_t peers;    /* promp_broker_peer_t.member */
    promp_list_t sessions; /* charged to it: promp_broker_session_t.charged */
    promp_list_t waiting;  /* of these, those without a place, in order: promp_broker_session_t.waiting */
    promp_node_t turn;     /* in core->turns while some wait */
    size_t workers;        /* of these, those that have not ended */
    uint64_t held;         /* bytes of data and starts that wait here */
    uint64_t starts;       /* of these, of starts */
    promp_broker_node_t *node;
    promp_node_t revoked; /* while revoked keys are seen to */
    bool pinned;          /* likewise: it is not freed */
} promp_broker_key_t;

struct promp_broker_peer {
    promp_broker_peer_number_t number;
    promp_broker_key_t *key;
    promp_node_t member;
    bool up;             /* HELLO has come */
    uint16_t version;    /* of the protocol */
    uint32_t lease_told; /* ms, what it says its smallest lease is; 0: none */
    int64_t lease;       /* ms, smallest of its sessions */
    int64_t lease_since; /* when it became as small as that */
    int64_t heard, sent;
    char build[PROMP_LIMIT_BUILD + 1]; /* of its program */
    promp_list_t managed;      /* sessions whose manager speaks here: promp_broker_session_t.managed */
    promp_broker_node_t *node; /* that offers its places here */
    uint64_t waiting_to;       /* data bytes forwarded to it and not flushed */
    promp_broker_timer_t timer;
};

/* What a session takes of a node, beside a place. */
typedef struct {
    uint32_t cpus, gpus; /* cpus in thousandths */
    uint64_t memory;
} promp_broker_needs_t;

/* What of a node is in the figures. */
typedef struct {
    uint8_t ready, starting, draining, away; /* 1 in one of them */
    uint32_t places;
    promp_broker_needs_t has;
    uint64_t used, used_cpus, used_gpus, used_memory;
} promp_broker_share_t;

struct promp_broker_node {
    promp_broker_key_t *key;
    promp_node_t member; /* in core->nodes, the one that was given work last at the end */
    promp_id_t identity;
    promp_broker_peer_t *peer; /* NULL: it is away */
    int64_t heard;             /* when peer is NULL */
    bool settled;              /* HELD_END has come on this link */
    bool left;                 /* it said BYE and has nothing here; it may come again */
    bool dropped;              /* it may not */
    bool drains;               /* an admin has taken it out: until another node with its key comes */
    uint16_t version;          /* of the protocol, on its latest link */
    char build[PROMP_LIMIT_BUILD + 1];
    uint32_t places; /* 0: it takes no more workers */
    promp_broker_needs_t has;
    char labels[PROMP_LIMIT_LABELS + 1], pythons[PROMP_LIMIT_LABELS + 1];
    size_t used; /* places */
    uint64_t used_cpus, used_gpus, used_memory;
    promp_list_t sessions; /* promp_broker_session_t.placed */
    size_t count;          /* for a comparison of nodes */
    bool due;              /* it may have places for starts that wait */
    promp_broker_share_t share;
    promp_broker_timer_t timer;
};

typedef enum {
    PROMP_BROKER_WAITING,
    PROMP_BROKER_ASKED,
    PROMP_BROKER_RUNNING,
    PROMP_BROKER_ENDED /* node NULL: without an exit record, GONE is ours to tell */
} promp_broker_state_t;

/* A start that no node has answered. */
typedef struct {
    promp_msg_start_t ask;                     /* points into body */
    promp_id_t tried[PROMP_LIMIT_START_TRIES]; /* keys of nodes that refused */
    size_t tries;
    size_t size;
    uint8_t body[];
} promp_broker_start_t;

typedef enum { PROMP_BROKER_TO_WORKER, PROMP_BROKER_TO_MANAGER } promp_broker_way_t;

/* Data on its way through here, one direction of a session. */
typedef struct {
    uint64_t waiting;    /* bytes forwarded and not flushed */
    uint32_t generation; /* in tags; a new one when the connection of the far side goes */
} promp_broker_flow_t;

struct promp_broker_session {
    promp_id_t id;
    uint32_t number;
    promp_broker_state_t state;
    bool orphan;       /* nobody may own it, nobody will be told: it is to end */
    bool counted;      /* in key->workers */
    bool holds;        /* a place of its node */
    bool confirmed;    /* its node has told it on its latest link */
    promp_err_t cause; /* it was asked to end; 0: not */

    promp_broker_key_t
        *key; /* of its root manager; NULL: not known yet, then it is in core->unrooted; or it is an orphan */
    promp_node_t charged;
    promp_id_t parent_id; /* none: a root manager's */
    promp_broker_session_t *parent;
    promp_node_t sibling; /* in parent->children */
    promp_list_t children;

    promp_broker_node_t *node; /* NULL: it waits, or was lost */
    promp_node_t placed;
    promp_broker_peer_t *
        manager; /* where its manager speaks: its own connection or that of the parent's node; NULL: nowhere */
    promp_node_t managed;
    int64_t manager_heard; /* when manager is NULL */

    uint32_t lease; /* ms */
    uint32_t pid;
    promp_broker_needs_t needs;
    promp_broker_start_t *start; /* WAITING, ASKED */
    bool nowhere;                /* WAITING: no node that is known could serve it */
    promp_node_t waiting;        /* in key->waiting or core->unrooted */
    promp_node_t todo;           /* in core->todo */
    promp_broker_flow_t flow[2];
    int64_t keep_until; /* then it is forgotten */
    promp_broker_timer_t timer;
};

struct promp_broker_core {
    promp_broker_config_t config;
    promp_effects_t effects;
    bool broken_told; /* END for want of memory has been given */
    int64_t now;      /* of the event that is handled */
    promp_map_t *sessions, *peers, *keys;
    promp_numbers_t slots; /* sessions */
    promp_list_t nodes;
    promp_list_t turns;    /* keys with starts that wait, next one first */
    promp_list_t unrooted; /* sessions whose parent is not known yet */
    promp_list_t todo;     /* sessions that a cascade has still to see to */
    promp_broker_heap_t timers;
    uint32_t generation; /* of flows */
    promp_broker_counters_t count;
    int64_t gather_until;
    int64_t review_at;   /* PROMP_NEVER: no need */
    int64_t next;        /* what tick has returned */
    int64_t drain_until; /* PROMP_NEVER: it does not end */
    bool ended;
};

#define PROMP_BROKER_OF(node, type, member) PROMP_CONTAINER(node, promp_broker_##type##_t, member)

/* broker_effects.c */
/* SEND of this message, before data that waits. */
void promp_broker_effects_say(promp_broker_core_t *core, promp_broker_peer_t *peer,
                              const promp_message_t *message, const promp_id_t *session, uint32_t epoch);
void promp_broker_effects_forward(promp_broker_core_t *core, promp_broker_peer_t *to,
                                  const promp_frame_t *frame, bool urgent, uint64_t tag);
void promp_broker_effects_congested(promp_broker_core_t *core, promp_broker_peer_t *peer,
                                    const promp_frame_t *frame);
void promp_broker_effects_no_route(promp_broker_core_t *core, promp_broker_peer_t *peer,
                                   const promp_id_t *session, uint32_t epoch);
void promp_broker_effects_kick(promp_broker_core_t *core, promp_broker_peer_number_t peer, promp_err_t why);

/* broker_key.c */
/* Makes it where it is not there; NULL: the store lets it not in (*error), or MEMORY. */
promp_broker_key_t *promp_broker_key_get(promp_broker_core_t *core, const promp_id_t *id, promp_err_t *error);
/* Frees it where nothing of it is left. */
void promp_broker_key_release(promp_broker_core_t *core, promp_broker_key_t *key);
/* Bytes that may wait here for it. */
uint64_t promp_broker_key_bytes(const promp_broker_key_t *key);

/* broker_status.c */
/* Something of a node has changed that is in the figures; there: it is not about to be freed. */
void promp_broker_status_node(promp_broker_core_t *core, promp_broker_node_t *node, bool there);
/* Answers STATUS. */
void promp_broker_status_tell(promp_broker_core_t *core, promp_broker_peer_t *peer);
/* Answers NODES. */
void promp_broker_status_nodes(promp_broker_core_t *core, promp_broker_peer_t *peer, const promp_id_t *after);

/* broker_drain.c: nodes that an admin takes out of service */
/* Answers an admin's DRAIN. */
void promp_broker_drain_asked(promp_broker_core_t *core, promp_broker_peer_t *peer, promp_slice_t name);
/* The node, which is here, is told to leave. */
void promp_broker_drain_tell(promp_broker_core_t *core, promp_broker_node_t *node);

/* broker_peer.c */
promp_broker_peer_t *promp_broker_peer_get(const promp_broker_core_t *core,
                                           promp_broker_peer_number_t number);
/* Takes it out of everything and frees it; what it managed or placed waits for its return. */
void promp_broker_peer_forget(promp_broker_core_t *core, promp_broker_peer_t *peer);
/* REFUSED, KICK and forgotten. */
void promp_broker_peer_refuse(promp_broker_core_t *core, promp_broker_peer_t *peer, promp_err_t error);
/* s has come to this connection or its node: beats follow its lease. */
void promp_broker_peer_lease(promp_broker_core_t *core, promp_broker_peer_t *peer, uint32_t lease);
/* A message about the link itself. It may be the peer's last: BYE. */
promp_err_t promp_broker_peer_frame(promp_broker_core_t *core, promp_broker_peer_t *peer,
                                    const promp_message_t *m);
void promp_broker_peer_tick(promp_broker_core_t *core, promp_broker_peer_t *peer);
/* ms: smallest lease of the connection. */
int64_t promp_broker_peer_smallest(const promp_broker_peer_t *peer);

/* broker_table.c: sessions */
promp_broker_session_t *promp_broker_table_new(promp_broker_core_t *core, const promp_id_t *id,
                                               uint32_t lease);
/* Its children are orphans then. */
void promp_broker_table_free(promp_broker_core_t *core, promp_broker_session_t *s);
/* Charges it to key, and makes it a child of parent where that is not NULL. */
void promp_broker_table_own(promp_broker_session_t *s, promp_broker_key_t *key,
                            promp_broker_session_t *parent);
void promp_broker_table_disown(promp_broker_core_t *core, promp_broker_session_t *s);
/* The way to its manager is this connection from now on. */
void promp_broker_table_bind(promp_broker_core_t *core, promp_broker_session_t *s, promp_broker_peer_t *peer);
void promp_broker_table_unbind(promp_broker_core_t *core, promp_broker_session_t *s);
void promp_broker_table_place(promp_broker_core_t *core, promp_broker_session_t *s,
                              promp_broker_node_t *node);
/* Its process has ended: what it took of the node is free. */
void promp_broker_table_vacate(promp_broker_core_t *core, promp_broker_session_t *s);
/* It waits for a place, as the first or the last one of its key. */
void promp_broker_table_queue(promp_broker_core_t *core, promp_broker_session_t *s, bool first);
void promp_broker_table_unplace(promp_broker_core_t *core, promp_broker_session_t *s);
/* ENDED: its key is charged no more. */
void promp_broker_table_state(promp_broker_core_t *core, promp_broker_session_t *s,
                              promp_broker_state_t state);
/* Bytes that wait for the far side of a flow will not be flushed any more. */
void promp_broker_table_cut(promp_broker_core_t *core, promp_broker_session_t *s, promp_broker_way_t way);
/* Nobody holds the body of its START any more. */
void promp_broker_table_drop_start(promp_broker_core_t *core, promp_broker_session_t *s);
/* Its manager is a worker of the node where it runs: that node relays it. */
bool promp_broker_table_local(const promp_broker_session_t *s);
void promp_broker_table_destroy(promp_broker_core_t *core);
/* What a message says, whose size the decoder has seen to, with a zero behind it. */
void promp_broker_table_text(char *to, promp_slice_t text);

/* broker_node.c: what nodes say of themselves, and their loss */
promp_err_t promp_broker_node_offer(promp_broker_core_t *core, promp_broker_peer_t *peer,
                                    const promp_msg_offer_t *offer);
promp_err_t promp_broker_node_held_end(promp_broker_core_t *core, promp_broker_node_t *node);
/* Its connection has ended. */
void promp_broker_node_away(promp_broker_core_t *core, promp_broker_node_t *node);
/* It has said BYE: its sessions are lost, what waits may be for it when it comes again. */
void promp_broker_node_leave(promp_broker_core_t *core, promp_broker_node_t *node);
/* It will not come back: its sessions are lost. */
void promp_broker_node_drop(promp_broker_core_t *core, promp_broker_node_t *node);
void promp_broker_node_tick(promp_broker_core_t *core, promp_broker_node_t *node);

/* broker_held.c */
promp_err_t promp_broker_held(promp_broker_core_t *core, promp_broker_node_t *node, const promp_id_t *id,
                              const promp_msg_held_t *held);

/* broker_place.c */
/* Some node, here or away for a moment, could serve it if it were empty; nodes that refused it do not count. */
bool promp_broker_place_exists(const promp_broker_core_t *core, const promp_broker_session_t *s);
/* The best node that takes it now; NULL: none. */
promp_broker_node_t *promp_broker_place_choose(promp_broker_core_t *core, const promp_broker_session_t *s);
/* Nodes that are due: starts that wait get their free places, each key in its turn. At the end of each event. */
void promp_broker_place_serve_due(promp_broker_core_t *core);
/* Starts that nobody may serve any more are refused. */
void promp_broker_place_review(promp_broker_core_t *core);
/* Before long. */
void promp_broker_place_review_soon(promp_broker_core_t *core);
/* Starts that no node could serve so far, and this one could: their managers are told. */
void promp_broker_place_found(promp_broker_core_t *core, const promp_broker_node_t *node);

/* broker_start.c: starts, from asking to the answer */
promp_err_t promp_broker_start_asked(promp_broker_core_t *core, promp_broker_peer_t *peer,
                                     const promp_frame_t *frame, const promp_msg_start_t *start);
/* QUEUED to its manager, and why it waits. */
void promp_broker_start_waits(promp_broker_core_t *core, promp_broker_session_t *s, size_t ahead);
/* A node is asked. */
void promp_broker_start_ask(promp_broker_core_t *core, promp_broker_session_t *s, promp_broker_node_t *node);
/* A place is looked for, or waited for; error: where there is none. */
void promp_broker_start_seek(promp_broker_core_t *core, promp_broker_session_t *s, promp_err_t error,
                             uint32_t system, promp_slice_t text);
void promp_broker_start_refuse(promp_broker_core_t *core, promp_broker_peer_t *peer, const promp_id_t *id,
                               promp_err_t error, uint32_t system, promp_slice_t text);
/* START_REFUSED to its manager, and no more of it. */
void promp_broker_start_fail(promp_broker_core_t *core, promp_broker_session_t *s, promp_err_t error,
                             uint32_t system, promp_slice_t text);
void promp_broker_start_started(promp_broker_core_t *core, promp_broker_session_t *s, uint32_t pid);
/* The node that was asked says no. */
void promp_broker_start_refused(promp_broker_core_t *core, promp_broker_session_t *s,
                                const promp_msg_start_refused_t *refused);

/* broker_life.c: how sessions end */
/* Messages about the life of a session, by who sent them. */
promp_err_t promp_broker_life_from_manager(promp_broker_core_t *core, promp_broker_peer_t *peer,
                                           const promp_frame_t *frame);
promp_err_t promp_broker_life_from_node(promp_broker_core_t *core, promp_broker_peer_t *peer,
                                        const promp_frame_t *frame);
/* Its node shall end it. Remembered where the node is away. */
void promp_broker_life_kill(promp_broker_core_t *core, promp_broker_session_t *s, promp_err_t cause);
/* Nobody may own it any more. s may be freed. */
void promp_broker_life_orphan(promp_broker_core_t *core, promp_broker_session_t *s, promp_err_t cause);
/* Its process has ended: its place is free, its children are orphans. */
void promp_broker_life_end(promp_broker_core_t *core, promp_broker_session_t *s);
/* Its node does not have it any more, or is no more: its manager is told. s may be freed. */
void promp_broker_life_lose(promp_broker_core_t *core, promp_broker_session_t *s, promp_err_t cause);
/* GONE without exit record, to a manager who asks after it. */
void promp_broker_life_tell_lost(promp_broker_core_t *core, const promp_broker_session_t *s);
void promp_broker_life_tick(promp_broker_core_t *core, promp_broker_session_t *s);
void promp_broker_life_keep(promp_broker_core_t *core, promp_broker_session_t *s, int64_t ms);

/* broker_relay.c */
promp_err_t promp_broker_relay(promp_broker_core_t *core, promp_broker_peer_t *peer,
                               const promp_frame_t *frame);

#endif
