/* manager_serve.c - the thread that serves what workers ask for.
 *
 * It takes one ask after the other from the core, does it without the hub's lock (a file may be slow), and gives the
 * answer back. It is detached: the end of a manager does not wait for a read that hangs. What it shares with the manager
 * is counted, and says when the manager is gone.
 */
#include "manager_serve.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define STACK_SIZE (256 * 1024)

/* A read that promp_container_serve does. */
typedef struct {
    promp_container_job_t head;
    struct promp_manager_share *share;
    promp_ask_t ask;
} job_t;

/* --- its life --- */

static struct promp_manager_share *share_new(promp_manager_t *manager)
{
    struct promp_manager_share *share = calloc(1, sizeof *share);
    if (!share)
        goto err0;
    if (pthread_mutex_init(&share->lock, NULL))
        goto err1;
    if (pthread_mutex_init(&share->bell, NULL))
        goto err2;
    if (pthread_cond_init(&share->rung, NULL))
        goto err3;
    const char *how = getenv("PROMP_SHARE");
    share->manager = manager;
    share->stream = how && strcmp(how, "stream") == 0;
    share->refs = 1;
    return share;

err3:
    pthread_mutex_destroy(&share->bell);
err2:
    pthread_mutex_destroy(&share->lock);
err1:
    free(share);
err0:
    return NULL;
}

static void keep(struct promp_manager_share *share)
{
    pthread_mutex_lock(&share->lock);
    share->refs++;
    pthread_mutex_unlock(&share->lock);
}

void promp_manager_serve_let_go(struct promp_manager_share *share)
{
    pthread_mutex_lock(&share->lock);
    bool last = --share->refs == 0;
    pthread_mutex_unlock(&share->lock);
    if (!last)
        return;
    pthread_cond_destroy(&share->rung);
    pthread_mutex_destroy(&share->bell);
    pthread_mutex_destroy(&share->lock);
    free(share);
}

void promp_manager_serve_ring(struct promp_manager_share *share, bool stop)
{
    pthread_mutex_lock(&share->bell);
    share->work = true;
    share->stop = share->stop || stop;
    pthread_cond_signal(&share->rung);
    pthread_mutex_unlock(&share->bell);
}

/* --- doing --- */

/* Under share->lock with a manager, takes its hub's lock. False: the manager is gone, nothing is held. */
static bool enter(struct promp_manager_share *share)
{
    pthread_mutex_lock(&share->lock);
    if (share->manager) {
        promp_hub_lock(share->manager->hub);
        return true;
    }
    pthread_mutex_unlock(&share->lock);
    return false;
}

static void leave(struct promp_manager_share *share)
{
    promp_manager_signal(share->manager);
    promp_hub_unlock(share->manager->hub);
    pthread_mutex_unlock(&share->lock);
}

static promp_err_t read_ask(const promp_ask_t *ask, promp_buf_t *data, promp_error_t *error)
{
    size_t got = 0;
    *error = (promp_error_t){0};
    promp_err_t err = promp_buf_reserve(data, ask->size);
    if (err)
        return promp_error_set(error, err, 0, NULL);
    do {
        size_t more = 0;
        err = promp_container_read(ask->container, ask->offset + got, data->data + got, ask->size - got,
                                   &more, error);
        got += more;
    } while (err == PROMP_ERR_STATE); /* a signal handler ran */
    data->size = got;
    if (!err && got != ask->size)
        err = promp_error_set(error, PROMP_ERR_CONTAINER_SOURCE, 0, "%zu of %u bytes came", got, ask->size);
    if (!err)
        *error = (promp_error_t){0};
    else
        error->code = err;
    return err;
}

/* What is small comes along with the answer; what can be lent is; the rest is asked for piece by piece. */
static void prepare_open(promp_ask_t *ask, bool stream, promp_buf_t *data, promp_lent_t *lent,
                         promp_error_t *error)
{
    *lent = (promp_lent_t){PROMP_LEND_NONE, -1, 0};
    *error = (promp_error_t){0};
    if (!ask->container) {
        promp_error_set(error, PROMP_ERR_CONTAINER_NAME, 0, NULL);
        return;
    }
    uint64_t size = promp_container_size(ask->container);
    if (ask->container->reader != PROMP_CONTAINER_PLAIN || !size)
        return;
    if (size <= PROMP_LIMIT_INLINE) {
        ask->offset = 0;
        ask->size = (uint32_t)size;
        read_ask(ask, data, error);
    } else if (!stream && !ask->plain && promp_container_lend(ask->container, lent, error)) {
        lent->how = PROMP_LEND_NONE;
        if (error->code == PROMP_ERR_DESCRIPTORS) /* then it is read here, when it can be */
            *error = (promp_error_t){0};
    }
}

/* Sends the descriptor; where there is no way for it the bytes travel. Hub's lock held. */
static promp_lend_t send_lent(promp_manager_t *manager, const promp_ask_t *ask, const promp_lent_t *lent)
{
    const promp_message_t lend = {PROMP_TYPE_LEND, .lend.request = ask->request};
    return promp_hub_hand(manager->hub, &ask->session, &lend, lent->fd) ? PROMP_LEND_NONE : lent->how;
}

static void do_open(struct promp_manager_share *share, promp_ask_t *ask)
{
    promp_buf_t data = {0};
    promp_lent_t lent;
    promp_error_t error;
    prepare_open(ask, share->stream, &data, &lent, &error);
    if (enter(share)) {
        promp_msg_opened_t message = {.time = lent.time};
        if (!error.code && lent.how != PROMP_LEND_NONE)
            message.lent = (uint8_t)send_lent(share->manager, ask, &lent);
        if (!error.code)
            message.data = promp_slice(data.data, data.size);
        promp_manager_core_opened(share->manager->core, ask, &message, &error);
        leave(share);
    }
    if (lent.fd >= 0)
        close(lent.fd);
    promp_buf_free(&data);
}

void promp_manager_serve_read(struct promp_manager_share *share, const promp_ask_t *ask, bool gone)
{
    promp_buf_t data = {0};
    promp_error_t error = {0};
    if (gone)
        promp_error_set(&error, PROMP_ERR_CONTAINER_GONE, 0, "nobody serves it any more");
    else
        read_ask(ask, &data, &error);
    if (enter(share)) {
        promp_manager_core_chunk(share->manager->core, ask, &data, &error);
        leave(share);
    }
    promp_buf_free(&data);
}

/* --- reads that somebody else does --- */

static void job_done(promp_container_job_t *head)
{
    job_t *job = (job_t *)head;
    promp_manager_serve_read(job->share, &job->ask, head->gone);
    promp_container_drop(&job->ask.container);
    promp_manager_serve_let_go(job->share);
    free(job);
}

/* True when the job is on its way; it has the ask's reference then. */
static bool hand_over(struct promp_manager_share *share, const promp_ask_t *ask)
{
    job_t *job = calloc(1, sizeof *job);
    if (!job)
        return false;
    *job = (job_t){.head = {.container = ask->container, .done = job_done}, .share = share, .ask = *ask};
    keep(share);
    promp_container_queue(ask->container, &job->head);
    return true;
}

static void do_ask(struct promp_manager_share *share, promp_ask_t *ask)
{
    if (ask->open) {
        do_open(share, ask);
    } else if (ask->container->reader == PROMP_CONTAINER_SERVE) {
        if (hand_over(share, ask))
            return;
        promp_manager_serve_read(share, ask, true);
    } else {
        promp_manager_serve_read(share, ask, false);
    }
    promp_container_drop(&ask->container);
}

/* --- the thread --- */

/* The next ask, or a container to drop. False: there is neither, or no manager any more. */
static bool next(struct promp_manager_share *share, promp_ask_t *ask, promp_container_t **dropped)
{
    if (!enter(share))
        return false;
    *dropped = promp_manager_core_dropped(share->manager->core);
    bool got = !*dropped && promp_manager_core_ask(share->manager->core, PROMP_ASK_THREAD, UINT64_MAX, ask);
    leave(share);
    return got || *dropped;
}

static void *serve(void *arg)
{
    struct promp_manager_share *share = arg;
    bool stop = false;
    while (!stop) {
        promp_ask_t ask;
        promp_container_t *dropped;
        while (next(share, &ask, &dropped)) {
            if (dropped)
                promp_container_drop(&dropped);
            else
                do_ask(share, &ask);
        }
        pthread_mutex_lock(&share->bell);
        while (!share->work)
            pthread_cond_wait(&share->rung, &share->bell);
        share->work = false;
        stop = share->stop;
        pthread_mutex_unlock(&share->bell);
    }
    promp_manager_serve_let_go(share);
    return NULL;
}

static promp_err_t start_thread(struct promp_manager_share *share, int *system)
{
    pthread_attr_t attr;
    sigset_t all, before;
    pthread_t thread;

    if ((*system = pthread_attr_init(&attr)))
        return PROMP_ERR_SYSTEM;
    (void)pthread_attr_setstacksize(&attr, STACK_SIZE);
    (void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    keep(share);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    *system = pthread_create(&thread, &attr, serve, share);
    if (!*system)
        (void)pthread_setname_np(thread, "promp-share");
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    if (*system)
        promp_manager_serve_let_go(share);
    return *system ? PROMP_ERR_SYSTEM : PROMP_OK;
}

struct promp_manager_share *promp_manager_serve_new(promp_manager_t *manager, promp_err_t *err, int *system)
{
    struct promp_manager_share *share = share_new(manager);
    *system = 0;
    *err = share ? start_thread(share, system) : PROMP_ERR_MEMORY;
    if (*err && share) {
        promp_manager_serve_let_go(share);
        share = NULL;
    }
    return share;
}
