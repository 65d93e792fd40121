/* Every allocation of the code below is made to fail once (the linker sends malloc and realloc here). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "message.h"
#include "value_testing.h"

void *__real_malloc(size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_realloc(void *old, size_t size);

static long left = -1; /* allocations until the one that fails; negative: none does */

static bool fails(void)
{
    return left >= 0 && left-- == 0;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return fails() ? NULL : __real_realloc(old, size);
}

/* A dict of a list of everything, a dict large enough for an index, and a key that comes twice. NULL without memory. */
static promp_value_t *build(void)
{
    static const uint8_t big[12] = {1};
    promp_value_t *list = promp_value_list();
    promp_value_t *dict = promp_value_dict();
    bool good = list && dict;

    for (int i = 0; good && i < 20; i++) {
        promp_value_t *item[] = {promp_value_bigint(i % 2, big, sizeof big), promp_value_float(i)};
        for (size_t j = 0; good && j < 2; j++)
            good = item[j] && promp_value_append(list, &item[j]) == PROMP_OK;
        promp_value_t *key = test_text(i % 2 ? "twice" : (char[]){'a', (char)('a' + i), 0});
        promp_value_t *value = promp_value_bytes("bytes", 5);
        good = good && key && value && promp_value_insert(dict, &key, &value) == PROMP_OK;
        promp_value_free(&item[0]);
        promp_value_free(&item[1]);
        promp_value_free(&key);
        promp_value_free(&value);
    }
    promp_value_t *key = promp_value_bigint(true, big, sizeof big);
    good = good && key && promp_value_insert(dict, &key, &list) == PROMP_OK;
    if (good)
        return dict;
    promp_value_free(&key);
    promp_value_free(&list);
    promp_value_free(&dict);
    return NULL;
}

static void building_survives(void **state)
{
    /* Aim: whichever allocation of a tree's building fails, nothing is lost (a sanitizer sees it) and nothing crashes. */
    promp_value_t *value = NULL;
    long failures = 0;
    (void)state;

    for (; !value; failures++) {
        left = failures;
        value = build();
    }
    left = -1;
    assert_true(failures > 50);
    promp_value_free(&value);
}

static void reading_and_writing_survive(void **state)
{
    /* Aim: likewise for encoding and decoding: the error is MEMORY, no half tree comes out, the buffer is as before. */
    promp_value_t *value = build();
    promp_value_t *read;
    promp_buf_t out = {0};
    promp_err_t err = PROMP_ERR_MEMORY;
    (void)state;

    assert_non_null(value);
    for (long n = 0; err; n++) {
        left = n;
        err = promp_value_encode(value, &out);
        left = -1;
        assert_true(err == PROMP_OK || (err == PROMP_ERR_MEMORY && out.size == 0));
    }
    err = PROMP_ERR_MEMORY;
    long failures = 0;
    for (; err; failures++) {
        left = failures;
        err = promp_value_decode(promp_slice(out.data, out.size), &read);
        left = -1;
        assert_true(err == PROMP_OK ? !!read : err == PROMP_ERR_MEMORY && !read);
    }
    assert_true(failures > 30);
    test_equal(value, read);
    promp_value_free(&read);
    promp_value_free(&value);
    promp_buf_free(&out);
}

static void messages_survive(void **state)
{
    /* Aim: a message that cannot be encoded for want of memory leaves the buffer as before. */
    promp_message_t message = {.type = PROMP_TYPE_READY};
    promp_buf_t out = {0};
    promp_slice_t rest;
    (void)state;

    left = 0;
    assert_int_equal(promp_message_encode(&message, &out), PROMP_ERR_MEMORY);
    left = 0;
    assert_int_equal(promp_message_encode_head(&message, &out, &rest), PROMP_ERR_MEMORY);
    left = -1;
    assert_int_equal(out.size, 0);
    assert_null(out.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(building_survives),
        cmocka_unit_test(reading_and_writing_survive),
        cmocka_unit_test(messages_survive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
