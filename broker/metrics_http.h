/* metrics_http.h - answers HTTP for whoever watches the broker: GET and HEAD of /metrics and /healthz, each connection once. It has no
 * thread: its owner polls it together with all else, and calls it when there is something to do, so that what it asks for needs
 * no lock. A call takes no longer than its limits (limits.h) allow, whatever strangers send. It logs nothing. One thread. */
#ifndef PROMP_BROKER_METRICS_HTTP_H
#define PROMP_BROKER_METRICS_HTTP_H

#include "error.h"
#include "metrics.h"
#include "metrics_address.h"

typedef struct promp_metrics_http promp_metrics_http_t;

/* Fills in what is so now; called during promp_metrics_http_tick(). */
typedef void promp_metrics_look_t(void *arg, promp_metrics_t *metrics);

/* Listens at address, port 0: any. PORT_TAKEN, PORT_ADDRESS, DESCRIPTORS, MEMORY, SYSTEM. */
promp_err_t promp_metrics_http_open(const promp_metrics_address_t *address, promp_metrics_look_t *look,
                                    void *arg, promp_metrics_http_t **http, promp_error_t *error);
void promp_metrics_http_destroy(promp_metrics_http_t **http);

/* Where it listens, with the real port; valid as long as http. */
const char *promp_metrics_http_where(const promp_metrics_http_t *http);

/* To be polled for reading; -1: not at the moment, as it has just been busy. */
int promp_metrics_http_fd(const promp_metrics_http_t *http, int64_t now);

/* The descriptor was readable: the next tick does something. */
void promp_metrics_http_wake(promp_metrics_http_t *http, int64_t now);

/* Does what is to be done; returns when it wants to be called next, ms. */
int64_t promp_metrics_http_tick(promp_metrics_http_t *http, int64_t now);

#endif
