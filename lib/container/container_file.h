/* container_file.h - what the files of the kind "file" share. */
#ifndef PROMP_CONTAINER_CONTAINER_FILE_H
#define PROMP_CONTAINER_CONTAINER_FILE_H

#include <pthread.h>
#include <sys/types.h>

#include "container_inside.h"

typedef struct {
    promp_container_t head;
    char *path; /* absolute; NULL: lent, there is the descriptor only */
    dev_t device;
    ino_t inode;
    uint64_t time; /* of its last modification, ns since 1970 */
    uint64_t born; /* likewise; 0: the file system does not tell */
    pthread_mutex_t lock;
    int fd;         /* -1: opened for each read. This and the next two under lock */
    bool loose;     /* fd is closed as soon as nobody reads from it */
    unsigned users; /* that read from fd */
} promp_file_t;

/* container_file_now.c: see promp_container_ops_t. */
bool promp_container_file_read_now(promp_container_t *container, uint64_t offset, void *buffer, size_t size);
bool promp_container_file_lend_now(promp_container_t *container, promp_lent_t *lent);

#endif
