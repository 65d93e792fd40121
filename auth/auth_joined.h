/* auth_joined.h - what a folder knows about the cluster that it joined: where the broker is and which key it has. One file for
 * each role, `manager.broker`, `node.broker`, in ZPL and of mode 0600; our own key of that role is the key named by the role,
 * that is, promp_auth_key_load(folder, promp_auth_role_text(role), ...). Needs libsodium only. Any thread, any number of processes:
 * files are replaced in one step, under the folder's lock. */
#ifndef PROMP_AUTH_JOINED_H
#define PROMP_AUTH_JOINED_H

#include "auth_entry.h"

typedef struct {
    char address[PROMP_LIMIT_ADDRESS + 1]; /* of the broker, tcp://HOST:PORT */
    uint8_t key[PROMP_AUTH_KEY_SIZE];      /* the broker's public key */
    bool has_next;
    uint8_t next[PROMP_AUTH_KEY_SIZE];   /* its next one: who is turned away with BROKER_KEY tries this */
    int64_t from;                        /* seconds since 1970 from which on next is used; 0: not known */
    promp_id_t broker;                   /* its identity, as WELCOME tells it; none: not known */
    char name[PROMP_LIMIT_KEY_NAME + 1]; /* what the broker calls our key; "": not known */
} promp_auth_joined_t;

/* ---- as text; pure ---- */

/* Reads a file; what is not understood in it, or stands there twice, is KEY_FORMAT. */
promp_err_t promp_auth_joined_parse(promp_slice_t text, promp_auth_joined_t *joined, promp_error_t *error);

/* Writes it; text has room for PROMP_LIMIT_KEY_FILE bytes. ARGUMENT: a field holds what parse would refuse. */
promp_err_t promp_auth_joined_format(const promp_auth_joined_t *joined, char *text, size_t *size,
                                     promp_error_t *error);

/* What NEXT_KEY does to it at time now (seconds since 1970); returns whether anything changed. key empty: there is no next key
 * any more; one whose time has come is kept all the same, since it may be the one that is served. */
bool promp_auth_joined_take_next(promp_auth_joined_t *joined, promp_slice_t key, int64_t from, int64_t now);

/* ---- as files; folder: a descriptor of promp_auth_folder_open(); role: MANAGER, NODE, OBSERVER or ADMIN ---- */

/* NO_BROKER: this folder never joined in this role. KEY_READABLE: others can read the file, write it, or it is theirs; KEY_FORMAT,
 * SYSTEM. The folder itself was looked at when it was opened (KEY_FOLDER, KEY_MISSING). */
promp_err_t promp_auth_joined_load(int folder, promp_auth_role_t role, promp_auth_joined_t *joined,
                                   promp_error_t *error);

/* Replaces the file in one step; it lasts when this returns PROMP_OK. ARGUMENT, DISK_FULL, SYSTEM. */
promp_err_t promp_auth_joined_save(int folder, promp_auth_role_t role, const promp_auth_joined_t *joined,
                                   promp_error_t *error);

/* Keeps what NEXT_KEY said: key of 32 bytes, or empty. Nothing is written where the file says so already, so every process of a
 * folder may call it each time it is told. Waits for the folder's lock at most PROMP_TIME_JOINED_LOCK (STORE_BUSY: the broker
 * will say it again on the next connection). ARGUMENT: key is none; errors of load and save. */
promp_err_t promp_auth_joined_next(int folder, promp_auth_role_t role, promp_slice_t key, int64_t from,
                                   promp_error_t *error);

/* A broker that has this key has let us in: where it is the next one, it is the key from now on. Nothing is written
 * otherwise. Errors as of promp_auth_joined_next(); none of them is a reason to leave the broker. */
promp_err_t promp_auth_joined_change(int folder, promp_auth_role_t role,
                                     const uint8_t key[PROMP_AUTH_KEY_SIZE], promp_error_t *error);

#endif
