/* zport.h - the broker's end: one listening port, one ZeroMQ ROUTER with CURVE, many peers. One thread.
 *
 * Who a peer is comes from its handshake (User-Id) and is checked on every frame: a frame that another connection sends under
 * the same routing id belongs to another peer. Peers are told apart by a number that is not used again for others. Each has
 * windows and bounded queues of its own, as in zlink.h: who does not read costs only himself.
 *
 * libzmq does not tell when a peer leaves. It is found within 2 * PROMP_TIME_SWEEP where the connection has ended (a host that
 * vanished: after three unanswered ZMTP heartbeats); who is silent on a living connection is the caller's to kick. A connection
 * that never says anything is not a peer: it costs a descriptor, and only those have one that hold a key.
 *
 *     for (;;) {
 *         while (promp_zport_next(port, &event) == PROMP_OK && event.type) handle event; at most so many in a row
 *         due = promp_zport_tick(port, now);
 *         if (!promp_zport_ready(port)) poll promp_zport_fd() for POLLIN until due
 *     } */
#ifndef PROMP_NET_ZPORT_H
#define PROMP_NET_ZPORT_H

#include "error.h"
#include "link.h"

typedef struct promp_zport promp_zport_t;
typedef uint64_t promp_zpeer_t; /* 0: none */

typedef struct {
    const char *endpoint;      /* "tcp://ADDRESS:PORT"; ADDRESS * for all, PORT 0 for a free one */
    const uint8_t *secret_key; /* 32 bytes; borrowed by promp_zport_new only (libzmq keeps a copy) */
    const char *zap_domain;    /* not empty: libzmq would ask nobody */
    uint32_t peers;            /* at most so many; 1..PROMP_LIMIT_PEERS */
    int handshake;   /* ms that a connection may take to authenticate itself; 0: PROMP_TIME_HANDSHAKE */
    uint64_t window; /* bytes, the same at both ends; 0: PROMP_LIMIT_LINK_WINDOW */
    int beat;        /* ms between ZMTP heartbeats; 0: PROMP_TIME_ZMQ_BEAT */
} promp_zport_config_t;

/* A context of libzmq, in which threads (1..PROMP_LIMIT_BROKER_THREADS) encrypt and move bytes. MEMORY, DESCRIPTORS, SYSTEM. */
promp_err_t promp_zport_context(int threads, void **context, promp_error_t *error);
/* When all its sockets are closed; waits for what still leaves. NULL is fine. */
void promp_zport_context_end(void **context);

/* Sets all that such a socket needs before it is bound: CURVE, the domain and its enforcement, limits. promp_zport_new does it;
 * a self-test may do it with a socket of its own. SYSTEM, CURVE_MISSING: do not bind it. */
promp_err_t promp_zport_prepare(void *socket, const promp_zport_config_t *config, promp_error_t *error);

/* Listens. context: libzmq's, the caller's, in which a handler answers ZAP already; it outlives the port. ARGUMENT, CURVE_MISSING,
 * SELFTEST (there is no ZAP handler), PEER_DESCRIPTORS (raise RLIMIT_NOFILE first), PORT_TAKEN, PORT_ADDRESS, MEMORY,
 * DESCRIPTORS, SYSTEM. */
promp_err_t promp_zport_new(void *context, const promp_zport_config_t *config, promp_zport_t **port,
                            promp_error_t *error);
/* Closes all connections. What libzmq has gets PROMP_TIME_ZMQ_LINGER ms to leave, once the context is terminated. */
void promp_zport_destroy(promp_zport_t **port);

/* Where it listens, with the real port: "tcp://0.0.0.0:5599". Belongs to the port. */
const char *promp_zport_endpoint(const promp_zport_t *port);

int promp_zport_fd(const promp_zport_t *port);

/* Call promp_zport_next() before polling: something is there, or may have come meanwhile. */
bool promp_zport_ready(const promp_zport_t *port);

/* Lets time pass: finds peers that left, tries again what libzmq did not take. Returns when it wants to be called next. */
int64_t promp_zport_tick(promp_zport_t *port, int64_t now);

typedef enum {
    PROMP_ZPORT_NOTHING,
    PROMP_ZPORT_NEW,   /* peer, before its first frame */
    PROMP_ZPORT_FRAME, /* peer, frame: borrows until the next call of promp_zport_next */
    PROMP_ZPORT_GONE /* peer, why: PEER_LEFT, or what it broke (FRAME_*, CREDIT, OFFSET, MESSAGE_*, DESCRIPTOR_COUNT) and
                          was dropped for. What waited for it has been dropped; its number means nothing from now on */
} promp_zport_happening_t;

typedef struct {
    promp_zport_happening_t type;
    promp_zpeer_t peer;
    promp_frame_t frame;
    promp_err_t why;
} promp_zport_event_t;

/* What happened next. OK; SYSTEM when the port itself is broken. A FRAME that is windowed is owed a promp_zport_release. */
promp_err_t promp_zport_next(promp_zport_t *port, promp_zport_event_t *event);

/* What the handshake says of a peer: "User-Id", "Peer-Address" (without port), or what the ZAP handler added. Borrowed as long as
 * the peer lives; NULL: there is none. */
const char *promp_zport_property(promp_zport_t *port, promp_zpeer_t peer, const char *name);

/* The caller is done with bytes of windowed frames of this peer. */
void promp_zport_release(promp_zport_t *port, promp_zpeer_t peer, uint64_t bytes);

/* Sends or queues a frame. tag: as in zlink.h, for all peers together. OK; PEER_LEFT; QUEUE_FULL: the queue for this peer is full,
 * the frame was dropped (a relay says CONGESTED); MEMORY; ARGUMENT. */
promp_err_t promp_zport_send(promp_zport_t *port, promp_zpeer_t peer, const promp_out_t *out, uint64_t tag);
/* Likewise a frame as it was received; one that the last event brought is passed on without copying it. */
promp_err_t promp_zport_forward(promp_zport_t *port, promp_zpeer_t peer, const promp_frame_t *frame,
                                bool urgent, uint64_t tag);

size_t promp_zport_queued(const promp_zport_t *port, promp_zpeer_t peer); /* bytes that wait here for it */
uint64_t promp_zport_room(const promp_zport_t *port,
                          promp_zpeer_t peer); /* data bytes window and queue take */

/* Frames with a tag that have gone to libzmq, or were dropped (of any peer): as promp_zlink_flushed. */
bool promp_zport_flushed(promp_zport_t *port, uint64_t *tag, uint64_t *bytes);

/* Ends its connection and forgets it: no event follows, and nothing that it still sends is seen. What libzmq has for it may be
 * lost: who says REFUSED waits until the peer leaves, or a moment, before he kicks. */
void promp_zport_kick(promp_zport_t *port, promp_zpeer_t peer);

typedef struct {
    uint64_t peers;   /* that there are now */
    uint64_t refused; /* connections beyond the limit on peers, or with a routing id of their own choice */
    uint64_t accept_failed;    /* no descriptors, most likely */
    uint64_t handshake_cut;    /* timed out or broken off */
    uint64_t handshake_broken; /* not ZMTP, not CURVE, or for another server key */
    uint64_t handshake_denied; /* by the ZAP handler */
} promp_zport_counters_t;

void promp_zport_count(const promp_zport_t *port, promp_zport_counters_t *counters);

#endif
