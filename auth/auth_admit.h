/* auth_admit.h - letting a new key in that came with a token. The broker calls it when a peer that is connected by a join key
 * presents the public half of the key it has made. Any thread; waits for others who change the store. */
#ifndef PROMP_AUTH_ADMIT_H
#define PROMP_AUTH_ADMIT_H

#include "auth_entry.h"

/* Adds new_key with the role, limits and expiry of the token whose join key is given (as CURVE has proved it, never as a field
 * said it). That the entry exists is what uses up the token, so neither can be without the other, whenever the power goes.
 *
 * name: what the joiner would like to be called, any bytes; the token's name goes before it. What is not allowed in names becomes
 * `-`, and a name that is taken gets a number behind it: names give no rights. now: seconds since 1970; wait: milliseconds.
 * *entry: what was added. The same key again with the same token is let in again without another use, so whoever lost the
 * answer may ask again, or simply connect with the new key.
 *
 * ACCESS_UNKNOWN: there is no such token; TOKEN_USED, TOKEN_EXPIRED, TOKEN_REVOKED; KEY_EXISTS: somebody has this key;
 * KEY_FORMAT: it is none; errors of promp_auth_change_begin() and _put(). To the peer they are one and the same refusal. */
promp_err_t promp_auth_admit(int folder, const uint8_t join_key[PROMP_AUTH_KEY_SIZE],
                             const uint8_t new_key[PROMP_AUTH_KEY_SIZE], promp_slice_t name, int64_t now,
                             int64_t wait, promp_auth_entry_t *entry, promp_error_t *error);

#endif
