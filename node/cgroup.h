/* cgroup.h - a cgroup for each worker, where the system has given this user a part of the v2 hierarchy: killing one gets
 * every process in it, whatever that did to hide. Everywhere else there is none, and tree.h does what can be done. */
#ifndef PROMP_NODE_CGROUP_H
#define PROMP_NODE_CGROUP_H

#include <sys/types.h>

#include "base.h"

/* Makes a folder for this node inside its own cgroup, and removes those of nodes that were killed. Returns its descriptor,
 * -1: nothing is delegated to us here. */
int promp_cgroup_open(void);
/* Removes the folder and closes it; -1 is fine. */
void promp_cgroup_close(int folder);

/* Puts process pid, which has just been started, into a cgroup of its own. */
void promp_cgroup_add(int folder, uint64_t serial, pid_t pid);
/* Kills what is in it. True: somebody was. */
bool promp_cgroup_kill(int folder, uint64_t serial);
/* Removes it once it is empty. */
void promp_cgroup_remove(int folder, uint64_t serial);

#endif
