#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "metrics.h"

static char text[PROMP_METRICS_MOST + 1];

static const char *write_text(const promp_metrics_t *metrics)
{
    size_t size = promp_metrics_text(metrics, text);

    assert_in_range(size, 1, PROMP_METRICS_MOST);
    text[size] = '\0';
    assert_int_equal(strlen(text), size);
    assert_int_equal(text[size - 1], '\n');
    return text;
}

static void has_line(const char *line)
{
    const char *at = text;
    const size_t size = strlen(line);

    while (at && (strncmp(at, line, size) != 0 || at[size] != '\n'))
        at = (at = strchr(at, '\n')) ? at + 1 : NULL;
    if (!at)
        fail_msg("no line '%s' in:\n%s", line, text);
}

/* Aim: gauges, counters, labels and thousandths are written as Prometheus wants them, each metric with one head. */
static void test_lines(void **state)
{
    promp_metrics_t m = {.build = "promp 1.2.3", .started = 1700000000};

    (void)state;
    m.counters.waiting = 7;
    m.counters.nodes = 3;
    m.counters.cpus = 12045;
    m.counters.cpus_used = 7;
    m.counters.relayed_bytes = UINT64_MAX;
    write_text(&m);
    has_line("# HELP promp_starts_waiting starts that wait for room on a node");
    has_line("# TYPE promp_starts_waiting gauge");
    has_line("promp_starts_waiting 7");
    has_line("# HELP promp_peers connections, by role");
    has_line("promp_peers{role=\"node\"} 3");
    has_line("promp_peers{role=\"manager\"} 0");
    has_line("promp_cpus 12.045");
    has_line("promp_cpus_used 0.007");
    has_line("# TYPE promp_relayed_bytes_total counter");
    has_line("promp_relayed_bytes_total 18446744073709551615");
    has_line("promp_build_info{version=\"promp 1.2.3\"} 1");
    has_line("promp_start_time_seconds 1700000000");
    assert_ptr_equal(strstr(strstr(text, "# TYPE promp_peers ") + 1, "# TYPE promp_peers "), NULL);
}

/* Aim: every row of the table is in the text, also when all values are as long as can be, and then nothing is cut. */
static void test_all_rows(void **state)
{
    promp_metrics_t m = {.started = UINT64_MAX};
    char build[1000];
    size_t count;
    const promp_counters_row_t *row = promp_counters_rows(&count);

    (void)state;
    memset(build, '"', sizeof build - 1);
    build[sizeof build - 1] = '\0';
    m.build = build;
    memset(&m.counters, 0xff, sizeof m.counters);
    write_text(&m);
    assert_int_equal(count * sizeof(uint64_t), sizeof m.counters);
    for (size_t i = 0; i < count; i++) {
        char line[300];
        const char *value =
            row[i].kind == PROMP_COUNTERS_MILLI ? "18446744073709551.615" : "18446744073709551615";

        if (*row[i].label)
            snprintf(line, sizeof line, "promp_%s{%s=\"%s\"} %s", row[i].metric, row[i].label, row[i].value,
                     value);
        else
            snprintf(line, sizeof line, "promp_%s %s", row[i].metric, value);
        has_line(line);
        snprintf(line, sizeof line, "# TYPE promp_%s %s", row[i].metric,
                 row[i].kind == PROMP_COUNTERS_TOTAL ? "counter" : "gauge");
        has_line(line);
    }
}

/* Aim: what a program is called cannot break a line: quotes, backslashes and line feeds come with a backslash. */
static void test_escape(void **state)
{
    const promp_metrics_t m = {.build = "a\"b\\c\nd"};

    (void)state;
    write_text(&m);
    has_line("promp_build_info{version=\"a\\\"b\\\\c\\nd\"} 1");
}

/* Aim: rows of the table keep its rules: totals and nothing else end with _total, a name that comes again comes next and with
 * another value of the same label, and no text would have to be escaped. */
static void test_table(void **state)
{
    size_t count;
    const promp_counters_row_t *row = promp_counters_rows(&count);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        const size_t size = strlen(row[i].metric);
        const bool total = size > 6 && strcmp(row[i].metric + size - 6, "_total") == 0;

        assert_int_equal(total, row[i].kind == PROMP_COUNTERS_TOTAL);
        assert_int_equal(strspn(row[i].metric, "abcdefghijklmnopqrstuvwxyz_"), size);
        assert_int_equal(!*row[i].label, !*row[i].value);
        assert_null(strpbrk(row[i].doc, "\\\n"));
        assert_null(strpbrk(row[i].value, "\\\n\""));
        for (size_t j = 0; j < i; j++) {
            if (strcmp(row[j].metric, row[i].metric) != 0)
                continue;
            assert_string_equal(row[i - 1].metric, row[i].metric);
            assert_string_equal(row[j].label, row[i].label);
            assert_string_equal(row[j].group, row[i].group);
            assert_string_not_equal(row[j].value, row[i].value);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_lines), cmocka_unit_test(test_all_rows),
                                       cmocka_unit_test(test_escape), cmocka_unit_test(test_table)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
