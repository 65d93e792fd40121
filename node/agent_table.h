/* agent_table.h - inside the agent core: its links, owners and sessions, and how they hang together. */
#ifndef PROMP_NODE_AGENT_TABLE_H
#define PROMP_NODE_AGENT_TABLE_H

#include "agent_core.h"
#include "agent_effects.h"
#include "limits.h"
#include "list.h"
#include "map.h"
#include "message.h"
#include "numbers.h"

typedef struct promp_agent_session promp_agent_session_t;

/* A process outside the node that owns sessions: a root manager. */
typedef struct {
    uint32_t number;
    uint32_t pid;
    uint64_t start;
    promp_list_t sessions; /* promp_agent_session_t.owned */
    size_t links;
    bool watched, dead;
} promp_agent_owner_t;

typedef enum { PROMP_AGENT_LINK_NEW, PROMP_AGENT_LINK_UP, PROMP_AGENT_LINK_CLOSING } promp_agent_link_state_t;

typedef struct {
    uint32_t number;
    promp_agent_link_state_t state;
    promp_agent_session_t *session; /* of the worker at its other end; NULL: a manager is there, or */
    bool broker;                    /* the broker */
    promp_agent_owner_t *owner;     /* that manager */
    promp_list_t managed;           /* sessions whose manager speaks here: promp_agent_session_t.managed */
    uint16_t version;               /* of the protocol */
    uint32_t lease_told;            /* ms, what the peer says its smallest lease is; 0 none */
    int64_t heard, sent;
    uint64_t waiting_to;   /* data bytes forwarded to this link and not flushed */
    uint64_t waiting_from; /* data bytes that managed sessions' managers sent, waiting for workers */
} promp_agent_link_t;

typedef enum {
    PROMP_AGENT_SPAWNING,
    PROMP_AGENT_RUNNING,
    PROMP_AGENT_DYING, /* slain, or EXITED has come and its link is being drained */
    PROMP_AGENT_ENDED, /* the exit record waits to be acknowledged */
    PROMP_AGENT_ELSEWHERE /* cluster: a worker here asked the broker for it, and it is on no node yet or on another one */
} promp_agent_state_t;

typedef enum { PROMP_AGENT_TO_WORKER, PROMP_AGENT_TO_MANAGER } promp_agent_way_t;

/* Data on its way through here, one direction of a session. */
typedef struct {
    uint64_t waiting;    /* bytes forwarded and not flushed */
    uint32_t generation; /* in tags; a new one when the link of the far side goes */
} promp_agent_flow_t;

struct promp_agent_session {
    promp_id_t id;
    uint32_t number;
    promp_agent_state_t state;

    promp_agent_owner_t *owner;    /* who owns it: a root manager, or */
    promp_agent_session_t *parent; /* a worker here, or */
    bool remote;                   /* somebody behind the broker; none of these: its owner is gone */
    promp_id_t parent_id;
    promp_node_t owned; /* in owner->sessions or parent->children */
    promp_list_t children;
    promp_node_t todo; /* in the list of a cascade */

    promp_agent_link_t *manager; /* where its manager speaks, NULL: nowhere at the moment */
    promp_node_t managed;
    int64_t manager_heard; /* when manager is NULL */
    promp_agent_link_t *worker;
    int64_t worker_heard; /* when worker is NULL or has not said HELLO */
    uint32_t asked;       /* STARTs that STARTED has to answer */
    bool greeted;         /* the worker has said HELLO, to us or to an earlier agent */

    uint32_t lease;         /* ms */
    uint32_t epoch;         /* of the last ATTACH */
    promp_message_t attach; /* waits for the worker's HELLO; type 0: none */
    promp_agent_flow_t flow[2];
    uint64_t end[PROMP_LANES]; /* what the worker has sent of each lane, when ends is true */
    bool ends;
    uint32_t
        lent; /* epoch in which a direct way was given: what goes over it we do not see; 0: none is in use */
    uint64_t output_seen; /* end of what came of the output lane, passed on or not */

    /* In a cluster only */
    promp_id_t key; /* whom it is charged to; none: a process of this host, or ELSEWHERE */
    uint32_t cpus, gpus;
    uint64_t memory;
    bool over;         /* the broker counts it no more */
    bool longer;       /* its exit record waits for another lease, since the broker was away */
    promp_buf_t start; /* ELSEWHERE: START, until the broker has an answer */
    bool unwanted;     /* ELSEWHERE: its manager will hear nothing more of it */

    uint32_t pid;
    int handle;        /* pidfd, -1 none */
    promp_err_t cause; /* why we ended it, 0: we did not */
    bool exited;
    int64_t due; /* DYING: end of draining; ENDED: next GONE; RUNNING without link: next RELINK */
    int64_t keep_until;
    promp_msg_gone_t gone; /* the exit record; tail and text point to what follows */
    uint8_t *tail;
    char text[256];
};

/* The way to the broker. */
typedef struct {
    promp_agent_link_t *link; /* NULL: none */
    int64_t heard;            /* its last frame that let us in, on whatever link */
    int64_t began, dial_at;   /* first DIAL; next one, when link is NULL */
    int64_t up_since;
    int64_t away_at; /* it is about to end: the link is given up then. PROMP_NEVER: it is not */
    uint32_t lease;  /* smallest of its sessions, ms, 0 none */
    uint32_t told;   /* what it was told of that */
    int64_t lease_since;
    unsigned attempts; /* since a link that stood */
    uint64_t random;
    bool welcomed, accepted; /* ever: WELCOME; something after our OFFER */
    bool over;               /* it will not be dialled any more */
} promp_agent_broker_t;

struct promp_agent_core {
    promp_agent_config_t config;
    promp_effects_t effects;
    bool broken_told; /* END for want of memory has been given */
    promp_map_t *sessions;
    promp_numbers_t links, owners, slots; /* slots: sessions */
    promp_list_t todo;                    /* sessions that a cascade has still to slay */
    size_t managers;                      /* links of managers */
    promp_agent_broker_t broker;
    size_t elsewhere;     /* sessions of that state */
    uint64_t start_bytes; /* of their START */
    uint32_t generation;  /* of flows */
    promp_id_t node;
    bool ready, stopping, resting, draining;
    int64_t next;   /* when tick has to do something */
    uint32_t lease; /* smallest of all sessions, 0: none */
    int64_t keeper_heard, pulse_at;
    int64_t idle_since; /* PROMP_NEVER: not idle */
    int64_t stop_until;
    int64_t quiet_since; /* draining: no worker is left; PROMP_NEVER: not so */
};

/* agent_table.c */
promp_agent_link_t *promp_agent_table_link(const promp_agent_core_t *core,
                                           uint32_t number); /* NULL: none, or closing */
promp_agent_link_t *promp_agent_table_link_new(promp_agent_core_t *core, int64_t now);
/* Takes the link out of everything and tells the shell to close it. */
void promp_agent_table_link_close(promp_agent_core_t *core, promp_agent_link_t *link);
/* Likewise, and why, for its log. */
void promp_agent_table_link_lose(promp_agent_core_t *core, promp_agent_link_t *link, promp_err_t why);
void promp_agent_table_link_free(promp_agent_core_t *core, uint32_t number);
/* Where frames of s go, that way; NULL: nowhere at the moment. */
promp_agent_link_t *promp_agent_table_far(const promp_agent_core_t *core, const promp_agent_session_t *s,
                                          promp_agent_way_t way);
/* What waits for the far side of a flow will not be flushed any more. */
void promp_agent_table_cut(promp_agent_core_t *core, promp_agent_session_t *s, promp_agent_way_t way);
void promp_agent_table_state(promp_agent_core_t *core, promp_agent_session_t *s, promp_agent_state_t state);
/* START of a session ELSEWHERE is not needed any more. */
void promp_agent_table_drop_start(promp_agent_core_t *core, promp_agent_session_t *s);
promp_agent_session_t *promp_agent_table_session_new(promp_agent_core_t *core, const promp_id_t *id,
                                                     uint32_t lease, int64_t now);
void promp_agent_table_session_free(promp_agent_core_t *core, promp_agent_session_t *s);
void promp_agent_table_own(promp_agent_session_t *s, promp_agent_owner_t *owner,
                           promp_agent_session_t *parent);
void promp_agent_table_disown(promp_agent_core_t *core, promp_agent_session_t *s);
/* Whether a manager that speaks on link owns s. */
bool promp_agent_table_owns(const promp_agent_link_t *link, const promp_agent_session_t *s);
/* Whether link may become the place where its manager speaks: nobody else does, or has been silent for a beat (a link
 * that a forked child holds open does not end). */
bool promp_agent_table_free_for(const promp_agent_session_t *s, const promp_agent_link_t *link, int64_t now);
void promp_agent_table_bind(promp_agent_core_t *core, promp_agent_session_t *s, promp_agent_link_t *link);
void promp_agent_table_unbind(promp_agent_core_t *core, promp_agent_session_t *s);
uint64_t promp_agent_table_tag(const promp_agent_session_t *s, promp_agent_way_t way);
void promp_agent_table_destroy(promp_agent_core_t *core);

/* agent_owner.c */
/* The owner with this process; made, and watched, where that is not so yet. NULL without memory. */
promp_agent_owner_t *promp_agent_owner_get(promp_agent_core_t *core, uint32_t pid, uint64_t start);
void promp_agent_owner_release(promp_agent_core_t *core, promp_agent_owner_t *owner);

/* agent_core.c */
void promp_agent_core_refuse(promp_agent_core_t *core, promp_agent_link_t *link, promp_err_t error,
                             int64_t now);
void promp_agent_core_due(promp_agent_core_t *core, int64_t at);

/* agent_life.c: how sessions begin and end */
void promp_agent_life_start(promp_agent_core_t *core, promp_agent_link_t *link, promp_agent_session_t *s,
                            const promp_frame_t *frame, const promp_msg_start_t *start, int64_t now);
void promp_agent_life_refuse(promp_agent_core_t *core, promp_agent_link_t *link, const promp_id_t *id,
                             promp_err_t error, uint32_t system, promp_slice_t text);
/* The link that was to go to the worker could not be made. */
void promp_agent_life_unlinked(promp_agent_core_t *core, promp_agent_session_t *s, promp_err_t why,
                               int64_t now);
void promp_agent_life_spawned(promp_agent_core_t *core, promp_agent_session_t *s, uint32_t pid, int handle,
                              int64_t now);
void promp_agent_life_failed(promp_agent_core_t *core, promp_agent_session_t *s,
                             const promp_msg_spawn_failed_t *failed, int64_t now);
/* Ends the process tree of s and of all sessions below it. */
void promp_agent_life_slay(promp_agent_core_t *core, promp_agent_session_t *s, promp_err_t cause);
/* Nobody is there any more who would want to know how s ends. */
void promp_agent_life_abandon(promp_agent_core_t *core, promp_agent_session_t *s, promp_err_t cause,
                              int64_t now);
/* Whether a KILL may name it. */
bool promp_agent_life_is_cause(uint32_t cause);
/* Whether a START is one that can be served; manager: a worker here, NULL: another one. */
promp_err_t promp_agent_life_may_start(const promp_agent_core_t *core, const promp_agent_session_t *manager,
                                       const promp_msg_start_t *start);
/* The keeper is asked for a process, s is SPAWNING then. MEMORY: as before. */
promp_err_t promp_agent_life_spawn(promp_agent_core_t *core, promp_agent_session_t *s,
                                   const promp_msg_start_t *start, int64_t now);
/* Asked for again: the same answer, on link. */
void promp_agent_life_again(promp_agent_core_t *core, promp_agent_link_t *link, promp_agent_session_t *s,
                            int64_t now);
void promp_agent_life_exited(promp_agent_core_t *core, promp_agent_session_t *s,
                             const promp_msg_exited_t *exited, int64_t now);
/* Tells GONE, where EXITED has come and the link is drained (or may not be waited for any longer). */
void promp_agent_life_ended(promp_agent_core_t *core, promp_agent_session_t *s, int64_t now);
void promp_agent_life_tell(promp_agent_core_t *core, promp_agent_session_t *s, int64_t now);
void promp_agent_life_forget(promp_agent_core_t *core, promp_agent_session_t *s);
void promp_agent_life_relink(promp_agent_core_t *core, promp_agent_session_t *s, int64_t now);

/* agent_relay.c */
void promp_agent_relay_pass(promp_agent_core_t *core, promp_agent_link_t *to, const promp_frame_t *frame,
                            bool urgent, uint64_t tag, int64_t now);
promp_err_t promp_agent_relay_data(promp_agent_core_t *core, promp_agent_link_t *link,
                                   const promp_frame_t *frame, int64_t now);
promp_err_t promp_agent_relay_control(promp_agent_core_t *core, promp_agent_link_t *link,
                                      const promp_frame_t *frame, int64_t now);
/* The worker of s has said HELLO: what waited for it goes. */
void promp_agent_relay_greeted(promp_agent_core_t *core, promp_agent_session_t *s, int64_t now);

#endif
