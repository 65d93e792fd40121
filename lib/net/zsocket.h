/* zsocket.h - what all our ZeroMQ sockets have in common: the library we can trust, and limits that are set before the first
 * byte. Errors: the text names the option. */
#ifndef PROMP_NET_ZSOCKET_H
#define PROMP_NET_ZSOCKET_H

#include <zmq.h>

#include "error.h"
#include "limits.h"

/* In packages these work although the header leaves them out; who sets them checks what comes back. */
#ifndef ZMQ_ZAP_ENFORCE_DOMAIN
#define ZMQ_ZAP_ENFORCE_DOMAIN 93
#endif

#define PROMP_ZSOCKET_KEY 32 /* bytes of a CURVE key */

/* ZMQ_MISSING; CURVE_MISSING: libzmq is older than 4.3.3 or has no CURVE. Before any other call into libzmq. */
promp_err_t promp_zsocket_check(promp_error_t *error);

typedef struct {
    int option;
    int value;
    const char *name;
} promp_zsocket_option_t;

/* Sets integer options in turn; SYSTEM names the first that was refused. */
promp_err_t promp_zsocket_set(void *socket, const promp_zsocket_option_t *options, size_t count,
                              promp_error_t *error);

/* Sizes, heartbeats and what TCP does about a peer that vanished: the same at both ends. beat: ms between ZMTP heartbeats,
 * 0 for the ordinary; three without an answer end the connection. */
promp_err_t promp_zsocket_limit(void *socket, int beat, promp_error_t *error);

/* Creates a socket; MEMORY, DESCRIPTORS or SYSTEM: NULL and why. */
void *promp_zsocket_new(void *context, int type, promp_error_t *error);

/* The descriptor that tells when to look again (edge-triggered, see zlink.h). */
int promp_zsocket_fd(void *socket);

#endif
