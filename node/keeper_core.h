/* keeper_core.h - what the keeper decides: workers' processes from SPAWN to EXIT_SEEN, the agent and its
 * replacement, the end of the node. A plain state machine like agent_core.h, driven in the same way: events,
 * then effects until there are none, then tick. One thread at a time. Times in milliseconds.
 *
 *   worker:  LIVE ── leader ended ──▶ ENDING ── no process of its tree is left ──▶ RECORD ── EXIT_SEEN ──▶
 * (no more)
 *
 * A LIVE one may still be on its way to become its program, which can take any time where its folder or program lies on a disk
 * that does not answer: then it costs nothing but itself, and can be slain.
 *
 *   agent:   (start) ──▶ UP ── ended, or silent for the patience it asked for: killed ──▶ DOWN ── back-off
 * ──▶ (start)
 */
#ifndef PROMP_NODE_KEEPER_CORE_H
#define PROMP_NODE_KEEPER_CORE_H

#include "base.h"
#include "frame.h"
#include "message.h"

typedef struct promp_keeper_core promp_keeper_core_t;

#define PROMP_KEEPER_NONE UINT32_MAX /* no worker */

typedef enum {
    PROMP_KEEPER_START_AGENT, /* start an agent with a new link, the rest of the old one is dropped; say
                                 agent_up or agent_down */
    PROMP_KEEPER_KILL_AGENT,  /* end the agent: SIGKILL; agent_down follows when it has ended */
    PROMP_KEEPER_STOP_AGENT,  /* ask it to end the node in good order: SIGTERM */
    PROMP_KEEPER_SPAWN, /* start worker as *spawn says with the descriptor of the event; say forked, spawned or failed
                           now */
    PROMP_KEEPER_RELINK,   /* give worker the descriptor of the event over its lifeline */
    PROMP_KEEPER_SLAY,     /* SIGKILL for worker's process group (and its cgroup) */
    PROMP_KEEPER_SWEEP,    /* kill every adopted process that belongs to no LIVE worker; say swept */
    PROMP_KEEPER_COLLECT,  /* read what is left in worker's pipes, forget its process; say collected now */
    PROMP_KEEPER_TO_AGENT, /* send out; worker not NONE: with a pidfd of it */
    PROMP_KEEPER_END       /* everything has ended: the keeper may, too */
} promp_keeper_effect_kind_t;

typedef struct {
    promp_keeper_effect_kind_t kind;
    uint32_t worker;                /* small number, free again after COLLECT or failed */
    const promp_msg_spawn_t *spawn; /* SPAWN: borrows from the frame of the event */
    const promp_out_t *out;         /* TO_AGENT; valid until the next call into the core */
} promp_keeper_effect_t;

/* How a process ended. */
typedef struct {
    int code;           /* exit code */
    int signal;         /* number of the signal, or 0 */
    bool out_of_memory; /* the kernel killed it for want of memory */
    uint64_t limit;     /* bytes: its own limit, which was reached; 0: the machine's memory was */
    uint64_t memory;    /* largest resident memory, bytes */
} promp_keeper_exit_t;

/* node: identity of this run. NULL without memory. The first effect is START_AGENT. */
promp_keeper_core_t *promp_keeper_core_new(uint64_t seed, const promp_id_t *node, int64_t now);
void promp_keeper_core_destroy(promp_keeper_core_t **core);

bool promp_keeper_core_next(promp_keeper_core_t *core, promp_keeper_effect_t *effect);

/* --- events: the agent --- */
void promp_keeper_core_agent_up(promp_keeper_core_t *core, int64_t now);
/* Its process has ended (or could not be started). Give frames that it sent before first. */
void promp_keeper_core_agent_down(promp_keeper_core_t *core, int64_t now);
/* A frame of the agent; a malformed one replaces the agent. fds: descriptors that came along; the caller
 * closes those that no effect uses. */
void promp_keeper_core_frame(promp_keeper_core_t *core, const promp_frame_t *frame, int64_t now);

/* --- events: workers --- */
/* It has a process, which is not its program yet; spawned or failed follows. */
void promp_keeper_core_forked(promp_keeper_core_t *core, uint32_t worker, uint32_t pid, int64_t now);
/* It runs its program. */
void promp_keeper_core_spawned(promp_keeper_core_t *core, uint32_t worker, uint32_t pid, int64_t now);
/* It could not be started; its process, where there was one, has been waited for. */
void promp_keeper_core_failed(promp_keeper_core_t *core, uint32_t worker, const promp_error_t *error,
                              int64_t now);
/* Its first process has ended and been waited for; say spawned before. Give what the agent sent before first: a SLAY explains a
 * death. */
void promp_keeper_core_exited(promp_keeper_core_t *core, uint32_t worker, const promp_keeper_exit_t *how,
                              int64_t now);
/* The sweep is done; left: processes that were found and are not waited for yet. */
void promp_keeper_core_swept(promp_keeper_core_t *core, size_t left, int64_t now);
void promp_keeper_core_collected(promp_keeper_core_t *core, uint32_t worker, promp_slice_t tail);

/* LIVE workers, by process id and by number; for the sweep. */
uint32_t promp_keeper_core_by_pid(const promp_keeper_core_t *core, uint32_t pid); /* NONE: no LIVE one */
bool promp_keeper_core_lives(const promp_keeper_core_t *core, uint32_t worker);
size_t promp_keeper_core_living(const promp_keeper_core_t *core); /* LIVE ones */

/* The node shall end: first in good order, by force when that takes too long or it is asked again. */
void promp_keeper_core_stop(promp_keeper_core_t *core, int64_t now);

int64_t promp_keeper_core_tick(promp_keeper_core_t *core, int64_t now);

#endif
