/* zlink_job.h - what connecting asks the system and cannot be hurried: a name, or a port what it is. Each in a thread of its
 * own that nobody waits for: who loses interest lets go, and the thread cleans up when it is done. */
#ifndef PROMP_NET_ZLINK_JOB_H
#define PROMP_NET_ZLINK_JOB_H

#include <sys/socket.h>

#include "error.h"
#include "limits.h"

typedef struct {
    struct sockaddr_storage address[PROMP_LIMIT_BROKER_ADDRESSES];
    size_t count;
} promp_zlink_addresses_t;

typedef struct promp_zlink_job promp_zlink_job_t;

/* An address in numbers, without a job; false: it is a name. */
bool promp_zlink_numeric(const char *host, const char *port, promp_zlink_addresses_t *addresses);

/* Looks a name up: OK and its addresses, or BROKER_NAME. MEMORY, DESCRIPTORS, SYSTEM: *job is NULL. */
promp_err_t promp_zlink_job_resolve(const char *host, const char *port, promp_zlink_job_t **job);

/* Reads the greeting of the port: OK (ZMTP with CURVE), BROKER_ABSENT, BROKER_SILENT, NOT_A_BROKER, NOT_CURVE. It
 * waits at most PROMP_TIME_GREETING ms for each step. */
promp_err_t promp_zlink_job_greet(const struct sockaddr_storage *address, promp_zlink_job_t **job);

/* Becomes readable when the job is done. */
int promp_zlink_job_fd(const promp_zlink_job_t *job);

/* False: not done yet. error gets verdict and words. addresses may be NULL. */
bool promp_zlink_job_done(promp_zlink_job_t *job, promp_error_t *error, promp_zlink_addresses_t *addresses);

/* Lets go, done or not. NULL is fine. */
void promp_zlink_job_end(promp_zlink_job_t **job);

#endif
