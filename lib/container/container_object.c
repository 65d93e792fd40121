/* Bytes that the user's code supplies, and the queue of reads that wait for a thread of the user's. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "container_inside.h"
#include "text.h"

typedef struct {
    promp_container_t head;
    promp_container_object_t user;
    pthread_mutex_t turn; /* whose turn it is to call user.read; knows its owner (ERRORCHECK) */
    pthread_mutex_t lock; /* of what follows; never held in a call of the user's or of a job's done */
    pthread_cond_t news;  /* a job came, or the end */
    promp_container_job_t *first;
    promp_container_job_t **last; /* where the next job is hung up */
    bool ended;
} object_t;

static const promp_container_ops_t object_ops;

/* NULL: no object that is served by promp_container_serve. */
static object_t *served(promp_container_t *container)
{
    promp_container_t *base = container ? promp_container_base(container) : NULL;

    return base && base->ops == &object_ops && base->reader == PROMP_CONTAINER_SERVE ? (object_t *)base
                                                                                     : NULL;
}

/* --- reading --- */

/* What a failed read of the user's, which returned e and filled told or not, means for the reader. STATE would ask it to
 * call again, without end. */
static promp_err_t blame(promp_err_t e, promp_error_t *told, promp_error_t *error)
{
    const char *known = promp_error_text(told->code);
    bool own = told->code != PROMP_OK && told->code != PROMP_ERR_STATE &&
               strcmp(promp_error_name(told->code), "UNKNOWN") != 0;

    told->text[sizeof told->text - 1] = '\0';
    promp_text_tidy(told->text, true);
    if (!own && told->text[0])
        return promp_error_set(error, PROMP_ERR_CONTAINER_SOURCE, 0, "%s", told->text);
    if (!own)
        return promp_error_set(error, PROMP_ERR_CONTAINER_SOURCE, 0, "%s", promp_error_text(e));
    if (strncmp(told->text, known, strlen(known)) != 0)
        return promp_error_set(error, told->code, told->system, told->text[0] ? "%s" : NULL, told->text);
    if (error)
        *error = *told;
    return told->code;
}

static promp_err_t object_read(promp_container_t *container, uint64_t offset, void *buffer, size_t size,
                               size_t *got, promp_error_t *error)
{
    object_t *object = (object_t *)container;
    promp_error_t told = {.code = PROMP_OK};

    if (pthread_mutex_lock(&object->turn) == EDEADLK)
        return promp_error_set(error, PROMP_ERR_CONTAINER_SOURCE, 0, "its read reads from itself");
    promp_err_t e = object->user.read(object->user.arg, offset, buffer, size, &told);
    pthread_mutex_unlock(&object->turn);
    if (e)
        return blame(e, &told, error);
    *got = size;
    return PROMP_OK;
}

/* --- serving --- */

void promp_container_queue(promp_container_t *container, promp_container_job_t *job)
{
    object_t *object = served(container);

    job->next = NULL;
    job->gone = true;
    if (object) {
        pthread_mutex_lock(&object->lock);
        bool ended = object->ended;
        if (!ended) {
            *object->last = job;
            object->last = &job->next;
            pthread_cond_signal(&object->news);
        }
        pthread_mutex_unlock(&object->lock);
        if (!ended)
            return; /* the job may be done and freed by now */
    }
    job->done(job);
}

/* All that wait; under lock. */
static promp_container_job_t *take(object_t *object)
{
    promp_container_job_t *jobs = object->first;

    object->first = NULL;
    object->last = &object->first;
    return jobs;
}

static void finish(promp_container_job_t *jobs, bool gone)
{
    while (jobs) {
        promp_container_job_t *job = jobs;
        jobs = job->next;
        job->gone = gone;
        job->done(job);
    }
}

static struct timespec in_ms(int timeout)
{
    struct timespec at = {0, 0};

    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += timeout / 1000;
    at.tv_nsec += timeout % 1000 * 1000000L;
    if (at.tv_nsec >= 1000000000L) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000L;
    }
    return at;
}

promp_err_t promp_container_serve(promp_container_t *container, int timeout)
{
    object_t *object = served(container);

    if (!object)
        return PROMP_ERR_ARGUMENT;
    struct timespec at = in_ms(timeout > 0 ? timeout : 0);
    int e = 0;
    pthread_mutex_lock(&object->lock);
    while (!object->first && !object->ended && e == 0)
        e = timeout < 0 ? pthread_cond_wait(&object->news, &object->lock)
                        : pthread_cond_timedwait(&object->news, &object->lock, &at);
    promp_container_job_t *jobs = take(object);
    promp_err_t result = object->ended ? PROMP_ERR_CLOSED : jobs ? PROMP_OK : PROMP_ERR_TIMEOUT;
    pthread_mutex_unlock(&object->lock);

    finish(jobs, false);
    return result;
}

void promp_container_serve_end(promp_container_t *container)
{
    object_t *object = served(container);

    if (!object)
        return;
    pthread_mutex_lock(&object->lock);
    object->ended = true;
    promp_container_job_t *jobs = take(object);
    pthread_cond_broadcast(&object->news);
    pthread_mutex_unlock(&object->lock);
    finish(jobs, true);
}

/* --- its life --- */

static void object_free(promp_container_t *container)
{
    object_t *object = (object_t *)container;

    if (object->user.free)
        object->user.free(object->user.arg);
    pthread_cond_destroy(&object->news);
    pthread_mutex_destroy(&object->lock);
    pthread_mutex_destroy(&object->turn);
    free(object);
}

static const promp_container_ops_t object_ops = {.read = object_read, .free = object_free};

static int make_turn(pthread_mutex_t *turn)
{
    pthread_mutexattr_t attr;
    int e = pthread_mutexattr_init(&attr);

    if (e)
        return e;
    if (!(e = pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ERRORCHECK)))
        e = pthread_mutex_init(turn, &attr);
    pthread_mutexattr_destroy(&attr);
    return e;
}

static int make_news(pthread_cond_t *news)
{
    pthread_condattr_t attr;
    int e = pthread_condattr_init(&attr);

    if (e)
        return e;
    if (!(e = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC)))
        e = pthread_cond_init(news, &attr);
    pthread_condattr_destroy(&attr);
    return e;
}

promp_container_t *promp_container_object(const promp_container_object_t *object, promp_error_t *error)
{
    promp_err_t e = PROMP_ERR_MEMORY;
    int system = 0;

    if (!object || !object->read || object->size > INT64_MAX) {
        promp_error_set(error, PROMP_ERR_ARGUMENT, 0, "an object has a read and a size of up to 2^63 - 1");
        return NULL;
    }
    object_t *made = calloc(1, sizeof *made);
    if (!made)
        goto err0;
    if ((e = promp_container_init(&made->head, &object_ops, NULL, object->size)))
        goto err1;
    if ((system = make_turn(&made->turn)))
        goto err1;
    if ((system = pthread_mutex_init(&made->lock, NULL)))
        goto err2;
    if ((system = make_news(&made->news)))
        goto err3;
    made->head.reader = object->own_thread ? PROMP_CONTAINER_SERVE : PROMP_CONTAINER_PROCESS;
    made->user = *object;
    made->last = &made->first;
    return &made->head;

err3:
    pthread_mutex_destroy(&made->lock);
err2:
    pthread_mutex_destroy(&made->turn);
err1:
    free(made);
err0:
    promp_error_set(error, system ? promp_error_from_errno(system) : e, system, NULL);
    return NULL;
}
