/* container_inside.h - what the files of the local kinds share. */
#ifndef PROMP_CONTAINER_INSIDE_H
#define PROMP_CONTAINER_INSIDE_H

#include "container.h"

/* True when fd has so high a number that half of the descriptors this process may have are in use: then containers do
 * not hold it, for a container can do without and the rest of the process cannot. */
bool promp_container_fd_scarce(int fd);

/* Copies the bytes into a sealed memory file. NULL with code MEMORY: there is none; with any other code: it cannot be
 * done here, plain memory will do. */
promp_container_t *promp_container_sealed(const void *data, size_t size, promp_err_t *code);

/* See promp_container_lent. fd is taken over, also on failure. */
promp_container_t *promp_container_lent_memory(const promp_id_t *id, uint64_t size, int fd,
                                               promp_error_t *error);
promp_container_t *promp_container_lent_file(const promp_id_t *id, uint64_t size, int fd, uint64_t time,
                                             promp_error_t *error);

/* How files are opened: a FIFO does not block, a terminal does not become ours. Needs <fcntl.h>. */
#define PROMP_CONTAINER_OPEN (O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)

/* A regular file that is open as fd, as st tells. path: absolute and malloc'd; NULL: it cannot be opened again. Takes path
 * and fd over, also on failure. */
struct stat;
promp_container_t *promp_container_file_made(const promp_id_t *id, const struct stat *st, char *path, int fd,
                                             promp_error_t *error);

/* What a range is a part of; any other container itself. */
promp_container_t *promp_container_base(promp_container_t *container);

#endif
