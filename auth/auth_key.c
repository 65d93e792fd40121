#include "auth_key.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>

struct promp_auth_key {
    uint8_t public_key[PROMP_AUTH_KEY_SIZE];
    uint8_t *secret; /* memory of libsodium with guard pages; no access but between show and hide */
};

void *promp_auth_secret_alloc(size_t size)
{
    return sodium_init() < 0 ? NULL : sodium_malloc(size);
}

void promp_auth_secret_free(void *secret)
{
    sodium_free(secret);
}

/* A key whose secret is still to be filled in, and can be. */
static promp_err_t new_key(promp_auth_key_t **key, promp_error_t *error)
{
    if (sodium_init() < 0)
        return promp_error_set(error, PROMP_ERR_SYSTEM, 0, "libsodium does not start");
    promp_auth_key_t *k = calloc(1, sizeof *k);
    if (!k)
        goto err0;
    k->secret = sodium_malloc(PROMP_AUTH_KEY_SIZE);
    if (!k->secret)
        goto err1;
    *key = k;
    return PROMP_OK;

err1:
    free(k);
err0:
    return promp_error_set(error, PROMP_ERR_MEMORY, 0, NULL);
}

promp_err_t promp_auth_key_make(promp_auth_key_t **key, promp_error_t *error)
{
    promp_err_t code = new_key(key, error);
    if (code)
        return code;
    crypto_box_keypair((*key)->public_key, (*key)->secret);
    promp_auth_key_hide(*key);
    return PROMP_OK;
}

promp_err_t promp_auth_key_of_secret(const uint8_t secret[PROMP_AUTH_KEY_SIZE], promp_auth_key_t **key,
                                     promp_error_t *error)
{
    promp_err_t code = new_key(key, error);
    if (code)
        return code;
    memcpy((*key)->secret, secret, PROMP_AUTH_KEY_SIZE);
    if (crypto_scalarmult_base((*key)->public_key, (*key)->secret) != 0)
        code = promp_error_set(error, PROMP_ERR_KEY_FORMAT, 0, "the secret key");
    promp_auth_key_hide(*key);
    if (code)
        promp_auth_key_destroy(key);
    return code;
}

void promp_auth_key_destroy(promp_auth_key_t **key)
{
    if (!*key)
        return;
    sodium_free((*key)->secret);
    free(*key);
    *key = NULL;
}

const uint8_t *promp_auth_key_public(const promp_auth_key_t *key)
{
    return key->public_key;
}

const uint8_t *promp_auth_key_show(promp_auth_key_t *key)
{
    sodium_mprotect_readonly(key->secret);
    return key->secret;
}

void promp_auth_key_hide(promp_auth_key_t *key)
{
    sodium_mprotect_noaccess(key->secret);
}

/* The top bit is no part of the point, so with it one point would have two names; and with a point of low order
 * everybody could compute the shared secret. */
bool promp_auth_key_valid(const uint8_t key[PROMP_AUTH_KEY_SIZE])
{
    static const uint8_t any[crypto_scalarmult_SCALARBYTES] = {8, 1};
    uint8_t shared[crypto_scalarmult_BYTES];
    return !(key[PROMP_AUTH_KEY_SIZE - 1] & 0x80) && crypto_scalarmult(shared, any, key) == 0;
}

bool promp_auth_key_name_valid(promp_slice_t text)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    if (!text.size || text.size > PROMP_LIMIT_KEY_NAME || memchr("._-", text.data[0], 3))
        return false;
    for (size_t i = 0; i < text.size; i++)
        if (!memchr(allowed, text.data[i], sizeof allowed - 1))
            return false;
    return true;
}

void promp_auth_harden(void)
{
    const struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
#ifndef __SANITIZE_ADDRESS__ /* its search for leaks has to look into us */
    prctl(PR_SET_DUMPABLE, 0);
#endif
}
