/* keeper_table.h - inside the keeper core. */
#ifndef PROMP_NODE_KEEPER_TABLE_H
#define PROMP_NODE_KEEPER_TABLE_H

#include "effects.h"
#include "keeper_core.h"
#include "limits.h"
#include "map.h"
#include "numbers.h"

typedef enum {
    PROMP_KEEPER_LIVE,
    PROMP_KEEPER_ENDING, /* its first process has ended, others of its tree may be there */
    PROMP_KEEPER_RECORD  /* nothing is left but what the agent wants to know */
} promp_keeper_state_t;

typedef struct {
    promp_id_t id;
    uint32_t number;
    promp_keeper_state_t state;
    uint32_t pid;
    bool runs;         /* its program */
    bool told;         /* an agent has heard of it by ROSTER while it did not run yet */
    promp_err_t cause; /* of SLAY */
    int64_t ended;
    promp_msg_exited_t record; /* SPAWN's facts from the beginning, the rest from the end */
    uint32_t cpus, gpus;       /* of SPAWN, for ROSTER */
    uint64_t memory;
    uint8_t *tail;
} promp_keeper_worker_t;

struct promp_keeper_core {
    promp_id_t node;
    promp_effects_t effects;
    promp_map_t *workers; /* by session */
    promp_map_t *pids;    /* LIVE ones by process */
    promp_numbers_t numbers;
    size_t living, ending;   /* workers that are LIVE, ENDING */
    promp_msg_spawn_t spawn; /* of the effect */
    int64_t next;

    bool agent_up, agent_killed;
    bool agent_spoke; /* it got as far as to say something */
    int64_t agent_since, agent_heard, patience;
    int64_t agent_at; /* when to start one */
    int64_t back_off;
    int64_t failing_since; /* no agent has said anything since, PROMP_NEVER: one has */

    int64_t sweep_at, sweep_pause;
    bool stopping;      /* no agent is started any more, nothing is spawned */
    int64_t stop_until; /* then by force */
    bool finishing;     /* by force, or nothing is left to wait for */
    bool ended;
};

/* keeper_core.c */
void promp_keeper_core_due(promp_keeper_core_t *core, int64_t at);
promp_keeper_effect_t *promp_keeper_core_effect(promp_keeper_core_t *core, promp_keeper_effect_kind_t kind,
                                                uint32_t worker);
void promp_keeper_core_to_agent(promp_keeper_core_t *core, const promp_message_t *m,
                                const promp_id_t *session, uint32_t worker);

/* keeper_workers.c */
void promp_keeper_workers_spawn(promp_keeper_core_t *core, const promp_id_t *id, const promp_msg_spawn_t *m);
void promp_keeper_workers_slay(promp_keeper_core_t *core, promp_keeper_worker_t *w, promp_err_t cause);
void promp_keeper_workers_forget(promp_keeper_core_t *core, promp_keeper_worker_t *w);
/* Tells a new agent all that there is, but not the end of it. */
void promp_keeper_workers_roster(promp_keeper_core_t *core);

#endif
