/* Reads and lendings that never wait: what they give is right, and all that could wait is left to those that may. */
#include <errno.h>
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "container_rig.h"

/* What the kernel says to a read of what it has not in memory, of a part, or of a network file system's file. */
static struct {
    bool asked;
    ssize_t most; /* -1: errno */
    int error;
} kernel;

ssize_t __wrap_preadv2(int fd, const struct iovec *pieces, int count, off_t offset, int flags);
ssize_t __wrap_preadv2(int fd, const struct iovec *pieces, int count, off_t offset, int flags)
{
    assert_int_equal(count, 1);
    assert_int_equal(flags, RWF_NOWAIT);
    kernel.asked = true;
    if (kernel.most < 0) {
        errno = kernel.error;
        return -1;
    }
    size_t size = pieces->iov_len < (size_t)kernel.most ? pieces->iov_len : (size_t)kernel.most;
    return pread(fd, pieces->iov_base, size, offset);
}

static bool reads(promp_container_t *container, uint64_t offset, size_t size, uint64_t known)
{
    uint8_t *bytes = rig_bytes(known, size);
    uint8_t *buffer = malloc(size);

    assert_non_null(buffer);
    bool read = promp_container_read_now(container, offset, buffer, size);
    if (read)
        assert_memory_equal(buffer, bytes, size);
    free(buffer);
    free(bytes);
    return read;
}

/* True: it was lent, and what came can be read. */
static bool lends(promp_container_t *container)
{
    promp_lent_t lent;

    if (!promp_container_lend_now(container, &lent))
        return false;
    assert_int_not_equal(lent.how, PROMP_LEND_NONE);
    promp_container_t *other =
        promp_container_lent(&container->id, promp_container_size(container), &lent, NULL);
    rig_check_good(other);
    promp_container_drop(&other);
    return true;
}

static void files(void **state)
{
    /* Aim: a file is read from the kernel's memory only, all of it or not at all, and lent, while it is held open. */
    promp_container_t *container = rig_known("file");
    promp_container_t *part = promp_container_range(container, 1000, 5000, NULL);
    (void)state;

    kernel.most = RIG_SIZE;
    assert_true(reads(container, 7, 1000, 7));
    assert_true(kernel.asked);
    assert_true(reads(part, 7, 1000, 1007));
    assert_true(lends(container));
    kernel.most = 999;
    assert_false(reads(container, 7, 1000, 7));
    kernel.most = -1;
    kernel.error = EAGAIN;
    assert_false(reads(container, 7, 1000, 7));
    assert_false(reads(part, 7, 1000, 1007));
    kernel.error = EOPNOTSUPP;
    assert_false(reads(container, 7, 1000, 7));
    kernel.most = RIG_SIZE;
    promp_container_loosen(container); /* it would have to be opened */
    kernel.asked = false;
    assert_false(reads(container, 7, 1000, 7));
    assert_false(kernel.asked);
    assert_false(lends(container));
    promp_container_drop(&part);
    promp_container_drop(&container);
}

static void changed_files(void **state)
{
    /* Aim: nothing is given of a file that was written to. */
    promp_container_t *container = rig_known("file");
    (void)state;

    kernel.most = RIG_SIZE;
    assert_true(reads(container, 0, 100, 0));
    int fd = open(rig_path("file"), O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "x", 1, 200000), 1);
    close(fd);
    assert_false(reads(container, 0, 100, 0));
    assert_false(lends(container));
    promp_container_drop(&container);
}

static void without_descriptors(void **state)
{
    /* Aim: where a file cannot be lent for want of descriptors, whoever can wait is asked. */
    promp_container_t *container = rig_known("file");
    (void)state;

    rig_limit_fds(3);
    assert_false(lends(container));
    promp_container_drop(&container);
}

static void memory(void **state)
{
    /* Aim: memory is always read and lent at once, as are parts of it; what cannot be lent at all is no reason to wait. */
    uint8_t *bytes = rig_bytes(0, RIG_SIZE);
    promp_container_t *plain = promp_container_bytes(bytes, 1000, NULL);
    promp_container_t *sealed = promp_container_bytes(bytes, RIG_SIZE, NULL);
    promp_container_t *part = promp_container_range(sealed, 1000, 5000, NULL);
    promp_lent_t lent;
    (void)state;

    free(bytes);
    assert_true(reads(plain, 10, 990, 10));
    assert_true(reads(sealed, 10, RIG_SIZE - 10, 10));
    assert_true(reads(part, 10, 4990, 1010));
    assert_true(lends(sealed));
    assert_true(promp_container_lend_now(plain, &lent));
    assert_int_equal(lent.how, PROMP_LEND_NONE);
    assert_true(promp_container_lend_now(part, &lent));
    assert_int_equal(lent.how, PROMP_LEND_NONE);
    promp_container_drop(&part);
    promp_container_drop(&sealed);
    promp_container_drop(&plain);
}

static void objects(void **state)
{
    /* Aim: a user's code is not called. */
    promp_container_t *object = rig_object(1000, false, NULL);
    promp_container_t *part = promp_container_range(object, 10, 100, NULL);
    (void)state;

    assert_false(reads(object, 0, 10, 0));
    assert_false(reads(part, 0, 10, 10));
    promp_container_drop(&part);
    promp_container_drop(&object);
}

static void references(void **state)
{
    /* Aim: the last reference is never dropped on the way. */
    int freed = 0;
    promp_container_t *object = rig_object(1000, false, &freed);
    (void)state;

    promp_container_keep(object);
    assert_true(promp_container_drop_spare(object));
    assert_false(promp_container_drop_spare(object));
    assert_int_equal(freed, 0);
    promp_container_drop(&object);
    assert_int_equal(freed, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(files),  RIG_TEST(changed_files), RIG_TEST(without_descriptors),
        RIG_TEST(memory), RIG_TEST(objects),       RIG_TEST(references),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
