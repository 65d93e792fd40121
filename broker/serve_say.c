/* serve_say.c - what the broker tells its operator. */
#include <stdarg.h>
#include <stdio.h>

#include "serve_inside.h"
#include "z85.h"

#define PROGRAM "promp-broker"

static void write_line(promp_serve_t *s, promp_log_level_t level, promp_err_t code, const char *text)
{
    const promp_log_t log = {2, (promp_log_level_t)atomic_load(&s->level), PROGRAM};

    promp_log(&log, level, code, "%s", text);
}

void promp_serve_say(promp_serve_t *s, promp_log_level_t level, promp_err_t code, const char *format, ...)
{
    char text[900];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    write_line(s, level, code, text);
}

/* True: a line may be written; what was left out is told first. */
static bool may(promp_serve_t *s, promp_lines_t *lines, promp_log_level_t level)
{
    uint64_t left_out;

    if ((int)level > atomic_load(&s->level) || !promp_lines_take(lines, promp_clock_ms(), &left_out))
        return false;
    if (left_out)
        promp_serve_say(s, PROMP_LOG_WARNING, PROMP_OK, "%llu lines like the next one were left out",
                        (unsigned long long)left_out);
    return true;
}

void promp_serve_say_peer(promp_serve_t *s, promp_log_level_t level, promp_err_t code,
                          const promp_serve_peer_t *peer, const char *what)
{
    const promp_auth_entry_t *entry = promp_auth_store_find(s->store, peer->key);
    char key[PROMP_Z85_KEY + 1];

    if (may(s, &s->lines[level <= PROMP_LOG_WARNING], level))
        promp_serve_say(s, level, code, "'%s' (%s) at %s: %s%s%s", entry ? entry->name : "",
                        promp_z85_encode(peer->key, key), peer->address, code ? promp_error_text(code) : "",
                        code && *what ? ": " : "", what);
}

const char *promp_serve_address(const char *address)
{
    static const char mapped[] = "::ffff:";

    return strncmp(address, mapped, sizeof mapped - 1) == 0 ? address + sizeof mapped - 1 : address;
}

void promp_serve_told(void *arg, const promp_auth_decision_t *decision, const char *address)
{
    promp_serve_t *s = arg;
    const promp_log_level_t level = decision->reason ? PROMP_LOG_WARNING : PROMP_LOG_DEBUG;

    if (!atomic_load(&s->testing) && may(s, &s->refused, level))
        promp_serve_say(s, level, decision->reason, "'%s' (%s) at %s: %s", decision->name, decision->key,
                        promp_serve_address(address),
                        decision->reason ? promp_error_text(decision->reason) : "let in");
}

/* Returns how long it would be, as snprintf. */
static size_t put_figure(char *text, size_t size, const char *comma, const promp_counters_row_t *row,
                         uint64_t value)
{
    const unsigned long long v = value;

    if (row->kind == PROMP_COUNTERS_MILLI)
        return (size_t)snprintf(text, size, "%s%s %llu.%03llu", comma, row->text, v / 1000, v % 1000);
    return (size_t)snprintf(text, size, "%s%s %llu", comma, row->text, v);
}

/* A line for each group. */
void promp_serve_say_figures(promp_serve_t *s)
{
    const promp_log_t log = {2, PROMP_LOG_INFO, PROGRAM};
    promp_broker_counters_t counters;
    size_t count, i = 0;
    const promp_counters_row_t *row = promp_counters_rows(&count);

    promp_broker_core_count(s->core, &counters);
    while (i < count) {
        const char *group = row[i].group;
        char text[900] = "";
        size_t size = 0;

        for (; i < count && strcmp(row[i].group, group) == 0 && size < sizeof text; i++)
            size += put_figure(text + size, sizeof text - size, size ? ", " : "", &row[i],
                               promp_counters_value(&counters, &row[i]));
        promp_log(&log, PROMP_LOG_INFO, PROMP_OK, "%s: %s", group, text);
    }
}
