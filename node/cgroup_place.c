#include "cgroup_place.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Whether word is among those between commas. */
static bool has_word(const char *words, const char *word)
{
    size_t size = strlen(word);

    for (const char *at = words; *at; at += strcspn(at, ",")) {
        at += *at == ',';
        if (strcspn(at, ",") == size && memcmp(at, word, size) == 0)
            return true;
    }
    return false;
}

/* "NUMBER:CONTROLLERS:PATH"; those of v2 are "0::". Returns the path, NULL: it is another hierarchy's. */
static const char *path_of(char *line, const char *controller)
{
    char *words = strchr(line, ':'), *path = words ? strchr(words + 1, ':') : NULL;

    line[strcspn(line, "\n")] = '\0';
    if (!path)
        return NULL;
    *words++ = *path++ = '\0';
    if (controller ? !has_word(words, controller) : *words != '\0' || strcmp(line, "0") != 0)
        return NULL;
    return path;
}

/* "DEVICE PLACE TYPE OPTIONS 0 0"; likewise. */
static const char *mount_of(char *line, const char *controller)
{
    char *save, *word[4];

    for (size_t i = 0; i < 4; i++) {
        word[i] = strtok_r(i ? NULL : line, " \n", &save);
        if (!word[i])
            return NULL;
    }
    if (controller ? strcmp(word[2], "cgroup") != 0 || !has_word(word[3], controller)
                   : strcmp(word[2], "cgroup2") != 0)
        return NULL;
    return word[1];
}

/* The first line of proc/name that one of the above knows. */
static bool look_up(const char *proc, const char *name, const char *controller,
                    const char *(*find)(char *line, const char *controller), char text[PROMP_LIMIT_PATH])
{
    char file[2 * PROMP_LIMIT_PATH], *line = NULL;
    const char *found = NULL;
    size_t room = 0;

    snprintf(file, sizeof file, "%s/%s", proc, name);
    FILE *f = fopen(file, "re");

    while (f && !found && getline(&line, &room, f) > 0)
        found = find(line, controller);
    if (found && strlen(found) < PROMP_LIMIT_PATH)
        strcpy(text, found);
    else
        found = NULL;
    free(line);
    if (f)
        fclose(f);
    return found;
}

bool promp_cgroup_place(const char *proc, const char *controller, promp_cgroup_place_t *place)
{
    char mount[PROMP_LIMIT_PATH], path[PROMP_LIMIT_PATH];

    if (!look_up(proc, "cgroup", controller, path_of, path) ||
        !look_up(proc, "mounts", controller, mount_of, mount))
        return false;
    place->top = strlen(mount);
    if (strcmp(path, "/") == 0)
        path[0] = '\0';
    snprintf(place->path, sizeof place->path, "%s%s", mount, path);
    if (access(place->path, F_OK) <
        0) /* a container may see the path of its host, and of the folders its own only */
        place->path[place->top] = '\0';
    return access(place->path, F_OK) == 0;
}

bool promp_cgroup_place_up(promp_cgroup_place_t *place)
{
    char *slash = strrchr(place->path, '/');

    if (strlen(place->path) <= place->top || !slash)
        return false;
    *slash = '\0';
    return true;
}

bool promp_cgroup_place_read(const promp_cgroup_place_t *place, const char *file, char *text, size_t size)
{
    char path[sizeof place->path + 64];

    snprintf(path, sizeof path, "%s/%s", place->path, file);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    return n > 0;
}
