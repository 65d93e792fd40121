/* worker_fork.c - what tells a child made by fork from the worker itself: it must not touch the link or the locks. */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "error.h"
#include "worker_inner.h"

promp_err_t promp_worker_mark_make(promp_worker_t *worker, promp_error_t *error)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    void *mark = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mark == MAP_FAILED || madvise(mark, page, MADV_WIPEONFORK)) {
        promp_err_t err =
            promp_error_set(error, promp_error_from_errno(errno), errno, "a page that forks wipe");
        if (mark != MAP_FAILED)
            munmap(mark, page);
        return err;
    }
    worker->mark = mark;
    *worker->mark = 1;
    return PROMP_OK;
}

void promp_worker_mark_free(promp_worker_t *worker)
{
    if (worker->mark)
        munmap((void *)worker->mark, (size_t)sysconf(_SC_PAGESIZE));
    worker->mark = NULL;
}

/* A child prints as native code does. */
promp_err_t promp_worker_print_forked(int stream, const void *text, size_t size)
{
    int fd = stream == PROMP_STREAM_STDERR || stream == PROMP_STREAM_NATIVE_STDERR ? 2 : 1;
    for (const char *p = text; size;) {
        ssize_t n = write(fd, p, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return PROMP_ERR_SYSTEM;
        p += n;
        size -= (size_t)n;
    }
    return PROMP_OK;
}
