#include "buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Aim: what is appended is there in order, through growth, and consuming takes it off the front. */
static void append_and_consume(void **state)
{
    (void)state;
    promp_buf_t buf = {0};
    size_t taken = 0, put = 0;

    for (int round = 0; round < 300; round++) {
        for (int i = 0; i < 7; i++, put++) {
            uint8_t byte = (uint8_t)(put * 31);
            assert_int_equal(promp_buf_append(&buf, &byte, 1), PROMP_OK);
        }
        for (int i = 0; i < 3; i++, taken++) {
            assert_int_equal(buf.data[0], (uint8_t)(taken * 31));
            promp_buf_consume(&buf, 1);
        }
    }
    assert_int_equal(buf.size, put - taken);
    for (size_t i = 0; i < buf.size; i++)
        assert_int_equal(buf.data[i], (uint8_t)((taken + i) * 31));
    promp_buf_consume(&buf, buf.size);
    assert_int_equal(buf.size, 0);
    promp_buf_free(&buf);
    assert_null(buf.data);
    assert_int_equal(buf.capacity, 0);
    promp_buf_free(&buf);
    promp_buf_free(NULL);
}

/* Aim: nothing is appended or consumed from an empty buffer without touching memory. */
static void empty(void **state)
{
    (void)state;
    promp_buf_t buf = {0};

    assert_int_equal(promp_buf_append(&buf, NULL, 0), PROMP_OK);
    promp_buf_consume(&buf, 0);
    assert_int_equal(promp_buf_reserve(&buf, 0), PROMP_OK);
    assert_null(buf.data);
}

/* Aim: reserved room is used without moving the bytes. */
static void reserve_once(void **state)
{
    (void)state;
    promp_buf_t buf = {0};
    uint8_t block[1000] = {1};

    assert_int_equal(promp_buf_reserve(&buf, 100 * sizeof block), PROMP_OK);
    uint8_t *before = buf.data;
    for (int i = 0; i < 100; i++)
        assert_int_equal(promp_buf_append(&buf, block, sizeof block), PROMP_OK);
    assert_ptr_equal(buf.data, before);
    promp_buf_free(&buf);
}

/* Aim: sizes that no memory holds are refused, and what is there stays. */
static void grows_by_doubling(void **state)
{
    /* Aim: many small appends move the bytes a few times only. */
    (void)state;
    promp_buf_t buf = {0};
    size_t moves = 0, capacity = 0;
    for (int i = 0; i < 100000; i++) {
        assert_int_equal(promp_buf_append(&buf, "x", 1), PROMP_OK);
        moves += buf.capacity != capacity;
        capacity = buf.capacity;
    }
    assert_in_range(moves, 1, 20);
    promp_buf_free(&buf);
}

static void too_large(void **state)
{
    (void)state;
    promp_buf_t buf = {0};

    assert_int_equal(promp_buf_append(&buf, "abc", 3), PROMP_OK);
    assert_int_equal(promp_buf_reserve(&buf, SIZE_MAX), PROMP_ERR_MEMORY);
    assert_int_equal(promp_buf_reserve(&buf, SIZE_MAX - 3), PROMP_ERR_MEMORY);
    assert_int_equal(promp_buf_reserve(&buf, PTRDIFF_MAX), PROMP_ERR_MEMORY);
    assert_int_equal(buf.size, 3);
    assert_memory_equal(buf.data, "abc", 3);
    promp_buf_free(&buf);
}

/* Aim: words are little-endian and come back whole, the highest bit too. */
static void words(void **state)
{
    (void)state;
    uint8_t p[8];

    promp_put16(p, 0x8001);
    assert_memory_equal(p, "\x01\x80", 2);
    assert_int_equal(promp_get16(p), 0x8001);
    promp_put32(p, 0x80020304);
    assert_memory_equal(p, "\x04\x03\x02\x80", 4);
    assert_true(promp_get32(p) == 0x80020304);
    promp_put64(p, 0xf102030405060708);
    assert_memory_equal(p, "\x08\x07\x06\x05\x04\x03\x02\xf1", 8);
    assert_true(promp_get64(p) == 0xf102030405060708);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(append_and_consume), cmocka_unit_test(empty),     cmocka_unit_test(reserve_once),
        cmocka_unit_test(grows_by_doubling),  cmocka_unit_test(too_large), cmocka_unit_test(words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
