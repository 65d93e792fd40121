/* promp_container.h - containers: read-only bytes that are read where they lie. A manager shares them by name, a worker
 * reads them as if they were its own, and only what is read travels.
 *
 * A container never changes and is counted: who makes or keeps one drops it. All functions here: any thread, at the same
 * time too. Where the bytes lie: in this process (promp_container_bytes), in sealed memory that other processes can map,
 * in a file (read by pread, never mapped, so a file that shrinks is an error and not a SIGBUS), in an object of
 * yours, or at a worker's manager.
 */
#ifndef PROMP_CONTAINER_H
#define PROMP_CONTAINER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "promp_error.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifndef PROMP_EXPORT
#define PROMP_EXPORT __attribute__((visibility("default")))
#endif

typedef struct promp_container promp_container_t;

#define PROMP_CONTAINER_NOWHERE UINT64_MAX /* no such offset: promp_container_find found nothing */

/* Makers return NULL on failure with *error (may be NULL) filled. */

/* Copies the bytes; from PROMP_SEALED_FROM on into a sealed memory file, which workers on this host map. */
PROMP_EXPORT promp_container_t *promp_container_bytes(const void *data, size_t size, promp_error_t *error);

/* A regular file as it is now: when it changes later (size or time of modification, which a write through a mapping may
 * leave as it was), reads fail with CONTAINER_CHANGED. A file whose path is given to another one or removed is read on as
 * it was, while there are few; those for which no descriptor is kept open fail with CONTAINER_CHANGED. */
PROMP_EXPORT promp_container_t *promp_container_file(const char *path, promp_error_t *error);

/* A memory file that is sealed against writing, growing and shrinking (else ARGUMENT); fd stays the caller's. */
PROMP_EXPORT promp_container_t *promp_container_memory(int fd, promp_error_t *error);

/* Bytes that your code supplies. */
typedef struct {
    uint64_t size; /* at most INT64_MAX */
    /* Fills buffer with the size bytes at offset, all below the size above. OK; anything else, with error filled or not,
     * fails that read and nothing more. One call at a time; it cannot read from the container itself. */
    promp_err_t (*read)(void *arg, uint64_t offset, void *buffer, size_t size, promp_error_t *error);
    void (*free)(void *arg); /* with the last reference, in any thread; may be NULL */
    void *arg;
    /* Who calls read for workers. False: promp_manager_process of the manager that shares it. True: whoever calls
     * promp_container_serve. (promp_container_read of this process calls it at once, in its own thread.) */
    bool own_thread;
} promp_container_object_t;
/* NULL: free was not called. */
PROMP_EXPORT promp_container_t *promp_container_object(const promp_container_object_t *object,
                                                       promp_error_t *error);

/* Serves the reads of workers that wait for an object with own_thread; waits up to timeout ms (negative: without end) for
 * the first. OK: some were served; TIMEOUT; CLOSED after promp_container_serve_end; ARGUMENT: no such object. */
PROMP_EXPORT promp_err_t promp_container_serve(promp_container_t *container, int timeout);
/* promp_container_serve returns CLOSED from now on, in all threads; reads of workers fail with CONTAINER_GONE. May be called
 * from the object's own free. */
PROMP_EXPORT void promp_container_serve_end(promp_container_t *container);

/* A part of another, size bytes from offset on (cut to what there is; offset beyond the end: ARGUMENT). It keeps the
 * other one. */
PROMP_EXPORT promp_container_t *promp_container_range(promp_container_t *container, uint64_t offset,
                                                      uint64_t size, promp_error_t *error);

PROMP_EXPORT promp_container_t *promp_container_keep(promp_container_t *container); /* returns it */
PROMP_EXPORT void promp_container_drop(promp_container_t **container); /* NULL afterwards; NULL is fine */

/* How many bytes it has. */
PROMP_EXPORT uint64_t promp_container_size(const promp_container_t *container);
/* Where all of it is mapped, valid as long as the container is kept; NULL: it is not mapped here, or empty. */
PROMP_EXPORT const void *promp_container_data(const promp_container_t *container);

/* Copies size bytes from offset on; beyond the end there are none: *got says how many came. OK means that all came that
 * there are. Else nothing may be concluded from the buffer beyond *got bytes: STATE (a signal handler ran while it waited:
 * call again for the rest), CONTAINER_CHANGED, CONTAINER_GONE (the manager or owner is gone), CONTAINER_SOURCE (the
 * object's read failed), MEMORY, DESCRIPTORS, SYSTEM. */
PROMP_EXPORT promp_err_t promp_container_read(promp_container_t *container, uint64_t offset, void *buffer,
                                              size_t size, size_t *got, promp_error_t *error);

/* Offset of the first occurrence of pattern that lies in [from, to) (to is cut to the size), or
 * PROMP_CONTAINER_NOWHERE. Streams in pieces; stop (may be NULL) is asked between them: true ends the search with
 * TASK_ABORTED. An empty pattern is found at from, if that is not beyond the end. Errors of _read, but STATE is
 * handled: it asks stop and goes on. */
PROMP_EXPORT promp_err_t promp_container_find(promp_container_t *container, const void *pattern, size_t size,
                                              uint64_t from, uint64_t to, bool (*stop)(void *arg), void *arg,
                                              uint64_t *at, promp_error_t *error);

typedef enum {
    PROMP_ADVISE_NORMAL,     /* watch how it is read, and read ahead accordingly */
    PROMP_ADVISE_SEQUENTIAL, /* read ahead far from the first read on */
    PROMP_ADVISE_RANDOM,     /* never read ahead */
    PROMP_ADVISE_SOON        /* the range will be read soon: fetch it, as far as the cache takes it */
} promp_advice_t;
/* A hint; the first three for the whole container, offset and size for SOON. */
PROMP_EXPORT void promp_container_advise(promp_container_t *container, promp_advice_t advice, uint64_t offset,
                                         uint64_t size);

#ifdef __cplusplus
}
#endif
#endif
