/* survey_walk.h - the files below some folders, one after the other. Symbolic links below them are not
 * followed. */
#ifndef SURVEY_WALK_H
#define SURVEY_WALK_H

#include <stdbool.h>
#include <stdint.h>

typedef struct survey_walk survey_walk_t;

/* folders: NULL-ended, kept by the caller as long as the walk. NULL without memory. */
survey_walk_t *survey_walk_open(char *const *folders);
void survey_walk_close(survey_walk_t **walk);

typedef struct {
    char *path;             /* free it */
    uint64_t size;          /* bytes, as it is now */
    uint64_t device, inode; /* hard links have the same */
    int error;              /* errno: a folder that could not be read; 0: a file */
} survey_file_t;

/* False: no more, or no memory. */
bool survey_walk_next(survey_walk_t *walk, survey_file_t *file);

#endif
