/* zdial.h - a manager's hub whose link goes to a broker: address, keys, and what the broker tells of its next key.
 *
 * A broker that answers with another key than the one it is known by is tried with its next key, where one is known; which
 * of the two let us in is remembered. */
#ifndef PROMP_NET_ZDIAL_H
#define PROMP_NET_ZDIAL_H

#include "auth_key.h"
#include "hub.h"

typedef struct promp_zdial promp_zdial_t;

typedef struct {
    const char *address;       /* as in zlink.h; copied */
    const uint8_t *server_key; /* 32 bytes: the broker's public key; copied */
    const uint8_t *next_key;   /* likewise, its next one; NULL: none is known */
    int64_t next_from;         /* seconds since 1970 from which on that is used; 0: not known */
    promp_auth_key_t *key;     /* ours; taken over, also on failure */
} promp_zdial_config_t;

/* NULL without memory. */
promp_zdial_t *promp_zdial_new(const promp_zdial_config_t *config);
/* After its hub. Not in a forked child. */
void promp_zdial_destroy(promp_zdial_t **dial);

/* Connects, in at most timeout ms; the hub borrows dial. NULL and *error: those of promp_hub_new, promp_zlink_dial and
 * promp_zlink_why. One hub at a time, but for one that is lost. */
promp_hub_t *promp_zdial_hub(promp_zdial_t *dial, int timeout, promp_error_t *error);

typedef struct {
    bool moved; /* the next key has become the broker's key, which is */
    uint8_t key[PROMP_AUTH_KEY_SIZE];
    bool told; /* the broker has told its next key: */
    bool any;  /* false: there is none any more */
    uint8_t next[PROMP_AUTH_KEY_SIZE];
    int64_t from; /* seconds since 1970 */
} promp_zdial_news_t;

/* What is to be remembered since the last call; false: nothing. First that it moved, then what was told. Under the hub's
 * lock. */
bool promp_zdial_news(promp_zdial_t *dial, promp_zdial_news_t *news);

#endif
