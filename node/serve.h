/* serve.h - becoming the local node: folder, lock, socket, detaching. */
#ifndef PROMP_NODE_SERVE_H
#define PROMP_NODE_SERVE_H

#include "options.h"

/* Serves until the node ends, or finds that another one does; with detach returns when the node is ready. Returns the
 * exit code; on failure a line on stderr has told why. argv0: the name of this program. */
int promp_serve_run(const promp_options_t *options);

/* Tells on stdout whether a node serves: 0 yes, 1 no. */
int promp_serve_status(void);

#endif
