#include "survey_walk.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct survey_walk {
    char *const *next; /* of the folders given */
    char **waiting;    /* folders found and not yet read; the last one comes first */
    size_t count, capacity;
    DIR *dir;   /* that is being read */
    char *path; /* its path */
};

survey_walk_t *survey_walk_open(char *const *folders)
{
    survey_walk_t *walk = calloc(1, sizeof *walk);
    if (walk)
        walk->next = folders;
    return walk;
}

static void leave_folder(survey_walk_t *walk)
{
    if (walk->dir)
        closedir(walk->dir);
    free(walk->path);
    walk->dir = NULL;
    walk->path = NULL;
}

void survey_walk_close(survey_walk_t **walk)
{
    if (!*walk)
        return;
    leave_folder(*walk);
    while ((*walk)->count)
        free((*walk)->waiting[--(*walk)->count]);
    free((*walk)->waiting);
    free(*walk);
    *walk = NULL;
}

/* path moves in, or is freed. */
static bool wait_for(survey_walk_t *walk, char *path)
{
    if (path && walk->count == walk->capacity) {
        size_t capacity = walk->capacity ? 2 * walk->capacity : 64;
        char **waiting = reallocarray(walk->waiting, capacity, sizeof *waiting);
        if (waiting) {
            walk->waiting = waiting;
            walk->capacity = capacity;
        }
    }
    if (!path || walk->count == walk->capacity) {
        free(path);
        return false;
    }
    walk->waiting[walk->count++] = path;
    return true;
}

typedef enum { FOUND, NOTHING, NO_MEMORY } step_t;

/* A folder waits for its turn, everything else is found. path moves in. */
static step_t look_at(survey_walk_t *walk, char *path, bool follow, survey_file_t *file)
{
    struct stat st;
    if (!path)
        return NO_MEMORY;
    *file = (survey_file_t){.path = path};
    if ((follow ? stat : lstat)(path, &st)) {
        file->error = errno;
        return FOUND;
    }
    if (S_ISDIR(st.st_mode))
        return wait_for(walk, path) ? NOTHING : NO_MEMORY;
    file->size = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
    file->device = st.st_dev;
    file->inode = st.st_ino;
    return FOUND;
}

/* Opens the folder that has waited least: so only few ever wait. */
static step_t enter_folder(survey_walk_t *walk, survey_file_t *file)
{
    char *path = walk->waiting[--walk->count];
    walk->dir = opendir(path);
    if (walk->dir) {
        walk->path = path;
        return NOTHING;
    }
    *file = (survey_file_t){.path = path, .error = errno};
    return FOUND;
}

static step_t read_folder(survey_walk_t *walk, survey_file_t *file)
{
    errno = 0;
    const struct dirent *entry = readdir(walk->dir);
    if (!entry) {
        int error = errno;
        *file = (survey_file_t){.path = error ? walk->path : NULL, .error = error};
        if (error)
            walk->path = NULL;
        leave_folder(walk);
        return error ? FOUND : NOTHING;
    }
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
        return NOTHING;
    char *path;
    const char *slash = walk->path[strlen(walk->path) - 1] == '/' ? "" : "/";
    if (asprintf(&path, "%s%s%s", walk->path, slash, entry->d_name) < 0)
        return NO_MEMORY;
    return look_at(walk, path, false, file);
}

bool survey_walk_next(survey_walk_t *walk, survey_file_t *file)
{
    step_t step = NOTHING;
    while (step == NOTHING) {
        if (walk->dir)
            step = read_folder(walk, file);
        else if (walk->count)
            step = enter_folder(walk, file);
        else if (*walk->next)
            step = look_at(walk, strdup(*walk->next++), true, file);
        else
            return false;
    }
    return step == FOUND;
}
