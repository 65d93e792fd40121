#include "auth_key_lock.h"

#include <sodium.h>

#include "auth_key.h"

/* The second of RFC 9106's recommendations, for machines with little memory to spare. */
#define ROUNDS 3
#define MEMORY (64 * PROMP_MIB)

enum { KDF = 1, SALT = 2, NONCE = 4, BOX = 8, HAS_ROUNDS = 16, HAS_MEMORY = 32, ALL = 63 };

_Static_assert(sizeof((promp_auth_key_lock_t *)0)->salt == crypto_pwhash_SALTBYTES, "salt");
_Static_assert(sizeof((promp_auth_key_lock_t *)0)->nonce == crypto_secretbox_NONCEBYTES, "nonce");
_Static_assert(sizeof((promp_auth_key_lock_t *)0)->box == PROMP_AUTH_KEY_SIZE + crypto_secretbox_MACBYTES,
               "box");

/* The key of a passphrase; NULL: without memory for it. The caller frees it with promp_auth_secret_free(). */
static uint8_t *stretch(const promp_auth_key_lock_t *lock, promp_slice_t passphrase)
{
    uint8_t *key = promp_auth_secret_alloc(crypto_secretbox_KEYBYTES);
    if (key &&
        crypto_pwhash(key, crypto_secretbox_KEYBYTES, (const char *)passphrase.data, passphrase.size,
                      lock->salt, lock->rounds, (size_t)lock->memory, crypto_pwhash_ALG_ARGON2ID13) != 0) {
        promp_auth_secret_free(key);
        return NULL;
    }
    return key;
}

static promp_err_t no_memory(const promp_auth_key_lock_t *lock, promp_error_t *error)
{
    return promp_error_set(error, PROMP_ERR_MEMORY, 0, "a passphrase takes %llu MiB",
                           (unsigned long long)(lock->memory / PROMP_MIB));
}

promp_err_t promp_auth_key_lock_close(promp_auth_key_lock_t *lock, promp_slice_t passphrase,
                                      const uint8_t *secret, promp_error_t *error)
{
    if (!passphrase.size || passphrase.size > PROMP_LIMIT_PASSPHRASE)
        return promp_error_set(error, PROMP_ERR_ARGUMENT, 0, "a passphrase has 1 to %d bytes",
                               PROMP_LIMIT_PASSPHRASE);
    *lock = (promp_auth_key_lock_t){.rounds = ROUNDS, .memory = MEMORY, .present = ALL};
    randombytes_buf(lock->salt, sizeof lock->salt);
    randombytes_buf(lock->nonce, sizeof lock->nonce);
    uint8_t *key = stretch(lock, passphrase);
    if (!key)
        return no_memory(lock, error);
    crypto_secretbox_easy(lock->box, secret, PROMP_AUTH_KEY_SIZE, lock->nonce, key);
    promp_auth_secret_free(key);
    return PROMP_OK;
}

promp_err_t promp_auth_key_lock_open(const promp_auth_key_lock_t *lock, promp_slice_t passphrase,
                                     uint8_t *secret, promp_error_t *error)
{
    if (passphrase.size > PROMP_LIMIT_PASSPHRASE)
        return promp_error_set(error, PROMP_ERR_KEY_PASSPHRASE, 0, NULL);
    uint8_t *key = stretch(lock, passphrase);
    if (!key)
        return no_memory(lock, error);
    int wrong = crypto_secretbox_open_easy(secret, lock->box, sizeof lock->box, lock->nonce, key);
    promp_auth_secret_free(key);
    return wrong ? promp_error_set(error, PROMP_ERR_KEY_PASSPHRASE, 0, NULL) : PROMP_OK;
}

static bool take_hex(promp_slice_t text, uint8_t *bytes, size_t size)
{
    size_t length = 0;
    return text.size == 2 * size &&
           sodium_hex2bin(bytes, size, (const char *)text.data, text.size, NULL, &length, NULL) == 0 &&
           length == size;
}

static bool take_number(promp_slice_t text, uint64_t least, uint64_t most, uint64_t *value)
{
    *value = 0;
    if (!text.size || text.size > 12)
        return false;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        *value = *value * 10 + (text.data[i] - '0');
    }
    return *value >= least && *value <= most;
}

bool promp_auth_key_lock_take(promp_auth_key_lock_t *lock, const promp_zpl_item_t *item)
{
    unsigned bit = 0;
    bool good = false;
    if (promp_zpl_is(item->name, "kdf"))
        bit = KDF, good = promp_zpl_is(item->value, "argon2id13");
    else if (promp_zpl_is(item->name, "salt"))
        bit = SALT, good = take_hex(item->value, lock->salt, sizeof lock->salt);
    else if (promp_zpl_is(item->name, "nonce"))
        bit = NONCE, good = take_hex(item->value, lock->nonce, sizeof lock->nonce);
    else if (promp_zpl_is(item->name, "box"))
        bit = BOX, good = take_hex(item->value, lock->box, sizeof lock->box);
    else if (promp_zpl_is(item->name, "rounds"))
        bit = HAS_ROUNDS,
        good = take_number(item->value, crypto_pwhash_OPSLIMIT_MIN, PROMP_LIMIT_KDF_ROUNDS, &lock->rounds);
    else if (promp_zpl_is(item->name, "memory"))
        bit = HAS_MEMORY,
        good = take_number(item->value, crypto_pwhash_MEMLIMIT_MIN, PROMP_LIMIT_KDF_MEMORY, &lock->memory);
    if (!good || (lock->present & bit))
        return false;
    lock->present |= bit;
    return true;
}

bool promp_auth_key_lock_whole(const promp_auth_key_lock_t *lock)
{
    return lock->present == ALL;
}

static void put_hex(promp_zpl_out_t *out, const char *name, const uint8_t *bytes, size_t size)
{
    char text[2 * 48 + 1];
    promp_zpl_put(out, name, sodium_bin2hex(text, sizeof text, bytes, size));
}

void promp_auth_key_lock_put(const promp_auth_key_lock_t *lock, promp_zpl_out_t *out)
{
    promp_zpl_put(out, "kdf", "argon2id13");
    promp_zpl_put_number(out, "rounds", lock->rounds);
    promp_zpl_put_number(out, "memory", lock->memory);
    put_hex(out, "salt", lock->salt, sizeof lock->salt);
    put_hex(out, "nonce", lock->nonce, sizeof lock->nonce);
    put_hex(out, "box", lock->box, sizeof lock->box);
}
