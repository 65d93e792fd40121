/* keeper_inside.h - what the files of the keeper's shell share. */
#ifndef PROMP_NODE_KEEPER_INSIDE_H
#define PROMP_NODE_KEEPER_INSIDE_H

#include "keeper.h"
#include "keeper_core.h"
#include "link.h"
#include "spawn.h"

typedef struct {
    promp_keeper_config_t config;
    promp_keeper_core_t *core;
    promp_id_t node;
    int signals;
    int cgroup;            /* folder for those of workers, -1: none */
    struct rlimit files;   /* the limit that workers get */
    pid_t agent;           /* 0: none */
    promp_link_t *link;    /* to it; NULL: none */
    bool link_over;        /* nothing more comes from there */
    int given;             /* descriptor that came with the frame at hand, -1: none, or it was lost */
    promp_spawn_t *worker; /* by number; pid 0: none */
    size_t workers;
    uint64_t serial;
    uint64_t oom_kills;
    int64_t oom_seen;
    bool stopping, ended;
} promp_keeper_t;

/* Does what the core wants until it wants nothing more; false: it wanted nothing. */
bool promp_keeper_effects_do(promp_keeper_t *k, int64_t now);

void promp_keeper_effects_signal_agent(const promp_keeper_t *k, int signal);

#endif
