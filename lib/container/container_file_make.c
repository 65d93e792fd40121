/* A file by its path. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "container_inside.h"

/* The working folder can be another one when the file is opened again. NULL with errno. */
static char *absolute(const char *path)
{
    char *folder = path[0] == '/' ? strdup("") : getcwd(NULL, 0);
    size_t have = folder ? strlen(folder) : 0;
    size_t size = have + strlen(path) + 2;
    char *whole = folder ? malloc(size) : NULL;

    if (whole) {
        memcpy(whole, folder, have);
        if (path[0] != '/')
            whole[have++] = '/';
        strcpy(whole + have, path);
    }
    free(folder);
    return whole;
}

promp_container_t *promp_container_file(const char *path, promp_error_t *error)
{
    promp_err_t e;
    struct stat st;
    int system;

    if (!path) {
        promp_error_set(error, PROMP_ERR_ARGUMENT, 0, "there is no path");
        return NULL;
    }
    int fd = open(path, PROMP_CONTAINER_OPEN);
    if (fd < 0 || fstat(fd, &st) != 0) {
        system = errno;
        e = promp_error_from_errno(system);
        promp_error_set(error, e == PROMP_ERR_SYSTEM ? PROMP_ERR_CONTAINER_FILE : e, system, "%.300s", path);
        goto err;
    }
    if (!S_ISREG(st.st_mode)) {
        promp_error_set(error, PROMP_ERR_CONTAINER_FILE, 0, "%.300s is not a regular file", path);
        goto err;
    }
    char *whole = absolute(path);
    if (!whole) {
        system = errno;
        promp_error_set(error, promp_error_from_errno(system), system, "%.300s", path);
        goto err;
    }
    return promp_container_file_made(NULL, &st, whole, fd, error);

err:
    if (fd >= 0)
        close(fd);
    return NULL;
}
