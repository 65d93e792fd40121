#include "auth_handler.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#include "auth_handler_inside.h"

#define ENDPOINT "inproc://zeromq.zap.01" /* where libzmq asks */

struct promp_auth_handler {
    void *socket; /* of the thread, from its start to its end */
    int end;      /* eventfd: the thread is to end */
    pthread_t thread;
    promp_auth_told_f *told;
    void *arg;
    pthread_mutex_t lock;
    promp_auth_store_t *store; /* lock */
    promp_auth_newer_f *newer; /* lock */
};

/* A share of the store that is used at the moment, or NULL. */
static promp_auth_store_t *current(promp_auth_handler_t *handler, promp_auth_newer_f **newer)
{
    pthread_mutex_lock(&handler->lock);
    promp_auth_store_t *store = handler->store ? promp_auth_store_share(handler->store) : NULL;
    *newer = handler->newer;
    pthread_mutex_unlock(&handler->lock);
    return store;
}

void promp_auth_handler_newer(promp_auth_handler_t *handler, promp_auth_newer_f *newer)
{
    pthread_mutex_lock(&handler->lock);
    handler->newer = newer;
    pthread_mutex_unlock(&handler->lock);
}

void promp_auth_handler_swap(promp_auth_handler_t *handler, promp_auth_store_t **store)
{
    pthread_mutex_lock(&handler->lock);
    promp_auth_store_t *old = handler->store;
    handler->store = *store;
    pthread_mutex_unlock(&handler->lock);
    *store = NULL;
    promp_auth_store_destroy(&old);
}

/* Takes a newer store into use where `old` still is; else somebody has taken one, which may be newer still. */
static void renew(promp_auth_handler_t *handler, const promp_auth_store_t *old, promp_auth_store_t *better)
{
    pthread_mutex_lock(&handler->lock);
    promp_auth_store_t *rest = handler->store == old ? handler->store : better;
    if (rest != better)
        handler->store = better;
    pthread_mutex_unlock(&handler->lock);
    promp_auth_store_destroy(&rest);
}

static void decide(promp_auth_handler_t *handler, const promp_auth_request_t *request,
                   promp_auth_decision_t *decision)
{
    promp_auth_newer_f *newer;
    promp_auth_store_t *store = current(handler, &newer), *better = NULL;

    promp_auth_zap_decide(store, request, (int64_t)time(NULL), decision);
    if (decision->reason == PROMP_ERR_ACCESS_UNKNOWN && store && newer)
        better = newer(handler->arg, store);
    if (better) {
        promp_auth_zap_decide(better, request, (int64_t)time(NULL), decision);
        renew(handler, store, better);
    }
    promp_auth_store_destroy(&store);
}

static void answer_one(promp_auth_handler_t *handler)
{
    promp_auth_question_t question;
    promp_auth_decision_t decision;

    if (!promp_auth_question_receive(handler->socket, &question))
        return;
    decide(handler, &question.request, &decision);
    if (handler->told)
        handler->told(handler->arg, &decision, question.address);
    promp_auth_question_answer(handler->socket, &question, &decision);
}

static void *serve(void *arg)
{
    promp_auth_handler_t *handler = arg;
    zmq_pollitem_t items[2] = {{.socket = handler->socket, .events = ZMQ_POLLIN},
                               {.fd = handler->end, .events = ZMQ_POLLIN}};
    for (;;) {
        int n = zmq_poll(items, 2, -1);
        if (n < 0 && errno != EINTR)
            break; /* the context was terminated */
        if (n > 0 && items[1].revents)
            break;
        if (n > 0 && items[0].revents)
            answer_one(handler);
    }
    zmq_unbind(handler->socket, ENDPOINT); /* closing alone would leave the name taken for a while */
    zmq_close(handler->socket);
    return NULL;
}

/* The thread takes no signals: those are the program's. */
static int start_thread(promp_auth_handler_t *handler)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int system = pthread_create(&handler->thread, NULL, serve, handler);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return system;
}

/* A bound socket, which the thread will use. */
static promp_err_t bind_socket(void *context, void **socket, promp_error_t *error)
{
    const int none = 0;
    *socket = zmq_socket(context, ZMQ_ROUTER);
    if (!*socket)
        return promp_error_set(error, promp_error_from_errno(errno), errno, "the socket of the ZAP handler");
    zmq_setsockopt(*socket, ZMQ_LINGER, &none, sizeof none);
    if (zmq_bind(*socket, ENDPOINT) == 0)
        return PROMP_OK;
    promp_err_t code = errno == EADDRINUSE ? PROMP_ERR_ZAP_TAKEN : promp_error_from_errno(errno);
    promp_error_set(error, code, code == PROMP_ERR_ZAP_TAKEN ? 0 : errno, NULL);
    zmq_close(*socket);
    return code;
}

promp_err_t promp_auth_handler_start(void *context, promp_auth_store_t **store, promp_auth_told_f *told,
                                     void *arg, promp_auth_handler_t **handler, promp_error_t *error)
{
    promp_err_t code = promp_auth_zmq_check(error);
    if (code)
        return code;
    promp_auth_handler_t *h = calloc(1, sizeof *h);
    if (!h)
        return promp_error_set(error, PROMP_ERR_MEMORY, 0, NULL);
    *h = (promp_auth_handler_t){.told = told, .arg = arg, .lock = PTHREAD_MUTEX_INITIALIZER};
    h->end = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (h->end < 0) {
        code = promp_error_set(error, promp_error_from_errno(errno), errno, "eventfd");
        goto err0;
    }
    code = bind_socket(context, &h->socket, error);
    if (code)
        goto err1;
    int system = start_thread(h);
    if (system) {
        code = promp_error_set(error, PROMP_ERR_SYSTEM, system, "starting a thread");
        goto err2;
    }
    promp_auth_handler_swap(h, store);
    *handler = h;
    return PROMP_OK;

err2:
    zmq_close(h->socket);
err1:
    close(h->end);
err0:
    free(h);
    return code;
}

void promp_auth_handler_stop(promp_auth_handler_t **handler)
{
    promp_auth_handler_t *h = *handler;
    if (!h)
        return;
    eventfd_write(h->end, 1);
    pthread_join(h->thread, NULL);
    close(h->end);
    promp_auth_store_destroy(&h->store);
    pthread_mutex_destroy(&h->lock);
    free(h);
    *handler = NULL;
}
