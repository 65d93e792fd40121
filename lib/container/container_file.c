/* A regular file, read by pread and never mapped. That it is still the one that was shared is looked at after each read:
 * a write sets the time of modification before it changes a byte, so whoever read a changed byte finds another time. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "container_file.h"

static uint64_t time_of(const struct stat *st)
{
    return (uint64_t)st->st_mtim.tv_sec * 1000000000U + (uint64_t)st->st_mtim.tv_nsec;
}

/* An inode's number is given to the next file when its own is deleted, and copies can keep size and time. */
static uint64_t birth_of(int fd)
{
    struct statx st;

    if (statx(fd, "", AT_EMPTY_PATH, STATX_BTIME, &st) != 0 || !(st.stx_mask & STATX_BTIME))
        return 0;
    return (uint64_t)st.stx_btime.tv_sec * 1000000000U + st.stx_btime.tv_nsec;
}

/* Shown as %.300s: what the text says next must have room. */
static const char *name_of(const promp_file_t *file)
{
    return file->path ? file->path : "the file";
}

/* --- one use of it --- */

/* OK: fd still shows what it did. */
static promp_err_t check(const promp_file_t *file, int fd, promp_error_t *error)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return promp_error_set(error, promp_error_from_errno(errno), errno, "%.300s", name_of(file));
    if (st.st_dev != file->device || st.st_ino != file->inode || !S_ISREG(st.st_mode))
        return promp_error_set(error, PROMP_ERR_CONTAINER_CHANGED, 0, "%.300s was replaced", name_of(file));
    if ((uint64_t)st.st_size != file->head.size)
        return promp_error_set(error, PROMP_ERR_CONTAINER_CHANGED, 0, "%.300s had %llu bytes and has %llu",
                               name_of(file), (unsigned long long)file->head.size,
                               (unsigned long long)st.st_size);
    if (time_of(&st) != file->time)
        return promp_error_set(error, PROMP_ERR_CONTAINER_CHANGED, 0, "%.300s was written to", name_of(file));
    return PROMP_OK;
}

static promp_err_t open_again(const promp_file_t *file, int *fd, promp_error_t *error)
{
    *fd = open(file->path, PROMP_CONTAINER_OPEN);
    if (*fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return promp_error_set(error, PROMP_ERR_CONTAINER_CHANGED, 0, "%.300s is not there any more",
                               file->path);
    if (*fd < 0)
        return promp_error_set(error, promp_error_from_errno(errno), errno, "%.300s", file->path);
    promp_err_t e = check(file, *fd, error); /* what is there by now may be no file at all */
    if (!e && birth_of(*fd) != file->born)
        e = promp_error_set(error, PROMP_ERR_CONTAINER_CHANGED, 0, "%.300s was replaced", file->path);
    if (e)
        close(*fd);
    return e;
}

/* A descriptor to be read from and given back by release(). */
static promp_err_t take(promp_file_t *file, int *fd, promp_error_t *error)
{
    pthread_mutex_lock(&file->lock);
    *fd = file->loose ? -1 : file->fd; /* reads without a gap must not keep it open */
    if (*fd >= 0)
        file->users++;
    pthread_mutex_unlock(&file->lock);
    return *fd >= 0 ? PROMP_OK : open_again(file, fd, error);
}

static void release(promp_file_t *file, int fd)
{
    pthread_mutex_lock(&file->lock);
    bool own = fd != file->fd; /* fd is open, so no other one can have its number */
    if (!own && --file->users == 0 && file->loose) {
        file->fd = -1;
        own = true;
    }
    pthread_mutex_unlock(&file->lock);
    if (own)
        close(fd);
}

/* --- the container --- */

static promp_err_t file_read(promp_container_t *container, uint64_t offset, void *buffer, size_t size,
                             size_t *got, promp_error_t *error)
{
    promp_file_t *file = (promp_file_t *)container;
    size_t done = 0;
    int system = 0;
    int fd;
    promp_err_t e = take(file, &fd, error);

    if (e)
        return e;
    while (done < size) {
        ssize_t n = pread(fd, (uint8_t *)buffer + done, size - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            system = errno;
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    if ((e = check(file, fd, error)))
        goto out;
    if (system)
        e = promp_error_set(error, promp_error_from_errno(system), system, "%.300s", name_of(file));
    else if (done < size)
        e = promp_error_set(error, PROMP_ERR_CONTAINER_CHANGED, 0, "%.300s ends at %llu of its %llu bytes",
                            name_of(file), (unsigned long long)(offset + done),
                            (unsigned long long)container->size);
    else
        *got = size;
out:
    release(file, fd);
    return e;
}

/* With no descriptor left reads can still be asked for. */
static promp_err_t file_lend(promp_container_t *container, promp_lent_t *lent, promp_error_t *error)
{
    promp_file_t *file = (promp_file_t *)container;
    int fd;
    promp_err_t e = take(file, &fd, error);

    if (e)
        return e == PROMP_ERR_DESCRIPTORS ? PROMP_OK : e;
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    e = check(file, fd, error);
    release(file, fd);
    if (own >= 0 && !e)
        *lent = (promp_lent_t){.how = PROMP_LEND_FILE, .fd = own, .time = file->time};
    else if (own >= 0)
        close(own);
    return e;
}

static void file_advise(promp_container_t *container, promp_advice_t advice, uint64_t offset, uint64_t size)
{
    static const int hints[] = {
        [PROMP_ADVISE_NORMAL] = POSIX_FADV_NORMAL,
        [PROMP_ADVISE_SEQUENTIAL] = POSIX_FADV_SEQUENTIAL,
        [PROMP_ADVISE_RANDOM] = POSIX_FADV_RANDOM,
        [PROMP_ADVISE_SOON] = POSIX_FADV_WILLNEED,
    };
    promp_file_t *file = (promp_file_t *)container;
    int fd;

    if ((size_t)advice >= sizeof hints / sizeof *hints || take(file, &fd, NULL))
        return;
    if (advice == PROMP_ADVISE_SOON)
        posix_fadvise(fd, (off_t)offset, (off_t)size, hints[advice]);
    else
        posix_fadvise(fd, 0, 0, hints[advice]);
    release(file, fd);
}

/* What is lent cannot be opened again. */
static void file_loosen(promp_container_t *container)
{
    promp_file_t *file = (promp_file_t *)container;

    pthread_mutex_lock(&file->lock);
    file->loose = file->path != NULL;
    if (file->loose && file->fd >= 0 && file->users == 0) {
        close(file->fd);
        file->fd = -1;
    }
    pthread_mutex_unlock(&file->lock);
}

static void file_free(promp_container_t *container)
{
    promp_file_t *file = (promp_file_t *)container;

    if (file->fd >= 0)
        close(file->fd);
    pthread_mutex_destroy(&file->lock);
    free(file->path);
    free(file);
}

static const promp_container_ops_t file_ops = {
    .read = file_read,
    .lend = file_lend,
    .read_now = promp_container_file_read_now,
    .lend_now = promp_container_file_lend_now,
    .advise = file_advise,
    .loosen = file_loosen,
    .free = file_free,
};

/* --- making one --- */

promp_container_t *promp_container_file_made(const promp_id_t *id, const struct stat *st, char *path, int fd,
                                             promp_error_t *error)
{
    promp_err_t e = PROMP_ERR_MEMORY;
    int system = 0;
    promp_file_t *file = malloc(sizeof *file);

    if (!file)
        goto err0;
    if ((e = promp_container_init(&file->head, &file_ops, id, (uint64_t)st->st_size)))
        goto err1;
    if ((system = pthread_mutex_init(&file->lock, NULL))) {
        e = promp_error_from_errno(system);
        goto err1;
    }
    file->path = path;
    file->device = st->st_dev;
    file->inode = st->st_ino;
    file->time = time_of(st);
    file->born = path ? birth_of(fd) : 0;
    file->fd = fd;
    file->loose = false;
    file->users = 0;
    if (promp_container_fd_scarce(fd))
        file_loosen(&file->head);
    return &file->head;

err1:
    free(file);
err0:
    promp_error_set(error, e, system, NULL);
    free(path);
    close(fd);
    return NULL;
}

promp_container_t *promp_container_lent_file(const promp_id_t *id, uint64_t size, int fd, uint64_t time,
                                             promp_error_t *error)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        promp_error_set(error, promp_error_from_errno(errno), errno, NULL);
    else if (!S_ISREG(st.st_mode))
        promp_error_set(error, PROMP_ERR_MESSAGE_FIELD, 0, "what was lent is not a regular file");
    else if ((uint64_t)st.st_size != size || time_of(&st) != time)
        promp_error_set(error, PROMP_ERR_CONTAINER_CHANGED, 0, NULL);
    else
        return promp_container_file_made(id, &st, NULL, fd, error);
    if (fd >= 0)
        close(fd);
    return NULL;
}
