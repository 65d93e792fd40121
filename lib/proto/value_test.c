#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "limits.h"
#include "value_testing.h"

static void building_too_deep_fails(void **state)
{
    /* Aim: a tree deeper than the limit cannot be built, and what could be built can be sent and read. */
    promp_value_t *value = promp_value_list();
    promp_buf_t out = {0};
    (void)state;

    for (int depth = 1; depth < PROMP_LIMIT_VALUE_DEPTH; depth++) {
        promp_value_t *outer = depth % 2 ? promp_value_dict() : promp_value_list();
        if (depth % 2)
            test_insert(outer, promp_value_int(depth), value);
        else
            test_append(outer, value);
        value = outer;
    }
    assert_int_equal(promp_value_encode(value, &out), PROMP_OK);
    promp_value_t *read;
    assert_int_equal(promp_value_decode(promp_slice(out.data, out.size), &read), PROMP_OK);
    promp_value_free(&read);
    promp_buf_free(&out);

    promp_value_t *list = promp_value_list();
    assert_int_equal(promp_value_append(list, &value), PROMP_ERR_VALUE_DEPTH);
    assert_null(value);
    assert_int_equal(promp_value_count(list), 0);
    promp_value_free(&list);
}

static void misuse_is_an_error(void **state)
{
    /* Aim: wrong types and NULLs give ARGUMENT, free what was handed over and change nothing. */
    promp_value_t *number = promp_value_int(1);
    promp_value_t *dict = promp_value_dict();
    promp_value_t *item = test_text("item");
    promp_value_t *key = promp_value_float(1);
    (void)state;

    assert_int_equal(promp_value_append(number, &item), PROMP_ERR_ARGUMENT);
    assert_null(item);
    assert_int_equal(promp_value_append(dict, &item), PROMP_ERR_ARGUMENT);
    item = test_text("item");
    assert_int_equal(promp_value_insert(dict, &key, &item), PROMP_ERR_ARGUMENT);
    assert_null(key);
    assert_null(item);
    key = test_text("key");
    assert_int_equal(promp_value_insert(dict, &key, &item), PROMP_ERR_ARGUMENT);
    assert_null(key);
    key = item = test_text("both");
    assert_int_equal(promp_value_insert(dict, &key, &item), PROMP_ERR_ARGUMENT);
    assert_null(key);
    assert_null(item);
    assert_null(promp_value_str("\xFF", 1));
    assert_int_equal(promp_value_count(dict), 0);
    assert_null(promp_value_at(dict, 0));
    assert_null(promp_value_key_at(number, 0));
    assert_null(promp_value_find(number, "a"));
    assert_true(promp_value_as_float(number) == 1.0);
    assert_false(promp_value_as_bool(number));
    size_t size = 1;
    assert_non_null(promp_value_data(number, &size));
    assert_int_equal(size, 0);
    promp_value_free(&number);
    promp_value_free(&dict);
    promp_value_free(&dict);
    promp_value_free(NULL);
}

static void equal_keys_replace(void **state)
{
    /* Aim: an equal key replaces the value in its place, in trees that are built and in those that are read;
     * keys of different types never are equal. */
    static const uint8_t big[9] = {1};
    static const uint8_t wire[] = {0xA4, 0x61, 'a', 1, 1, 2, 0x61, 'a', 0x81, 9, 1, 0xF6};
    promp_value_t *dict = promp_value_dict();
    (void)state;

    test_insert(dict, test_text("a"), promp_value_int(1));
    test_insert(dict, promp_value_int(1), promp_value_int(2));
    test_insert(dict, test_text("1"), promp_value_int(3));
    test_insert(dict, promp_value_bigint(false, big, sizeof big), promp_value_int(4));
    test_insert(dict, promp_value_bigint(true, big, sizeof big), promp_value_int(5));
    test_insert(dict, test_text("a"), test_text("new"));
    test_insert(dict, promp_value_bigint(true, big, sizeof big), promp_value_int(6));
    assert_int_equal(promp_value_count(dict), 5);
    assert_int_equal(promp_value_type(promp_value_at(dict, 0)), PROMP_VALUE_STR);
    assert_ptr_equal(promp_value_find(dict, "a"), promp_value_at(dict, 0));
    assert_int_equal(promp_value_as_int(promp_value_find(dict, "1")), 3);
    assert_int_equal(promp_value_as_int(promp_value_at(dict, 3)), 4);
    assert_int_equal(promp_value_as_int(promp_value_at(dict, 4)), 6);
    assert_null(promp_value_find(dict, "b"));
    promp_value_free(&dict);

    assert_int_equal(promp_value_decode(promp_slice(wire, sizeof wire), &dict), PROMP_OK);
    assert_int_equal(promp_value_count(dict), 2);
    assert_int_equal(promp_value_type(promp_value_find(dict, "a")), PROMP_VALUE_LIST);
    assert_int_equal(promp_value_type(promp_value_at(dict, 1)), PROMP_VALUE_NONE);
    promp_value_free(&dict);
}

static void large_dicts_are_quick(void **state)
{
    /* Aim: a dict of a million keys, each of them twice, is built, read and searched without comparing all
     * with all (which would not end within the test's time). */
    const int count = 1000000;
    promp_value_t *dict = promp_value_dict();
    promp_value_t *read;
    promp_buf_t out = {0};
    char name[16];
    (void)state;

    for (int i = 0; i < 2 * count; i++) {
        snprintf(name, sizeof name, "key %d", i % count);
        test_insert(dict, test_text(name), promp_value_int(i));
    }
    assert_int_equal(promp_value_count(dict), count);
    assert_int_equal(promp_value_encode(dict, &out), PROMP_OK);
    promp_value_free(&dict);

    /* The same pairs once more behind the first ones. */
    size_t body = out.size - 5;
    assert_int_equal(out.data[0], 0xBA);
    assert_int_equal(promp_buf_reserve(&out, body), PROMP_OK);
    memcpy(out.data + out.size, out.data + 5, body);
    out.size += body;
    uint32_t pairs = 2 * (uint32_t)count;
    for (int i = 0; i < 4; i++)
        out.data[1 + i] = (uint8_t)(pairs >> (24 - 8 * i));
    assert_int_equal(promp_value_decode(promp_slice(out.data, out.size), &read), PROMP_OK);
    assert_int_equal(promp_value_count(read), count);
    for (int i = 0; i < count; i += 997) {
        snprintf(name, sizeof name, "key %d", i);
        assert_int_equal(promp_value_as_int(promp_value_find(read, name)), count + i);
    }
    promp_value_free(&read);
    promp_buf_free(&out);
}

/* A random scalar; keys are of the types that may be keys. */
static promp_value_t *random_scalar(uint64_t *seed, bool key)
{
    uint8_t bytes[40];
    uint64_t r = test_random(seed);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)test_random(seed);
    size_t size = r % sizeof bytes;

    switch ((r >> 32) % (key ? 3 : 7)) {
    case 0:
        return promp_value_int((int64_t)(test_random(seed) >> (r % 64)) * (r & 64 ? -1 : 1));
    case 1:
        for (size_t i = 0; i < size; i++)
            bytes[i] &= 0x7F;
        return promp_value_str((const char *)bytes, size);
    case 2:
        return promp_value_bigint(r & 1, bytes, size);
    case 3:
        return promp_value_bytes(bytes, size);
    case 4:
        return promp_value_float((double)(int64_t)test_random(seed) / 1024);
    case 5:
        return promp_value_bool(r & 1);
    default:
        return promp_value_none();
    }
}

static void random_trees_come_back(void **state)
{
    /* Aim: 2000 random trees read back equal, and every truncation of them is refused. */
    uint64_t seed = 20240229;
    (void)state;

    for (int round = 0; round < 2000; round++) {
        promp_value_t *value = random_scalar(&seed, false);
        uint64_t steps = test_random(&seed) % 40;
        for (uint64_t i = 0; i < steps; i++) {
            uint64_t r = test_random(&seed);
            promp_value_t *outer = r % 2 ? promp_value_dict() : promp_value_list();
            for (uint64_t extra = r >> 32 & 3; extra; extra--) {
                if (r % 2)
                    test_insert(outer, random_scalar(&seed, true), random_scalar(&seed, false));
                else
                    test_append(outer, random_scalar(&seed, false));
            }
            if (r % 2)
                test_insert(outer, random_scalar(&seed, true), value);
            else
                test_append(outer, value);
            value = outer;
        }

        promp_buf_t out = {0};
        promp_value_t *read;
        assert_int_equal(promp_value_encode(value, &out), PROMP_OK);
        assert_int_equal(promp_value_decode(promp_slice(out.data, out.size), &read), PROMP_OK);
        test_equal(value, read);
        promp_value_free(&read);
        promp_value_free(&value);
        size_t step = out.size > 200 ? out.size / 100 : 1;
        for (size_t size = 0; size < out.size; size += step) {
            /* A copy of that size, so that a read beyond its end is seen. */
            uint8_t *cut = malloc(size ? size : 1);
            memcpy(cut, out.data, size);
            test_refused(promp_slice(cut, size), PROMP_ERR_CBOR);
            free(cut);
        }
        promp_buf_free(&out);
    }
}

static void encoding_appends(void **state)
{
    /* Aim: encoding leaves what is in the buffer before it, and many small items and one large stand side by
     * side. */
    static uint8_t large[300000];
    promp_value_t *list = promp_value_list();
    promp_value_t *read;
    promp_buf_t out = {0};
    (void)state;

    memset(large, 'x', sizeof large);
    for (int i = 0; i < 10000; i++)
        test_append(list, promp_value_int(i * i));
    test_append(list, promp_value_bytes(large, sizeof large));
    test_append(list, promp_value_str((const char *)large, sizeof large));
    assert_int_equal(promp_buf_append(&out, "before", 6), PROMP_OK);
    assert_int_equal(promp_value_encode(list, &out), PROMP_OK);
    assert_memory_equal(out.data, "before", 6);
    assert_int_equal(promp_value_decode(promp_slice(out.data + 6, out.size - 6), &read), PROMP_OK);
    test_equal(list, read);
    size_t size;
    const uint8_t *text_data = promp_value_data(promp_value_at(read, 10001), &size);
    assert_int_equal(text_data[size], 0);
    promp_value_free(&read);
    promp_value_free(&list);
    promp_buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(building_too_deep_fails), cmocka_unit_test(misuse_is_an_error),
        cmocka_unit_test(equal_keys_replace),      cmocka_unit_test(large_dicts_are_quick),
        cmocka_unit_test(random_trees_come_back),  cmocka_unit_test(encoding_appends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
