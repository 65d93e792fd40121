/* survey_print.c - a report as a table for people, and as JSON for programs. */
#include <stdlib.h>
#include <string.h>

#include "survey_report_inner.h"

#define GROUPS_SHOWN 10 /* of equal files */
#define PATHS_SHOWN  4  /* of each group */

char *survey_report_size(uint64_t bytes, char text[16])
{
    static const char unit[][4] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double value = (double)bytes;
    int i = 0;
    for (; value >= 1023.95 && i < 6; i++)
        value /= 1024;
    snprintf(text, 16, i ? "%.1f %s" : "%.0f %s", value, unit[i]);
    return text;
}

void survey_report_put(FILE *out, const char *text)
{
    for (; *text; text++)
        fputc((unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text, out);
}

static void print_kinds(const survey_report_t *report, FILE *out)
{
    char size[16];
    fprintf(out, "%-20s %9s %11s   %s\n", "kind", "files", "bytes", "largest");
    for (size_t i = 0; i < report->kinds; i++) {
        const survey_kind_sum_t *kind = &report->kind[i];
        fprintf(out, "%-20s %9llu %11s   ", kind->name, (unsigned long long)kind->files,
                survey_report_size(kind->bytes, size));
        if (kind->largest_size) {
            survey_report_put(out, kind->largest);
            fprintf(out, " (%s)", survey_report_size(kind->largest_size, size));
        }
        fputc('\n', out);
    }
}

static void print_group(const survey_group_t *group, FILE *out)
{
    char size[16];
    size_t shown = 0;
    fprintf(out, "  %zu x %s\n", group->count, survey_report_size(group->first->size, size));
    for (size_t i = 0; i < group->entries && shown < PATHS_SHOWN; i++) {
        if (group->first[i].linked)
            continue;
        fputs("      ", out);
        survey_report_put(out, group->first[i].path);
        fputc('\n', out);
        shown++;
    }
    if (group->count > shown)
        fprintf(out, "      and %zu more\n", group->count - shown);
}

static void print_groups(const survey_group_t *group, size_t groups, FILE *out)
{
    uint64_t files = 0, waste = 0;
    char size[16];
    for (size_t i = 0; i < groups; i++) {
        files += group[i].count;
        waste += (group[i].count - 1) * group[i].first->size;
    }
    if (!groups)
        return;
    fprintf(out, "\n%llu files have the content of another one, in %zu groups; %s could be saved\n",
            (unsigned long long)files, groups, survey_report_size(waste, size));
    for (size_t i = 0; i < groups && i < GROUPS_SHOWN; i++)
        print_group(&group[i], out);
    if (groups > GROUPS_SHOWN)
        fprintf(out, "  and %zu groups more\n", groups - GROUPS_SHOWN);
}

void survey_report_print(survey_report_t *report, FILE *out, double seconds, unsigned workers)
{
    size_t groups;
    char size[16];
    survey_group_t *group = survey_report_sort(report, &groups);
    print_kinds(report, out);
    print_groups(group, groups, out);
    free(group);
    if (report->failures)
        fprintf(out, "\n%zu could not be examined\n", report->failures);
    for (size_t i = 0; i < report->failures; i++) {
        fputs("  ", out);
        survey_report_put(out, report->failure[i].path);
        fputs(": ", out);
        survey_report_put(out, report->failure[i].why);
        fputc('\n', out);
    }
    fprintf(out, "\n%llu files, %s, in %.1f s by %u workers\n",
            (unsigned long long)survey_report_files(report), survey_report_size(report->bytes, size), seconds,
            workers);
}

/* --- JSON --- */

/* Bytes of the UTF-8 character at s; 0: it is none. */
static size_t character(const unsigned char *s)
{
    size_t size = *s < 0x80                 ? 1
                  : *s >= 0xc2 && *s < 0xe0 ? 2
                  : *s >= 0xe0 && *s < 0xf0 ? 3
                  : *s >= 0xf0 && *s < 0xf5 ? 4
                                            : 0;
    for (size_t i = 1; i < size; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    bool bad = (*s == 0xe0 && s[1] < 0xa0) || (*s == 0xed && s[1] > 0x9f) || (*s == 0xf0 && s[1] < 0x90) ||
               (*s == 0xf4 && s[1] > 0x8f);
    return bad ? 0 : size;
}

/* Names of files are bytes; what is no UTF-8 in them becomes U+FFFD. */
static void json_string(FILE *out, const char *text)
{
    fputc('"', out);
    for (const unsigned char *s = (const unsigned char *)text; *s;) {
        size_t size = character(s);
        if (!size)
            fputs("\\ufffd", out);
        else if (*s < 0x20 || *s == '"' || *s == '\\')
            fprintf(out, "\\u%04x", *s);
        else
            fwrite(s, 1, size, out);
        s += size ? size : 1;
    }
    fputc('"', out);
}

static void json_kinds(const survey_report_t *report, FILE *out)
{
    fputs("  \"kinds\": [", out);
    for (size_t i = 0; i < report->kinds; i++) {
        const survey_kind_sum_t *kind = &report->kind[i];
        fprintf(out, "%s\n    {\"kind\": ", i ? "," : "");
        json_string(out, kind->name);
        fprintf(out, ", \"files\": %llu, \"bytes\": %llu, \"largest\": ", (unsigned long long)kind->files,
                (unsigned long long)kind->bytes);
        json_string(out, kind->largest);
        fputc('}', out);
    }
    fputs("],\n", out);
}

static void json_groups(const survey_group_t *group, size_t groups, FILE *out)
{
    fputs("  \"duplicates\": [", out);
    for (size_t i = 0; i < groups; i++) {
        fprintf(out, "%s\n    {\"size\": %llu, \"hash\": \"", i ? "," : "",
                (unsigned long long)group[i].first->size);
        for (size_t j = 0; j < SURVEY_HASH; j++)
            fprintf(out, "%02x", group[i].first->hash[j]);
        fputs("\", \"paths\": [", out);
        for (size_t j = 0; j < group[i].entries; j++) {
            if (group[i].first[j].linked)
                continue;
            fputs(j ? ", " : "", out);
            json_string(out, group[i].first[j].path);
        }
        fputs("]}", out);
    }
    fputs("],\n", out);
}

void survey_report_print_json(survey_report_t *report, FILE *out, double seconds, unsigned workers)
{
    size_t groups;
    survey_group_t *group = survey_report_sort(report, &groups);
    fprintf(out, "{\n  \"files\": %llu, \"bytes\": %llu, \"seconds\": %.3f, \"workers\": %u,\n",
            (unsigned long long)survey_report_files(report), (unsigned long long)report->bytes, seconds,
            workers);
    json_kinds(report, out);
    json_groups(group, groups, out);
    free(group);
    fputs("  \"failures\": [", out);
    for (size_t i = 0; i < report->failures; i++) {
        fprintf(out, "%s\n    {\"path\": ", i ? "," : "");
        json_string(out, report->failure[i].path);
        fputs(", \"why\": ", out);
        json_string(out, report->failure[i].why);
        fputc('}', out);
    }
    fputs("]\n}\n", out);
}
