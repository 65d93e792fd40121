/* zlink_inside.h - what the files of the ZeroMQ link share, and nobody else sees. */
#ifndef PROMP_NET_ZLINK_INSIDE_H
#define PROMP_NET_ZLINK_INSIDE_H

#include <unistd.h>

#include "zlink.h"
#include "zlink_job.h"
#include "zout.h"
#include "zsocket.h"

#define PROMP_ZLINK_BATCH 32 /* frames of one read */

/* CONNECTING in detail; a link is in exactly one. */
typedef enum {
    PROMP_ZLINK_RESOLVING, /* job: the name */
    PROMP_ZLINK_TRYING,    /* socket: one address */
    PROMP_ZLINK_ASKING,    /* job: what is this port, after an attempt failed without saying why */
    PROMP_ZLINK_IS_UP,
    PROMP_ZLINK_IS_LOST
} promp_zlink_stage_t;

struct promp_zlink {
    pid_t owner; /* a forked child must not touch libzmq */
    promp_zlink_stage_t stage;
    promp_zlink_config_t config;           /* keys NULL once they are not needed */
    char address[PROMP_LIMIT_ADDRESS + 1]; /* "tcp://host:port" */
    char host[PROMP_LIMIT_ADDRESS + 1], port[8];
    promp_error_t why; /* LOST */

    /* what is polled: one descriptor over the others */
    int epoll;
    void *context;
    void *socket, *monitor; /* TRYING, UP */
    promp_zlink_job_t *job; /* RESOLVING, ASKING */

    /* connecting */
    promp_zlink_addresses_t addresses;
    size_t at; /* of them */
    int64_t deadline;
    unsigned attempts, turned_away; /* in all; closed by the broker in the middle of the handshake */
    bool connected, closed_early;   /* this attempt: TCP stands; its handshake was cut */

    /* the end, UP */
    bool ended;       /* the connection broke; frames that came before are still to be read */
    bool flushed;     /* and libzmq has handed over the last of them */
    int64_t ended_at; /* PROMP_NEVER: no tick has seen it yet */
    bool cut;         /* nobody cares for what has not left */

    /* in */
    zmq_msg_t in[PROMP_ZLINK_BATCH]; /* from first to count: read and not taken */
    size_t in_first, in_count;
    bool stirred; /* libzmq was called: fd may be silent although there is something */
    uint64_t received;
    promp_err_t spoilt;

    /* out */
    promp_window_t window;
    promp_ztags_t tags;
    promp_zout_t out;
};

/* zlink_dial.c */
/* Splits the address and begins. ARGUMENT and those of promp_zlink_dial. */
promp_err_t promp_zlink_begin(promp_zlink_t *link, int64_t now, promp_error_t *error);
/* Looks at job and monitor. */
void promp_zlink_attend(promp_zlink_t *link);
/* The time for connecting is over. */
void promp_zlink_time_out(promp_zlink_t *link);
void promp_zlink_lose(promp_zlink_t *link, const promp_error_t *why);
void promp_zlink_close(promp_zlink_t *link, int linger); /* socket and monitor */

/* zlink_monitor.c */
/* Creates socket's monitor: NULL and why. There are few events in the life of a socket that does not reconnect, far fewer than
 * its queue holds, so libzmq never waits for us to read them. */
void *promp_zlink_monitor_new(promp_zlink_t *link, promp_error_t *error);
/* Next event; false: none now. */
bool promp_zlink_monitor_next(void *monitor, uint16_t *event, uint32_t *value);

#endif
