#include "survey_walk.h"

#include <fts.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct survey_walk {
    FTS *fts;
};

survey_walk_t *survey_walk_open(char *const *folders)
{
    survey_walk_t *walk = calloc(1, sizeof *walk);
    if (!walk)
        return NULL;
    walk->fts = fts_open(folders, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    if (!walk->fts)
        survey_walk_close(&walk);
    return walk;
}

void survey_walk_close(survey_walk_t **walk)
{
    if (!*walk)
        return;
    if ((*walk)->fts)
        fts_close((*walk)->fts);
    free(*walk);
    *walk = NULL;
}

bool survey_walk_next(survey_walk_t *walk, survey_file_t *file)
{
    FTSENT *entry;
    while ((entry = fts_read(walk->fts))) {
        *file = (survey_file_t){0};
        switch (entry->fts_info) {
        case FTS_F:
            file->size = (uint64_t)entry->fts_statp->st_size;
            file->device = entry->fts_statp->st_dev;
            file->inode = entry->fts_statp->st_ino;
            break;
        case FTS_SL:
        case FTS_SLNONE:
        case FTS_DEFAULT:
            break;
        case FTS_DNR:
        case FTS_ERR:
        case FTS_NS:
            file->error = entry->fts_errno;
            break;
        default: /* folders, before and after what is in them */
            continue;
        }
        file->path = strdup(entry->fts_path);
        return file->path != NULL;
    }
    return false;
}
