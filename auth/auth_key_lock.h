/* auth_key_lock.h - a secret key locked by a passphrase: Argon2id makes a key of the passphrase, secretbox seals with it.
 * Inner part of auth_key. Pure but for random bits; any thread. */
#ifndef PROMP_AUTH_KEY_LOCK_H
#define PROMP_AUTH_KEY_LOCK_H

#include "error.h"
#include "zpl.h"

/* What stands in the section `lock` of a certificate. */
typedef struct {
    uint64_t rounds, memory; /* of Argon2id; memory in bytes */
    uint8_t salt[16];
    uint8_t nonce[24];
    uint8_t box[48];  /* the secret, sealed */
    unsigned present; /* a bit for each property that was read */
} promp_auth_key_lock_t;

/* Seals secret (32 bytes). ARGUMENT: the passphrase is empty or too long; MEMORY. */
promp_err_t promp_auth_key_lock_close(promp_auth_key_lock_t *lock, promp_slice_t passphrase,
                                      const uint8_t *secret, promp_error_t *error);

/* Unseals into secret (32 bytes). KEY_PASSPHRASE, MEMORY. */
promp_err_t promp_auth_key_lock_open(const promp_auth_key_lock_t *lock, promp_slice_t passphrase,
                                     uint8_t *secret, promp_error_t *error);

/* Takes one property; false: malformed, twice, unknown, or beyond its limit. */
bool promp_auth_key_lock_take(promp_auth_key_lock_t *lock, const promp_zpl_item_t *item);

/* Whether all properties were there. */
bool promp_auth_key_lock_whole(const promp_auth_key_lock_t *lock);

void promp_auth_key_lock_put(const promp_auth_key_lock_t *lock, promp_zpl_out_t *out);

#endif
