/* container.h - what a container is inside promp: one interface, several kinds. The public half is promp_container.h.
 * Any thread. */
#ifndef PROMP_CONTAINER_CONTAINER_H
#define PROMP_CONTAINER_CONTAINER_H

#include <stdatomic.h>

#include "base.h"
#include "error.h"
#include "promp_container.h"

/* A descriptor that shows the same bytes in another process of this host. */
typedef enum {
    PROMP_LEND_NONE,   /* reads have to be asked for */
    PROMP_LEND_MEMORY, /* sealed memory: to be mapped, after its seals were checked */
    PROMP_LEND_FILE    /* to be read by pread, never mapped */
} promp_lend_t;

typedef struct {
    promp_lend_t how;
    int fd;        /* -1 with NONE; else the caller closes it */
    uint64_t time; /* FILE: time of its last modification, ns since 1970 */
} promp_lent_t;

/* Who reads it. A container of kind OBJECT is read in promp_manager_process or promp_container_serve only, when a worker
 * asks; all others in any thread. */
typedef enum {
    PROMP_CONTAINER_PLAIN,
    PROMP_CONTAINER_PROCESS,
    PROMP_CONTAINER_SERVE
} promp_container_reader_t;

typedef struct {
    /* offset + size <= the container's size, size > 0. Fills all of buffer, or fails; *got (never NULL) counts the bytes
     * that are good. */
    promp_err_t (*read)(promp_container_t *container, uint64_t offset, void *buffer, size_t size, size_t *got,
                        promp_error_t *error);
    /* NULL or returns NULL: not mapped. */
    const void *(*data)(const promp_container_t *container);
    /* NULL: NONE. OK with NONE: cannot be lent at the moment. */
    promp_err_t (*lend)(promp_container_t *container, promp_lent_t *lent, promp_error_t *error);
    /* Like read and lend, but they wait for nothing, be it a disk, and run no user's code. False, with nothing done: they
     * might have to, or failed (then the ones above say why). NULL: false. */
    bool (*read_now)(promp_container_t *container, uint64_t offset, void *buffer, size_t size);
    bool (*lend_now)(promp_container_t *container, promp_lent_t *lent);
    void (*advise)(promp_container_t *container, promp_advice_t advice, uint64_t offset,
                   uint64_t size); /* NULL: nothing happens */
    /* It keeps no descriptor open from now on: there are too many (PROMP_LIMIT_OPEN_FILES). A file is then opened anew for
     * each read and lending, and read as before as long as its path names it; sealed memory is not lent any more; a lent
     * file has nothing but its descriptor and keeps it. NULL: it holds none; the sharer counts the others. */
    void (*loosen)(promp_container_t *container);
    void (*free)(promp_container_t *container); /* frees the container itself, too */
} promp_container_ops_t;

/* The head of each kind's struct. */
struct promp_container {
    atomic_uint refs;
    promp_id_t id; /* made by the first owner; the same at every level that it is passed on to */
    uint64_t size;
    promp_container_reader_t reader;
    const promp_container_ops_t *ops;
};

/* Fills the head: one reference; id NULL: a new one (then SYSTEM when there is no randomness). */
promp_err_t promp_container_init(promp_container_t *container, const promp_container_ops_t *ops,
                                 const promp_id_t *id, uint64_t size);

/* What a lent descriptor shows. memory: fd is checked for its seals and its size (else MESSAGE_FIELD) and mapped; file: its
 * kind (else MESSAGE_FIELD), size and time (else CONTAINER_CHANGED) are checked. Takes fd over, also on failure. */
promp_container_t *promp_container_lent(const promp_id_t *id, uint64_t size, const promp_lent_t *lent,
                                        promp_error_t *error);
/* Likewise from bytes that came along; copied into plain memory. */
promp_container_t *promp_container_inline(const promp_id_t *id, const void *data, size_t size,
                                          promp_error_t *error);

promp_err_t promp_container_lend(promp_container_t *container, promp_lent_t *lent, promp_error_t *error);
void promp_container_loosen(promp_container_t *container);
/* The ones that never wait: false where promp_container_read or _lend has to be asked. offset + size <= its size. */
bool promp_container_read_now(promp_container_t *container, uint64_t offset, void *buffer, size_t size);
bool promp_container_lend_now(promp_container_t *container, promp_lent_t *lent);
/* Drops a reference unless it is the last one: false, and it is still the caller's. Never runs anybody's code. */
bool promp_container_drop_spare(promp_container_t *container);

/* --- reads of workers that somebody else serves --- */

/* One read to be done in the right thread. Made and freed by whoever asks, who keeps the container until then; done is
 * called exactly once, without locks: by promp_container_serve, or with gone set when nobody serves any more. */
typedef struct promp_container_job {
    struct promp_container_job *next;
    promp_container_t *container;
    void (*done)(
        struct promp_container_job *job); /* reads and answers, by promp_container_read or as it likes */
    bool gone;                            /* nobody serves: answer with CONTAINER_GONE */
} promp_container_job_t;

/* Queues a job at a container of kind SERVE. For any other, and after promp_container_serve_end, done is called at once
 * with gone set. */
void promp_container_queue(promp_container_t *container, promp_container_job_t *job);

#endif
