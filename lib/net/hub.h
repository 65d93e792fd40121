/* hub.h - moves the frames of the cores in this process over one link to the node: reads, writes, beats,
 * reconnects.
 *
 * One lock guards everything: the link, and all cores that are attached. Whoever waits drives
 * (leader/followers): a thread in promp_hub_wait() polls the socket itself and handles what comes; the
 * network thread does it when no user thread has for PROMP_TIME_TICK ms. So a call and its answer cost no
 * hand-over between threads. Sends go straight to the socket from the thread that makes them. The network
 * thread blocks all signals and is the only thread the library makes.
 *
 * Three kinds: a manager's hub dials the socket at `path` again when the link breaks (with back-off, until the
 * node is gone for good: the socket refuses); a worker's hub gets a new link over its lifeline; a manager's hub with a
 * broker dials that one again, for ever: it is lost only when the broker turns this key or version away. Besides the link
 * a hub to a node may have sides: sockets straight to the other end of one session each.
 */
#ifndef PROMP_NET_HUB_H
#define PROMP_NET_HUB_H

#include "base.h"
#include "error.h"
#include "line.h"
#include "local.h"
#include "message.h"
#include "port.h"

typedef struct promp_hub promp_hub_t;

typedef struct {
    int fd;
    void (*ready)(void *arg, int fd, short revents); /* called under the lock, by whatever thread drives */
    void *arg;
} promp_hub_watch_t;

/* Makes connections to a broker (zdial.h). Called under the lock, by whatever thread drives; nothing here waits. */
typedef struct {
    /* Begins to connect. What fails at once, or within timeout ms, line->ops->why tells; an error: there is no line. */
    promp_err_t (*dial)(void *arg, int timeout, int64_t now, promp_line_t *line, promp_error_t *error);
    bool (*failed)(void *arg, promp_err_t why); /* before WELCOME; true: there is another way, dial at once */
    void (*welcomed)(void *arg);
    void (*next_key)(void *arg, const promp_msg_next_key_t *message);
} promp_hub_broker_ops_t;

typedef struct {
    void *arg; /* outlives the hub */
    const promp_hub_broker_ops_t *ops;
} promp_hub_broker_t;

typedef struct {
    bool worker;      /* role in HELLO; else a manager */
    int fd;           /* the link to begin with; the hub takes it over; -1 with a broker */
    const char *path; /* manager: socket to dial again, copied; NULL for a worker */
    int lifeline; /* worker: descriptor on which new links come and whose end means: die; -1 for a manager */
    void (*orphan)(void *arg); /* worker: the lifeline ended, or the link was silent or gone for the longest
                                  lease of the cores; called once, by the driving thread without the lock;
                                  NULL: kill our process group (where we lead none: _exit) */
    void *arg;
    promp_hub_broker_t broker; /* manager: who dials, in place of fd and path; ops NULL: nobody */
} promp_hub_config_t;

/* Sends HELLO and waits for WELCOME up to timeout ms. NULL on failure: *error tells (NOT_A_NODE, VERSION,
 * CLOSED when the node ended before WELCOME, NODE_TIMEOUT, or what REFUSED said; with a broker what dial said or
 * promp_zlink_why, BROKER_SILENT, BROKER_AWAY, NOT_A_BROKER, VERSION, KEY_ROLE or what else REFUSED said). The network
 * thread runs when this returns. */
promp_hub_t *promp_hub_new(const promp_hub_config_t *config, int timeout, promp_error_t *error);

/* A manager's hub from nothing: promp_local_connect() and promp_hub_new() in at most timeout ms together, up
 * to three times when the node ends before WELCOME (it may have been about to). Errors of both. */
promp_hub_t *promp_hub_dial(const promp_local_t *local, const char *program, bool start, int timeout,
                            promp_error_t *error);

/* Detach all cores first. Joins the network thread. Not under the lock, nobody in promp_hub_wait. */
void promp_hub_destroy(promp_hub_t **hub);
/* In the child of a fork: closes descriptors, but those of sides, frees nothing that a lock could guard, touches no thread. */
void promp_hub_abandon(promp_hub_t **hub);

/* A BYE for sessions that end: sent at once if it can be. Only a manager's hub. Takes the lock. */
void promp_hub_bye(promp_hub_t *hub);

/* Both take the lock. The core gets path(up) when the link is up, path(lost) when the node is gone for good.
 * The operations of a port are called under the lock, by whatever thread drives. OK, MEMORY. */
promp_err_t promp_hub_attach(promp_hub_t *hub, promp_port_t port);
void promp_hub_detach(promp_hub_t *hub, void *core);

/* The lock. Cores are touched only between these two. unlock first sends what the cores want to send (pump). */
void promp_hub_lock(promp_hub_t *hub);
void promp_hub_unlock(promp_hub_t *hub);

/* Reads what is there without waiting, hands it to the cores and sends. Lock held. */
void promp_hub_pump(promp_hub_t *hub);

/* Gives a session of a core a direct way to its other end: a stream socket, taken over also on failure. The hub moves the
 * session's frames over it from now on, until it breaks or the link to the node does: then over the link again. The core
 * is told (port.h). OK, STATE (it has one, the link is down or goes to a broker), DESCRIPTORS, MEMORY. Lock held. */
promp_err_t promp_hub_side_add(promp_hub_t *hub, void *core, const promp_id_t *session, int fd, bool held);
/* Ends the holding of a side that was added held: until then it is only read, and the core does not know of it. So an end that
 * may die changes its way when nothing of it is unacknowledged, or its last words could overtake those before them and be
 * dropped as a gap. Lock held. */
void promp_hub_side_use(promp_hub_t *hub, const promp_id_t *session);

/* Sends a frame with one descriptor, which stays the caller's, to the other end of a session, ahead of its data. OK: it is on
 * its way, though a relay may have to send it without the descriptor; STATE: there is no way at the moment; else why not.
 * Lock held. */
promp_err_t promp_hub_hand(promp_hub_t *hub, const promp_id_t *session, const promp_message_t *message,
                           int fd);

/* Sends what the cores want to send, now. True when all that they gave is in the socket: the node has it,
 * whatever becomes of us. Lock held. */
bool promp_hub_send(promp_hub_t *hub);
bool promp_hub_sent(const promp_hub_t *hub); /* likewise, without sending: is it? */

/* Waits, lock held (it is let go meanwhile), until done(arg) is true, the time (promp_clock_ms) is deadline,
 * or a signal handler ran in this thread. Returns OK, TIMEOUT or STATE (interrupted: EINTR). done is called
 * under the lock, also by other threads that drive. What is there already is read even when deadline has
 * passed. */
promp_err_t promp_hub_wait(promp_hub_t *hub, bool (*done)(void *arg), void *arg, int64_t deadline);

/* Wakes threads in promp_hub_wait so that they look at their condition again. Any thread; lock held. */
void promp_hub_notify(promp_hub_t *hub);

/* Adds and removes descriptors that the driving thread polls (a worker's output pipes). Lock held; also from
 * within ready. Adding one that is there changes its events. OK, ARGUMENT (PROMP_LIMIT_HUB_WATCHES). */
promp_err_t promp_hub_watch(promp_hub_t *hub, const promp_hub_watch_t *watch, short events);
void promp_hub_unwatch(promp_hub_t *hub, int fd);

/* Why there is no link to the broker at the moment; PROMP_OK: there is one, or it is not known yet. Lock held. */
const promp_error_t *promp_hub_trouble(const promp_hub_t *hub);
/* What a WELCOME told: node's identity; for a worker also its session. Lock held. */
const promp_id_t *promp_hub_node(const promp_hub_t *hub);
const promp_id_t *promp_hub_session(const promp_hub_t *hub);
/* The worker's main thread began (busy) or ended a task; its time goes into BEAT. Lock held. */
void promp_hub_busy(promp_hub_t *hub, bool busy);

#endif
