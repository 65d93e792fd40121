/* hub_inside.h - what the files of the hub share, and nobody else sees. All functions: lock held. */
#ifndef PROMP_NET_HUB_INSIDE_H
#define PROMP_NET_HUB_INSIDE_H

#include <poll.h>
#include <pthread.h>

#include "hub.h"
#include "limits.h"
#include "line.h"
#include "list.h"
#include "map.h"

/* A thread that polls, and how it is woken. */
typedef struct {
    int wake;     /* eventfd; -1: none could be had, it wakes each PROMP_TIME_TICK */
    bool polling; /* is in poll, without the lock */
    bool kicked;  /* wake was written and not read yet */
    bool writes;  /* polls for room in the socket, too */
    int64_t until;
} promp_poller_t;

/* A thread in promp_hub_wait(). */
typedef struct {
    promp_node_t node; /* in hub->waiters */
    promp_poller_t poller;
    bool (*done)(void *arg);
    void *arg;
} promp_waiter_t;

typedef enum {
    PROMP_HUB_DOWN,  /* no link: to be dialled, or to come over the lifeline */
    PROMP_HUB_HELLO, /* a link without WELCOME */
    PROMP_HUB_UP,
    PROMP_HUB_LOST /* for good */
} promp_hub_state_t;

#define PROMP_HUB_GATHER (64 * PROMP_KIB) /* bytes of small frames that go out in one call */

typedef struct promp_side promp_side_t;

#define PROMP_HUB_WAKES 8 /* eventfds that are kept; more threads than that wait less well */

struct promp_hub {
    /* fixed */
    bool worker;
    char *path;
    void (*orphan)(void *arg);
    void *orphan_arg;
    pthread_t thread;
    bool thread_runs;

    /* The lock is `mutex`. Whoever wants it goes through `gate`, so that a driving thread that takes it again
     * and again cannot keep the others out. */
    pthread_mutex_t gate, mutex;

    /* link */
    promp_hub_state_t state;
    promp_line_t line;     /* none in DOWN and LOST */
    int64_t line_due;      /* when it wants to be looked at */
    int link_fd, lifeline; /* -1: none. For promp_hub_abandon, which looks at nothing else */
    uint64_t number;       /* of the link, counts them */
    uint64_t reads;        /* of all links, to see whether somebody else read */
    bool mute;             /* its peer is gone; what it sent is still being read */
    uint16_t version;
    bool known; /* there was a WELCOME */
    promp_id_t node, session;
    bool opening;         /* promp_hub_new() waits: no second try */
    promp_error_t *error; /* of that; else NULL */
    bool orphaned, orphan_told;
    promp_hub_broker_t broker; /* ops NULL: the other end is a node */
    promp_error_t trouble;     /* why there was no link at last; PROMP_OK: there is one, or was none yet */
    bool away;                 /* the broker has said that it ends, ... */
    int64_t away_ms;           /* ... and for how long */
    int64_t not_before;        /* so it is not dialled before */
    int64_t open_by;           /* opening: until when */

    /* times, ms; PROMP_NEVER where nothing is due */
    int64_t up_since, last_sent, last_heard;
    int64_t handshake_at, dial_at;
    unsigned attempts;       /* to dial, since the last link that stood */
    unsigned faults;         /* links in a row that ended by a peer's fault */
    uint64_t jitter;         /* state of a small random generator */
    uint32_t lease;          /* smallest of the cores; 0: none */
    uint32_t lease_most;     /* largest */
    int64_t expected;        /* when somebody would settle again, as seen at the end of the last time */
    int64_t ticked, tick_at; /* the cores' last tick, and when they want the next */
    bool dirty;              /* the cores did something since: tick_at is not to be trusted */
    int64_t busy_since;      /* 0: idle */

    promp_port_t *ports;
    size_t port_count, port_capacity;
    bool attached; /* there was a core */

    struct {
        promp_hub_watch_t watch;
        short events;
        uint64_t serial;
    } watches[PROMP_LIMIT_HUB_WATCHES];
    size_t watch_count;
    uint64_t watch_serial;

    /* sides */
    promp_list_t sides, sides_ended;
    promp_map_t *side_map; /* by session; NULL: there was none yet */
    int side_epoll;        /* -1: likewise */
    bool side_round;       /* what ended is not freed yet: it may be named further up */
    bool sending;          /* send_all is under way: sides gather */

    /* drivers */
    promp_list_t waiters;
    promp_waiter_t *leader; /* the waiter that polls for all; NULL: none */
    promp_poller_t net;     /* the network thread's, when it leads */
    pthread_cond_t rest;    /* what it waits on else */
    bool led;               /* a user thread led since its last look */
    int64_t alarm;          /* when the network thread looks next, PROMP_NEVER: it does not */
    bool parked, stop;
    int wakes[PROMP_HUB_WAKES]; /* -1: not made yet. [0] is the network thread's */
    bool wake_used[PROMP_HUB_WAKES];
};

/* hub.c */
void promp_hub_take(promp_hub_t *hub); /* the lock, without anything else */
void promp_hub_let(promp_hub_t *hub);

/* hub_io.c */
void promp_hub_read(promp_hub_t *hub, int64_t now); /* what is there, to the cores */
bool promp_hub_holds(const promp_hub_t *hub); /* a worker's core is not attached yet: what is for it waits */
void promp_hub_settle(promp_hub_t *hub, int64_t now); /* what time and cores demand; sends */
int64_t promp_hub_due(const promp_hub_t *hub);        /* when to settle next */
void promp_hub_path(promp_hub_t *hub, bool up, bool lost, int64_t now); /* tells all cores */
promp_err_t promp_hub_post(promp_hub_t *hub, const promp_message_t *message, const promp_id_t *session,
                           int64_t now);

/* What is missing of a large frame goes to its place in this core with the next read, which follows at once. */
void promp_hub_place(promp_link_t *link, const promp_port_t *port);
promp_err_t promp_hub_lent(promp_hub_t *hub, const promp_frame_t *frame, const int *fds, int64_t now);
void promp_hub_close_fds(const promp_frame_t *frame, const int *fds);

/* hub_side.c */
promp_side_t *promp_hub_side_find(promp_hub_t *hub, const promp_id_t *session);
promp_side_t *promp_hub_side_to(promp_hub_t *hub, const promp_id_t *session); /* that we send on */
void promp_hub_sides_look(promp_hub_t *hub,
                          int64_t now); /* does what is to be done at once, waits for nothing */
/* As promp_hub_hand; where it fails for want of descriptors, nothing but this frame is missing. */
promp_err_t promp_hub_side_send(promp_hub_t *hub, promp_side_t *side, const promp_out_t *out, const int *fds,
                                size_t count, int64_t now);
void promp_hub_sides_uncork(promp_hub_t *hub, int64_t now);
bool promp_hub_sides_sent(const promp_hub_t *hub); /* nothing waits for a socket */
/* Hands everything to the core that the other end, which is dead, has written, and ends the side. */
void promp_hub_side_drain(promp_hub_t *hub, const promp_id_t *session, int64_t now);
/* Ends those of a core, or (NULL) all, after what has come over them was read. */
void promp_hub_sides_end(promp_hub_t *hub, void *core, int64_t now);
void promp_hub_sides_free(promp_hub_t *hub);

/* hub_link.c */
void promp_hub_begin(promp_hub_t *hub, promp_line_t line,
                     int64_t now); /* takes it as the new link and says HELLO */
void promp_hub_drop(promp_hub_t *hub, promp_err_t why, int64_t now);
void promp_hub_lose(promp_hub_t *hub, int64_t now); /* the node is gone for good */
promp_err_t promp_hub_refused(promp_hub_t *hub,
                              const promp_msg_refused_t *message); /* the reason, never OK */
promp_err_t promp_hub_greeted(promp_hub_t *hub, const promp_frame_t *frame, int64_t now);
void promp_hub_times(promp_hub_t *hub, int64_t now); /* beats, silence, dialling */
int64_t promp_hub_times_due(const promp_hub_t *hub);
bool promp_hub_is_fault(promp_err_t why); /* the peer broke the protocol (it did not just end) */
int64_t promp_hub_chance(promp_hub_t *hub, int64_t most); /* 0..most, random */
int64_t promp_hub_patience(const promp_hub_t *hub);       /* the smallest lease, or what stands for it */

/* hub_broker.c. The others only where there is a broker. */
promp_who_t promp_hub_peer(const promp_hub_t *hub); /* what the other end is */
void promp_hub_broker_hurry(promp_hub_t *hub,
                            int64_t now); /* the leases changed: no longer pause than they allow */
void promp_hub_broker_dial(promp_hub_t *hub, int64_t now);
void promp_hub_broker_said(promp_hub_t *hub, const promp_message_t *message); /* on the link */
/* The connection is closed; stood: ms since WELCOME, -1: there was none. */
void promp_hub_broker_dropped(promp_hub_t *hub, promp_err_t why, int64_t stood, int64_t now);

/* hub_lifeline.c */
void promp_hub_relink(promp_hub_t *hub, int64_t now); /* the lifeline is readable */
void promp_hub_end_orphan(promp_hub_t *hub); /* once, when hub->orphaned; lets the lock go meanwhile */

/* hub_watch.c */
void promp_hub_call_watch(promp_hub_t *hub, uint64_t serial, short revents); /* if it is still watched */

/* hub_wait.c */
/* One turn of whoever drives, and has settled: polls without the lock until something comes or `deadline`,
 * handles it. Returns EINTR when a signal handler ran, else 0. */
int promp_hub_turn(promp_hub_t *hub, promp_poller_t *self, int64_t deadline);
void promp_hub_kick(promp_poller_t *poller);
void promp_hub_stir(promp_hub_t *hub); /* whoever polls looks at everything again */
void promp_hub_stir_if_due(
    promp_hub_t *hub); /* ... if it would wake too late, or not for the room that we wait for */
void promp_hub_tell(promp_hub_t *hub,
                    const promp_poller_t *self); /* waiters whose condition holds now; not self */
int promp_hub_wake_get(promp_hub_t *hub);        /* an eventfd, or -1 */
void promp_hub_wake_put(promp_hub_t *hub, int fd);

/* hub_thread.c */
promp_err_t promp_hub_thread_start(promp_hub_t *hub, int *system);
void promp_hub_thread_stop(promp_hub_t *hub); /* without the lock */

#endif
