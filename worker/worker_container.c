/* worker_container.c - getting a container of the manager: asking for the name, and what the answer becomes. */
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "error.h"
#include "worker_inner.h"
#include "worker_remote.h"

/* Who waits may be who drives and interrupts its own task: that signal comes before the next poll, and ends none. */
typedef struct {
    const promp_worker_t *worker;
    unsigned interrupts;
    const promp_worker_opening_t *opening;
} waiting_t;

static bool is_over(void *arg)
{
    const waiting_t *w = arg;
    return w->opening->over || w->worker->interrupts != w->interrupts;
}

/* Asks and waits. OK: the opening holds the answer, which may be a refusal. */
static promp_err_t ask(promp_worker_t *worker, const char *name, bool plain, promp_worker_opening_t *opening)
{
    promp_hub_lock(worker->hub);
    promp_err_t err = promp_worker_core_open(worker->core, promp_slice_str(name), plain, opening);
    if (!err) {
        waiting_t w = {worker, worker->interrupts, opening};
        err = promp_hub_wait(worker->hub, is_over, &w, PROMP_NEVER);
        promp_worker_core_opened(worker->core, opening);
        if (opening->over) /* who has the answer must not drop it, whatever else came */
            err = PROMP_OK;
        else if (!err)
            err = PROMP_ERR_STATE;
    }
    promp_hub_unlock(worker->hub);
    return err;
}

static void discard(promp_worker_opening_t *opening)
{
    if (opening->lent.fd >= 0)
        close(opening->lent.fd);
    opening->lent.fd = -1;
    free(opening->body);
    opening->body = NULL;
}

/* Files may have half of the descriptors; the rest is for what tasks open. (Of memory only the mapping is kept then.) */
static bool affordable(int fd)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur == RLIM_INFINITY ||
           (rlim_t)fd < limit.rlim_cur / 2;
}

/* What the answer becomes; NULL with error.code OK: the descriptor is of no use here, bytes are wanted. */
static promp_container_t *make(promp_worker_t *worker, promp_worker_opening_t *opening, promp_error_t *error)
{
    promp_container_t *container = NULL;
    promp_lent_t lent = opening->lent;
    *error = opening->error;
    if (error->code)
        return NULL;
    if (lent.how != PROMP_LEND_NONE) {
        if (lent.fd < 0 || (lent.how == PROMP_LEND_FILE && !affordable(lent.fd)))
            return NULL;
        opening->lent.fd = -1; /* taken over */
        container = promp_container_lent(&opening->id, opening->size, &lent, error);
        if (!container && error->code != PROMP_ERR_CONTAINER_CHANGED)
            error->code = PROMP_OK;
        return container;
    }
    if (opening->data.size || !opening->size)
        return promp_container_inline(&opening->id, opening->data.data, opening->data.size, error);
    return promp_worker_remote_new(worker->reads, &opening->id, opening->size, error);
}

promp_err_t promp_worker_container(promp_worker_t *worker, const char *name, promp_container_t **container,
                                   promp_error_t *error)
{
    promp_error_t why = {0};
    promp_err_t err = worker && name && container ? PROMP_OK : PROMP_ERR_ARGUMENT;
    if (!err && promp_worker_forked(worker))
        err = PROMP_ERR_FORKED;
    if (err)
        return promp_error_set(error, err, 0, NULL);
    *container = NULL;
    for (int plain = 0; plain < 2 && !err && !*container && !why.code; plain++) {
        promp_worker_opening_t opening;
        err = ask(worker, name, plain, &opening);
        if (!err)
            *container = make(worker, &opening, &why);
        discard(&opening);
    }
    if (err)
        return promp_error_set(error, err, 0, NULL);
    if (*container)
        return PROMP_OK;
    if (!why.code)
        promp_error_set(&why, PROMP_ERR_MESSAGE_STATE, 0, "a descriptor came that was not wanted");
    if (error)
        *error = why;
    return why.code;
}
