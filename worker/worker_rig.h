/* worker_rig.h - for tests of the worker's shell: plays node and manager for a worker in a child process. What goes wrong in
 * here fails the test. */
#ifndef PROMP_WORKER_RIG_H
#define PROMP_WORKER_RIG_H

#include <sys/types.h>

#include "link.h"
#include "message.h"
#include "promp.h"
#include "session.h"

typedef struct {
    promp_link_t *link;
    promp_session_t *session;
    int lifeline; /* our end */
    int pipe[2];  /* the read ends, as a keeper has them */
    pid_t pid;
    int pidfd;
    uint64_t task; /* number of the last one given */
} promp_worker_rig_t;

/* Starts a child, in a process group of its own, that runs body with the descriptors of a worker; what body returns is its
 * exit code. The manager attaches in the same breath as the node's WELCOME, and says SETUP with a lease of 10 s. */
void promp_worker_rig_start(promp_worker_rig_t *rig, uint32_t options, int (*body)(void));
void promp_worker_rig_close(promp_worker_rig_t *rig);

/* Queues a record of the manager. */
void promp_worker_rig_post(promp_worker_rig_t *rig, const promp_message_t *message);
void promp_worker_rig_task(promp_worker_rig_t *rig, const char *name);

/* The next record of a lane, waiting for it. Valid until the next call. */
promp_message_t promp_worker_rig_take(promp_worker_rig_t *rig, promp_lane_t lane);
/* The next text of one stream is this, in any number of records. Other streams are dropped. */
void promp_worker_rig_output(promp_worker_rig_t *rig, int stream, const char *expected);
/* Waits for the progress that this task reports when it begins. */
void promp_worker_rig_begun(promp_worker_rig_t *rig, uint64_t task);
/* Waits for DONE of this task. */
void promp_worker_rig_done(promp_worker_rig_t *rig, uint64_t task, int outcome);
/* Moves frames until so many bytes of the output lane have come and wait here. */
void promp_worker_rig_fill(promp_worker_rig_t *rig, uint64_t bytes);

/* The node is replaced: a new link over the lifeline, the old one ends. */
void promp_worker_rig_relink(promp_worker_rig_t *rig);

/* Moves frames until the child has ended; its status as waitpid tells it. */
int promp_worker_rig_wait(promp_worker_rig_t *rig);

#endif
