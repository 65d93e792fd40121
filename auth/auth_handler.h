/* auth_handler.h - the thread that answers libzmq's questions about keys (ZAP), and what a listening socket needs so that
 * libzmq asks them at all. libzmq lets everybody in when there is no handler and ZAP_ENFORCE_DOMAIN is off, and also when it is
 * on but the domain is empty: so start the handler before anything is bound, give every listening socket to
 * promp_auth_guard(), and believe neither before promp_auth_selftest() has tried it. */
#ifndef PROMP_AUTH_HANDLER_H
#define PROMP_AUTH_HANDLER_H

#include "auth_zap.h"

typedef struct promp_auth_handler promp_auth_handler_t;

/* Told of each decision before the peer is, from the handler's thread: to log and to count. It must be quick: handshakes wait meanwhile. address
 * is the peer's, as libzmq says it. */
typedef void promp_auth_told_f(void *arg, const promp_auth_decision_t *decision, const char *address);

/* Asked, from the handler's thread and with the arg of told, before a key is refused because it is not in old: a newer store,
 * by which is decided from then on, or NULL. So nobody comes too early who was just let in. */
typedef promp_auth_store_t *promp_auth_newer_f(void *arg, const promp_auth_store_t *old);

/* Refuses a libzmq that is older than 4.3.3, has no CURVE, or has it without libsodium: CURVE_MISSING. */
promp_err_t promp_auth_zmq_check(promp_error_t *error);

/* Starts the handler in a context of libzmq; it answers when this returns. It takes over the caller's share of *store (may be
 * NULL: nobody is let in yet) and leaves NULL. told may be NULL. ZAP_TAKEN: the context has a handler; CURVE_MISSING, SYSTEM,
 * MEMORY. */
promp_err_t promp_auth_handler_start(void *context, promp_auth_store_t **store, promp_auth_told_f *told,
                                     void *arg, promp_auth_handler_t **handler, promp_error_t *error);

/* Decides by another store from the next question on; takes over the caller's share. Any thread. */
void promp_auth_handler_swap(promp_auth_handler_t *handler, promp_auth_store_t **store);

/* Sets who is asked for a newer store; NULL: nobody. Any thread. */
void promp_auth_handler_newer(promp_auth_handler_t *handler, promp_auth_newer_f *newer);

/* Ends the thread and returns when it has ended; call it before the context is terminated. NULL is fine. */
void promp_auth_handler_stop(promp_auth_handler_t **handler);

/* Makes a socket that is not bound yet a CURVE server with our domain, enforced. SYSTEM, CURVE_MISSING: it must not be
 * bound. */
promp_err_t promp_auth_guard(void *socket, promp_auth_key_t *key, promp_error_t *error);

/* What makes a socket ready to be bound: promp_auth_guard() and whatever else the broker sets. */
typedef promp_err_t promp_auth_prepare_f(void *socket, void *arg, promp_error_t *error);

/* Proves that strangers are turned away: binds a socket made by prepare to an abstract local address and connects with
 * a key that nobody knows, and without CURVE. Both must be refused within wait milliseconds. public_key: of the socket's key.
 * SELFTEST: do not listen. Opens and closes its own sockets; the context stays as it was. */
promp_err_t promp_auth_selftest(void *context, promp_auth_prepare_f *prepare, void *arg,
                                const uint8_t public_key[PROMP_AUTH_KEY_SIZE], int64_t wait,
                                promp_error_t *error);

#endif
