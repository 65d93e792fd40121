/* agent_shell.h - what the files of the agent's shell share. */
#ifndef PROMP_NODE_AGENT_SHELL_H
#define PROMP_NODE_AGENT_SHELL_H

#include <sys/types.h>

#include "agent.h"
#include "agent_core.h"
#include "auth_joined.h"
#include "link.h"
#include "numbers.h"
#include "zlink.h"

/* Who an event of epoll is about: kind in the upper half of its data, number in the lower. */
typedef enum {
    PROMP_AGENT_ON_LISTEN,
    PROMP_AGENT_ON_KEEPER,
    PROMP_AGENT_ON_SIGNAL,
    PROMP_AGENT_ON_TIMER,
    PROMP_AGENT_ON_LINK,
    PROMP_AGENT_ON_OWNER,
    PROMP_AGENT_ON_BROKER
} promp_agent_on_t;

#define PROMP_AGENT_CORKED 32 /* links that one round of reading may gather frames for */

typedef struct {
    promp_link_t *link;
    bool writing; /* epoll looks for room, too */
    bool corked;
} promp_agent_line_t;

/* The connection to the broker; one at a time. */
typedef struct {
    int folder; /* of the configuration; -1: none */
    promp_auth_key_t *key;
    bool shown; /* its secret is readable */
    promp_auth_joined_t joined;
    bool next;           /* the broker's next key is tried */
    uint32_t number;     /* of the link in the core */
    promp_zlink_t *link; /* NULL: none */
    bool welcomed;
    bool unsaid;       /* why is to be told */
    promp_err_t told;  /* why we were not welcome was told, with this number */
    promp_error_t why; /* the last word about the connection; code 0: none */
} promp_agent_dial_t;

typedef struct {
    promp_agent_run_t config;
    promp_agent_dial_t dial;
    promp_agent_core_t *core;
    int epoll, listening, signals, timer;
    int64_t alarm;      /* what timer is set to, PROMP_NEVER: nothing */
    int spare;          /* given up to accept and refuse somebody when no descriptor is left; -1: given up */
    bool accepting;     /* epoll looks at listening */
    int64_t full_until; /* that no descriptor is left is not logged again before */
    promp_link_t *keeper;
    bool keeper_writing;
    pid_t keeper_pid;
    int *reserve; /* descriptors kept for pidfds of workers that are being started */
    size_t reserved, reserve_room;
    size_t spawning;           /* SPAWNs that the keeper has not answered */
    promp_agent_line_t **line; /* by number of the link */
    size_t lines;
    int *owner; /* pidfds by number of the owner, -1 none */
    size_t owners;
    uint32_t corked[PROMP_AGENT_CORKED];
    size_t corks;
    bool gathering; /* more frames than one were read together */
    int given;      /* the descriptor of the frame that the core has now; -1: none */
    promp_id_t node;
    bool ended;
    promp_err_t error; /* with ended */
} promp_agent_t;

/* agent.c */
void promp_agent_fail(promp_agent_t *a,
                      promp_err_t error); /* we cannot go on: the keeper starts another agent */
bool promp_agent_watch(promp_agent_t *a, int fd, promp_agent_on_t on, uint32_t number, bool add, bool write);

/* agent_links.c */
promp_agent_line_t *promp_agent_links_get(promp_agent_t *a, uint32_t number); /* NULL: none */
/* Takes fd over, also on failure. OK, MEMORY, SYSTEM. */
promp_err_t promp_agent_links_add(promp_agent_t *a, uint32_t number, int fd);
void promp_agent_links_close(promp_agent_t *a, uint32_t number);
void promp_agent_links_accept(promp_agent_t *a, int64_t now);
void promp_agent_links_full(promp_agent_t *a, int64_t now); /* logs that no descriptor is left */
void promp_agent_links_ready(promp_agent_t *a, uint32_t number, uint32_t events, int64_t now);
/* Looks after a link that something was sent on: flushed tags, whether it waits for room. */
void promp_agent_links_sent(promp_agent_t *a, uint32_t number, promp_agent_line_t *line);
void promp_agent_links_cork(promp_agent_t *a, uint32_t number, promp_agent_line_t *line);
void promp_agent_links_uncork(promp_agent_t *a); /* what was gathered goes */
void promp_agent_links_free(promp_agent_t *a);

/* agent_dial.c: the connection to the broker */
promp_err_t promp_agent_dial_open(promp_agent_t *a, promp_error_t *error); /* key and broker of the folder */
void promp_agent_dial_begin(promp_agent_t *a, uint32_t number, int64_t now);
bool promp_agent_dial_is(const promp_agent_t *a, uint32_t number); /* whether this link is that connection */
bool promp_agent_dial_ready(const promp_agent_t *a);               /* read before waiting */
void promp_agent_dial_read(promp_agent_t *a, int64_t now);
int64_t promp_agent_dial_tick(promp_agent_t *a, int64_t now); /* when it wants to be called next */
promp_err_t promp_agent_dial_send(promp_agent_t *a, const promp_out_t *out, int64_t now);
promp_err_t promp_agent_dial_forward(promp_agent_t *a, const promp_agent_effect_t *e);
void promp_agent_dial_close(promp_agent_t *a, promp_err_t why);
void promp_agent_dial_free(promp_agent_t *a);
/* Tells the keeper how we stand with the broker. */
void promp_agent_dial_report(promp_agent_t *a, const promp_error_t *error, bool over);

/* agent_reserve.c: a descriptor for each worker that is being started, so that its pidfd can be taken when it comes */
promp_err_t promp_agent_reserve_add(promp_agent_t *a); /* for one more. OK, DESCRIPTORS, MEMORY */
void promp_agent_reserve_done(promp_agent_t *a);       /* the keeper has answered for one, or will not */
void promp_agent_reserve_lend(promp_agent_t *a);       /* closes one: something is about to be read */
void promp_agent_reserve_settle(promp_agent_t *a); /* as many as are needed are there again, and no more */
void promp_agent_reserve_free(promp_agent_t *a);

/* agent_do.c: does what the core wants until it wants nothing more; false: it wanted nothing */
bool promp_agent_do(promp_agent_t *a, int64_t now);

#endif
