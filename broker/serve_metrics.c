/* serve_metrics.c - the broker's figures for whoever asks by HTTP. */
#include <time.h>

#include "local.h"
#include "serve_inside.h"

static void look(void *arg, promp_metrics_t *metrics)
{
    const promp_serve_t *s = arg;

    metrics->build = promp_local_build();
    metrics->started = s->started;
    metrics->stopping = s->draining;
    promp_broker_core_count(s->core, &metrics->counters);
}

promp_err_t promp_serve_metrics_open(promp_serve_t *s, promp_error_t *error)
{
    promp_metrics_address_t address;

    s->started = (uint64_t)time(NULL);
    if (!*s->config.metrics)
        return PROMP_OK;
    (void)promp_metrics_address_read(s->config.metrics, &address); /* as it has been before */
    return promp_metrics_http_open(&address, look, s, &s->metrics, error);
}

int promp_serve_metrics_fd(const promp_serve_t *s, int64_t now)
{
    return s->metrics ? promp_metrics_http_fd(s->metrics, now) : -1;
}

int64_t promp_serve_metrics_tick(promp_serve_t *s, int64_t now)
{
    return s->metrics ? promp_metrics_http_tick(s->metrics, now) : PROMP_NEVER;
}
