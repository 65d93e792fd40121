#include "metrics.h"

#include <stdarg.h>
#include <stdio.h>

/* Room for everything is counted in metrics.h; what would not fit all the same is left out. */
typedef struct {
    char *text;
    size_t size;
} out_t;

__attribute__((format(printf, 2, 3))) static void put(out_t *out, const char *format, ...)
{
    const size_t room = PROMP_METRICS_MOST - out->size;
    va_list args;

    va_start(args, format);
    const int size = vsnprintf(out->text + out->size, room, format, args);
    va_end(args);
    if (size > 0 && (size_t)size < room)
        out->size += (size_t)size;
}

/* The value of a label: quote, backslash and line feed are written with a backslash, at most room - 1 bytes. */
static const char *escape(const char *value, char *text, size_t room)
{
    size_t size = 0;

    for (; *value && size + 2 < room; value++) {
        if (*value == '"' || *value == '\\' || *value == '\n')
            text[size++] = '\\';
        text[size++] = *value == '\n' ? 'n' : *value;
    }
    text[size] = '\0';
    return text;
}

/* Rows of one metric have one head. */
static void put_head(out_t *out, const promp_counters_row_t *row, bool several)
{
    put(out, "# HELP promp_%s ", row->metric);
    if (several)
        put(out, "%s, by %s\n", row->group, row->label);
    else
        put(out, "%s\n", row->doc);
    put(out, "# TYPE promp_%s %s\n", row->metric, row->kind == PROMP_COUNTERS_TOTAL ? "counter" : "gauge");
}

static void put_row(out_t *out, const promp_counters_row_t *row, uint64_t value)
{
    put(out, "promp_%s", row->metric);
    if (*row->label)
        put(out, "{%s=\"%s\"}", row->label, row->value);
    if (row->kind == PROMP_COUNTERS_MILLI)
        put(out, " %llu.%03u\n", (unsigned long long)(value / 1000), (unsigned)(value % 1000));
    else
        put(out, " %llu\n", (unsigned long long)value);
}

size_t promp_metrics_text(const promp_metrics_t *metrics, char text[PROMP_METRICS_MOST])
{
    out_t out = {text, 0};
    char build[256];
    size_t count;
    const promp_counters_row_t *row = promp_counters_rows(&count);

    put(&out, "# HELP promp_build_info the program\n# TYPE promp_build_info gauge\n");
    put(&out, "promp_build_info{version=\"%s\"} 1\n", escape(metrics->build, build, sizeof build));
    put(&out, "# HELP promp_start_time_seconds when the broker began, in seconds since 1970\n"
              "# TYPE promp_start_time_seconds gauge\n");
    put(&out, "promp_start_time_seconds %lld\n", (long long)metrics->started);
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || strcmp(row[i].metric, row[i - 1].metric) != 0)
            put_head(&out, &row[i], i + 1 < count && strcmp(row[i].metric, row[i + 1].metric) == 0);
        put_row(&out, &row[i], promp_counters_value(&metrics->counters, &row[i]));
    }
    return out.size;
}
