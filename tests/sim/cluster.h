/* cluster.h - a broker, managers, and nodes with agent, keeper and workers: all with their real cores. Links are slow, stall and
 * break, the broker restarts without memory, agents and nodes restart, managers leave. scene_cluster.c tells what happens,
 * cluster_net.c is links and the broker's shell, cluster_end.c a manager's end of its link, cluster_user.c what manager cores are
 * used for, cluster_node.c an agent's shell, cluster_keeper.c a keeper's, cluster_worker.c their workers. Time goes in steps. */
#ifndef PROMP_TESTS_CLUSTER_H
#define PROMP_TESTS_CLUSTER_H

#include "agent_core.h"
#include "broker_core.h"
#include "keeper_core.h"
#include "manager_core.h"
#include "message.h"
#include "sim.h"
#include "worker_core.h"

#define CLUSTER_STEP     5 /* ms */
#define CLUSTER_MANAGERS 3
#define CLUSTER_NODES    3
#define CLUSTER_ENDS     (CLUSTER_MANAGERS + CLUSTER_NODES)

typedef struct cluster cluster_t;
typedef struct end end_t;

typedef struct parcel {
    struct parcel *next;
    sim_frame_t *frame;
    int64_t at; /* not there before */
    uint64_t tag;
    struct cluster_node *from; /* the agent whose tag it is; NULL: the broker's */
} parcel_t;

typedef struct {
    parcel_t *first, **last;
    int64_t clear; /* nothing arrives before: order, or a stall */
} parcels_t;

/* A connection; it stays until both have noticed its end. */
typedef struct conn {
    struct conn *next;
    uint64_t number;
    end_t *end;          /* NULL: it has closed it, or noticed */
    bool broker;         /* the broker has it */
    int64_t broker_sees; /* that it is broken; PROMP_NEVER: it is not */
    int64_t end_sees;
    parcels_t to_broker, to_end;
} conn_t;

/* The dialling end: a manager's process or a node's agent. */
struct end {
    cluster_t *cluster;
    uint8_t key;
    bool node;
    conn_t *conn;
    bool up;
    int64_t dial_at, heard, sent;
    int64_t told; /* lease, ms: what the broker expects beats by */
    void *body;   /* cluster_user_t or cluster_node_t */
};

/* A worker as its user knows it. */
typedef struct job {
    struct job *next;
    promp_id_t session;
    uint32_t id;
    bool answered, refused, left; /* left: it was stopped or killed */
    uint64_t sent, back;          /* messages to it, and their echoes */
} job_t;

/* A manager core: of a manager's process, or of a worker. */
typedef struct {
    cluster_t *cluster;
    promp_manager_core_t *core;
    job_t *jobs;
    bool ending, up;
} cluster_user_t;

/* The link between an agent and a worker; it stays until both have closed it. */
typedef struct {
    bool agent, worker; /* it has its end open */
    parcels_t to_agent, to_worker;
} wire_t;

typedef struct cluster_node cluster_node_t;

/* A worker's process on a node, until the keeper has forgotten it. */
typedef struct copy {
    struct copy *next;
    cluster_node_t *node;
    promp_id_t id;
    uint32_t pid, number;
    bool dead, collected, seen_exit;
    int code, signal;
    wire_t *wire, *given; /* given: a new one has come over the lifeline */
    bool up;
    int64_t sent;
    promp_worker_core_t *core;
    bool ready;
    uint64_t seen; /* messages */
    bool manages;
    cluster_user_t user;
} copy_t;

#define CLUSTER_LINKS 512

/* What the keeper has sent to the agent. */
typedef struct mail {
    struct mail *next;
    sim_frame_t *frame;
    int handle;
} mail_t;

struct cluster_node {
    end_t *end;
    promp_id_t identity;
    uint32_t places, last_pid;
    promp_keeper_core_t *keeper;
    promp_agent_core_t *agent; /* NULL: none */
    mail_t *mail, **mail_last;
    wire_t *wire[CLUSTER_LINKS]; /* by number of the agent's link */
    uint32_t broker;             /* number of its link to the broker, NONE: none */
    wire_t *event;               /* comes along with the agent's message to the keeper */
    promp_id_t event_id;
    bool agent_ended, rested;
    int handles; /* of processes, that the agent has */
    copy_t *copies;
};

struct cluster {
    sim_t *sim;
    promp_broker_core_t *broker;
    promp_broker_key_info_t key[CLUSTER_ENDS];
    conn_t *conns;
    uint64_t last_number, last_session;
    end_t end[CLUSTER_ENDS];
    uint32_t lease;
    int64_t delay, began, broker_tick;
    bool good; /* no more accidents, and nobody wants anything new */
    bool calm; /* the same for a while, in which nothing may get lost */
    bool
        gentle; /* those that there are cost nobody a worker: links break, the broker restarts, within small parts of the lease */
    unsigned accidents, refusals; /* per mille */
    uint64_t echoes;
    bool later[CLUSTER_ENDS], broker_later; /* who speaks a later version of the protocol */
};

/* cluster_version.c: what a peer of a later version says; tag: of its new field, each kind of peer has another, 0: it is of ours.
 * Takes frame over. */
sim_frame_t *cluster_version_of(sim_t *sim, sim_frame_t *frame, uint8_t tag);

/* cluster_net.c */
void cluster_broker_begin(cluster_t *cluster);
void cluster_broker_end(cluster_t *cluster);
void cluster_broker_turn(cluster_t *cluster);
conn_t *cluster_dial(end_t *end);
/* To the broker. from, tag: of an agent, or NULL. */
void cluster_send(conn_t *conn, const promp_out_t *out, cluster_node_t *from, uint64_t tag);
/* The dialling end closes; what it has sent is still on its way. */
void cluster_hang_up(conn_t *conn);
void cluster_break(conn_t *conn, int64_t broker_after, int64_t end_after);
void cluster_conns_free(cluster_t *cluster, bool all);
parcel_t *cluster_take(cluster_t *cluster, parcels_t *parcels);
void cluster_done(cluster_t *cluster, parcel_t *parcel); /* taken, and handled */
void cluster_drop(cluster_t *cluster, parcels_t *parcels);

/* cluster_end.c */
void cluster_end_turn(end_t *end);
void cluster_end_close(end_t *end);
void cluster_end_say(end_t *end, const promp_message_t *message, const promp_id_t *session, uint32_t epoch);

/* cluster_user.c */
void cluster_user_begin(cluster_user_t *user, cluster_t *cluster, uint32_t level);
void cluster_user_path(cluster_user_t *user, bool up);
void cluster_user_frame(cluster_user_t *user, const promp_frame_t *frame, bool *mine);
void cluster_user_act(cluster_user_t *user);
/* Takes what has come, and checks it. */
void cluster_user_turn(cluster_user_t *user);
void cluster_user_end(cluster_user_t *user);
bool cluster_user_quiet(const cluster_user_t *user); /* all its messages have come back */

/* cluster_node.c: the agent's shell */
void cluster_node_begin(cluster_node_t *node);
void cluster_node_agent(cluster_node_t *node); /* a new one */
void cluster_node_turn(cluster_node_t *node);
void cluster_node_restart(cluster_node_t *node);    /* the keeper died: nothing is left */
void cluster_node_kill_agent(cluster_node_t *node); /* the keeper starts another one */
void cluster_node_flushed(cluster_node_t *node, uint64_t tag, uint64_t bytes);
void cluster_node_drain(cluster_node_t *node); /* it ends when it has nothing */
void cluster_node_end(cluster_node_t *node);

/* cluster_keeper.c: the keeper's shell, and its processes */
void cluster_keeper_effects(cluster_node_t *node);
void cluster_keeper_turn(cluster_node_t *node);
void cluster_keeper_kill(copy_t *copy, int signal, int code);
void cluster_keeper_free(cluster_node_t *node);
copy_t *cluster_keeper_process(const cluster_node_t *node, uint32_t pid);

/* cluster_worker.c: a worker's process, and its hub */
void cluster_worker_begin(copy_t *copy);
void cluster_worker_turn(copy_t *copy);

/* cluster_net.c: links between an agent and its workers */
wire_t *cluster_wire(void);
void cluster_wire_send(cluster_node_t *node, wire_t *wire, bool to_agent, const promp_out_t *out,
                       uint64_t tag);
void cluster_wire_close(cluster_node_t *node, wire_t **wire, bool agent);

#endif
