/* manager_place.c - what a worker inherits from this process: where its program is, folder, mask, strings. */
#include "manager_inner.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* path, under this process's folder where it is relative. */
static char *absolute(const char *path, size_t size)
{
    if (size && path[0] == '/')
        return strndup(path, size);
    char *here = getcwd(NULL, 0), *all = NULL;
    if (here && asprintf(&all, "%s/%.*s", here, (int)size, path) < 0)
        all = NULL;
    free(here);
    return all;
}

/* OK; PROGRAM_MISSING: there is nothing; PROGRAM_DENIED: it is there and cannot be executed. */
static promp_err_t look_at(const char *path, int *system)
{
    struct stat st;
    *system = 0;
    if (stat(path, &st)) {
        *system = errno;
        return errno == EACCES ? PROMP_ERR_PROGRAM_DENIED : PROMP_ERR_PROGRAM_MISSING;
    }
    if (S_ISREG(st.st_mode) && access(path, X_OK) == 0)
        return PROMP_OK;
    *system = S_ISDIR(st.st_mode) ? EISDIR : EACCES;
    return PROMP_ERR_PROGRAM_DENIED;
}

/* As a shell would: the first that can be executed; one that cannot is told only when there is no better. */
static promp_err_t search(const char *program, char **path, int *system)
{
    const char *at = getenv("PATH");
    promp_err_t result = PROMP_ERR_PROGRAM_MISSING;
    *system = ENOENT;
    if (!at || !*at)
        at = "/usr/local/bin:/usr/bin:/bin";
    for (;;) {
        size_t size = strcspn(at, ":");
        char *name = NULL;
        int why;
        char *folder = size ? absolute(at, size) : absolute(".", 1);
        if (!folder || asprintf(&name, "%s/%s", folder, program) < 0) {
            free(folder);
            return PROMP_ERR_MEMORY;
        }
        free(folder);
        promp_err_t err = look_at(name, &why);
        if (!err) {
            *path = name;
            *system = 0;
            return PROMP_OK;
        }
        free(name);
        if (err == PROMP_ERR_PROGRAM_DENIED && why != EISDIR) {
            result = err;
            *system = why;
        }
        if (!at[size])
            return result;
        at += size + 1;
    }
}

promp_err_t promp_manager_place_program(const char *program, char **path, int *system)
{
    *path = NULL;
    *system = 0;
    if (!program || !*program || strlen(program) > PROMP_LIMIT_PATH)
        return PROMP_ERR_ARGUMENT;
    if (!strchr(program, '/'))
        return search(program, path, system);
    /* /proc/self is somebody else where the worker is started. */
    bool own = strncmp(program, "/proc/self/", 11) == 0;
    *path = own ? realpath(program, NULL) : absolute(program, strlen(program));
    if (!*path && own) {
        *system = errno;
        return PROMP_ERR_PROGRAM_MISSING;
    }
    if (!*path)
        return PROMP_ERR_MEMORY;
    promp_err_t err = look_at(*path, system);
    if (err) {
        free(*path);
        *path = NULL;
    }
    return err;
}

promp_err_t promp_manager_place_folder(const char *folder, char **path, int *system)
{
    struct stat st;
    *system = 0;
    *path = folder ? absolute(folder, strlen(folder)) : getcwd(NULL, 0);
    if (!*path) {
        *system = errno;
        return errno == ENOMEM ? PROMP_ERR_MEMORY : PROMP_ERR_START_FOLDER;
    }
    *system = stat(*path, &st) ? errno : S_ISDIR(st.st_mode) ? 0 : ENOTDIR;
    if (!*system)
        return PROMP_OK;
    free(*path);
    *path = NULL;
    return PROMP_ERR_START_FOLDER;
}

promp_err_t promp_manager_place_remote(const char *program, const char *folder, char **path, char **where)
{
    *path = *where = NULL;
    bool named = program && *program && strlen(program) <= PROMP_LIMIT_PATH;
    if (!named || (strchr(program, '/') && program[0] != '/'))
        return PROMP_ERR_PROGRAM_MISSING;
    if (folder && (folder[0] != '/' || strlen(folder) > PROMP_LIMIT_PATH))
        return PROMP_ERR_START_FOLDER;
    *path = strdup(program);
    *where = strdup(folder ? folder : "");
    if (*path && *where)
        return PROMP_OK;
    free(*path);
    free(*where);
    *path = *where = NULL;
    return PROMP_ERR_MEMORY;
}

/* umask(2) can only be read by changing it, which other threads would see; the kernel also tells it here. */
uint32_t promp_manager_place_umask(void)
{
    char text[4096];
    int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    ssize_t size = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    if (fd >= 0)
        close(fd);
    if (size <= 0)
        return 022;
    text[size] = '\0';
    const char *line = strstr(text, "\nUmask:");
    return line ? (uint32_t)strtoul(line + 7, NULL, 8) & 0777 : 022;
}

promp_err_t promp_manager_place_strings(const char *const *strings, promp_buf_t *run)
{
    for (; *strings; strings++) {
        size_t size = strlen(*strings) + 1;
        if (size > PROMP_LIMIT_START || run->size > PROMP_LIMIT_START - size)
            return PROMP_ERR_START_SIZE;
        if (promp_buf_append(run, *strings, size))
            return PROMP_ERR_MEMORY;
    }
    return PROMP_OK;
}
