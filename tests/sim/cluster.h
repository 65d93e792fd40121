/* cluster.h - a broker core, managers with real cores, and nodes whose agents are played: their workers have real cores. Links
 * are slow, stall and break, the broker restarts without memory, nodes restart, managers leave. scene_cluster.c tells what
 * happens, cluster_net.c is links and the broker's shell, cluster_end.c the dialling end of a link, cluster_user.c what manager
 * cores are used for, cluster_node.c a node, cluster_worker.c its
 * workers. Time goes in steps. */
#ifndef PROMP_TESTS_CLUSTER_H
#define PROMP_TESTS_CLUSTER_H

#include "broker_core.h"
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

/* The dialling end: a manager's process or a node. */
struct end {
    cluster_t *cluster;
    uint8_t key;
    bool node;
    conn_t *conn;
    bool up;
    int64_t dial_at, heard, sent;
    void *body; /* cluster_user_t or cluster_node_t */
};

/* A worker as its user knows it. */
typedef struct job {
    struct job *next;
    promp_id_t session;
    uint32_t id;
    bool answered, refused;
    uint64_t sent, back; /* messages to it, and their echoes */
} job_t;

/* A manager core: of a manager's process, or of a worker. */
typedef struct {
    cluster_t *cluster;
    promp_manager_core_t *core;
    job_t *jobs;
    bool ending, up;
} cluster_user_t;

/* A worker's process on a node, or its exit record. */
typedef struct copy {
    struct copy *next;
    promp_id_t id, owner, parent;
    uint32_t lease, pid;
    promp_worker_core_t *core; /* NULL: it has ended */
    bool ready, local;         /* local: its manager is a worker of the same node */
    uint64_t seen;             /* messages */
    promp_err_t cause;
    int64_t told, keep; /* GONE */
    bool manages;
    cluster_user_t user;
} copy_t;

typedef struct {
    end_t *end;
    promp_id_t identity;
    uint32_t places;
    copy_t *copies;
    int64_t heard; /* the broker, on any link */
} cluster_node_t;

struct cluster {
    sim_t *sim;
    promp_broker_core_t *broker;
    promp_broker_key_info_t key[CLUSTER_ENDS];
    conn_t *conns;
    uint64_t last_number, last_session;
    end_t end[CLUSTER_ENDS];
    uint32_t lease;
    int64_t delay, began, broker_tick;
    bool good; /* no more accidents */
    bool
        gentle; /* those that there are cost nobody a worker: links break, the broker restarts, within small parts of the lease */
    unsigned accidents, refusals; /* per mille */
    uint64_t echoes;
};

/* cluster_net.c */
void cluster_broker_begin(cluster_t *cluster);
void cluster_broker_end(cluster_t *cluster);
void cluster_broker_turn(cluster_t *cluster);
conn_t *cluster_dial(end_t *end);
void cluster_send(conn_t *conn, const promp_out_t *out); /* to the broker */
void cluster_break(conn_t *conn, int64_t broker_after, int64_t end_after);
void cluster_conns_free(cluster_t *cluster, bool all);
parcel_t *cluster_take(cluster_t *cluster, parcels_t *parcels);
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

/* cluster_node.c */
void cluster_node_hello(cluster_node_t *node);
void cluster_node_frame(cluster_node_t *node, const promp_frame_t *frame);
void cluster_node_turn(cluster_node_t *node);
uint32_t cluster_node_lease(const cluster_node_t *node);
/* The keeper died: nothing is left. */
void cluster_node_restart(cluster_node_t *node);
copy_t *cluster_node_find(const cluster_node_t *node, const promp_id_t *id);
sim_t *cluster_node_sim(const cluster_node_t *node);
/* The worker here whose manager core has this session. */
copy_t *cluster_node_manager(const cluster_node_t *node, const promp_id_t *id);
void cluster_node_to_user(copy_t *copy, promp_type_t type, const promp_id_t *session,
                          const promp_message_t *message);
/* To whoever manages the copy: a worker here, or somebody behind the broker. */
void cluster_node_tell(cluster_node_t *node, copy_t *copy, const promp_message_t *m);
void cluster_node_to_worker(cluster_node_t *node, copy_t *copy, const promp_frame_t *frame);
void cluster_node_end(cluster_node_t *node, copy_t *copy, promp_err_t cause);
void cluster_node_forget(cluster_node_t *node, copy_t *copy);

/* cluster_worker.c */
void cluster_worker_turn(cluster_node_t *node, copy_t *copy);

#endif
