/* auth_handler_inside.h - questions of libzmq on the wire of RFC 27; for auth_handler*.c only. */
#ifndef PROMP_AUTH_HANDLER_INSIDE_H
#define PROMP_AUTH_HANDLER_INSIDE_H

#include "auth_handler.h"

#define PROMP_AUTH_QUESTION_PARTS 16  /* parts of a question; more are taken as malformed */
#define PROMP_AUTH_PART           256 /* bytes of a part; what is longer is taken as empty */

/* One question, with all its bytes. */
typedef struct {
    struct {
        uint8_t bytes[PROMP_AUTH_PART];
        size_t size;
    } part[PROMP_AUTH_QUESTION_PARTS];
    size_t parts;
    size_t start; /* index of the part with the version: before it is who asked */
    promp_auth_request_t request;
    char address[PROMP_AUTH_PART + 1];
} promp_auth_question_t;

/* Receives one question without waiting; false: there was none, or one that nobody waits an answer for. A malformed one gets
 * a request that is refused. */
bool promp_auth_question_receive(void *socket, promp_auth_question_t *question);

void promp_auth_question_answer(void *socket, const promp_auth_question_t *question,
                                const promp_auth_decision_t *decision);

#endif
