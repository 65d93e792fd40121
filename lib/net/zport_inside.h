/* zport_inside.h - what the files of the broker's end share, and nobody else sees. */
#ifndef PROMP_NET_ZPORT_INSIDE_H
#define PROMP_NET_ZPORT_INSIDE_H

#include <sys/types.h>

#include "list.h"
#include "map.h"
#include "zout.h"
#include "zport.h"
#include "zsocket.h"

#define PROMP_ZPORT_ID 5 /* bytes of the routing ids that libzmq gives: 0 and four more */

/* A peer's state says which list it is in. */
typedef enum {
    PROMP_ZPEER_FREE,  /* the free ones */
    PROMP_ZPEER_LIVE,  /* none */
    PROMP_ZPEER_LEFT,  /* gone: GONE is still to be told */
    PROMP_ZPEER_KICKED /* none: what it still sends is dropped, until a sweep has found its connection ended */
} promp_zpeer_state_t;

typedef struct {
    promp_zport_t *port;
    uint32_t index, generation;
    promp_zpeer_state_t state;
    promp_node_t list;
    uint8_t id[PROMP_ZPORT_ID];

    /* The connection. As long as pin lives, so does what the handshake said, at the same place in memory: a message whose User-Id
     * lies elsewhere came over another connection. */
    zmq_msg_t pin;
    const char *user;
    int fd; /* libzmq's; only to be used where the inode is still the same */
    ino_t inode;
    bool fading;     /* the last sweep found the connection ended */
    uint64_t faded;  /* port->drained at that time */
    promp_err_t why; /* LEFT */

    promp_window_t window;
    promp_zout_t out;
    promp_node_t blocked; /* in port->blocked: libzmq took no more */
} promp_zpeer_entry_t;

typedef struct promp_zport_monitor promp_zport_monitor_t;

struct promp_zport {
    void *socket;
    int fd;
    promp_zport_monitor_t *monitor;
    promp_zport_config_t config; /* without the key */
    char endpoint[PROMP_LIMIT_ADDRESS + 1];
    uint16_t tcp_port;

    promp_zpeer_entry_t **peers; /* [index]; room for twice config.peers */
    uint32_t made, live;         /* entries; of them LIVE */
    promp_list_t free, gone, blocked;
    promp_map_t *by_id; /* routing id -> its last peer, unless FREE */
    uint32_t *by_fd;    /* [descriptor]: index + 1 of the peer, 0: none */
    size_t by_fd_size;

    zmq_msg_t body;           /* of the last event */
    promp_zpeer_t introduced; /* who sent body is new; 0: nobody */
    bool announced;           /* and NEW was told: its frame comes next */
    bool stirred;             /* libzmq was called: fd may be silent although there is something */
    uint64_t drained;         /* so often all was read that libzmq had */
    promp_ztags_t tags;
    int64_t sweep_at;
    uint64_t refused;
};

/* zport_peer.c */
promp_zpeer_entry_t *promp_zpeer_find(const promp_zport_t *port, promp_zpeer_t peer); /* LIVE, or NULL */
static inline promp_zpeer_t promp_zpeer_name(const promp_zpeer_entry_t *peer)
{
    return (uint64_t)peer->generation << 32 | peer->index;
}
/* Whose message body is: a LIVE peer, *new_one where it had none; NULL: nobody's to be heard. */
promp_zpeer_entry_t *promp_zpeer_of(promp_zport_t *port, zmq_msg_t *id, zmq_msg_t *body, bool *new_one);
void promp_zpeer_leave(promp_zpeer_entry_t *peer, promp_err_t why); /* LIVE -> LEFT */
void promp_zpeer_kick(promp_zpeer_entry_t *peer);                   /* LIVE -> KICKED */
void promp_zpeer_told(promp_zpeer_entry_t *peer);                   /* LEFT -> KICKED */
void promp_zpeer_sweep(promp_zport_t *port);
void promp_zpeer_retry(promp_zport_t *port); /* those that are blocked */
/* After anything that sends to peer. */
void promp_zpeer_settle(promp_zpeer_entry_t *peer);

/* zport_monitor.c */
/* Counts rare events of socket in a thread of its own: libzmq waits for whoever does not read them, and all peers with it. */
promp_err_t promp_zport_monitor_start(void *context, void *socket, promp_zport_monitor_t **monitor,
                                      promp_error_t *error);
/* Stops the events of socket, then the thread. */
void promp_zport_monitor_stop(void *socket, promp_zport_monitor_t **monitor);
void promp_zport_monitor_count(const promp_zport_monitor_t *monitor, promp_zport_counters_t *counters);

#endif
