/* manager_serve.c - the thread that serves what workers ask for.
 *
 * It takes one ask after the other from the core, does it without the hub's lock (a file may be slow), and gives the
 * answer back. It is detached: the end of a manager does not wait for a read that hangs. What it shares with the manager
 * is counted, and says when the manager is gone.
 */
#include "manager_serve.h"

#include <signal.h>
#include <stdlib.h>

#include "manager_answer.h"

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
    share->stream = manager->dial || (how && strcmp(how, "stream") == 0);
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

static void answer(struct promp_manager_share *share, const promp_ask_t *ask, promp_answer_t *what)
{
    if (enter(share)) {
        promp_manager_answer_send(share->manager, ask, what);
        leave(share);
    }
    promp_manager_answer_free(what);
}

void promp_manager_serve_read(struct promp_manager_share *share, const promp_ask_t *ask, bool gone)
{
    promp_answer_t what = {.lent.fd = -1};
    if (gone)
        promp_error_set(&what.error, PROMP_ERR_CONTAINER_GONE, 0, "nobody serves it any more");
    else
        promp_manager_answer_read(&what, ask, &(promp_buf_t){0});
    answer(share, ask, &what);
}

static void do_open(struct promp_manager_share *share, const promp_ask_t *ask)
{
    promp_answer_t what;
    promp_manager_answer_open(&what, ask, share->stream);
    answer(share, ask, &what);
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

/* --- the thread --- */

/* What it has in hand. A read is answered in the same turn of the lock that takes the next ask. */
typedef struct {
    promp_ask_t ask;
    promp_buf_t room;
    promp_container_t *dropped; /* to be dropped; else an ask */
    bool read;                  /* answer is to be sent */
    promp_answer_t answer;
} turn_t;

static void do_ask(struct promp_manager_share *share, turn_t *turn)
{
    promp_ask_t *ask = &turn->ask;
    if (ask->open) {
        do_open(share, ask);
    } else if (ask->container->reader == PROMP_CONTAINER_SERVE) {
        if (hand_over(share, ask))
            return;
        promp_manager_serve_read(share, ask, true);
    } else {
        promp_manager_answer_read(&turn->answer, ask, &turn->room);
        turn->read = true;
    }
    promp_container_drop(&ask->container);
}

/* The next ask, or a container to drop. False: there is neither, or no manager any more. */
static bool next(struct promp_manager_share *share, turn_t *turn)
{
    bool got = false;
    turn->dropped = NULL;
    if (enter(share)) {
        promp_manager_core_t *core = share->manager->core;
        if (turn->read)
            promp_manager_answer_send(share->manager, &turn->ask, &turn->answer);
        turn->dropped = promp_manager_core_dropped(core);
        got = !turn->dropped && promp_manager_core_ask(core, PROMP_ASK_THREAD, UINT64_MAX, &turn->ask);
        if (got)
            promp_manager_core_room(core, &turn->ask, &turn->room);
        leave(share);
    }
    if (turn->read)
        promp_manager_answer_free(&turn->answer);
    turn->read = false;
    return got || turn->dropped;
}

static void *serve(void *arg)
{
    struct promp_manager_share *share = arg;
    turn_t turn = {.read = false};
    bool stop = false;
    while (!stop) {
        while (next(share, &turn)) {
            if (turn.dropped)
                promp_container_drop(&turn.dropped);
            else
                do_ask(share, &turn);
            promp_buf_free(&turn.room);
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
