/* auth_key.h - CURVE key pairs: made, kept in guarded memory, loaded and saved as ZPL certificates. Needs libsodium only.
 *
 * A key NAME in a folder is two files, as czmq writes them: NAME.cert, the public part (mode 0644), and NAME.cert_secret,
 * both parts (mode 0600). The secret part may be locked by a passphrase (Argon2id, secretbox). The secret file is the truth,
 * the public one is its copy for others. Keys are used by one thread at a time; nothing here is shared between them. */
#ifndef PROMP_AUTH_KEY_H
#define PROMP_AUTH_KEY_H

#include "error.h"
#include "limits.h"

#define PROMP_AUTH_KEY_SIZE 32

typedef struct promp_auth_key promp_auth_key_t;

/* What a certificate says besides its keys. */
typedef struct {
    char name[PROMP_LIMIT_KEY_NAME + 1]; /* empty: no name */
    int64_t from;                        /* seconds since 1970 from which the key is to be used; 0: at once */
} promp_auth_key_note_t;

/* A new random pair. MEMORY, SYSTEM. */
promp_err_t promp_auth_key_make(promp_auth_key_t **key, promp_error_t *error);

/* The pair of a known secret, which is copied. KEY_FORMAT: it is no secret of a usable key. */
promp_err_t promp_auth_key_of_secret(const uint8_t secret[PROMP_AUTH_KEY_SIZE], promp_auth_key_t **key,
                                     promp_error_t *error);

/* Wipes and frees; NULL is fine. */
void promp_auth_key_destroy(promp_auth_key_t **key);

const uint8_t *promp_auth_key_public(const promp_auth_key_t *key);

/* The 32 secret bytes, readable until promp_auth_key_hide(); reading them at another time ends the process. */
const uint8_t *promp_auth_key_show(promp_auth_key_t *key);
void promp_auth_key_hide(promp_auth_key_t *key);

/* Whether these bytes are a public key that only the owner of one secret can use. */
bool promp_auth_key_valid(const uint8_t key[PROMP_AUTH_KEY_SIZE]);

/* Whether text can be the name of a key: 1 to PROMP_LIMIT_KEY_NAME of A-Z a-z 0-9 . _ -, the first a letter or digit. */
bool promp_auth_key_name_valid(promp_slice_t text);

/* Memory for secrets that callers hold a moment: guarded, wiped when freed; NULL: none left. free accepts NULL. */
void *promp_auth_secret_alloc(size_t size);
void promp_auth_secret_free(void *secret);

/* For programs, not for libraries: no core dump, and nobody of the same user may look into the process. */
void promp_auth_harden(void);

/* ---- as text; pure ---- */

/* What is in a secret certificate without unlocking it. */
typedef struct {
    uint8_t public_key[PROMP_AUTH_KEY_SIZE];
    bool locked;
    promp_auth_key_note_t note;
} promp_auth_key_info_t;

/* Reads a secret certificate. KEY_FORMAT; KEY_LOCKED when it is locked and passphrase is empty; KEY_PASSPHRASE. Where it
 * is not locked, passphrase is not looked at. key may be NULL: nothing is unlocked, info is all that is wanted. info may be
 * NULL. */
promp_err_t promp_auth_key_parse(promp_slice_t text, promp_slice_t passphrase, promp_auth_key_t **key,
                                 promp_auth_key_info_t *info, promp_error_t *error);

/* Reads the public key of a public certificate, or of a secret one. */
promp_err_t promp_auth_key_parse_public(promp_slice_t text, uint8_t key[PROMP_AUTH_KEY_SIZE],
                                        promp_error_t *error);

/* Writes a certificate into text (room for PROMP_LIMIT_KEY_FILE bytes, guarded for a secret one). passphrase empty: not
 * locked. Locking takes 64 MiB and a fraction of a second. */
promp_err_t promp_auth_key_format_secret(promp_auth_key_t *key, const promp_auth_key_note_t *note,
                                         promp_slice_t passphrase, char *text, size_t *size,
                                         promp_error_t *error);
promp_err_t promp_auth_key_format_public(const uint8_t key[PROMP_AUTH_KEY_SIZE],
                                         const promp_auth_key_note_t *note, char *text, size_t *size,
                                         promp_error_t *error);

/* ---- as files; folder: a descriptor of promp_auth_folder_open() ---- */

/* As promp_auth_key_parse. KEY_MISSING, KEY_READABLE. */
promp_err_t promp_auth_key_load(int folder, const char *name, promp_slice_t passphrase,
                                promp_auth_key_t **key, promp_auth_key_info_t *info, promp_error_t *error);

promp_err_t promp_auth_key_load_public(int folder, const char *name, uint8_t key[PROMP_AUTH_KEY_SIZE],
                                       promp_error_t *error);

/* Writes both files, the secret one first, each in one step; replaces what is there. */
promp_err_t promp_auth_key_save(int folder, const char *name, promp_auth_key_t *key,
                                const promp_auth_key_note_t *note, promp_slice_t passphrase,
                                promp_error_t *error);

promp_err_t promp_auth_key_save_public(int folder, const char *name, const uint8_t key[PROMP_AUTH_KEY_SIZE],
                                       const promp_auth_key_note_t *note, promp_error_t *error);

/* Locks a key NAME of the folder by a passphrase, or unlocks it (empty). old: the one it is locked by at the moment. The
 * folder need not be a broker's. */
promp_err_t promp_auth_key_relock(int folder, const char *name, promp_slice_t old, promp_slice_t passphrase,
                                  promp_error_t *error);

#endif
