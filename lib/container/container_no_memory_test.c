/* Every allocation and every making of the code below is made to fail once (the linker sends them here). */
#include <errno.h>
#include <sys/mman.h>

#include "container_rig.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);
ssize_t __real_write(int fd, const void *data, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);
ssize_t __wrap_write(int fd, const void *data, size_t size);

static long left = -1; /* calls until the one that fails; negative: none does */

static bool fails(int error)
{
    if (left < 0 || left-- != 0)
        return false;
    errno = error;
    return true;
}

void *__wrap_malloc(size_t size)
{
    return fails(ENOMEM) ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails(ENOMEM) ? NULL : __real_calloc(count, size);
}

void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    return fails(ENOMEM) ? MAP_FAILED : __real_mmap(at, size, protection, flags, fd, offset);
}

ssize_t __wrap_write(int fd, const void *data, size_t size)
{
    return fails(ENOSPC) ? -1 : __real_write(fd, data, size);
}

static uint8_t bytes[PROMP_SEALED_FROM];

static promp_container_t *plain(promp_error_t *error)
{
    return promp_container_bytes(bytes, 100, error);
}

static promp_container_t *sealed(promp_error_t *error)
{
    return promp_container_bytes(bytes, sizeof bytes, error);
}

static promp_container_t *file(promp_error_t *error)
{
    return promp_container_file("/proc/self/status", error);
}

static promp_err_t no_read(void *arg, uint64_t offset, void *buffer, size_t size, promp_error_t *error)
{
    (void)arg;
    (void)offset;
    (void)buffer;
    (void)size;
    (void)error;
    return PROMP_ERR_SYSTEM;
}

static void no_free(void *arg)
{
    (void)arg;
    fail_msg("what was not made is freed");
}

static promp_container_t *object(promp_error_t *error)
{
    promp_container_object_t o = {.size = 10, .read = no_read, .free = left >= 0 ? no_free : NULL};
    return promp_container_object(&o, error);
}

static promp_container_t *range(promp_error_t *error)
{
    promp_container_t *whole = plain(error);
    promp_container_t *part = whole ? promp_container_range(whole, 1, 2, error) : NULL;

    promp_container_drop(&whole);
    return part;
}

static void makers_survive(void **state)
{
    /* Aim: whichever call fails for want of memory while a container is made, it is MEMORY and nothing is left behind. */
    static const struct {
        promp_container_t *(*make)(promp_error_t *error);
        int calls;
    } makers[] = {{plain, 1}, {sealed, 3}, {file, 2}, {object, 1}, {range, 2}};
    (void)state;

    for (size_t i = 0; i < sizeof makers / sizeof *makers; i++) {
        promp_container_t *container;
        for (long n = 0; n < makers[i].calls; n++) {
            promp_error_t error = {.text = ""};
            left = n;
            container = makers[i].make(&error);
            assert_true(left < 0);
            assert_null(container);
            assert_error(error, MEMORY);
        }
        left = -1;
        assert_non_null(container = makers[i].make(NULL));
        promp_container_drop(&container);
    }
}

static void searches_survive(void **state)
{
    /* Aim: a search without memory for its buffer says so; one in mapped bytes needs none. */
    promp_error_t error;
    uint64_t at;
    promp_container_t *supplied = rig_object(100, false, NULL);
    promp_container_t *mapped = plain(NULL);
    (void)state;

    left = 0;
    assert_int_equal(promp_container_find(supplied, "a", 1, 0, 100, NULL, NULL, &at, &error),
                     PROMP_ERR_MEMORY);
    assert_error(error, MEMORY);
    assert_int_equal(at, PROMP_CONTAINER_NOWHERE);
    left = 0;
    assert_int_equal(promp_container_find(mapped, "a", 1, 0, 100, NULL, NULL, &at, &error), PROMP_OK);
    assert_int_equal(left, 0);
    left = -1;
    promp_container_drop(&mapped);
    promp_container_drop(&supplied);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(makers_survive),
        RIG_TEST(searches_survive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
