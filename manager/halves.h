/* halves.h - the seam between the two halves of libpromp: what the manager's half needs of the worker's. */
#ifndef PROMP_MANAGER_HALVES_H
#define PROMP_MANAGER_HALVES_H

#include "hub.h"
#include "promp.h"

/* The hub of this worker process; child managers attach their cores to it. Borrowed; lives until
 * promp_worker_close. */
promp_hub_t *promp_worker_hub(promp_worker_t *worker);

#endif
