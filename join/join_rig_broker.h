/* join_rig_broker.h - the thread of join_rig.c that answers joiners. */
#ifndef PROMP_JOIN_RIG_BROKER_H
#define PROMP_JOIN_RIG_BROKER_H

#include <pthread.h>
#include <stdatomic.h>

#include "auth_handler.h"
#include "auth_key.h"
#include "zport.h"

typedef struct {
    int folder;
    promp_auth_key_t *key;
    promp_id_t identity;
    void *context;
    promp_auth_handler_t *handler;
    promp_zport_t *port; /* the thread's while it runs */
    pthread_t thread;
    int stop; /* an eventfd */
    char address[64];
    atomic_int mode; /* a rig_mode_t */
    atomic_int joins, hellos;
} rig_broker_t;

/* Gives the handler the store as it is now. */
void rig_broker_reload(rig_broker_t *broker);

void *rig_broker_run(void *broker);

#endif
