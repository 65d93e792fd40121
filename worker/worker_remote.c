/* worker_remote.c - a remote container: each read begins fetches, waits for them like any other wait of a worker, and
 * copies without the lock. */
#include "worker_remote.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "error.h"

struct promp_worker_reads {
    pid_t pid;            /* in the child of a fork another one: the lock may be held there for ever */
    pthread_mutex_t lock; /* never held while the hub's is taken */
    pthread_cond_t left;
    promp_worker_t *worker; /* NULL: closing. What is below as well: under lock */
    unsigned inside;        /* calls that use worker */
    unsigned refs;
    promp_list_t remotes; /* those that live */
};

typedef struct {
    promp_container_t head;
    promp_node_t node; /* in reads->remotes */
    promp_worker_reads_t *reads;
    promp_remote_t *remote; /* of the worker's reader; under the hub's lock */
} remote_t;

/* --- who may use the worker --- */

promp_worker_reads_t *promp_worker_reads_new(promp_worker_t *worker)
{
    promp_worker_reads_t *reads = calloc(1, sizeof *reads);
    if (!reads)
        goto err0;
    if (pthread_mutex_init(&reads->lock, NULL))
        goto err1;
    if (pthread_cond_init(&reads->left, NULL))
        goto err2;
    reads->pid = getpid();
    reads->worker = worker;
    reads->refs = 1;
    promp_list_init(&reads->remotes);
    return reads;

err2:
    pthread_mutex_destroy(&reads->lock);
err1:
    free(reads);
err0:
    return NULL;
}

static void let_go(promp_worker_reads_t *reads)
{
    pthread_mutex_lock(&reads->lock);
    bool last = --reads->refs == 0;
    pthread_mutex_unlock(&reads->lock);
    if (!last)
        return;
    pthread_cond_destroy(&reads->left);
    pthread_mutex_destroy(&reads->lock);
    free(reads);
}

/* NULL: the worker is closing, or belongs to the parent process. */
static promp_worker_t *enter(promp_worker_reads_t *reads)
{
    if (getpid() != reads->pid)
        return NULL;
    pthread_mutex_lock(&reads->lock);
    promp_worker_t *worker = reads->worker;
    reads->inside += worker != NULL;
    pthread_mutex_unlock(&reads->lock);
    return worker;
}

static void leave(promp_worker_reads_t *reads)
{
    pthread_mutex_lock(&reads->lock);
    if (--reads->inside == 0)
        pthread_cond_broadcast(&reads->left);
    pthread_mutex_unlock(&reads->lock);
}

void promp_worker_reads_end(promp_worker_reads_t **reads_p)
{
    promp_worker_reads_t *reads = *reads_p;
    if (!reads)
        return;
    *reads_p = NULL;
    pthread_mutex_lock(&reads->lock);
    promp_worker_t *worker = reads->worker;
    reads->worker = NULL;
    pthread_mutex_unlock(&reads->lock);

    promp_hub_lock(worker->hub);
    promp_reader_t *reader = promp_worker_core_reader(worker->core);
    if (reader)
        promp_reader_fail(reader, PROMP_ERR_CONTAINER_GONE);
    promp_hub_notify(worker->hub);
    promp_hub_unlock(worker->hub);

    pthread_mutex_lock(&reads->lock);
    while (reads->inside)
        pthread_cond_wait(&reads->left, &reads->lock);
    /* Whoever still has one finds no worker any more, so that nobody else looks at it. */
    for (promp_node_t *node; (node = promp_list_first(&reads->remotes));) {
        promp_list_remove(&reads->remotes, node);
        promp_reader_close(reader, &PROMP_CONTAINER(node, remote_t, node)->remote);
    }
    pthread_mutex_unlock(&reads->lock);
    let_go(reads);
}

/* --- reading --- */

/* Who waits may be who drives and interrupts its own task: that signal comes before the next poll, and ends none. */
typedef struct {
    const promp_worker_t *worker;
    unsigned interrupts;
    promp_fetch_t fetch;
} waiting_t;

static bool is_over(void *arg)
{
    const waiting_t *w = arg;
    return promp_fetch_state(&w->fetch) != PROMP_ERR_TIMEOUT || w->worker->interrupts != w->interrupts;
}

static void copy(const promp_fetch_t *fetch, uint8_t *buffer)
{
    uint64_t at = fetch->offset, end = fetch->offset + fetch->size;
    while (at < end) {
        promp_slice_t piece = promp_fetch_piece(fetch, at);
        memcpy(buffer + (at - fetch->offset), piece.data, piece.size);
        at += piece.size;
    }
}

/* One fetch: waits, copies without the lock, which is held before and after. */
static promp_err_t fetch_piece(promp_worker_t *worker, remote_t *remote, uint64_t offset, uint8_t *buffer,
                               size_t size, promp_error_t *error)
{
    promp_reader_t *reader = promp_worker_core_reader(worker->core);
    waiting_t w = {.worker = worker, .interrupts = worker->interrupts};
    promp_fetch_begin(reader, remote->remote, offset, size, &w.fetch);
    promp_err_t err = promp_hub_wait(worker->hub, is_over, &w, PROMP_NEVER);
    if (!err && (err = promp_fetch_state(&w.fetch)) == PROMP_ERR_TIMEOUT)
        err = PROMP_ERR_STATE;
    const promp_error_t *told = promp_worker_core_read_error(worker->core);
    if (!err) {
        promp_hub_unlock(worker->hub);
        copy(&w.fetch, buffer);
        promp_hub_lock(worker->hub);
    } else if (err == told->code && error) {
        *error = *told;
    } else {
        promp_error_set(error, err, 0, NULL);
    }
    promp_fetch_end(reader, &w.fetch);
    return err;
}

static promp_err_t remote_read(promp_container_t *container, uint64_t offset, void *buffer, size_t size,
                               size_t *got, promp_error_t *error)
{
    remote_t *remote = PROMP_CONTAINER(container, remote_t, head);
    promp_worker_t *worker = enter(remote->reads);
    if (!worker)
        return promp_error_set(error, PROMP_ERR_CONTAINER_GONE, 0, "the worker has ended");
    promp_err_t err = PROMP_OK;
    promp_hub_lock(worker->hub);
    while (!err && *got < size) {
        size_t piece = size - *got < PROMP_LIMIT_FETCH ? size - *got : PROMP_LIMIT_FETCH;
        err = fetch_piece(worker, remote, offset + *got, (uint8_t *)buffer + *got, piece, error);
        *got += err ? 0 : piece;
    }
    promp_hub_unlock(worker->hub);
    leave(remote->reads);
    return err;
}

static void remote_advise(promp_container_t *container, promp_advice_t advice, uint64_t offset, uint64_t size)
{
    remote_t *remote = PROMP_CONTAINER(container, remote_t, head);
    promp_worker_t *worker = enter(remote->reads);
    if (!worker)
        return;
    promp_hub_lock(worker->hub);
    promp_remote_advise(remote->remote, advice, offset, size);
    promp_hub_unlock(worker->hub);
    leave(remote->reads);
}

/* --- its life --- */

static void shut(promp_worker_t *worker, promp_remote_t **remote, const promp_id_t *id)
{
    promp_hub_lock(worker->hub);
    if (*remote)
        promp_reader_close(promp_worker_core_reader(worker->core), remote);
    promp_worker_core_shut(worker->core, id);
    promp_hub_unlock(worker->hub);
}

static void remote_free(promp_container_t *container)
{
    remote_t *remote = PROMP_CONTAINER(container, remote_t, head);
    promp_worker_t *worker = enter(remote->reads);
    if (worker) {
        shut(worker, &remote->remote, &container->id);
        pthread_mutex_lock(&remote->reads->lock);
        promp_list_remove(&remote->reads->remotes, &remote->node);
        pthread_mutex_unlock(&remote->reads->lock);
        leave(remote->reads);
    }
    if (getpid() == remote->reads->pid)
        let_go(remote->reads);
    free(remote);
}

static const promp_container_ops_t remote_ops = {
    .read = remote_read, .advise = remote_advise, .free = remote_free};

promp_container_t *promp_worker_remote_new(promp_worker_reads_t *reads, const promp_id_t *id, uint64_t size,
                                           promp_error_t *error)
{
    promp_worker_t *worker = enter(reads);
    remote_t *remote = calloc(1, sizeof *remote);
    if (!worker) {
        promp_error_set(error, PROMP_ERR_CONTAINER_GONE, 0, NULL);
        goto err1;
    }
    promp_err_t err = remote ? promp_container_init(&remote->head, &remote_ops, id, size) : PROMP_ERR_MEMORY;
    if (!err) {
        promp_hub_lock(worker->hub);
        promp_reader_t *reader = promp_worker_core_reader(worker->core);
        remote->remote = reader ? promp_reader_open(reader, id, size) : NULL;
        promp_hub_unlock(worker->hub);
        err = remote->remote ? PROMP_OK : PROMP_ERR_MEMORY;
    }
    if (err) {
        promp_error_set(error, err, 0, NULL);
        goto err2;
    }
    remote->reads = reads;
    pthread_mutex_lock(&reads->lock);
    reads->refs++;
    promp_list_append(&reads->remotes, &remote->node);
    pthread_mutex_unlock(&reads->lock);
    leave(reads);
    return &remote->head;

err2:
    shut(worker, &(promp_remote_t *){NULL}, id);
    leave(reads);
err1:
    free(remote);
    return NULL;
}
