/* Sealed memory: a memory file that nobody can change any more, mapped to be read here and in every process that it is
 * lent to. The seals are looked at before it is mapped: without them whoever holds the file could change or cut it
 * (SIGBUS). */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "container_inside.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U /* Linux 6.3 */
#endif

#define SEALS (F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK)

typedef struct {
    promp_container_t head;
    const uint8_t *map; /* NULL: empty */
    pthread_mutex_t lock;
    int fd; /* to be lent; -1: not any more. Under lock */
} memory_t;

static promp_err_t memory_read(promp_container_t *container, uint64_t offset, void *buffer, size_t size,
                               size_t *got, promp_error_t *error)
{
    (void)error;
    memcpy(buffer, ((memory_t *)container)->map + offset, size);
    *got = size;
    return PROMP_OK;
}

static const void *memory_data(const promp_container_t *container)
{
    return ((const memory_t *)container)->map;
}

/* Without a descriptor reads can still be asked for: that is no error. */
static promp_err_t memory_lend(promp_container_t *container, promp_lent_t *lent, promp_error_t *error)
{
    memory_t *memory = (memory_t *)container;
    (void)error;

    pthread_mutex_lock(&memory->lock);
    int fd = memory->fd >= 0 ? fcntl(memory->fd, F_DUPFD_CLOEXEC, 0) : -1;
    pthread_mutex_unlock(&memory->lock);
    if (fd >= 0)
        *lent = (promp_lent_t){.how = PROMP_LEND_MEMORY, .fd = fd};
    return PROMP_OK;
}

static bool memory_lend_now(promp_container_t *container, promp_lent_t *lent)
{
    return memory_lend(container, lent, NULL) == PROMP_OK;
}

static void memory_loosen(promp_container_t *container)
{
    memory_t *memory = (memory_t *)container;

    pthread_mutex_lock(&memory->lock);
    if (memory->fd >= 0)
        close(memory->fd);
    memory->fd = -1;
    pthread_mutex_unlock(&memory->lock);
}

static void memory_free(promp_container_t *container)
{
    memory_t *memory = (memory_t *)container;

    if (memory->map)
        munmap((void *)memory->map, (size_t)container->size);
    if (memory->fd >= 0)
        close(memory->fd);
    pthread_mutex_destroy(&memory->lock);
    free(memory);
}

static const promp_container_ops_t memory_ops = {
    .read = memory_read,
    .data = memory_data,
    .lend = memory_lend,
    .lend_now = memory_lend_now,
    .loosen = memory_loosen,
    .free = memory_free,
};

/* Takes fd over, which is sealed and of this size; also on failure. */
static promp_container_t *made(const promp_id_t *id, uint64_t size, int fd, promp_error_t *error)
{
    promp_err_t e = PROMP_ERR_MEMORY;
    int system = 0;
    memory_t *memory = malloc(sizeof *memory);

    if (!memory)
        goto err0;
    memory->map = NULL;
    if ((e = promp_container_init(&memory->head, &memory_ops, id, size)))
        goto err1;
    if ((system = pthread_mutex_init(&memory->lock, NULL))) {
        e = promp_error_from_errno(system);
        goto err1;
    }
    if (size) {
        void *map = size <= SIZE_MAX ? mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;
        if (map == MAP_FAILED) {
            system = errno;
            e = promp_error_from_errno(system);
            goto err2;
        }
        memory->map = map;
    }
    if (promp_container_fd_scarce(fd)) {
        close(fd);
        fd = -1;
    }
    memory->fd = fd;
    return &memory->head;

err2:
    pthread_mutex_destroy(&memory->lock);
err1:
    free(memory);
err0:
    promp_error_set(error, e, system, "sealed memory of %llu bytes", (unsigned long long)size);
    close(fd);
    return NULL;
}

/* --- from bytes --- */

/* Writing beyond RLIMIT_FSIZE would end the process with SIGXFSZ, in memory files too. */
static bool may_write(size_t size)
{
    struct rlimit limit;

    return getrlimit(RLIMIT_FSIZE, &limit) == 0 && size <= limit.rlim_cur;
}

/* Written and not mapped: the first touch of a page costs more than the copy. */
static promp_err_t fill(int fd, const uint8_t *data, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = write(fd, data + done, size - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) /* no room in a memory file is no memory */
            return n < 0 && (errno == ENOSPC || errno == ENOMEM) ? PROMP_ERR_MEMORY : PROMP_ERR_SYSTEM;
        done += (size_t)n;
    }
    return fcntl(fd, F_ADD_SEALS, SEALS | F_SEAL_SEAL) == 0 ? PROMP_OK : PROMP_ERR_SYSTEM;
}

promp_container_t *promp_container_sealed(const void *data, size_t size, promp_err_t *code)
{
    static const char name[] = "promp-container";
    promp_error_t error = {.code = PROMP_ERR_SYSTEM};

    *code = PROMP_ERR_SYSTEM;
    if (!may_write(size))
        return NULL;
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
    if (fd < 0 && errno == EINVAL)
        fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) {
        *code = promp_error_from_errno(errno);
        return NULL;
    }
    if ((*code = fill(fd, data, size))) {
        close(fd);
        return NULL;
    }
    promp_container_t *container = made(NULL, size, fd, &error);
    *code = container ? PROMP_OK : error.code;
    return container;
}

/* --- from a descriptor --- */

/* NULL: fd shows a memory file that stays as it is, of *size bytes; else what is wrong with it. */
static const char *flaw(int fd, uint64_t *size)
{
    int seals = fcntl(fd, F_GET_SEALS);
    struct stat st;

    if (seals < 0)
        return "the descriptor is not of a memory file";
    if ((seals & SEALS) != SEALS)
        return "the memory file is not sealed against writing, growing and shrinking";
    if (fstat(fd, &st) != 0 || st.st_size < 0)
        return "the memory file has no size";
    *size = (uint64_t)st.st_size;
    return NULL;
}

/* The copy is looked at: what number fd is can change in another thread. */
promp_container_t *promp_container_memory(int fd, promp_error_t *error)
{
    uint64_t size = 0;
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);

    if (own < 0) {
        int system = errno;
        promp_err_t e = system == EBADF ? PROMP_ERR_ARGUMENT : promp_error_from_errno(system);
        promp_error_set(error, e, system, NULL);
        return NULL;
    }
    const char *wrong = flaw(own, &size);
    if (wrong) {
        promp_error_set(error, PROMP_ERR_ARGUMENT, 0, "%s", wrong);
        close(own);
        return NULL;
    }
    return made(NULL, size, own, error);
}

promp_container_t *promp_container_lent_memory(const promp_id_t *id, uint64_t size, int fd,
                                               promp_error_t *error)
{
    uint64_t actual = 0;
    const char *wrong = flaw(fd, &actual);

    if (!wrong && actual != size)
        wrong = "the memory file has another size than was told";
    if (wrong) {
        promp_error_set(error, PROMP_ERR_MESSAGE_FIELD, 0, "%s", wrong);
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    return made(id, size, fd, error);
}
