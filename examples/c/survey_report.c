#include "survey_report.h"

#include <stdlib.h>
#include <string.h>

#include "survey_report_inner.h"

survey_report_t *survey_report_new(void)
{
    return calloc(1, sizeof(survey_report_t));
}

void survey_report_free(survey_report_t **report_p)
{
    survey_report_t *report = *report_p;
    if (!report)
        return;
    for (size_t i = 0; i < report->files; i++)
        free(report->file[i].path);
    for (size_t i = 0; i < report->failures; i++) {
        free(report->failure[i].path);
        free(report->failure[i].why);
    }
    for (size_t i = 0; i < report->kinds; i++)
        free(report->kind[i].name);
    free(report->file);
    free(report->failure);
    free(report->kind);
    free(report);
    *report_p = NULL;
}

/* Room for one more of size bytes each behind count. */
static bool grow(void **array, size_t count, size_t size)
{
    if (count & (count - 1)) /* memory doubles at each power of two */
        return true;
    void *more = reallocarray(*array, count ? 2 * count : 1, size);
    if (more)
        *array = more;
    return more != NULL;
}

static survey_kind_sum_t *kind_of(survey_report_t *report, const char *name)
{
    for (size_t i = 0; i < report->kinds; i++)
        if (strcmp(report->kind[i].name, name) == 0)
            return &report->kind[i];
    if (!grow((void **)&report->kind, report->kinds, sizeof *report->kind))
        return NULL;
    survey_kind_sum_t *kind = &report->kind[report->kinds];
    *kind = (survey_kind_sum_t){.name = strdup(name)};
    report->kinds += kind->name != NULL;
    return kind->name ? kind : NULL;
}

bool survey_report_add(survey_report_t *report, const survey_file_t *file, const char *kind, uint64_t size,
                       const uint8_t *hash)
{
    survey_kind_sum_t *sum = kind_of(report, kind);
    if (!sum || !grow((void **)&report->file, report->files, sizeof *report->file))
        return false;
    survey_entry_t *entry = &report->file[report->files];
    *entry = (survey_entry_t){.path = strdup(file->path),
                              .size = size,
                              .device = file->device,
                              .inode = file->inode,
                              .hashed = hash != NULL};
    if (!entry->path)
        return false;
    if (hash)
        memcpy(entry->hash, hash, SURVEY_HASH);
    report->files++;
    report->bytes += size;
    sum->files++;
    sum->bytes += size;
    if (!sum->largest || size > sum->largest_size) {
        sum->largest = entry->path;
        sum->largest_size = size;
    }
    return true;
}

bool survey_report_fail(survey_report_t *report, const char *path, const char *why)
{
    if (!grow((void **)&report->failure, report->failures, sizeof *report->failure))
        return false;
    survey_failure_t *failure = &report->failure[report->failures];
    *failure = (survey_failure_t){strdup(path), strdup(why)};
    if (failure->path && failure->why) {
        report->failures++;
        return true;
    }
    free(failure->path);
    free(failure->why);
    return false;
}

uint64_t survey_report_files(const survey_report_t *report)
{
    return report->files + report->failures;
}

uint64_t survey_report_bytes(const survey_report_t *report)
{
    return report->bytes;
}

/* --- order --- */

static int by_bytes(const void *a, const void *b)
{
    const survey_kind_sum_t *x = a, *y = b;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    return strcmp(x->name, y->name);
}

static int by_content(const void *a, const void *b)
{
    const survey_entry_t *x = a, *y = b;
    if (x->size != y->size)
        return x->size < y->size ? 1 : -1;
    int order = memcmp(x->hash, y->hash, SURVEY_HASH);
    if (!order && x->device != y->device)
        order = x->device < y->device ? -1 : 1;
    if (!order && x->inode != y->inode)
        order = x->inode < y->inode ? -1 : 1;
    return order ? order : strcmp(x->path, y->path);
}

static int by_path(const void *a, const void *b)
{
    const survey_failure_t *x = a, *y = b;
    return strcmp(x->path, y->path);
}

static int by_waste(const void *a, const void *b)
{
    const survey_group_t *x = a, *y = b;
    uint64_t p = (x->count - 1) * x->first->size, q = (y->count - 1) * y->first->size;
    return p == q ? strcmp(x->first->path, y->first->path) : p < q ? 1 : -1;
}

static bool same(const survey_entry_t *a, const survey_entry_t *b)
{
    return a->hashed && b->hashed && a->size == b->size && memcmp(a->hash, b->hash, SURVEY_HASH) == 0;
}

/* The group that begins at entry. */
static survey_group_t group_at(survey_entry_t *entry, size_t left)
{
    survey_group_t group = {entry, 1, 1};
    for (; group.entries < left && same(entry, entry + group.entries); group.entries++) {
        survey_entry_t *at = entry + group.entries;
        at->linked = at->device == at[-1].device && at->inode == at[-1].inode;
        group.count += !at->linked;
    }
    return group;
}

survey_group_t *survey_report_sort(survey_report_t *report, size_t *groups)
{
    if (report->files)
        qsort(report->file, report->files, sizeof *report->file, by_content);
    if (report->kinds)
        qsort(report->kind, report->kinds, sizeof *report->kind, by_bytes);
    if (report->failures)
        qsort(report->failure, report->failures, sizeof *report->failure, by_path);
    survey_group_t *all = NULL, group;
    *groups = 0;
    for (size_t i = 0; i < report->files && report->file[i].size; i += group.entries) {
        group = group_at(&report->file[i], report->files - i);
        if (group.count == 1)
            continue;
        if (!grow((void **)&all, *groups, sizeof *all))
            break;
        all[(*groups)++] = group;
    }
    if (*groups)
        qsort(all, *groups, sizeof *all, by_waste);
    return all;
}
