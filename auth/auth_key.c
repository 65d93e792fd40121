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

/* Whether a number is 2^255 - 19 or more: then a smaller one is the same point, as with the top bit, which is not part of it. */
static bool is_second_name(const uint8_t key[PROMP_AUTH_KEY_SIZE])
{
    if (key[31] & 0x80)
        return true;
    if (key[31] != 0x7F || key[0] < 0xED)
        return false;
    for (int i = 1; i < 31; i++)
        if (key[i] != 0xFF)
            return false;
    return true;
}

/* With a point of low order everybody could compute the shared secret. Comparing is a thousand times faster than trying,
 * and the store does it for each of its keys. */
bool promp_auth_key_valid(const uint8_t key[PROMP_AUTH_KEY_SIZE])
{
    static const uint8_t low_order[][PROMP_AUTH_KEY_SIZE] = {
        {0},
        {1},
        {0xE0, 0xEB, 0x7A, 0x7C, 0x3B, 0x41, 0xB8, 0xAE, 0x16, 0x56, 0xE3, 0xFA, 0xF1, 0x9F, 0xC4, 0x6A,
         0xDA, 0x09, 0x8D, 0xEB, 0x9C, 0x32, 0xB1, 0xFD, 0x86, 0x62, 0x05, 0x16, 0x5F, 0x49, 0xB8, 0x00},
        {0x5F, 0x9C, 0x95, 0xBC, 0xA3, 0x50, 0x8C, 0x24, 0xB1, 0xD0, 0xB1, 0x55, 0x9C, 0x83, 0xEF, 0x5B,
         0x04, 0x44, 0x5C, 0xC4, 0x58, 0x1C, 0x8E, 0x86, 0xD8, 0x22, 0x4E, 0xDD, 0xD0, 0x9F, 0x11, 0x57},
        {0xEC, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
         0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F}};
    for (size_t i = 0; i < sizeof low_order / sizeof *low_order; i++)
        if (memcmp(key, low_order[i], PROMP_AUTH_KEY_SIZE) == 0)
            return false;
    return !is_second_name(key);
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
