/* join_folder.h - a joiner's folder: the key that waits to be let in, and putting all in place. For join*.c only. */
#ifndef PROMP_JOIN_FOLDER_H
#define PROMP_JOIN_FOLDER_H

#include "auth_joined.h"

typedef struct {
    int folder;
    promp_auth_role_t role;
    promp_id_t token; /* tells tokens apart */
    bool replace;
    int64_t end; /* promp_clock_ms() until which others are waited for who have the folder's lock */
} promp_join_place_t;

/* Gives the key that waits for this token, or makes one; *again: it was there, so the token may have been used for it. The
 * caller destroys *key. KEY_EXISTS and errors of the folder's files. */
promp_err_t promp_join_folder_key(const promp_join_place_t *place, promp_auth_key_t **key, bool *again,
                                  promp_error_t *error);

/* The key is in: makes it the role's key and writes what is known about the broker. Interrupted at any point, it can be
 * done again. */
promp_err_t promp_join_folder_settle(const promp_join_place_t *place, promp_auth_key_t *key,
                                     const promp_auth_joined_t *joined, promp_error_t *error);

#endif
