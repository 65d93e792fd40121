/* auth_store.h - all keys the broker knows, loaded as one object that never changes: whoever has it may read it in any
 * thread. When the folder has changed, load a new one and swap.
 *
 * On disk: the folder `store` inside the broker's folder, a file per key, named by the key in hexadecimal digits and `.cert`.
 * A file that is malformed, or that others can write, costs its own key alone: that one is unknown, and a problem is noted. */
#ifndef PROMP_AUTH_STORE_H
#define PROMP_AUTH_STORE_H

#include "auth_entry.h"

typedef struct promp_auth_store promp_auth_store_t;

/* folder: a descriptor of the broker's folder, of promp_auth_folder_open(). The caller has one share in *store.
 * KEY_MISSING: there is no store; KEY_FOLDER, STORE_FULL, MEMORY, DESCRIPTORS, SYSTEM: keep what you have. */
promp_err_t promp_auth_store_load(int folder, promp_auth_store_t **store, promp_error_t *error);

/* For tests and for stores that are no folder: from entries, which are copied. STORE_ENTRY: a key is there twice. */
promp_err_t promp_auth_store_of(const promp_auth_entry_t *entries, size_t count, promp_auth_store_t **store,
                                promp_error_t *error);

/* One share more, for another thread or place; returns store. */
promp_auth_store_t *promp_auth_store_share(promp_auth_store_t *store);

/* Gives a share back, the last one frees; NULL is fine. */
void promp_auth_store_destroy(promp_auth_store_t **store);

/* Whether the folder is another one than the one that was loaded: one stat(2), to be called as often as you like. It says
 * yes once more when changes so close to the loading that times cannot tell them apart would be over. */
bool promp_auth_store_changed(int folder, const promp_auth_store_t *store);

/* The entry of a key, or NULL. Entries live as long as the store. */
const promp_auth_entry_t *promp_auth_store_find(const promp_auth_store_t *store,
                                                const uint8_t key[PROMP_AUTH_KEY_SIZE]);

/* Whether a key may come in now (seconds since 1970): PROMP_OK, ACCESS_UNKNOWN, ACCESS_REVOKED, ACCESS_EXPIRED; of tokens
 * TOKEN_REVOKED, TOKEN_EXPIRED, TOKEN_USED. *entry (may be NULL) is the key's, NULL when it has none. */
promp_err_t promp_auth_store_check(const promp_auth_store_t *store, const uint8_t key[PROMP_AUTH_KEY_SIZE],
                                   int64_t now, const promp_auth_entry_t **entry);

/* As check, for an entry of this store. */
promp_err_t promp_auth_store_state(const promp_auth_store_t *store, const promp_auth_entry_t *entry,
                                   int64_t now);

/* How many keys came in with a token. */
uint32_t promp_auth_store_used(const promp_auth_store_t *store, const promp_auth_entry_t *token);

/* Entries in the order of their keys. */
size_t promp_auth_store_count(const promp_auth_store_t *store);
const promp_auth_entry_t *promp_auth_store_at(const promp_auth_store_t *store, size_t index);

/* Files that were refused: how many, and a sentence for each of the first ones; NULL beyond them. */
size_t promp_auth_store_problems(const promp_auth_store_t *store);
const char *promp_auth_store_problem(const promp_auth_store_t *store, size_t index);

/* The name of a key's file in the folder `store`. */
#define PROMP_AUTH_STORE_FILE (2 * PROMP_AUTH_KEY_SIZE + 6)
char *promp_auth_store_file(const uint8_t key[PROMP_AUTH_KEY_SIZE], char name[PROMP_AUTH_STORE_FILE]);

#endif
