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

/* What is said after WELCOME. */
typedef struct {
    promp_message_t question;
    /* A message of the broker: OK, with *more left as it is when it was all; *more true: there is more to come, and *next is another
     * question where its type is not 0. Else *error, and the talk is over. What the message has is borrowed. */
    promp_err_t (*hear)(void *arg, const promp_message_t *message, promp_message_t *next, bool *more,
                        promp_error_t *error);
    void *arg;
} promp_join_talk_t;

/* JOIN: the key of the call is a token's, new_key shall come in with this role. Errors of promp_zlink_why() while connecting,
 * CLOSED (the connection ended before the answer), BROKER_SILENT; TOKEN_REFUSED, VERSION or another number that the broker
 * says; MESSAGE_* where its answer makes no sense. */
promp_err_t promp_join_ask_in(const promp_join_call_t *call, const uint8_t new_key[PROMP_AUTH_KEY_SIZE],
                              const char *name, promp_auth_role_t role, promp_join_answer_t *answer,
                              promp_error_t *error);

/* HELLO in a role, with a key that may be in already; likewise. */
promp_err_t promp_join_ask_hello(const promp_join_call_t *call, promp_auth_role_t role,
                                 promp_join_answer_t *answer, promp_error_t *error);

/* HELLO in a role, then what talk asks; likewise. VERSION: the broker does not speak the one that question is of. talk may be used
 * again. */
promp_err_t promp_join_ask_more(const promp_join_call_t *call, promp_auth_role_t role,
                                const promp_join_talk_t *talk, promp_error_t *error);

#endif
