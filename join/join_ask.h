/* join_ask.h - one question to a broker over a connection of its own. For join*.c only. */
#ifndef PROMP_JOIN_ASK_H
#define PROMP_JOIN_ASK_H

#include "auth_entry.h"
#include "message.h"

/* Whom to ask, and as whom. */
typedef struct {
    const char *address;
    const uint8_t *broker; /* its public key */
    promp_auth_key_t *key;
    int64_t end; /* promp_clock_ms() by which it must be over */
} promp_join_call_t;

typedef struct {
    promp_id_t broker;                   /* identity */
    char name[PROMP_LIMIT_KEY_NAME + 1]; /* of our key; "": not told */
} promp_join_answer_t;

/* JOIN: the key of the call is a token's, new_key shall come in with this role. Errors of promp_zlink_why() while connecting,
 * CLOSED (the connection ended before the answer), BROKER_SILENT; TOKEN_REFUSED, VERSION or another number that the broker
 * says; MESSAGE_* where its answer makes no sense. */
promp_err_t promp_join_ask_in(const promp_join_call_t *call, const uint8_t new_key[PROMP_AUTH_KEY_SIZE],
                              const char *name, promp_auth_role_t role, promp_join_answer_t *answer,
                              promp_error_t *error);

/* HELLO in a role, with a key that may be in already; likewise. */
promp_err_t promp_join_ask_hello(const promp_join_call_t *call, promp_auth_role_t role,
                                 promp_join_answer_t *answer, promp_error_t *error);

/* HELLO as observer or admin, then STATUS; likewise. */
promp_err_t promp_join_ask_status(const promp_join_call_t *call, promp_auth_role_t role,
                                  promp_msg_counters_t *counters, promp_error_t *error);

#endif
