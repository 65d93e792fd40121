/* Sealed memory: what is lent cannot be changed, what is not sealed is refused, and what to do where there is none. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "container_rig.h"

#define SIZE  ((size_t)PROMP_SEALED_FROM)
#define SEALS (F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK)

int __real_memfd_create(const char *name, unsigned flags);
int __wrap_memfd_create(const char *name, unsigned flags);

static unsigned known_flags = ~0U; /* of the system that is played; 0: it has no memory files */

int __wrap_memfd_create(const char *name, unsigned flags)
{
    if (flags & ~known_flags) {
        errno = known_flags ? EINVAL : ENOSYS;
        return -1;
    }
    return __real_memfd_create(name, flags);
}

/* How the bytes are lent; they are there in any case. */
static promp_lend_t lent_as(size_t size)
{
    promp_lent_t lent;
    uint8_t *bytes = rig_bytes(0, size);
    promp_container_t *container = promp_container_bytes(bytes, size, NULL);

    assert_non_null(container);
    assert_memory_equal(promp_container_data(container), bytes, size);
    assert_int_equal(promp_container_lend(container, &lent, NULL), PROMP_OK);
    if (lent.fd >= 0)
        close(lent.fd);
    promp_container_drop(&container);
    free(bytes);
    return lent.how;
}

static void large_bytes_are_sealed(void **state)
{
    /* Aim: bytes lie in memory that can be lent from the limit on, and below it in plain memory. */
    (void)state;
    assert_int_equal(lent_as(SIZE), PROMP_LEND_MEMORY);
    assert_int_equal(lent_as(5 * SIZE + 1), PROMP_LEND_MEMORY);
    assert_int_equal(lent_as(SIZE - 1), PROMP_LEND_NONE);
}

static void lent_memory_stays(void **state)
{
    /* Aim: whoever has the descriptor cannot write, map for writing, cut, grow or punch it, by no way. */
    uint8_t *bytes = rig_bytes(0, SIZE);
    promp_container_t *container = promp_container_bytes(bytes, SIZE, NULL);
    promp_lent_t lent;
    char path[64];
    (void)state;

    assert_int_equal(promp_container_lend(container, &lent, NULL), PROMP_OK);
    snprintf(path, sizeof path, "/proc/self/fd/%d", lent.fd);
    int again = open(path, O_RDWR | O_CLOEXEC);
    int fds[] = {lent.fd, again};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pwrite(fds[i], "x", 1, 0), -1);
        assert_int_equal(pwrite(fds[i], "x", 1, SIZE), -1);
        assert_int_equal(ftruncate(fds[i], 0), -1);
        assert_int_equal(ftruncate(fds[i], 2 * SIZE), -1);
        assert_int_equal(fallocate(fds[i], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096), -1);
        assert_ptr_equal(mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fds[i], 0), MAP_FAILED);
    }
    assert_int_equal(truncate(path, 0), -1);
    assert_int_equal(mprotect((void *)promp_container_data(container), SIZE, PROT_READ | PROT_WRITE), -1);
    assert_memory_equal(promp_container_data(container), bytes, SIZE);
    close(lent.fd);
    if (again >= 0)
        close(again);
    promp_container_drop(&container);
    free(bytes);
}

/* Both ways to make a container from fd refuse it: ours (which leaves it open), and a peer's (which closes it). */
static void refused(int fd, size_t size)
{
    promp_error_t error;
    promp_id_t id = {{1}};
    promp_lent_t lent = {.how = PROMP_LEND_MEMORY, .fd = fd};

    assert_null(promp_container_memory(fd, &error));
    assert_error(error, ARGUMENT);
    assert_true(fd < 0 || fcntl(fd, F_GETFD) >= 0);
    assert_null(promp_container_lent(&id, size, &lent, &error));
    assert_error(error, MESSAGE_FIELD);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
}

static void unsealed_memory_is_refused(void **state)
{
    /* Aim: a descriptor that somebody could change or cut under a mapping (SIGBUS) is never mapped. */
    int pipes[2];
    (void)state;

    refused(rig_memory(SIZE, 0), SIZE);
    refused(rig_memory(SIZE, SEALS & ~F_SEAL_WRITE), SIZE);
    refused(rig_memory(SIZE, SEALS & ~F_SEAL_GROW), SIZE);
    refused(rig_memory(SIZE, SEALS & ~F_SEAL_SHRINK), SIZE);
    refused(rig_memory(SIZE, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_FUTURE_WRITE), SIZE);
    refused(open(rig_file("file", "abc", 3), O_RDONLY | O_CLOEXEC), 3);
    refused(open("/", O_RDONLY | O_CLOEXEC), 0);
    refused(open("/dev/zero", O_RDONLY | O_CLOEXEC), 0);
    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    refused(pipes[0], 0);
    refused(pipes[1], 0);
    refused(-1, 0);
}

static void lent_memory_has_the_size_told(void **state)
{
    /* Aim: memory of another size than its lender told is refused: a read of what is beyond it would be a SIGBUS. */
    promp_error_t error;
    promp_id_t id = {{1}};
    const uint64_t sizes[] = {0, SIZE - 1, SIZE + 1, 2 * SIZE, UINT64_MAX};
    (void)state;

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        promp_lent_t lent = {.how = PROMP_LEND_MEMORY, .fd = rig_memory(SIZE, SEALS)};
        assert_null(promp_container_lent(&id, sizes[i], &lent, &error));
        assert_error(error, MESSAGE_FIELD);
    }
}

static void huge_memory_cannot_be_mapped(void **state)
{
    /* Aim: a memory file larger than an address space is a clear error. */
    promp_error_t error;
    int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    (void)state;

    assert_int_equal(ftruncate(fd, INT64_MAX), 0);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, SEALS), 0);
    assert_null(promp_container_memory(fd, &error));
    assert_true(error.code == PROMP_ERR_MEMORY || error.code == PROMP_ERR_SYSTEM);
    close(fd);
}

static void empty_memory(void **state)
{
    /* Aim: a memory file of no bytes is an empty container, lent and all. */
    int fd = rig_memory(0, SEALS);
    promp_container_t *container = promp_container_memory(fd, NULL);
    promp_lent_t lent;
    (void)state;

    close(fd);
    assert_int_equal(promp_container_size(container), 0);
    assert_null(promp_container_data(container));
    assert_int_equal(promp_container_lend(container, &lent, NULL), PROMP_OK);
    promp_container_t *other = promp_container_lent(&container->id, 0, &lent, NULL);
    assert_non_null(other);
    promp_container_drop(&other);
    promp_container_drop(&container);
}

/* --- where there is none --- */

static void without_memory_files(void **state)
{
    /* Aim: a system without memory files, or with those of old kernels only, holds the bytes all the same. */
    (void)state;
    known_flags = 0;
    assert_int_equal(lent_as(SIZE), PROMP_LEND_NONE);
    known_flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    assert_int_equal(lent_as(SIZE), PROMP_LEND_MEMORY);
    known_flags = ~0U;
}

static void descriptors_are_left_to_others(void **state)
{
    /* Aim: any number of containers takes half of the descriptors at most; the others are plain memory, or cannot be lent. */
    enum { COUNT = 100, LIMIT = 64 };
    promp_container_t *containers[COUNT], *given;
    promp_error_t error;
    promp_lent_t lent;
    uint8_t *bytes = rig_bytes(0, SIZE);
    int fd = rig_memory(SIZE, SEALS);
    (void)state;

    rig_limit_fds(LIMIT);
    for (int i = 0; i < COUNT; i++)
        assert_non_null(containers[i] = promp_container_bytes(bytes, SIZE, NULL));
    int free_one = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_int_equal(free_one, LIMIT / 2);
    close(free_one);
    for (int i = 0; i < COUNT; i++)
        assert_memory_equal(promp_container_data(containers[i]), bytes, SIZE);

    given = promp_container_memory(fd, NULL);
    assert_memory_equal(promp_container_data(given), bytes, SIZE);
    assert_int_equal(promp_container_lend(given, &lent, NULL), PROMP_OK);
    assert_int_equal(lent.how, PROMP_LEND_NONE);
    promp_container_drop(&given);

    rig_limit_fds(3); /* none at all */
    assert_null(promp_container_memory(fd, &error));
    assert_error(error, DESCRIPTORS);
    assert_int_equal(promp_container_lend(containers[0], &lent, NULL), PROMP_OK);
    assert_int_equal(lent.how, PROMP_LEND_NONE);
    assert_non_null(given = promp_container_bytes(bytes, SIZE, NULL));
    promp_container_drop(&given);

    for (int i = 0; i < COUNT; i++)
        promp_container_drop(&containers[i]);
    close(fd);
    free(bytes);
}

static void limit_on_file_sizes(void **state)
{
    /* Aim: where files may not be as large as the bytes (SIGXFSZ), they lie in plain memory. */
    int status;
    (void)state;

    pid_t child = fork();
    if (child == 0) {
        struct rlimit limit = {.rlim_cur = SIZE, .rlim_max = SIZE};
        setrlimit(RLIMIT_FSIZE, &limit);
        _exit(lent_as(SIZE) == PROMP_LEND_MEMORY && lent_as(SIZE + 1) == PROMP_LEND_NONE ? 42 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 42);
}

/* --- loosened --- */

static void loosened_memory_is_read_on(void **state)
{
    /* Aim: loosened, it holds no descriptor and is not lent, but stays mapped. */
    uint8_t *bytes = rig_bytes(0, SIZE);
    promp_container_t *container = promp_container_bytes(bytes, SIZE, NULL);
    promp_lent_t lent;
    int before = rig_fds();
    (void)state;

    promp_container_loosen(container);
    assert_int_equal(rig_fds(), before - 1);
    int other = open("/dev/null", O_RDONLY | O_CLOEXEC); /* has the number that it had */
    promp_container_loosen(container);
    assert_memory_equal(promp_container_data(container), bytes, SIZE);
    assert_int_equal(promp_container_lend(container, &lent, NULL), PROMP_OK);
    assert_int_equal(lent.how, PROMP_LEND_NONE);
    promp_container_drop(&container);
    assert_int_equal(close(other), 0);
    free(bytes);
}

static void *lends(void *arg)
{
    promp_container_t *container = arg;
    promp_lent_t lent = {.how = PROMP_LEND_MEMORY, .fd = -1};

    while (lent.how == PROMP_LEND_MEMORY) {
        if (promp_container_lend(container, &lent, NULL))
            return "lend failed";
        if (lent.how == PROMP_LEND_MEMORY) {
            promp_container_t *other = promp_container_lent(&container->id, SIZE, &lent, NULL);
            if (!other)
                return "something else was lent";
            promp_container_drop(&other);
        }
    }
    return NULL;
}

static void loosened_while_lent(void **state)
{
    /* Aim: threads that lend while another loosens get the right descriptor or none. */
    uint8_t *bytes = rig_bytes(0, SIZE);
    (void)state;

    for (int round = 0; round < 20; round++) {
        promp_container_t *container = promp_container_bytes(bytes, SIZE, NULL);
        pthread_t threads[3];
        void *wrong;
        for (int i = 0; i < 3; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, lends, container), 0);
        promp_container_loosen(container);
        for (int i = 0; i < 3; i++) {
            assert_int_equal(pthread_join(threads[i], &wrong), 0);
            assert_null(wrong);
        }
        promp_container_drop(&container);
    }
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(large_bytes_are_sealed),       RIG_TEST(lent_memory_stays),
        RIG_TEST(unsealed_memory_is_refused),   RIG_TEST(lent_memory_has_the_size_told),
        RIG_TEST(huge_memory_cannot_be_mapped), RIG_TEST(empty_memory),
        RIG_TEST(without_memory_files),         RIG_TEST(descriptors_are_left_to_others),
        RIG_TEST(limit_on_file_sizes),          RIG_TEST(loosened_memory_is_read_on),
        RIG_TEST(loosened_while_lent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
