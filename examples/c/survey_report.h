/* survey_report.h - what a survey found: per kind, which files are the same, and which could not be
 * examined. */
#ifndef SURVEY_REPORT_H
#define SURVEY_REPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "survey_walk.h"

#define SURVEY_HASH 32 /* bytes of a file's hash */

typedef struct survey_report survey_report_t;

survey_report_t *survey_report_new(void); /* NULL without memory */
void survey_report_free(survey_report_t **report);

/* A file of size bytes. Its path is copied; hash may be NULL: it has no content of its own. False without
 * memory. */
bool survey_report_add(survey_report_t *report, const survey_file_t *file, const char *kind, uint64_t size,
                       const uint8_t *hash);
/* A file that could not be examined, and why. */
bool survey_report_fail(survey_report_t *report, const char *path, const char *why);

uint64_t survey_report_files(const survey_report_t *report);
uint64_t survey_report_bytes(const survey_report_t *report);

/* Both sort the report's files. seconds and workers are only told. */
void survey_report_print(survey_report_t *report, FILE *out, double seconds, unsigned workers);
void survey_report_print_json(survey_report_t *report, FILE *out, double seconds, unsigned workers);

/* 1536 as "1.5 KiB". Returns text. */
char *survey_report_size(uint64_t bytes, char text[16]);
/* Writes text with control characters replaced, so that a file's name cannot move the cursor. */
void survey_report_put(FILE *out, const char *text);

#endif
