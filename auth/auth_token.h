/* auth_token.h - the line that lets somebody join: where the broker is, its key, and the secret of a key that may join.
 * Needs libsodium only. Pure but for the memory of the secret; any thread.
 *
 * `promp1:` and URL-safe base64 of: flags (1: a next broker key follows), role, expiry (8 bytes, little-endian), broker's key
 * (32), its next key (32, by flag), secret of the join key (32), length of the address (1), the address, and 8 bytes of
 * BLAKE2b of all this. */
#ifndef PROMP_AUTH_TOKEN_H
#define PROMP_AUTH_TOKEN_H

#include "auth_entry.h"

#define PROMP_AUTH_TOKEN_START "promp1:"
#define PROMP_AUTH_PORT        5599 /* of a broker, where nobody says another */

typedef struct {
    promp_auth_role_t role;                /* of the key that joins */
    int64_t expires;                       /* seconds since 1970, or PROMP_NEVER */
    char address[PROMP_LIMIT_ADDRESS + 1]; /* tcp://HOST:PORT */
    uint8_t broker[PROMP_AUTH_KEY_SIZE];
    uint8_t next[PROMP_AUTH_KEY_SIZE]; /* the broker's key from some time on */
    bool has_next;
    promp_auth_key_t *key; /* the join key */
} promp_auth_token_t;

/* Writes a token, NUL-terminated, into text with room for PROMP_LIMIT_TOKEN + 1 bytes (guarded memory: it is a secret). */
promp_err_t promp_auth_token_format(const promp_auth_token_t *token, char *text, promp_error_t *error);

/* Reads a token; white space around it does no harm. Destroy *token afterwards. TOKEN_FORMAT, TOKEN_CHECKSUM, MEMORY.
 * Whether it has expired is for the caller to see, by token->expires. */
promp_err_t promp_auth_token_parse(promp_slice_t text, promp_auth_token_t **token, promp_error_t *error);

/* Wipes and frees; NULL is fine. */
void promp_auth_token_destroy(promp_auth_token_t **token);

/* Whether text is `tcp://HOST:PORT`, HOST a name, an IPv4 address or an IPv6 address in brackets, PORT 1 to 65535. */
bool promp_auth_address_valid(promp_slice_t text);

#endif
