/* local.h - where the node of this user on this host is found, and how it is started where none runs.
 *
 * Folder: $PROMP_RUNTIME_DIR, else $XDG_RUNTIME_DIR/promp, else /tmp/promp-UID; made 0700, refused when it is
 * not a directory of ours or open to others (lstat: no symbolic links). In it one folder per key: BLAKE2b
 * over protocol major, build, cgroup path, the namespaces (pid, mnt, net, ipc, user) and the instance name
 * ($PROMP_INSTANCE), 16 hexadecimal digits. In that: `socket`, `lock` (held by the keeper for life), `log`.
 * Any thread.
 */
#ifndef PROMP_NET_LOCAL_H
#define PROMP_NET_LOCAL_H

#include "base.h"
#include "error.h"

typedef struct {
    char folder[108]; /* made and checked; 4 bytes more than `socket` fit into a socket's address */
    char socket[108];
    char lock[108];
    char log[108];
} promp_local_t;

/* Finds (and with make creates) the folder. OK, SOCKET_FOLDER, SOCKET_PATH, SYSTEM, DISK_FULL; NODE_GONE: not
 * there, and make is false. */
promp_err_t promp_local_find(promp_local_t *local, bool make, promp_error_t *error);

/* Name and version of this build, part of the key: "0.1.0+1a2b3c4d". Static. */
const char *promp_local_build(void);

/* A connected socket at path, close-on-exec and non-blocking; never waits. OK, NODE_GONE (nobody listens),
 * NODE_TIMEOUT (too many wait in line: try again), FOREIGN_USER, SOCKET_PATH, DESCRIPTORS, SYSTEM. */
promp_err_t promp_local_open(const char *path, int *fd, promp_error_t *error);

/* A connected socket of the node, close-on-exec; starts the node when start is true and none runs, waiting up
 * to timeout ms. program: path of promp-node, NULL: $PROMP_NODE, beside this library (../bin, ../libexec),
 * the place of installation, $PATH. The node is started detached and never a zombie of this process. OK,
 * NODE_GONE (nobody there and start is false), NODE_PROGRAM, NODE_START, NODE_TIMEOUT, SOCKET_FOLDER,
 * FOREIGN_USER (who listens is another user). */
promp_err_t promp_local_connect(const promp_local_t *local, const char *program, bool start, int timeout,
                                int *fd, promp_error_t *error);

#endif
