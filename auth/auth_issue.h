/* auth_issue.h - making tokens: the broker's host tells what a joiner may become. Any thread. */
#ifndef PROMP_AUTH_ISSUE_H
#define PROMP_AUTH_ISSUE_H

#include "auth_entry.h"

/* Makes a token. order: its role is JOIN; grants, uses, expires, key_expires, as, workers, bytes, labels are what the caller
 * wants, key and name are filled in here. Its secret stands in the token only, the store has the public half.
 * address: where the joiner finds the broker, "": as the folder says. text: room for PROMP_LIMIT_TOKEN + 1 bytes of guarded
 * memory. ARGUMENT: no address, or a name that is taken already by a living key; KEY_MISSING: the folder is no broker's. */
promp_err_t promp_auth_issue(int folder, promp_auth_entry_t *order, const char *address, int64_t now,
                             char *text, promp_error_t *error);

/* Changes the key of an identity: its living key expires at time end, and a token for one new key of the same name, role and
 * limits is made. *order: its `expires` is when the token expires, all else is filled in. NOT_FOUND: no living key has this name. */
promp_err_t promp_auth_issue_renewal(int folder, const char *name, int64_t end, const char *address,
                                     int64_t now, promp_auth_entry_t *order, char *text,
                                     promp_error_t *error);

#endif
