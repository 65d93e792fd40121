/* stop.h - `promp-node --stop`: finds the node that serves a folder by the lock that it holds, ends it as SIGTERM does, and waits.
 *
 * A node's flock says that there is one. A record lock on the same file, which forks do not take over and which the kernel drops
 * with the process, says which: F_GETLK tells its number as it is in the namespace of who asks. One thread. */
#ifndef PROMP_NODE_STOP_H
#define PROMP_NODE_STOP_H

#include "options.h"

/* This process serves the folder from now on; lock: the descriptor with the flock. Where the file system has no such locks the node
 * is not found by --stop, and works. No other descriptor of the file may be closed in this process afterwards. */
void promp_stop_mark(int lock);

/* Does what options say; returns the exit code: 0 the node has ended, or there was none. */
int promp_stop_run(const promp_options_t *options);

#endif
