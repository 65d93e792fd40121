/* auth_entry.h - what the broker knows about one key: role, times, limits; or about a token: what it lets in. As text it is
 * a public certificate with more metadata. Pure; any thread. */
#ifndef PROMP_AUTH_ENTRY_H
#define PROMP_AUTH_ENTRY_H

#include "auth_key.h"

typedef enum {
    PROMP_AUTH_NO_ROLE,
    PROMP_AUTH_MANAGER,
    PROMP_AUTH_NODE,
    PROMP_AUTH_OBSERVER,
    PROMP_AUTH_ADMIN,
    PROMP_AUTH_JOIN /* the key of a token: may do nothing but show another key to be let in */
} promp_auth_role_t;

#define PROMP_AUTH_UNLIMITED UINT64_MAX

/* Times are seconds since 1970; PROMP_NEVER: none. Strings are NUL-terminated, "": none. */
typedef struct {
    uint8_t key[PROMP_AUTH_KEY_SIZE];
    char name[PROMP_LIMIT_KEY_NAME + 1]; /* one living key of a name, but while it is rotated */
    promp_auth_role_t role;
    int64_t created, expires, revoked;
    uint64_t workers; /* at the same time; or PROMP_AUTH_UNLIMITED */
    uint64_t bytes;   /* that the broker holds for it; likewise */
    char labels[PROMP_LIMIT_KEY_LABELS +
                1];                     /* words with single spaces: a node's places have them, a manager's
                                                workers need one of them */
    bool has_token;                     /* it came in with a token: */
    uint8_t token[PROMP_AUTH_KEY_SIZE]; /* this one's key */
    /* of tokens only: */
    promp_auth_role_t grants;          /* role of the keys it lets in */
    uint32_t uses;                     /* how many it lets in */
    int64_t key_expires;               /* when they expire */
    char as[PROMP_LIMIT_KEY_NAME + 1]; /* their name */
    bool renews;                       /* it lets in a new key for the name that stands in `as` */
} promp_auth_entry_t;

/* "node"; "none" for what is no role. */
const char *promp_auth_role_text(promp_auth_role_t role);

/* NO_ROLE: it is none. `join` is found too. */
promp_auth_role_t promp_auth_role_find(promp_slice_t text);

/* Whether text is "" or words of A-Z a-z 0-9 . _ - with single spaces, not longer than their limit. */
bool promp_auth_labels_valid(promp_slice_t text);

/* An entry with a key, a role and no limits. */
void promp_auth_entry_start(promp_auth_entry_t *entry, const uint8_t key[PROMP_AUTH_KEY_SIZE],
                            promp_auth_role_t role, int64_t created);

/* Reads a file of the store; strict: what it does not know or finds twice is STORE_ENTRY, so that a mistyped `revoked`
 * cannot leave a key in. The text of the error has no file name. */
promp_err_t promp_auth_entry_parse(promp_slice_t text, promp_auth_entry_t *entry, promp_error_t *error);

/* Writes it; text has room for PROMP_LIMIT_KEY_FILE bytes. ARGUMENT: a field holds what cannot be written. */
promp_err_t promp_auth_entry_format(const promp_auth_entry_t *entry, char *text, size_t *size,
                                    promp_error_t *error);

#endif
