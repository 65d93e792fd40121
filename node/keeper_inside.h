/* keeper_inside.h - what the files of the keeper's shell share. */
#ifndef PROMP_NODE_KEEPER_INSIDE_H
#define PROMP_NODE_KEEPER_INSIDE_H

#include <poll.h>

#include "cgroup.h"
#include "keeper.h"
#include "keeper_core.h"
#include "link.h"
#include "spawn.h"

#define PROMP_KEEPER_POLLS    2  /* descriptors that are always polled */
#define PROMP_KEEPER_CLEANERS 16 /* at the same time; what comes then waits for one of them */

typedef struct {
    promp_keeper_config_t config;
    promp_keeper_core_t *core;
    promp_id_t node;
    int signals;
    promp_cgroup_t cgroup; /* for those of workers */
    bool limits_said;      /* that some do not hold here */
    struct rlimit files;   /* the limit that workers get */
    pid_t agent;           /* 0: none */
    promp_link_t *link;    /* to it; NULL: none */
    bool link_over;        /* nothing more comes from there */
    int given;             /* descriptor that came with the frame at hand, -1: none, or it was lost */
    promp_spawn_t *worker; /* by number; pid 0: none */
    size_t workers;
    size_t starting;                      /* those that do not run their program yet */
    struct pollfd *polls;                 /* room for all that is polled */
    pid_t cleaner[PROMP_KEEPER_CLEANERS]; /* processes that remove private folders; 0: none */
    uint64_t *scratch;                    /* serials of workers whose private folders wait for one */
    size_t scratches;
    int scratch_lock; /* says whose they are; -1: this node makes none */
    uint64_t serial;
    uint64_t oom_kills;
    int64_t oom_seen;
    bool stopping, ended;
    bool asked;         /* a signal to end has come */
    int64_t drained;    /* the node drains: workers have until then; PROMP_NEVER: it does not */
    promp_error_t over; /* the agent has ended because of this, and so shall the node; code 0: not so */
    int64_t watchdog;   /* ms between words to the service manager */
    int64_t watched;    /* when it had the last one */
} promp_keeper_t;

/* Does what the core wants until it wants nothing more; false: it wanted nothing. */
bool promp_keeper_effects_do(promp_keeper_t *k, int64_t now);

/* Waits for all children that have ended; what the agent has sent is to be read before. */
void promp_keeper_reap(promp_keeper_t *k, int64_t now);
/* Whether the kernel has killed somebody for want of memory since the last look. */
bool promp_keeper_reap_memory(promp_keeper_t *k, int64_t now);

/* Tells the log which limits of workers hold here. */
void promp_keeper_starts_limits(const promp_keeper_t *k);
/* What to poll for those that are starting; returns how many. */
size_t promp_keeper_starts_poll(const promp_keeper_t *k, struct pollfd *polls);
/* Hears how starts have gone. */
void promp_keeper_starts_ready(promp_keeper_t *k, int64_t now);
/* Likewise that of a worker whose process has ended: true, when it has become its program or was killed on the way. */
bool promp_keeper_starts_ran(promp_keeper_t *k, uint32_t number, int64_t now);
void promp_keeper_starts_failed(promp_keeper_t *k, uint32_t number,
                                int64_t now); /* else; it has been waited for */
void promp_keeper_starts_begin(promp_keeper_t *k, const promp_keeper_effect_t *e, int64_t now);
/* Closes and forgets what is held of a worker whose tree has gone. */
void promp_keeper_starts_clean(promp_keeper_t *k, promp_spawn_t *worker);

/* The node makes private folders, and removes those that nodes have left which were killed. */
void promp_keeper_scratch_begin(promp_keeper_t *k);
/* The private folder of this worker is to be removed. */
void promp_keeper_scratch_add(promp_keeper_t *k, uint64_t serial);
/* Makes a process for those that wait, where there may be one more. */
void promp_keeper_scratch_go(promp_keeper_t *k);
/* Whether this process is one of those; ended: it has been waited for. */
bool promp_keeper_scratch_cleaner(promp_keeper_t *k, pid_t pid, bool ended);
/* The keeper ends: one more process for all that wait, which outlives it. */
void promp_keeper_scratch_end(promp_keeper_t *k);

void promp_keeper_effects_signal_agent(const promp_keeper_t *k, int signal);

#endif
