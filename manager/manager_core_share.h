/* manager_core_share.h - the part of the manager's core for containers: what is shared under which name, which worker
 * has what open, and what they ask for. The core reads no container: each question (an ask) is taken by the shell, in the
 * thread where it belongs, and its answer is given back. Same lock as the core. */
#ifndef PROMP_MANAGER_MANAGER_CORE_SHARE_H
#define PROMP_MANAGER_MANAGER_CORE_SHARE_H

#include "container.h"
#include "manager_core.h"
#include "message.h"

typedef enum {
    PROMP_ASK_THREAD,  /* the thread that serves containers */
    PROMP_ASK_PROCESS, /* promp_manager_process */
    PROMP_ASK_PLACES
} promp_ask_place_t;

typedef struct {
    uint32_t worker;
    promp_id_t session; /* of that worker */
    uint32_t request;
    bool open;  /* OPEN, else READ */
    bool plain; /* OPEN: bytes are wanted, not a descriptor */
    /* One reference belongs to whoever takes the ask; NULL: an OPEN of a name that is not shared. */
    promp_container_t *container;
    uint64_t offset;
    uint32_t size;
    uint64_t mark;
} promp_ask_t;

/* Keeps container under name, which is UTF-8. *before: what the name meant until now, to be dropped without the lock;
 * NULL: nothing. OK, ARGUMENT (name), CONTAINER_LIMIT, MEMORY. */
promp_err_t promp_manager_core_share(promp_manager_core_t *core, promp_slice_t name,
                                     promp_container_t *container, promp_container_t **before);
/* What it meant, to be dropped without the lock; NULL: nothing. Workers that have it open keep it. */
promp_container_t *promp_manager_core_unshare(promp_manager_core_t *core, promp_slice_t name);
bool promp_manager_core_shares(const promp_manager_core_t *core, promp_slice_t name);

/* There is something to be done at place: asks, or (THREAD) containers to be dropped. */
bool promp_manager_core_asked(const promp_manager_core_t *core, promp_ask_place_t place);
/* The next ask that came by mark (see promp_manager_core_mark; UINT64_MAX: any), of the workers in turn; none of a worker
 * that has PROMP_LIMIT_ANSWERS of answers unsent. */
bool promp_manager_core_ask(promp_manager_core_t *core, promp_ask_place_t place, uint64_t mark,
                            promp_ask_t *ask);
/* Offers the asks of THREAD to answer(), of each worker in their order and up to the first that it declines (false, with
 * nothing done). It answers by promp_manager_core_opened or _chunk; the ask's reference is not its. */
void promp_manager_core_offer(promp_manager_core_t *core, bool (*answer)(void *arg, const promp_ask_t *ask),
                              void *arg);
/* A container that no worker has open any more; the caller drops it without the lock. NULL: none. */
promp_container_t *promp_manager_core_dropped(promp_manager_core_t *core);

/* The answer to an OPEN. error.code OK: what message says besides request, id and size; neither lent nor with data it is
 * open from now on, and the worker may read. Ignored when the worker is gone. */
void promp_manager_core_opened(promp_manager_core_t *core, const promp_ask_t *ask,
                               promp_msg_opened_t *message, const promp_error_t *error);
/* An empty buffer for the answer to a READ, where that is a large one: those are used again. Without, whoever reads makes
 * its own. */
void promp_manager_core_room(promp_manager_core_t *core, const promp_ask_t *ask, promp_buf_t *room);
/* One that was not needed. Frees also what is none of them. */
void promp_manager_core_spare(promp_manager_core_t *core, promp_buf_t *room);
/* The answer to a READ: error.code OK and data of the size asked for (moves in, empty afterwards), or the error. */
void promp_manager_core_chunk(promp_manager_core_t *core, const promp_ask_t *ask, promp_buf_t *data,
                              const promp_error_t *error);

#endif
