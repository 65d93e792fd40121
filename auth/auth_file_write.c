#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "auth_file.h"

#define TEMPORARY ".new-" /* what a writer that was killed leaves starts so; no reader takes it */

static promp_err_t failed(promp_error_t *error, const char *what, const char *name)
{
    int system = errno;
    return promp_error_set(error, promp_error_from_errno(system), system, "%s %s", what, name);
}

promp_err_t promp_auth_folder_lock(int folder, int64_t wait, int *lock, promp_error_t *error)
{
    const struct timespec pause = {.tv_nsec = 5000000};
    const int64_t end = promp_clock_ms() + wait;

    *lock = openat(folder, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (*lock < 0)
        return failed(error, "opening", "lock");
    while (flock(*lock, LOCK_EX | LOCK_NB) < 0) {
        promp_err_t code = PROMP_OK;
        if (errno != EWOULDBLOCK && errno != EINTR)
            code = failed(error, "locking", "lock");
        else if (promp_clock_ms() >= end)
            code = promp_error_set(error, PROMP_ERR_STORE_BUSY, 0, NULL);
        if (code) {
            close(*lock);
            return code;
        }
        nanosleep(&pause, NULL);
    }
    return PROMP_OK;
}

void promp_auth_folder_sweep(int folder)
{
    int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        if (fd >= 0)
            close(fd);
        return;
    }
    for (struct dirent *entry; (entry = readdir(dir));)
        if (strncmp(entry->d_name, TEMPORARY, strlen(TEMPORARY)) == 0)
            unlinkat(folder, entry->d_name, 0);
    closedir(dir);
}

static bool write_all(int fd, const char *data, size_t size)
{
    while (size) {
        ssize_t n = write(fd, data, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        data += n;
        size -= (size_t)n;
    }
    return true;
}

/* The mode comes before the first byte: a secret is at no moment readable by others. */
static bool fill(int fd, unsigned mode, const void *data, size_t size)
{
    return fchmod(fd, mode) == 0 && write_all(fd, data, size) && fsync(fd) == 0;
}

promp_err_t promp_auth_file_write(int folder, const char *name, unsigned mode, const void *data, size_t size,
                                  promp_error_t *error)
{
    char temporary[sizeof TEMPORARY + 32], text[33];
    promp_id_t id;
    promp_err_t code;

    if (promp_id_make(&id))
        return promp_error_set(error, PROMP_ERR_SYSTEM, 0, "no random bits");
    snprintf(temporary, sizeof temporary, TEMPORARY "%s", promp_id_text(&id, text));
    int fd = openat(folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return failed(error, "making", name);
    if (!fill(fd, mode, data, size)) {
        code = failed(error, "writing", name);
        goto err1;
    }
    if (close(fd) < 0) {
        code = failed(error, "writing", name);
        goto err0;
    }
    if (renameat(folder, temporary, folder, name) < 0) {
        code = failed(error, "renaming", name);
        goto err0;
    }
    if (fsync(folder) < 0)
        return failed(error, "writing the folder of", name);
    return PROMP_OK;

err1:
    close(fd);
err0:
    unlinkat(folder, temporary, 0);
    return code;
}
