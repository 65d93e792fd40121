/* auth_broker.h - the broker's own key, and the next one while keys are changed.
 *
 * A CURVE port has one key at a time, so a change of keys goes so: promp_auth_broker_rotate() makes the next key and the time of
 * the change. Until then the broker serves the old key, tokens carry both, and connected peers are told the next one over their
 * encrypted connection; whoever has either of them gets in, today and after the change, as it tries the other one when the
 * first does not fit. At the time of the change the next key becomes the key. */
#ifndef PROMP_AUTH_BROKER_H
#define PROMP_AUTH_BROKER_H

#include "auth_key.h"

#define PROMP_AUTH_BROKER_NAME "broker" /* files broker.cert, broker.cert_secret; broker.next.* */

typedef struct {
    uint8_t key[PROMP_AUTH_KEY_SIZE]; /* what is served now */
    bool locked;                      /* its secret, by a passphrase */
    bool has_next;
    uint8_t next[PROMP_AUTH_KEY_SIZE];
    bool next_locked;
    int64_t change;                        /* when next becomes key, seconds since 1970 */
    char address[PROMP_LIMIT_ADDRESS + 1]; /* where peers find the broker; "": nobody said it yet */
} promp_auth_broker_info_t;

/* Makes the broker's key, its store and, where address is not "", its address. What an interrupted call left is completed.
 * passphrase empty: not locked. KEY_EXISTS: there is a key (nothing is changed). */
promp_err_t promp_auth_broker_make(int folder, promp_slice_t passphrase, const char *address,
                                   promp_error_t *error);

/* What there is at time now; without unlocking anything. */
promp_err_t promp_auth_broker_look(int folder, int64_t now, promp_auth_broker_info_t *info,
                                   promp_error_t *error);

/* Loads the key to serve at time now; where the time of a change has come, the change is made first. */
promp_err_t promp_auth_broker_load(int folder, promp_slice_t passphrase, int64_t now, promp_auth_key_t **key,
                                   promp_error_t *error);

/* Makes a next key that is used from time change on, in place of one that waits already; a change that is not later than now
 * is made at once. passphrase: of the next key. */
promp_err_t promp_auth_broker_rotate(int folder, promp_slice_t passphrase, int64_t now, int64_t change,
                                     promp_error_t *error);

/* Notes where peers find the broker; ARGUMENT: no address. */
promp_err_t promp_auth_broker_set_address(int folder, const char *address, promp_error_t *error);

#endif
