/* metrics.h - the broker's figures as text, in the exposition format 0.0.4 of Prometheus. Pure; any thread. */
#ifndef PROMP_BROKER_METRICS_H
#define PROMP_BROKER_METRICS_H

#include "message.h"

#define PROMP_METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

typedef struct {
    const char *build; /* name and version of the program */
    uint64_t started;  /* seconds since 1970 */
    bool stopping;     /* it is about to end; not in the text */
    promp_msg_counters_t counters;
} promp_metrics_t;

/* The most bytes that the rows of counters.h, and the two lines about the program, can become: of each row help, type and
 * sample. */
#define PROMP_METRICS_ROOM(field, kind, metric, label, value, group, text, doc)                              \
    +3 * sizeof "promp_" metric + sizeof group doc label label value + 96
enum { PROMP_METRICS_MOST = 2048 PROMP_COUNTERS(PROMP_METRICS_ROOM) };

/* Writes all metrics: promp_build_info, promp_start_time_seconds, and those of counters.h. Returns the size of the text, which has no NUL behind it. */
size_t promp_metrics_text(const promp_metrics_t *metrics, char text[PROMP_METRICS_MOST]);

#endif
