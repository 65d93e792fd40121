#include "auth_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static promp_err_t refuse(promp_error_t *error, const char *name)
{
    int system = errno;
    promp_err_t code = system == ENOENT ? PROMP_ERR_KEY_MISSING : promp_error_from_errno(system);
    return promp_error_set(error, code, system == ENOENT ? 0 : system, "%s", name);
}

/* Of a folder that was to be made: that it is not there is no missing key. */
static promp_err_t not_made(promp_error_t *error, const char *path)
{
    int system = errno;
    return promp_error_set(error, promp_error_from_errno(system), system, "cannot make %s", path);
}

static bool is_ours(const struct stat *s)
{
    return (s->st_uid == geteuid() || s->st_uid == 0) && !(s->st_mode & (S_IWGRP | S_IWOTH));
}

static promp_err_t check_folder(int fd, const char *path, promp_error_t *error)
{
    struct stat s;
    if (fstat(fd, &s) < 0)
        return refuse(error, path);
    return is_ours(&s) ? PROMP_OK : promp_error_set(error, PROMP_ERR_KEY_FOLDER, 0, "%s", path);
}

promp_err_t promp_auth_folder_open_at(int folder, const char *name, bool make, int *fd, promp_error_t *error)
{
    if (make && mkdirat(folder, name, 0700) < 0 && errno != EEXIST)
        return not_made(error, name);
    *fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*fd < 0)
        return make ? not_made(error, name) : refuse(error, name);
    promp_err_t code = check_folder(*fd, name, error);
    if (code)
        close(*fd);
    return code;
}

/* Makes the folders on the way to path; what exists stays as it is, also where mkdir says no before it looks. */
static promp_err_t make_parents(const char *path, promp_error_t *error)
{
    char part[PROMP_LIMIT_PATH + 1];
    snprintf(part, sizeof part, "%s", path);
    for (char *slash = part + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        if (mkdir(part, 0700) < 0 && errno != EEXIST) {
            int system = errno;
            if (access(part, F_OK) < 0) {
                errno = system;
                return not_made(error, part);
            }
        }
        *slash = '/';
    }
    return PROMP_OK;
}

promp_err_t promp_auth_folder_open(const char *path, bool make, int *fd, promp_error_t *error)
{
    if (!*path || strlen(path) > PROMP_LIMIT_PATH)
        return promp_error_set(error, PROMP_ERR_ARGUMENT, 0, "the path of a folder");
    promp_err_t code = make ? make_parents(path, error) : PROMP_OK;
    return code ? code : promp_auth_folder_open_at(AT_FDCWD, path, make, fd, error);
}

/* O_NONBLOCK: a pipe put in the file's place must not keep us. */
static int open_checked(int folder, const char *name, struct stat *s, promp_err_t *code, promp_error_t *error)
{
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, s) < 0)
        *code = refuse(error, name);
    else if (!S_ISREG(s->st_mode))
        *code = promp_error_set(error, PROMP_ERR_KEY_FORMAT, 0, "%s is no regular file", name);
    else if ((uint64_t)s->st_size > PROMP_LIMIT_KEY_FILE)
        *code = promp_error_set(error, PROMP_ERR_KEY_FORMAT, 0, "%s is larger than %llu bytes", name,
                                (unsigned long long)PROMP_LIMIT_KEY_FILE);
    else
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static promp_err_t check_file(const struct stat *s, const char *name, promp_auth_file_kind_t kind,
                              promp_error_t *error)
{
    if (kind == PROMP_AUTH_FILE_SECRET && (!is_ours(s) || (s->st_mode & 077)))
        return promp_error_set(error, PROMP_ERR_KEY_READABLE, 0, "%s has mode %03o and belongs to user %u",
                               name, s->st_mode & 0777u, (unsigned)s->st_uid);
    if (!is_ours(s))
        return promp_error_set(error, PROMP_ERR_KEY_FORMAT, 0, "%s can be written by others", name);
    return PROMP_OK;
}

promp_err_t promp_auth_file_read(int folder, const char *name, promp_auth_file_kind_t kind, void *data,
                                 size_t *size, promp_error_t *error)
{
    struct stat s;
    promp_err_t code = PROMP_OK;
    int fd = open_checked(folder, name, &s, &code, error);
    if (fd < 0)
        return code;
    code = check_file(&s, name, kind, error);
    for (*size = 0; !code && *size < PROMP_LIMIT_KEY_FILE;) {
        ssize_t n = read(fd, (char *)data + *size, PROMP_LIMIT_KEY_FILE - *size);
        if (n == 0)
            break;
        if (n > 0)
            *size += (size_t)n;
        else if (errno != EINTR)
            code = refuse(error, name);
    }
    close(fd);
    return code;
}

promp_err_t promp_auth_folder_path(const char *given, char *path, promp_error_t *error)
{
    const char *config = getenv("PROMP_CONFIG"), *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    int size;
    if (given || (config && *config))
        size = snprintf(path, PROMP_LIMIT_PATH + 1, "%s", given ? given : config);
    else if (xdg && *xdg == '/')
        size = snprintf(path, PROMP_LIMIT_PATH + 1, "%s/promp", xdg);
    else if (home && *home == '/')
        size = snprintf(path, PROMP_LIMIT_PATH + 1, "%s/.config/promp", home);
    else
        return promp_error_set(error, PROMP_ERR_ARGUMENT, 0,
                               "no folder for keys: neither PROMP_CONFIG nor HOME is set");
    if (size < 1 || size > PROMP_LIMIT_PATH)
        return promp_error_set(error, PROMP_ERR_ARGUMENT, 0, "the path of the folder of keys");
    return PROMP_OK;
}
