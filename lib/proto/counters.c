#include "counters.h"

#include "message.h"

_Static_assert(sizeof(promp_msg_counters_t) <= PROMP_OUT_SMALL, "COUNTERS is made on the spot");

#define ROW(field, kind, metric, label, value, group, text, doc)                                             \
    {#field,                                                                                                 \
     PROMP_COUNTERS_##kind,                                                                                  \
     metric,                                                                                                 \
     label,                                                                                                  \
     value,                                                                                                  \
     group,                                                                                                  \
     text,                                                                                                   \
     doc,                                                                                                    \
     offsetof(promp_msg_counters_t, field)},

static const promp_counters_row_t rows[] = {PROMP_COUNTERS(ROW)};

const promp_counters_row_t *promp_counters_rows(size_t *count)
{
    *count = sizeof rows / sizeof *rows;
    return rows;
}

uint64_t promp_counters_value(const void *counters, const promp_counters_row_t *row)
{
    uint64_t value;

    memcpy(&value, (const char *)counters + row->at, sizeof value);
    return value;
}
