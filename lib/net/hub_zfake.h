/* hub_zfake.h - for tests of hubs whose link goes to a broker: a port with a thread that greets and echoes, as it is told. */
#ifndef PROMP_NET_HUB_ZFAKE_H
#define PROMP_NET_HUB_ZFAKE_H

#include "hub_fake.h"
#include "zdial.h"
#include "zlink_rig.h"

typedef struct {
    zrig_t *rig; /* keys, the ZAP handler, the port: the thread's while it runs */
    char endpoint[64];
    promp_id_t id; /* in WELCOME */
    pthread_t thread;
    pthread_mutex_t lock; /* over what follows */
    bool runs, stop;
    promp_err_t refuse; /* HELLO is answered with REFUSED */
    bool mute;          /* nothing is said */
    uint32_t hellos;
    int64_t hello_at;    /* when the last came, ms */
    promp_message_t say; /* to all peers, once; type 0: nothing */
    uint8_t said_key[32];
} zfake_t;

void zfake_begin(zfake_t *fake, zrig_t *rig);
/* Ends all connections and listens no more; again: at the same port, with these keys. */
void zfake_stop(zfake_t *fake);
void zfake_again(zfake_t *fake, const zrig_keys_t *server);
void zfake_end(zfake_t *fake);

void zfake_refuse(zfake_t *fake, promp_err_t why); /* PROMP_OK: no longer */
void zfake_mute(zfake_t *fake, bool mute);
void zfake_say(zfake_t *fake, const promp_message_t *message); /* soon */
uint32_t zfake_hellos(zfake_t *fake);
int64_t zfake_hello_at(zfake_t *fake);

/* next may be NULL. address NULL: the fake's. */
promp_zdial_t *zfake_dialer(const zfake_t *fake, const char *address, const zrig_keys_t *keys,
                            const uint8_t *next);

/* --- tests --- */

typedef struct {
    zrig_t *rig;
    zfake_t fake;
    promp_zdial_t *dial;
    promp_hub_t *hub;
    fake_core_t core;
} zworld_t;

int zworld_setup(void **state); /* a zworld_t whose broker listens */
int zworld_teardown(void **state);
/* A hub that is up, with a core. */
void zworld_up(zworld_t *w, uint32_t lease, const uint8_t *next);
void zworld_send(zworld_t *w, uint64_t count, size_t size);

#endif
