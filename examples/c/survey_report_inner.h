/* survey_report_inner.h - the tables of a report, for the files that make and print it. */
#ifndef SURVEY_REPORT_INNER_H
#define SURVEY_REPORT_INNER_H

#include "survey_report.h"

typedef struct {
    char *path;
    uint64_t size, device, inode;
    bool hashed;
    bool linked; /* after sorting: a hard link of the entry before */
    uint8_t hash[SURVEY_HASH];
} survey_entry_t;

typedef struct {
    char *path, *why;
} survey_failure_t;

typedef struct {
    char *name;
    uint64_t files, bytes;
    const char *largest; /* path of one of the entries */
    uint64_t largest_size;
} survey_kind_sum_t;

/* Files of the same content: entries from first on, in the sorted array; hard links are among them and do
 * not count. */
typedef struct {
    const survey_entry_t *first;
    size_t entries, count;
} survey_group_t;

struct survey_report {
    survey_entry_t *file;
    survey_failure_t *failure;
    survey_kind_sum_t *kind;
    size_t files, failures, kinds;
    uint64_t bytes;
};

/* Sorts everything; returns the groups of equal files, most wasteful first, to be freed. */
survey_group_t *survey_report_sort(survey_report_t *report, size_t *groups);

#endif
