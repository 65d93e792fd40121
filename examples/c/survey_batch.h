/* survey_batch.h - files that one task examines together. */
#ifndef SURVEY_BATCH_H
#define SURVEY_BATCH_H

#include <stddef.h>
#include <stdint.h>

#include "promp.h"
#include "survey_report.h"
#include "survey_walk.h"

#define BATCH_FILES 64
#define BATCH_BYTES (8 * 1024 * 1024)

typedef struct batch {
    struct batch *next;
    uint64_t task; /* its number at its worker */
    int tries;     /* how often a worker failed over it */
    size_t count;
    uint64_t bytes;
    survey_file_t file[BATCH_FILES];
} batch_t;

void batch_free(batch_t **batch);
/* The next files of the walk; what cannot be read goes into the report. NULL: no more, or no memory. */
batch_t *batch_fill(survey_walk_t *walk, survey_report_t *report);
/* Takes the last file out into a batch of its own. NULL without memory. */
batch_t *batch_split(batch_t *batch);
/* Gives it to a worker. */
promp_err_t batch_send(batch_t *batch, promp_manager_t *manager, uint32_t worker);
/* Puts what the worker found into the report. False: it is not what examine returns for this batch. */
bool batch_report(const batch_t *batch, const promp_value_t *found, survey_report_t *report);

#endif
