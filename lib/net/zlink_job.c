#include "zlink_job.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct promp_zlink_job {
    atomic_int holders; /* the link and the thread */
    atomic_bool done;   /* what is below belongs to the thread until then */
    int event;
    char host[PROMP_LIMIT_ADDRESS + 1], port[8];
    promp_zlink_addresses_t addresses;
    promp_error_t verdict;
};

static void let_go(promp_zlink_job_t *job)
{
    if (atomic_fetch_sub(&job->holders, 1) > 1)
        return;
    close(job->event);
    free(job);
}

/* --- a name --- */

static int look_up(const char *host, const char *port, int flags, promp_zlink_addresses_t *addresses)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = flags | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    int e = getaddrinfo(host, port, &hints, &found);

    addresses->count = 0;
    if (e)
        return e;
    for (struct addrinfo *a = found; a && addresses->count < PROMP_LIMIT_BROKER_ADDRESSES; a = a->ai_next)
        if (a->ai_addrlen <= sizeof addresses->address[0])
            memcpy(&addresses->address[addresses->count++], a->ai_addr, a->ai_addrlen);
    freeaddrinfo(found);
    return addresses->count ? 0 : EAI_NONAME;
}

bool promp_zlink_numeric(const char *host, const char *port, promp_zlink_addresses_t *addresses)
{
    return look_up(host, port, AI_NUMERICHOST, addresses) == 0;
}

static void resolve(promp_zlink_job_t *job)
{
    int e = look_up(job->host, job->port, AI_ADDRCONFIG, &job->addresses);

    if (e)
        promp_error_set(&job->verdict, PROMP_ERR_BROKER_NAME, 0, "%s: %s", job->host, gai_strerror(e));
}

/* --- a greeting --- */

/* ZMTP 3.0 (RFC 23): signature, version, mechanism padded with zeros, and more that does not matter. */
enum { GREETING = 64, AT_VERSION = 10, AT_MECHANISM = 12, MECHANISM = 20 };

static bool wait_for(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};
    int n;

    do
        n = poll(&p, 1, PROMP_TIME_GREETING);
    while (n < 0 && errno == EINTR);
    return n > 0;
}

/* OK: connected. */
static promp_err_t reach(int fd, const struct sockaddr_storage *address, int *system)
{
    socklen_t size =
        address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);

    *system = 0;
    if (connect(fd, (const struct sockaddr *)address, size) == 0)
        return PROMP_OK;
    if (errno == EINPROGRESS) {
        socklen_t length = sizeof *system;
        if (!wait_for(fd, POLLOUT))
            *system = ETIMEDOUT;
        else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, system, &length) == 0 && *system == 0)
            return PROMP_OK;
    } else {
        *system = errno;
    }
    return PROMP_ERR_BROKER_ABSENT;
}

static promp_err_t judge(const uint8_t *theirs, size_t size)
{
    static const char curve[MECHANISM] = "CURVE";

    if (size < GREETING || theirs[0] != 0xFF || !(theirs[9] & 1) || theirs[AT_VERSION] < 3)
        return PROMP_ERR_NOT_A_BROKER;
    if (memcmp(theirs + AT_MECHANISM, curve, MECHANISM) != 0)
        return PROMP_ERR_NOT_CURVE;
    return PROMP_OK; /* libzmq does not say in its greeting which end is the server */
}

static promp_err_t converse(int fd)
{
    /* As far as the version: a peer with another mechanism would close on ours before it has told its own. */
    static const uint8_t ours[AT_MECHANISM] = {0xFF, [9] = 0x7F, [AT_VERSION] = 3};
    uint8_t theirs[GREETING];
    size_t size = 0;

    if (send(fd, ours, sizeof ours, MSG_NOSIGNAL) < 0)
        return PROMP_ERR_NOT_A_BROKER;
    while (size < sizeof theirs) {
        if (!wait_for(fd, POLLIN))
            return size ? PROMP_ERR_NOT_A_BROKER : PROMP_ERR_BROKER_SILENT;
        ssize_t n = recv(fd, theirs + size, sizeof theirs - size, 0);
        if (n <= 0)
            break; /* it closes: whatever it is, it is no broker */
        size += (size_t)n;
        if (theirs[0] != 0xFF)
            break;
    }
    return judge(theirs, size);
}

static void greet(promp_zlink_job_t *job)
{
    const struct sockaddr_storage *address = &job->addresses.address[0];
    int fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int system = errno;
    promp_err_t err = fd < 0 ? promp_error_from_errno(system) : reach(fd, address, &system);

    if (!err)
        err = converse(fd);
    if (err)
        promp_error_set(&job->verdict, err, system, NULL);
    if (fd >= 0)
        close(fd);
}

/* --- the thread --- */

static void finish(promp_zlink_job_t *job)
{
    atomic_store(&job->done, true);
    (void)eventfd_write(job->event, 1);
    let_go(job);
}

static void *run_resolve(void *job)
{
    resolve(job);
    finish(job);
    return NULL;
}

static void *run_greet(void *job)
{
    greet(job);
    finish(job);
    return NULL;
}

/* Detached, with all signals blocked: they are the host program's. */
static int start_thread(void *(*run)(void *), void *arg)
{
    pthread_attr_t attributes;
    sigset_t all, before;
    pthread_t thread;
    int e = pthread_attr_init(&attributes);

    if (e)
        return e;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    e = pthread_create(&thread, &attributes, run, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return e;
}

static promp_err_t start(promp_zlink_job_t *job, void *(*run)(void *), promp_zlink_job_t **job_p)
{
    *job_p = NULL;
    atomic_init(&job->holders, 2);
    atomic_init(&job->done, false);
    job->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int e = job->event < 0 ? errno : start_thread(run, job);
    if (e) {
        if (job->event >= 0)
            close(job->event);
        free(job);
        return e == EAGAIN ? PROMP_ERR_SYSTEM : promp_error_from_errno(e);
    }
    *job_p = job;
    return PROMP_OK;
}

promp_err_t promp_zlink_job_resolve(const char *host, const char *port, promp_zlink_job_t **job_p)
{
    promp_zlink_job_t *job = calloc(1, sizeof *job);

    *job_p = NULL;
    if (!job)
        return PROMP_ERR_MEMORY;
    if (strlen(host) >= sizeof job->host || strlen(port) >= sizeof job->port) {
        free(job);
        return PROMP_ERR_ARGUMENT;
    }
    strcpy(job->host, host);
    strcpy(job->port, port);
    return start(job, run_resolve, job_p);
}

promp_err_t promp_zlink_job_greet(const struct sockaddr_storage *address, promp_zlink_job_t **job_p)
{
    promp_zlink_job_t *job = calloc(1, sizeof *job);

    *job_p = NULL;
    if (!job)
        return PROMP_ERR_MEMORY;
    job->addresses.address[0] = *address;
    return start(job, run_greet, job_p);
}

int promp_zlink_job_fd(const promp_zlink_job_t *job)
{
    return job->event;
}

bool promp_zlink_job_done(promp_zlink_job_t *job, promp_error_t *error, promp_zlink_addresses_t *addresses)
{
    if (!atomic_load(&job->done))
        return false;
    *error = job->verdict;
    if (addresses)
        *addresses = job->addresses;
    return true;
}

void promp_zlink_job_end(promp_zlink_job_t **job_p)
{
    if (*job_p)
        let_go(*job_p);
    *job_p = NULL;
}
