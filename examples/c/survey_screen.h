/* survey_screen.h - how far a survey is: on a terminal one line per worker that is drawn again and again,
 * elsewhere a plain line every few seconds. Writes to stderr. */
#ifndef SURVEY_SCREEN_H
#define SURVEY_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct survey_screen survey_screen_t;

typedef struct {
    uint32_t pid;     /* 0: not known yet */
    int percent;      /* of its batch; -1: idle */
    uint64_t files;   /* done so far */
    const char *path; /* at or near what it reads; NULL: nothing */
} survey_line_t;

survey_screen_t *survey_screen_new(bool quiet); /* NULL without memory */
/* Clears the lines. */
void survey_screen_free(survey_screen_t **screen);
/* Draws when it is time to; now in ms. */
void survey_screen_draw(survey_screen_t *screen, const survey_line_t *line, size_t lines, uint64_t files,
                        uint64_t bytes, int64_t now);

#endif
