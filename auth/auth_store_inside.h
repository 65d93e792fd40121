/* auth_store_inside.h - what a store is made of; for auth_store*.c only. */
#ifndef PROMP_AUTH_STORE_INSIDE_H
#define PROMP_AUTH_STORE_INSIDE_H

#include <stdatomic.h>
#include <sys/types.h>
#include <time.h>

#include "auth_store.h"

#define PROMP_AUTH_PROBLEMS_TOLD 16

/* How the folder looked when it was loaded. */
typedef struct {
    dev_t device;
    ino_t inode;
    struct timespec time;
    bool fresh; /* it had just been changed: a change after the loading might have the same time */
} promp_auth_stamp_t;

struct promp_auth_store {
    atomic_uint shares;
    promp_auth_entry_t *entries; /* in the order of their keys */
    uint32_t *used;              /* of each entry: how many keys came in with it */
    size_t count, room;
    promp_auth_stamp_t stamp;
    size_t problems;
    char *problem[PROMP_AUTH_PROBLEMS_TOLD];
};

/* An empty store with one share; NULL without memory. */
promp_auth_store_t *promp_auth_store_new(void);

/* Adds a copy of an entry; order is made by promp_auth_store_finish(). STORE_FULL, MEMORY. */
promp_err_t promp_auth_store_add(promp_auth_store_t *store, const promp_auth_entry_t *entry,
                                 promp_error_t *error);

/* Puts the entries in order and counts the uses of tokens. STORE_ENTRY: a key is there twice; MEMORY. */
promp_err_t promp_auth_store_finish(promp_auth_store_t *store, promp_error_t *error);

#endif
