/* print.h - keys and tokens for people and for programs. One thread. */
#ifndef PROMP_AUTH_PRINT_H
#define PROMP_AUTH_PRINT_H

#include "auth_store.h"

/* "valid", "revoked", "expired", "used up" */
const char *promp_print_state(const promp_auth_store_t *store, const promp_auth_entry_t *entry, int64_t now);

/* An aligned table of entries with a heading, bold on a terminal. */
void promp_print_table(const promp_auth_store_t *store, const promp_auth_entry_t *const *entries,
                       size_t count, int64_t now);

/* A JSON object of one entry, on one line, without a newline. */
void promp_print_json(const promp_auth_store_t *store, const promp_auth_entry_t *entry, int64_t now);

/* All about one entry, a line each. */
void promp_print_entry(const promp_auth_store_t *store, const promp_auth_entry_t *entry, int64_t now);

#endif
