/* auth_zap.h - who may come in: the decision behind ZAP (RFC 27), without its sockets. Pure; any thread. */
#ifndef PROMP_AUTH_ZAP_H
#define PROMP_AUTH_ZAP_H

#include "auth_store.h"
#include "z85.h"

#define PROMP_AUTH_DOMAIN "promp" /* of every socket of the broker; with an empty one libzmq asks nobody */

/* What libzmq asks. */
typedef struct {
    promp_slice_t domain, mechanism;
    size_t credentials;    /* how many parts they have */
    promp_slice_t key;     /* the first of them */
    promp_slice_t address; /* of the peer, for the log */
} promp_auth_request_t;

typedef struct {
    int status; /* 200: come in, 400: go away. Never 300 or 401: clients would try for ever */
    char user_id[PROMP_Z85_KEY + 1]; /* the key in Z85, what `User-Id` of every message tells; "": refused */
    promp_auth_role_t role;          /* what `Role` tells; NO_ROLE: refused */
    promp_err_t reason;              /* for the log only; PROMP_OK: let in */
    char name[PROMP_LIMIT_KEY_NAME + 1]; /* of the key, where it is known, for the log */
    char key[PROMP_Z85_KEY + 1];         /* that was shown, for the log; "": none */
} promp_auth_decision_t;

/* Decides at time now (seconds since 1970). store NULL: nobody is let in. What the peer sees is the same for every reason. */
void promp_auth_zap_decide(const promp_auth_store_t *store, const promp_auth_request_t *request, int64_t now,
                           promp_auth_decision_t *decision);

#endif
