/* join.h - coming into a cluster with a token: a key pair is made here, shown to the broker over a connection that the token's key
 * lets in, and kept in the folder with what is known about the broker. For programs: blocks, and no signal interrupts it. One thread.
 *
 * It may be interrupted at any moment and called again. The new key waits in the folder as ROLE.joining until all is done, and the
 * same token finds it there again: the broker lets the same key in twice without another use of the token. Where the token
 * has been used up by an answer that was lost, the key itself gets in. */
#ifndef PROMP_JOIN_H
#define PROMP_JOIN_H

#include "auth_joined.h"

#define PROMP_JOIN_ROLE(role) (1u << (role)) /* of a promp_auth_role_t, for roles */

typedef struct {
    int folder;          /* where the key shall lie, of promp_auth_folder_open() */
    promp_slice_t token; /* in guarded memory: promp_auth_read() */
    const char *
        name; /* what we would like to be called; promp_auth_key_name_valid(); NULL: as this host; "": the broker finds a name */
    unsigned roles;  /* PROMP_JOIN_ROLE()s that the token may be for; 0: any */
    bool replace;    /* a key that has joined already gives way to the new one */
    int64_t timeout; /* ms for all of it; 0: PROMP_TIME_JOIN */
} promp_join_config_t;

typedef struct {
    promp_auth_role_t role;
    promp_auth_joined_t
        joined; /* as it stands in the folder now; name "": the broker gave us one and we did not hear it */
} promp_join_result_t;

/* Joins: the folder then has ROLE.cert, ROLE.cert_secret and ROLE.broker. Returns within the timeout and a little more.
 *
 * The token: TOKEN_FORMAT, TOKEN_CHECKSUM, TOKEN_EXPIRED (by our clock), KEY_ROLE (for another role than `roles`), TOKEN_REFUSED
 * (used up, revoked, expired, or of another broker: its log tells). The folder: KEY_EXISTS (it has joined in this role; nothing was
 * asked), KEY_FORMAT, KEY_READABLE, STORE_BUSY, DISK_FULL. The broker: BROKER_NAME, BROKER_ABSENT, BROKER_SILENT, NOT_A_BROKER,
 * NOT_CURVE, BROKER_KEY, VERSION, or what else it says. ARGUMENT (name), CURVE_MISSING, MEMORY, DESCRIPTORS, SYSTEM. */
promp_err_t promp_join(const promp_join_config_t *config, promp_join_result_t *result, promp_error_t *error);

#endif
