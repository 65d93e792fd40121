/* auth_change.h - changing the broker's store: one at a time, each file in one step. Any thread, one change at a time each;
 * waits for others, so not for a thread that must not wait longer than it says. */
#ifndef PROMP_AUTH_CHANGE_H
#define PROMP_AUTH_CHANGE_H

#include "auth_store.h"

typedef struct promp_auth_change promp_auth_change_t;

/* Takes the lock of the broker's folder, removes what killed writers left, loads the store (make: and makes its folder).
 * folder must stay open until the end. STORE_BUSY after wait milliseconds; errors of promp_auth_store_load(). */
promp_err_t promp_auth_change_begin(int folder, bool make, int64_t wait, promp_auth_change_t **change,
                                    promp_error_t *error);

/* The store as it was at the beginning. */
const promp_auth_store_t *promp_auth_change_store(const promp_auth_change_t *change);

/* Writes an entry, a new one or in place of the one with its key; it lasts when this returns PROMP_OK. STORE_FULL,
 * DISK_FULL, SYSTEM: the old one is still there. */
promp_err_t promp_auth_change_put(promp_auth_change_t *change, const promp_auth_entry_t *entry,
                                  promp_error_t *error);

/* Lets the lock go and frees; NULL is fine. */
void promp_auth_change_end(promp_auth_change_t **change);

/* Revokes all living keys and tokens of a name, and tokens that would renew it; *count: how many. NOT_FOUND: there is
 * nothing of this name. What is revoked already is left as it is. */
promp_err_t promp_auth_revoke(int folder, const char *name, int64_t now, int64_t wait, size_t *count,
                              promp_error_t *error);

/* Whether a living key or token (at time now) has this name, or it is the broker's own. */
bool promp_auth_name_taken(const promp_auth_store_t *store, const char *name, int64_t now);

#endif
