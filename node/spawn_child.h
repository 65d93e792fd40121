/* spawn_child.h - what a new process does until it is a worker's program. */
#ifndef PROMP_NODE_SPAWN_CHILD_H
#define PROMP_NODE_SPAWN_CHILD_H

#include "spawn_words.h"

#define PROMP_SPAWN_FDS 7 /* descriptors that a worker finds */

typedef struct {
    const promp_spawn_words_t *words;
    const promp_spawn_order_t *order;
    int fds[PROMP_SPAWN_FDS]; /* what becomes 1 to 6; all of them PROMP_SPAWN_FIRST or higher */
    int report;   /* pipe: a promp_error_t where it fails, nothing but its end where it does not */
    pid_t keeper; /* whose end ends it, too */
    bool outside; /* of its control group, which it has to enter */
} promp_spawn_child_t;

_Noreturn void promp_spawn_child(const promp_spawn_child_t *child);

#endif
