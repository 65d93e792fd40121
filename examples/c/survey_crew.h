/* survey_crew.h - the workers of a survey, and the batches of files that they are given.
 *
 * Each worker has two batches, so that it never waits for the next one. When a worker dies over a batch,
 * or does not get on with it, its files are tried one by one, each with a fresh worker if need be: the
 * file that does it is named in the report, and the survey goes on. */
#ifndef SURVEY_CREW_H
#define SURVEY_CREW_H

#include <signal.h>

#include "promp.h"
#include "survey_report.h"
#include "survey_screen.h"
#include "survey_walk.h"

typedef struct {
    const char *program; /* of the workers */
    unsigned workers;
    int patience; /* seconds without progress after which a worker is given up */
    survey_walk_t *walk;
    survey_report_t *report;
    survey_screen_t *screen;
    const volatile sig_atomic_t *stop; /* set by a signal handler: end now */
} survey_crew_config_t;

/* Surveys everything that the walk gives. OK; STATE: stopped; else why no more work could be done, with
 * *error filled. All workers are gone when it returns. */
promp_err_t survey_crew_run(const survey_crew_config_t *config, promp_error_t *error);

#endif
