/* What all kinds of containers have in common: reading, counting, ranges. */
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include "container_rig.h"

#define SIZE (PROMP_SEALED_FROM + 12345)

/* --- every kind --- */

typedef promp_container_t *maker_t(void);

static promp_container_t *plain(void)
{
    promp_id_t id = {{1}};
    uint8_t *bytes = rig_bytes(0, SIZE);
    promp_container_t *container = promp_container_inline(&id, bytes, SIZE, NULL);

    free(bytes);
    assert_true(promp_id_equal(&container->id, &id));
    return container;
}

static promp_container_t *sealed(void)
{
    uint8_t *bytes = rig_bytes(0, SIZE);
    promp_container_t *container = promp_container_bytes(bytes, SIZE, NULL);

    free(bytes);
    return container;
}

static promp_container_t *memory(void)
{
    int fd = rig_memory(SIZE, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK);
    promp_container_t *container = promp_container_memory(fd, NULL);

    close(fd);
    return container;
}

static promp_container_t *file(void)
{
    uint8_t *bytes = rig_bytes(0, SIZE);
    promp_container_t *container = promp_container_file(rig_file("file", bytes, SIZE), NULL);

    free(bytes);
    return container;
}

static promp_container_t *loose_file(void)
{
    promp_container_t *container = file();

    promp_container_loosen(container);
    return container;
}

static promp_container_t *object(void)
{
    return rig_object(SIZE, false, NULL);
}

/* As another process would have it. */
static promp_container_t *borrow(promp_container_t *from, promp_lend_t how)
{
    promp_error_t error;
    promp_lent_t lent;

    assert_int_equal(promp_container_lend(from, &lent, &error), PROMP_OK);
    assert_int_equal(lent.how, how);
    promp_container_t *container = promp_container_lent(&from->id, from->size, &lent, &error);
    assert_non_null(container);
    assert_true(promp_id_equal(&container->id, &from->id));
    promp_container_drop(&from);
    return container;
}

static promp_container_t *lent_memory(void)
{
    return borrow(sealed(), PROMP_LEND_MEMORY);
}

static promp_container_t *lent_file(void)
{
    return borrow(file(), PROMP_LEND_FILE);
}

static promp_container_t *lent_loose_file(void)
{
    return borrow(loose_file(), PROMP_LEND_FILE);
}

static const struct {
    maker_t *make;
    bool mapped;
    promp_lend_t lend;
} kinds[] = {
    {plain, true, PROMP_LEND_NONE},
    {sealed, true, PROMP_LEND_MEMORY},
    {memory, true, PROMP_LEND_MEMORY},
    {file, false, PROMP_LEND_FILE},
    {loose_file, false, PROMP_LEND_FILE},
    {object, false, PROMP_LEND_NONE},
    {lent_memory, true, PROMP_LEND_MEMORY},
    {lent_file, false, PROMP_LEND_FILE},
    {lent_loose_file, false, PROMP_LEND_FILE},
};
#define KINDS (sizeof kinds / sizeof *kinds)

/* A read of size bytes at offset gives what is there of shown bytes from base on, and touches nothing else. */
static void check_read(promp_container_t *container, uint64_t base, uint64_t shown, uint64_t offset,
                       size_t size)
{
    static uint8_t buffer[SIZE + 64];
    size_t got = 77;
    promp_error_t error = {.text = ""};
    size_t expected = offset >= shown ? 0 : size < shown - offset ? size : (size_t)(shown - offset);

    memset(buffer, 0xA5, size + 1);
    assert_int_equal(promp_container_read(container, offset, buffer, size, &got, &error), PROMP_OK);
    assert_int_equal(got, expected);
    for (size_t i = 0; i < expected; i++)
        if (buffer[i] != rig_byte(base + offset + i))
            fail_msg("wrong byte at %llu", (unsigned long long)(offset + i));
    for (size_t i = expected; i <= size; i++)
        assert_int_equal(buffer[i], 0xA5);
}

static void check_all(promp_container_t *container, uint64_t base, uint64_t shown, uint64_t seed)
{
    assert_int_equal(promp_container_size(container), shown);
    check_read(container, base, shown, 0, SIZE + 1);
    check_read(container, base, shown, shown, 1);
    check_read(container, base, shown, shown - 1, 2);
    check_read(container, base, shown, UINT64_MAX, 16);
    check_read(container, base, shown, UINT64_MAX - 15, 16);
    check_read(container, base, shown, 5, 0);
    for (int i = 0; i < 200; i++)
        check_read(container, base, shown, rig_random(&seed, shown + 10), rig_random(&seed, 5000));
}

static void kinds_read_alike(void **state)
{
    /* Aim: whatever a container is made of, each read gives the bytes there are, no more, and past the end none. */
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        promp_container_t *container = kinds[k].make();
        check_all(container, 0, SIZE, k + 1);
        const uint8_t *data = promp_container_data(container);
        assert_int_equal(data != NULL, kinds[k].mapped);
        for (size_t i = 0; data && i < SIZE; i += 997)
            assert_int_equal(data[i], rig_byte(i));
        for (promp_advice_t advice = PROMP_ADVISE_NORMAL; advice <= PROMP_ADVISE_SOON; advice++)
            promp_container_advise(container, advice, 100, UINT64_MAX);
        promp_container_advise(container, PROMP_ADVISE_SOON, UINT64_MAX, UINT64_MAX);
        promp_container_drop(&container);
        assert_null(container);
    }
}

static void kinds_lend(void **state)
{
    /* Aim: what can be lent is lent with a descriptor of its own, the others say NONE; what was lent can be lent on. */
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        promp_container_t *container = kinds[k].make();
        promp_lent_t lent = {.fd = 99};
        assert_int_equal(promp_container_lend(container, &lent, NULL), PROMP_OK);
        assert_int_equal(lent.how, kinds[k].lend);
        assert_int_equal(lent.fd >= 0, kinds[k].lend != PROMP_LEND_NONE);
        if (lent.fd >= 0) {
            assert_true(fcntl(lent.fd, F_GETFD) & FD_CLOEXEC);
            promp_container_t *other = promp_container_lent(&container->id, SIZE, &lent, NULL);
            promp_container_drop(&container);
            check_all(other, 0, SIZE, 1);
            promp_container_drop(&other);
        }
        promp_container_drop(&container);
    }
}

static void kinds_have_ranges(void **state)
{
    /* Aim: a part of each kind, and a part of that, read like a container of their own. */
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        promp_container_t *container = kinds[k].make();
        promp_container_t *part = promp_container_range(container, 1000, 200000, NULL);
        promp_container_t *deep = promp_container_range(part, 500, UINT64_MAX, NULL);
        const uint8_t *data = promp_container_data(deep);

        promp_container_drop(&part);
        check_all(container, 0, SIZE, k + 1);
        promp_container_drop(&container); /* the part keeps what it is a part of */
        check_all(deep, 1500, 199500, k + 2);
        assert_int_equal(data != NULL, kinds[k].mapped);
        if (data)
            assert_int_equal(data[3], rig_byte(1503));
        promp_container_drop(&deep);
    }
}

/* --- ranges --- */

static void range_edges(void **state)
{
    /* Aim: a range is cut to what there is; one that begins beyond the end is refused, one at the end is empty. */
    promp_error_t error;
    promp_container_t *container = promp_container_bytes("0123456789", 10, NULL);
    promp_container_t *part = promp_container_range(container, 4, UINT64_MAX, NULL);
    promp_container_t *none = promp_container_range(part, 6, 1, NULL);
    size_t got;
    (void)state;

    assert_int_equal(promp_container_size(part), 6);
    assert_memory_equal(promp_container_data(part), "456789", 6);
    assert_int_equal(promp_container_size(none), 0);
    assert_null(promp_container_data(none));
    assert_int_equal(promp_container_read(none, 0, &got, 1, &got, NULL), PROMP_OK);
    assert_int_equal(got, 0);
    assert_null(promp_container_range(part, 7, 0, &error));
    assert_error(error, ARGUMENT);
    assert_null(promp_container_range(part, UINT64_MAX, UINT64_MAX, &error));
    assert_error(error, ARGUMENT);
    assert_null(promp_container_range(NULL, 0, 0, &error));
    assert_error(error, ARGUMENT);
    promp_container_drop(&none);
    promp_container_drop(&part);
    promp_container_drop(&container);
}

static void range_is_lent_whole_only(void **state)
{
    /* Aim: a descriptor that shows more than the range is never lent; and a range has an id of its own. */
    promp_container_t *container = sealed();
    promp_container_t *part = promp_container_range(container, 1, SIZE, NULL);
    promp_container_t *whole = promp_container_range(container, 0, SIZE, NULL);
    promp_lent_t lent;
    (void)state;

    assert_int_equal(promp_container_lend(part, &lent, NULL), PROMP_OK);
    assert_int_equal(lent.how, PROMP_LEND_NONE);
    assert_int_equal(promp_container_lend(whole, &lent, NULL), PROMP_OK);
    assert_int_equal(lent.how, PROMP_LEND_MEMORY);
    close(lent.fd);
    assert_false(promp_id_equal(&part->id, &container->id));
    assert_false(promp_id_equal(&part->id, &whole->id));
    promp_container_loosen(part);
    assert_int_equal(promp_container_lend(whole, &lent, NULL), PROMP_OK);
    assert_int_equal(lent.how, PROMP_LEND_NONE);
    promp_container_drop(&part);
    promp_container_drop(&whole);
    promp_container_drop(&container);
}

static void range_has_the_reader_of_its_base(void **state)
{
    /* Aim: who reads a part for workers is who reads the whole. */
    (void)state;
    for (int own = 0; own < 2; own++) {
        promp_container_t *container = rig_object(100, own, NULL);
        promp_container_t *part = promp_container_range(container, 1, 90, NULL);
        promp_container_t *deep = promp_container_range(part, 1, 80, NULL);
        assert_int_equal(container->reader, own ? PROMP_CONTAINER_SERVE : PROMP_CONTAINER_PROCESS);
        assert_int_equal(deep->reader, container->reader);
        promp_container_drop(&deep);
        promp_container_drop(&part);
        promp_container_drop(&container);
    }
}

/* --- counting, arguments --- */

static void *keeps_and_drops(void *arg)
{
    for (int i = 0; i < 2000; i++) {
        promp_container_t *mine = promp_container_keep(arg);
        promp_container_t *part = promp_container_range(mine, 10, 20, NULL);
        uint8_t bytes[4];
        size_t got;
        promp_container_drop(&mine);
        if (promp_container_read(part, 5, bytes, 4, &got, NULL) || got != 4 || bytes[0] != rig_byte(15))
            return "a wrong read";
        promp_container_drop(&part);
    }
    promp_container_t *last = arg;
    promp_container_drop(&last);
    return NULL;
}

static void last_reference_frees_once(void **state)
{
    /* Aim: with threads that keep, use and drop one container, it is freed once, by the last of them. */
    int freed = 0;
    promp_container_t *container = rig_object(100, false, &freed);
    pthread_t threads[4];
    void *wrong;
    (void)state;

    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, keeps_and_drops, promp_container_keep(container)),
                         0);
    promp_container_drop(&container);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], &wrong), 0);
        assert_null(wrong);
    }
    assert_int_equal(freed, 1);
}

static void arguments(void **state)
{
    /* Aim: calls with nothing in their arguments fail or do nothing. */
    promp_error_t error;
    promp_lent_t lent = {.how = PROMP_LEND_NONE, .fd = open("/dev/null", O_RDONLY | O_CLOEXEC)};
    promp_id_t id = {{1}};
    promp_container_t *none = NULL;
    promp_container_t *container = promp_container_bytes(NULL, 0, &error);
    size_t got = 5;
    (void)state;

    assert_int_equal(promp_container_size(container), 0);
    assert_null(promp_container_data(container));
    assert_int_equal(promp_container_read(container, 0, NULL, 0, &got, NULL), PROMP_OK);
    assert_int_equal(got, 0);
    assert_int_equal(promp_container_read(container, 0, NULL, 1, &got, NULL), PROMP_ERR_ARGUMENT);
    assert_int_equal(promp_container_read(container, 0, &got, 1, NULL, NULL), PROMP_ERR_ARGUMENT);
    assert_int_equal(promp_container_read(NULL, 0, &got, 1, &got, &error), PROMP_ERR_ARGUMENT);
    assert_error(error, ARGUMENT);
    assert_null(promp_container_bytes(NULL, 1, &error));
    assert_error(error, ARGUMENT);
    assert_null(promp_container_inline(&id, "", SIZE_MAX, &error));
    assert_error(error, MEMORY);
    assert_null(promp_container_lent(&id, 1, &lent, &error)); /* and closes it */
    assert_error(error, ARGUMENT);
    promp_container_drop(&none);
    promp_container_drop(NULL);
    assert_null(promp_container_keep(NULL));
    assert_int_equal(promp_container_size(NULL), 0);
    assert_null(promp_container_data(NULL));
    promp_container_advise(NULL, PROMP_ADVISE_SOON, 0, 1);
    promp_container_loosen(container);
    promp_container_drop(&container);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(kinds_read_alike),          RIG_TEST(kinds_lend),
        RIG_TEST(kinds_have_ranges),         RIG_TEST(range_edges),
        RIG_TEST(range_is_lent_whole_only),  RIG_TEST(range_has_the_reader_of_its_base),
        RIG_TEST(last_reference_frees_once), RIG_TEST(arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
