/* manager_serve.h - what a manager and the thread that serves its containers have in common. */
#ifndef PROMP_MANAGER_MANAGER_SERVE_H
#define PROMP_MANAGER_MANAGER_SERVE_H

#include "manager_core_share.h"
#include "manager_inner.h"

struct promp_manager_share {
    pthread_mutex_t lock;     /* may be held when the hub's is taken, never the other way */
    promp_manager_t *manager; /* NULL: it is gone. Under lock */
    unsigned refs;            /* under lock: the manager, its thread, jobs that somebody else serves */

    bool stream; /* nothing is lent: the user wants it so */

    pthread_mutex_t bell; /* taken last of all */
    pthread_cond_t rung;
    bool work, stop; /* under bell */
};

/* With the thread running; the caller has one reference. NULL: *err and *system say why. */
struct promp_manager_share *promp_manager_serve_new(promp_manager_t *manager, promp_err_t *err, int *system);
void promp_manager_serve_let_go(struct promp_manager_share *share);
/* There is something to do, or (stop) nothing any more. */
void promp_manager_serve_ring(struct promp_manager_share *share, bool stop);
/* Does one READ and answers it. Without any lock. */
void promp_manager_serve_read(struct promp_manager_share *share, const promp_ask_t *ask, bool gone);

#endif
