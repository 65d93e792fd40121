/* worker_remote.h - a container of the manager that is read piece by piece, and what outlives the worker of it. */
#ifndef PROMP_WORKER_WORKER_REMOTE_H
#define PROMP_WORKER_WORKER_REMOTE_H

#include "worker_inner.h"

/* What remote containers know of their worker, counted by them. Any thread. */
typedef struct promp_worker_reads promp_worker_reads_t;

promp_worker_reads_t *promp_worker_reads_new(promp_worker_t *worker); /* NULL without memory or locks */
/* The worker is closing: all reads fail with CONTAINER_GONE; returns when none is under way. Not under the hub's lock. */
void promp_worker_reads_end(promp_worker_reads_t **reads);

/* A container whose OPENED came without bytes; the answer counts as taken back when this fails, too. */
promp_container_t *promp_worker_remote_new(promp_worker_reads_t *reads, const promp_id_t *id, uint64_t size,
                                           promp_error_t *error);

#endif
