/* world.h - a machine for whole systems: processes that are killed and frozen, Unix links between them, and the shells
 * that drive the real cores of keeper, agent, managers and workers. */
#ifndef PROMP_TESTS_WORLD_H
#define PROMP_TESTS_WORLD_H

#include "agent_core.h"
#include "job.h"
#include "keeper_core.h"
#include "list.h"
#include "manager_core.h"
#include "port.h"
#include "sim.h"
#include "worker_core.h"

typedef struct world world_t;
typedef struct proc proc_t;
typedef struct pipe pipe_t;

/* --- processes (world_proc.c) --- */

typedef enum { PROC_KEEPER, PROC_AGENT, PROC_MANAGER, PROC_WORKER } proc_kind_t;

struct proc {
    world_t *world;
    proc_kind_t kind;
    uint32_t pid;
    uint64_t start;
    char name[16];
    bool dead, reaped;
    int code, signal;     /* how it ended */
    int64_t frozen_until; /* handles nothing before; 0: runs */
    int64_t wake;
    int64_t died;
    void *body; /* shell of its kind */
    proc_t *next;
};

proc_t *proc_new(world_t *world, proc_kind_t kind, void *body);
bool proc_runs(const proc_t *proc);
void proc_kill(proc_t *proc, int signal, int code); /* signal 0: it exits */
void proc_freeze(proc_t *proc, int64_t ms);
/* Its shell's turn comes: at once, or when it is thawed. */
void proc_stir(proc_t *proc);
void proc_wake_at(proc_t *proc, int64_t time);
proc_t *proc_by_pid(world_t *world, uint32_t pid);

/* --- links (world_pipe.c): frames in order, urgent ones first; an end when a side closes --- */

typedef struct packet {
    struct packet *next;
    sim_frame_t *frame;
    uint64_t tag;
    pipe_t *carried; /* a descriptor: the far end of that pipe */
    uint32_t handle; /* a pidfd, 0: none */
    int64_t at;      /* not there before */
} packet_t;

typedef struct {
    packet_t *first, **last;
} packets_t;

typedef struct {
    proc_t *proc; /* whose end it is; NULL: on its way as a descriptor, or closed */
    bool closed;
    bool end_seen;          /* it was told that the other end is closed */
    packets_t data, urgent; /* on their way to this end */
    uint64_t window;        /* bytes of windowed frames on their way to this end */
    int64_t clear;          /* nothing arrives before: order */
} pipe_end_t;

struct pipe {
    world_t *world;
    pipe_end_t end[2]; /* 0: the agent's (the keeper's, on its link to the agent) */
    uint32_t number;   /* of the agent's link */
    pipe_t *next;
};

pipe_t *pipe_new(world_t *world, proc_t *a, proc_t *b);
void pipe_send(pipe_t *pipe, int from, packet_t packet);
uint64_t pipe_room(const pipe_t *pipe, int from);
/* The next frame for this end that has arrived; the caller frees it by packet_free. NULL: none. */
packet_t *pipe_receive(pipe_t *pipe, int to);
void pipe_hurry(pipe_t *pipe, int to); /* all that is on its way has arrived */
/* True once, when the other end is closed and everything before was received. */
bool pipe_ended(pipe_t *pipe, int to);
void pipe_close(pipe_t *pipe, int end);
void packet_free(world_t *world, packet_t *packet);
bool pipe_windowed(const promp_frame_t *frame);

/* --- shells: what a kind of process does in its turn --- */

typedef struct {
    promp_keeper_core_t *core;
    pipe_t *link; /* to the agent; NULL: none */
    proc_t *agent;
    proc_t *workers[256]; /* by number */
    packet_t *event;      /* the frame at hand: what came with it */
    bool agent_gone;      /* SIGCHLD of the agent not handled yet */
} keeper_t;

#define AGENT_LINKS 256
typedef struct {
    promp_agent_core_t *core;
    pipe_t *keeper;
    pipe_t *links[AGENT_LINKS];
    struct {
        bool used;
        proc_t *proc;
    } owners[64]; /* what it watches */
    packet_t *event;
    bool stop;   /* SIGTERM came */
    int handles; /* pidfds that it holds */
} agent_t;

#define HUB_PORTS 4
#define HUB_SIDES 32
typedef struct {
    promp_id_t session;
    pipe_t *pipe;
    int end;       /* ours: 0 the manager's, 1 the worker's */
    bool held;     /* only read: a worker's, until its core may move */
    bool came;     /* something has come over it */
    bool read_out; /* its other end is closed or dead, and all that it sent was read */
    promp_port_t port;
} side_t;

typedef struct {
    proc_t *proc;
    bool worker;
    pipe_t *pipe; /* our end is 1; NULL: none */
    enum { HUB_DOWN, HUB_HELLO, HUB_UP, HUB_LOST } state;
    promp_port_t ports[HUB_PORTS];
    size_t count;
    side_t side[HUB_SIDES];
    size_t sides;
    bool known;
    promp_id_t node, session;
    uint32_t lease, lease_most;
    int64_t last_heard, last_sent, dial_at, handshake_at;
    int attempts;
} hub_t;

void hub_begin(hub_t *hub, pipe_t *pipe);
void hub_attach(hub_t *hub, promp_port_t port);
void hub_detach(hub_t *hub, void *core);
void hub_read(hub_t *hub);
/* Sends and ticks; returns when it wants its next turn. */
int64_t hub_settle(hub_t *hub);
void hub_close(hub_t *hub);

/* world_side.c */
side_t *side_to(hub_t *hub, const promp_id_t *session); /* that we send on */
void side_add(hub_t *hub, promp_port_t port, const promp_id_t *session, pipe_t *pipe, int end);
void side_use(hub_t *hub, const promp_id_t *session);   /* it is held no more */
void side_drain(hub_t *hub, const promp_id_t *session); /* its other end is dead */
void side_lent(hub_t *hub, const promp_frame_t *frame, packet_t *packet);
void sides_make(hub_t *hub);
void sides_read(hub_t *hub);
void sides_end(hub_t *hub, void *core); /* of a core; NULL: all, after what has come */

/* A user with a manager core, in a manager's process or in a worker's. */
typedef struct user {
    world_t *world;
    proc_t *proc;
    hub_t *hub;
    promp_manager_core_t *core;
    uint32_t level;
    struct job_worker *workers; /* of this user */
    bool ending;                /* gives nothing new */
} user_t;

void user_begin(user_t *user, proc_t *proc, hub_t *hub, uint32_t level);
void user_act(user_t *user);     /* something by chance */
void user_process(user_t *user); /* reads everything that has come, and checks it */
void user_finish(user_t *user);  /* stops all workers */
void user_end(user_t *user);

typedef struct {
    hub_t hub;
    user_t user;
    bool bye;     /* leaves in good order, when its workers have ended */
    bool hurries; /* ... or before */
} manager_t;

typedef struct {
    hub_t hub;
    promp_worker_core_t *core;
    job_worker_t *job;
    pipe_t *lifeline; /* a new link that has come over it; NULL: none */
    bool orphan;
    uint64_t running;
    job_task_t *task;
    int64_t task_end, linger;
    int strays; /* processes that it left behind */
    bool crash; /* at the end of its turn */
    bool is_manager;
    user_t user; /* it is a manager itself */
} worker_t;

void keeper_turn(proc_t *proc);
void keeper_begin(proc_t *proc);
void keeper_died(proc_t *proc);
void agent_turn(proc_t *proc);
void agent_died(proc_t *proc);
proc_t *agent_start(world_t *world, pipe_t *keeper);
void manager_turn(proc_t *proc);
void manager_died(proc_t *proc);
proc_t *manager_start(world_t *world);
void worker_turn(proc_t *proc);
void worker_died(proc_t *proc);
void worker_said(hub_t *hub, const promp_frame_t *frame); /* a link or a direct way has this DATA */
proc_t *worker_start(world_t *world, pipe_t *pipe, const promp_id_t *session);
/* Bodies of processes that are gone are freed when nobody is inside them any more. */
void proc_reap(world_t *world);

/* --- the world --- */

struct world {
    sim_t *sim;
    proc_t *procs, *keeper, *agent;
    pipe_t *pipes;
    pipe_t *backlog[64]; /* connections that no agent has accepted */
    size_t backlogs;
    promp_id_t node;
    uint32_t last_pid;
    uint64_t last_session;
    job_t jobs;
    long handles; /* pidfds on their way */
    bool good;    /* no more accidents */
    int64_t delay;
    int strays; /* orphans that the keeper adopted and has not killed */
    /* chance, per mille of the steps of chaos */
    unsigned kills, freezes, large;
    uint32_t lease;
    /* what happened, for what may follow from it */
    bool froze, lost;
    int agents;
};

#endif
