/* Files that change while they are read: never a wrong byte. */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "container_rig.h"

#define SIZE ((size_t)300000)

static void with_fd(const char *path, bool (*change)(int fd))
{
    int fd = open(path, O_RDWR | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_true(change(fd));
    close(fd);
}

/* At once: a read under way sees some of it. */
static bool write_over(int fd)
{
    static uint8_t bytes[SIZE];

    memset(bytes, 'B', SIZE);
    return pwrite(fd, bytes, SIZE, 0) == (ssize_t)SIZE;
}

static bool shrink(int fd)
{
    return ftruncate(fd, 10000) == 0;
}

static bool shrink_and_write_anew(int fd)
{
    return ftruncate(fd, 0) == 0 && write_over(fd);
}

static bool grow(int fd)
{
    return ftruncate(fd, 10 * SIZE) == 0;
}

static bool cut_and_grow(int fd)
{
    return ftruncate(fd, 50) == 0 && ftruncate(fd, SIZE) == 0;
}

/* --- at a known moment --- */

/* NULL, or how "file" changes just before the next pread, which gives half of what it could. */
static bool (*change_at_pread)(int fd);

ssize_t __real_pread(int fd, void *buffer, size_t size, off_t offset);
ssize_t __wrap_pread(int fd, void *buffer, size_t size, off_t offset);

ssize_t __wrap_pread(int fd, void *buffer, size_t size, off_t offset)
{
    bool (*change)(int) = change_at_pread;

    if (change) {
        change_at_pread = NULL;
        with_fd(rig_path("file"), change);
        size = size / 2;
    }
    return __real_pread(fd, buffer, size, offset);
}

static void changed_as_the_bytes_come(void **state)
{
    /* Aim: a change at the last moment before, or in the middle of, the copying of the bytes is noticed: none is good. */
    static uint8_t buffer[SIZE];
    bool (*const changes[])(int fd) = {write_over, cut_and_grow, grow};
    (void)state;

    for (int round = 0; round < 6; round++) {
        promp_container_t *container = promp_container_file(rig_file("file", buffer, SIZE), NULL);
        size_t got = 7;
        if (round % 2)
            promp_container_loosen(container);
        change_at_pread = changes[round / 2];
        assert_int_equal(promp_container_read(container, 0, buffer, SIZE, &got, NULL),
                         PROMP_ERR_CONTAINER_CHANGED);
        assert_null(change_at_pread);
        assert_int_equal(got, 0);
        promp_container_drop(&container);
    }
}

static promp_container_t *loosened; /* by the next */

static bool loosen_and_read(int fd)
{
    uint8_t byte;
    size_t got;
    (void)fd;

    promp_container_loosen(loosened);
    return unlink(rig_path("file")) == 0 &&
           promp_container_read(loosened, 0, &byte, 1, &got, NULL) == PROMP_ERR_CONTAINER_CHANGED;
}

static void loosened_under_a_read(void **state)
{
    /* Aim: a read under way when the container is loosened ends well, but new ones do not share its descriptor, so that
     * reads without a gap cannot keep it open; it is closed with the last that had it. */
    static uint8_t buffer[SIZE];
    int before = rig_fds();
    size_t got;
    (void)state;

    loosened = promp_container_file(rig_file("file", buffer, SIZE), NULL);
    change_at_pread = loosen_and_read;
    assert_int_equal(promp_container_read(loosened, 0, buffer, SIZE, &got, NULL), PROMP_OK);
    assert_int_equal(got, SIZE);
    assert_int_equal(rig_fds(), before);
    promp_container_drop(&loosened);
}

/* --- at any moment --- */

#define PART ((size_t)(64 * 1024)) /* what each read takes */

typedef struct {
    promp_container_t *container;
    _Atomic(const char *) wrong;
    atomic_int good; /* reads */
    atomic_bool go_on;
} reader_t;

/* Reads until a read fails; good bytes are all 'A'. */
static void *reads(void *arg)
{
    reader_t *r = arg;
    uint8_t *buffer = malloc(PART), *good = malloc(PART);
    uint64_t seed = 4711;
    promp_error_t error;
    promp_err_t e = PROMP_OK;

    memset(good, 'A', PART);
    while (!e && atomic_load(&r->go_on)) {
        uint64_t offset = rig_random(&seed, SIZE - PART);
        size_t got;
        e = promp_container_read(r->container, offset, buffer, PART, &got, &error);
        if (got != (e ? 0 : PART))
            atomic_store(&r->wrong, "a short read");
        if (memcmp(buffer, good, got) != 0)
            atomic_store(&r->wrong, "a wrong byte");
        atomic_fetch_add(&r->good, !e);
    }
    if (e && e != PROMP_ERR_CONTAINER_CHANGED)
        atomic_store(&r->wrong, "another error");
    free(good);
    free(buffer);
    return NULL;
}

static void changes_in_mid_read(void **state)
{
    /* Aim: threads that read while the file is written over, shrunk or grown get old bytes or an error, never a new byte. */
    bool (*const changes[])(int fd) = {write_over, shrink, shrink_and_write_anew, grow};
    uint8_t *bytes = malloc(SIZE);
    (void)state;

    memset(bytes, 'A', SIZE);
    for (int round = 0; round < 200; round++) {
        reader_t r = {.container = promp_container_file(rig_file("file", bytes, SIZE), NULL), .go_on = true};
        pthread_t threads[2];
        if (round % 8 >= 4)
            promp_container_loosen(r.container);
        for (int i = 0; i < 2; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, reads, &r), 0);
        while (atomic_load(&r.good) < 20)
            ;
        with_fd(rig_path("file"), changes[round % 4]);
        for (int i = 0; i < 2; i++) /* a reader ends at the change only */
            assert_int_equal(pthread_join(threads[i], NULL), 0);
        if (r.wrong)
            fail_msg("%s", r.wrong);
        promp_container_drop(&r.container);
    }
    free(bytes);
}

static void loosened_and_replaced_in_mid_read(void **state)
{
    /* Aim: threads that read while another loosens the container and replaces the file get right bytes or an error. */
    uint8_t *bytes = malloc(SIZE);
    (void)state;

    for (int round = 0; round < 40; round++) {
        memset(bytes, 'A', SIZE);
        reader_t r = {.container = promp_container_file(rig_file("file", bytes, SIZE), NULL), .go_on = true};
        pthread_t threads[2];
        int before = rig_fds();
        for (int i = 0; i < 2; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, reads, &r), 0);
        while (atomic_load(&r.good) < 10)
            ;
        promp_container_loosen(r.container);
        int good = atomic_load(&r.good);
        while (atomic_load(&r.good) < good + 10)
            ;
        memset(bytes, 'B', SIZE);
        rig_file("new", bytes, SIZE);
        if (round % 2)
            assert_int_equal(rename(rig_path("new"), rig_path("file")), 0);
        else
            atomic_store(&r.go_on, false);
        for (int i = 0; i < 2; i++)
            assert_int_equal(pthread_join(threads[i], NULL), 0);
        if (r.wrong)
            fail_msg("%s", r.wrong);
        assert_int_equal(rig_fds(), before - 1);
        promp_container_drop(&r.container);
    }
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(changed_as_the_bytes_come),
        RIG_TEST(loosened_under_a_read),
        RIG_TEST(changes_in_mid_read),
        RIG_TEST(loosened_and_replaced_in_mid_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
