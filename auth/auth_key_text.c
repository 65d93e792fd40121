#include <sodium.h>
#include <stdio.h>

#include "auth_key.h"
#include "auth_key_lock.h"
#include "auth_time.h"
#include "z85.h"
#include "zpl.h"

/* What the properties of a certificate say; the secret stays in the text. */
typedef struct {
    promp_auth_key_info_t info;
    promp_auth_key_lock_t lock;
    promp_slice_t secret;
    bool has_public, has_secret;
} found_t;

static bool take_note(promp_auth_key_note_t *note, const promp_zpl_item_t *item)
{
    if (promp_zpl_is(item->name, "from"))
        return promp_auth_time_parse(item->value, &note->from);
    /* Certificates of others may have names that are none here: they do no harm. */
    if (promp_zpl_is(item->name, "name") && promp_auth_key_name_valid(item->value)) {
        memcpy(note->name, item->value.data, item->value.size);
        note->name[item->value.size] = '\0';
    }
    return true;
}

static bool take_curve(found_t *found, const promp_zpl_item_t *item)
{
    if (promp_zpl_is(item->name, "public-key")) {
        if (found->has_public)
            return false;
        found->has_public = true;
        return promp_z85_decode(item->value, found->info.public_key);
    }
    if (promp_zpl_is(item->name, "secret-key")) {
        if (found->has_secret)
            return false;
        found->has_secret = true;
        found->secret = item->value;
    }
    return true;
}

static bool take(found_t *found, const promp_zpl_item_t *item)
{
    if (promp_zpl_is(item->section, "metadata"))
        return take_note(&found->info.note, item);
    if (promp_zpl_is(item->section, "curve"))
        return take_curve(found, item);
    if (promp_zpl_is(item->section, "lock")) {
        found->info.locked = true;
        return promp_auth_key_lock_take(&found->lock, item);
    }
    return true;
}

static promp_err_t scan(promp_slice_t text, found_t *found, promp_error_t *error)
{
    promp_zpl_t zpl;
    promp_zpl_item_t item;
    promp_zpl_result_t result;

    *found = (found_t){0};
    promp_zpl_start(&zpl, text);
    while ((result = promp_zpl_next(&zpl, &item)) == PROMP_ZPL_ITEM) {
        if (!take(found, &item)) {
            result = PROMP_ZPL_MALFORMED;
            break;
        }
    }
    if (result == PROMP_ZPL_MALFORMED)
        return promp_error_set(error, PROMP_ERR_KEY_FORMAT, 0, "line %u", zpl.line);
    if (!found->has_public)
        return promp_error_set(error, PROMP_ERR_KEY_FORMAT, 0, "it has no public key");
    return PROMP_OK;
}

promp_err_t promp_auth_key_parse_public(promp_slice_t text, uint8_t key[PROMP_AUTH_KEY_SIZE],
                                        promp_error_t *error)
{
    found_t found;
    promp_err_t code = scan(text, &found, error);
    if (!code)
        memcpy(key, found.info.public_key, PROMP_AUTH_KEY_SIZE);
    return code;
}

/* Puts the secret, unlocked, into memory of its own. */
static promp_err_t take_secret(const found_t *found, promp_slice_t passphrase, uint8_t *secret,
                               promp_error_t *error)
{
    if (found->info.locked && !passphrase.size)
        return promp_error_set(error, PROMP_ERR_KEY_LOCKED, 0, NULL);
    if (found->info.locked)
        return promp_auth_key_lock_open(&found->lock, passphrase, secret, error);
    if (!promp_z85_decode(found->secret, secret))
        return promp_error_set(error, PROMP_ERR_KEY_FORMAT, 0, "the secret key");
    return PROMP_OK;
}

static promp_err_t make_key(const found_t *found, promp_slice_t passphrase, promp_auth_key_t **key,
                            promp_error_t *error)
{
    uint8_t *secret = promp_auth_secret_alloc(PROMP_AUTH_KEY_SIZE);
    if (!secret)
        return promp_error_set(error, PROMP_ERR_MEMORY, 0, NULL);
    promp_err_t code = take_secret(found, passphrase, secret, error);
    if (!code)
        code = promp_auth_key_of_secret(secret, key, error);
    promp_auth_secret_free(secret);
    if (!code && memcmp(promp_auth_key_public(*key), found->info.public_key, PROMP_AUTH_KEY_SIZE) != 0) {
        promp_auth_key_destroy(key);
        code = promp_error_set(error, PROMP_ERR_KEY_FORMAT, 0, "its keys do not belong together");
    }
    return code;
}

promp_err_t promp_auth_key_parse(promp_slice_t text, promp_slice_t passphrase, promp_auth_key_t **key,
                                 promp_auth_key_info_t *info, promp_error_t *error)
{
    found_t found;
    promp_err_t code = scan(text, &found, error);
    if (code)
        return code;
    if (found.info.locked ? found.has_secret || !promp_auth_key_lock_whole(&found.lock) : !found.has_secret)
        return promp_error_set(error, PROMP_ERR_KEY_FORMAT, 0, "it has no secret key, or half a lock");
    if (info)
        *info = found.info;
    return key ? make_key(&found, passphrase, key, error) : PROMP_OK;
}

static void start(promp_zpl_out_t *out, const char *kind, const promp_auth_key_note_t *note)
{
    char time[PROMP_AUTH_TIME_TEXT];
    promp_zpl_line(out, kind);
    promp_zpl_line(out, "metadata");
    if (note->name[0])
        promp_zpl_put(out, "name", note->name);
    if (note->from)
        promp_zpl_put(out, "from", promp_auth_time_text(note->from, time));
}

static promp_err_t finish(const promp_zpl_out_t *out, size_t *size, promp_error_t *error)
{
    *size = out->size;
    return out->failed ? promp_error_set(error, PROMP_ERR_KEY_FORMAT, 0, "it cannot be written") : PROMP_OK;
}

promp_err_t promp_auth_key_format_public(const uint8_t key[PROMP_AUTH_KEY_SIZE],
                                         const promp_auth_key_note_t *note, char *text, size_t *size,
                                         promp_error_t *error)
{
    char z85[PROMP_Z85_KEY + 1];
    promp_zpl_out_t out = {.data = text, .room = PROMP_LIMIT_KEY_FILE};
    start(&out, "#   Public CURVE key of promp. Everybody may read it, only its owner should write it.",
          note);
    promp_zpl_line(&out, "curve");
    promp_zpl_put(&out, "public-key", promp_z85_encode(key, z85));
    return finish(&out, size, error);
}

/* The secret as text, in memory of its own because z85 is on the stack of nobody else. */
static promp_err_t put_plain(promp_zpl_out_t *out, promp_auth_key_t *key, promp_error_t *error)
{
    char *z85 = promp_auth_secret_alloc(PROMP_Z85_KEY + 1);
    if (!z85)
        return promp_error_set(error, PROMP_ERR_MEMORY, 0, NULL);
    promp_z85_encode(promp_auth_key_show(key), z85);
    promp_auth_key_hide(key);
    promp_zpl_put(out, "secret-key", z85);
    promp_auth_secret_free(z85);
    return PROMP_OK;
}

static promp_err_t put_locked(promp_zpl_out_t *out, promp_auth_key_t *key, promp_slice_t passphrase,
                              promp_error_t *error)
{
    promp_auth_key_lock_t lock;
    promp_err_t code = promp_auth_key_lock_close(&lock, passphrase, promp_auth_key_show(key), error);
    promp_auth_key_hide(key);
    if (!code) {
        promp_zpl_line(out, "lock");
        promp_auth_key_lock_put(&lock, out);
    }
    return code;
}

promp_err_t promp_auth_key_format_secret(promp_auth_key_t *key, const promp_auth_key_note_t *note,
                                         promp_slice_t passphrase, char *text, size_t *size,
                                         promp_error_t *error)
{
    char z85[PROMP_Z85_KEY + 1];
    promp_zpl_out_t out = {.data = text, .room = PROMP_LIMIT_KEY_FILE};
    promp_err_t code;

    start(&out, "#   SECRET CURVE key of promp. Nobody but its owner may read it; it is never sent anywhere.",
          note);
    promp_zpl_line(&out, "curve");
    promp_zpl_put(&out, "public-key", promp_z85_encode(promp_auth_key_public(key), z85));
    code = passphrase.size ? put_locked(&out, key, passphrase, error) : put_plain(&out, key, error);
    return code ? code : finish(&out, size, error);
}
