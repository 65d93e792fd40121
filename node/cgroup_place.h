/* cgroup_place.h - where this process stands in the hierarchies of control groups, v2 and v1. Pure, but for reading files. */
#ifndef PROMP_NODE_CGROUP_PLACE_H
#define PROMP_NODE_CGROUP_PLACE_H

#include "base.h"
#include "limits.h"

typedef struct {
    char path[2 * PROMP_LIMIT_PATH]; /* the folder of our group */
    size_t top; /* so many bytes of it are the topmost group that can be seen: in a container its own */
} promp_cgroup_place_t;

/* proc: a folder that holds what /proc/self does. controller: one of v1 such as "memory"; NULL: v2. False: we have no group there,
 * or it cannot be seen. */
bool promp_cgroup_place(const char *proc, const char *controller, promp_cgroup_place_t *place);

/* Cuts the path to that of the group above; false: it is the topmost. */
bool promp_cgroup_place_up(promp_cgroup_place_t *place);

/* Reads the beginning of a file of the group, NUL-ended. False: there is none, or it is empty. */
bool promp_cgroup_place_read(const promp_cgroup_place_t *place, const char *file, char *text, size_t size);

#endif
