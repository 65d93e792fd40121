/* Reads and lendings that never wait: of a file that is held open, with what the kernel has of it in memory. Network file
 * systems know no such read, so their files are left to whoever can wait. */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>

#include "container_file.h"

/* fd still shows what it did, as far as is known without asking a server. */
static bool unchanged(const promp_file_t *file, int fd)
{
    struct statx st;

    return statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC,
                 STATX_TYPE | STATX_INO | STATX_SIZE | STATX_MTIME, &st) == 0 &&
           makedev(st.stx_dev_major, st.stx_dev_minor) == file->device && st.stx_ino == file->inode &&
           S_ISREG(st.stx_mode) && st.stx_size == file->head.size &&
           (uint64_t)st.stx_mtime.tv_sec * 1000000000U + st.stx_mtime.tv_nsec == file->time;
}

/* The descriptor, with the lock held: so nobody closes it. -1, and nothing is held: there is none, or another thread is
 * at it. */
static int hold(promp_file_t *file)
{
    if (pthread_mutex_trylock(&file->lock))
        return -1;
    if (file->fd >= 0 && !file->loose)
        return file->fd;
    pthread_mutex_unlock(&file->lock);
    return -1;
}

bool promp_container_file_read_now(promp_container_t *container, uint64_t offset, void *buffer, size_t size)
{
    promp_file_t *file = (promp_file_t *)container;
    struct iovec piece = {.iov_base = buffer, .iov_len = size};
    int fd = hold(file);

    if (fd < 0)
        return false;
    bool all = preadv2(fd, &piece, 1, (off_t)offset, RWF_NOWAIT) == (ssize_t)size && unchanged(file, fd);
    pthread_mutex_unlock(&file->lock);
    return all;
}

bool promp_container_file_lend_now(promp_container_t *container, promp_lent_t *lent)
{
    promp_file_t *file = (promp_file_t *)container;
    int fd = hold(file);

    if (fd < 0)
        return false;
    int own = unchanged(file, fd) ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
    pthread_mutex_unlock(&file->lock);
    if (own >= 0)
        *lent = (promp_lent_t){.how = PROMP_LEND_FILE, .fd = own, .time = file->time};
    return own >= 0;
}
