#include "metrics.h"

#include <stdarg.h>

/* Room for everything is counted in metrics.h; what would not fit all the same is left out. */
typedef struct {
    char *text;
    size_t size;
} out_t;

static void put_bytes(out_t *out, const char *text, size_t size)
{
    if (size > PROMP_METRICS_MOST - out->size)
        return;
    memcpy(out->text + out->size, text, size);
    out->size += size;
}

/* Strings one behind the other, up to a NULL. */
__attribute__((sentinel)) static void put(out_t *out, const char *first, ...)
{
    va_list args;

    va_start(args, first);
    for (const char *text = first; text; text = va_arg(args, const char *))
        put_bytes(out, text, strlen(text));
    va_end(args);
}

static void put_number(out_t *out, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;

    do
        digits[--at] = (char)('0' + value % 10);
    while (value /= 10);
    put_bytes(out, digits + at, sizeof digits - at);
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
    put(out, "# HELP promp_", row->metric, " ", NULL);
    if (several)
        put(out, row->group, ", by ", row->label, NULL);
    else
        put(out, row->doc, NULL);
    put(out, "\n# TYPE promp_", row->metric, row->kind == PROMP_COUNTERS_TOTAL ? " counter\n" : " gauge\n",
        NULL);
}

static void put_row(out_t *out, const promp_counters_row_t *row, uint64_t value)
{
    put(out, "promp_", row->metric, NULL);
    if (*row->label)
        put(out, "{", row->label, "=\"", row->value, "\"}", NULL);
    put(out, " ", NULL);
    if (row->kind == PROMP_COUNTERS_MILLI) {
        put_number(out, value / 1000);
        put(out, value % 1000 < 10 ? ".00" : value % 1000 < 100 ? ".0" : ".", NULL);
        put_number(out, value % 1000);
    } else {
        put_number(out, value);
    }
    put(out, "\n", NULL);
}

size_t promp_metrics_text(const promp_metrics_t *metrics, char text[PROMP_METRICS_MOST])
{
    out_t out = {text, 0};
    char build[256];
    size_t count;
    const promp_counters_row_t *row = promp_counters_rows(&count);

    put(&out,
        "# HELP promp_build_info the program\n# TYPE promp_build_info gauge\npromp_build_info{version=\"",
        escape(metrics->build, build, sizeof build), "\"} 1\n", NULL);
    put(&out,
        "# HELP promp_start_time_seconds when the broker began, in seconds since 1970\n"
        "# TYPE promp_start_time_seconds gauge\npromp_start_time_seconds ",
        NULL);
    put_number(&out, metrics->started);
    put(&out, "\n", NULL);
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || strcmp(row[i].metric, row[i - 1].metric) != 0)
            put_head(&out, &row[i], i + 1 < count && strcmp(row[i].metric, row[i + 1].metric) == 0);
        put_row(&out, &row[i], promp_counters_value(&metrics->counters, &row[i]));
    }
    return out.size;
}
