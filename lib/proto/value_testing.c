#include "value_testing.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

uint64_t test_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

promp_value_t *test_text(const char *s)
{
    return promp_value_str(s, strlen(s));
}

void test_append(promp_value_t *list, promp_value_t *item)
{
    assert_non_null(item);
    assert_int_equal(promp_value_append(list, &item), PROMP_OK);
    assert_null(item);
}

void test_insert(promp_value_t *dict, promp_value_t *key, promp_value_t *item)
{
    assert_non_null(key);
    assert_non_null(item);
    assert_int_equal(promp_value_insert(dict, &key, &item), PROMP_OK);
    assert_null(key);
    assert_null(item);
}

void test_refused(promp_slice_t wire, promp_err_t err)
{
    promp_value_t *value = (promp_value_t *)&value;
    assert_int_equal(promp_value_decode(wire, &value), err);
    assert_null(value);
}

void test_equal(const promp_value_t *a, const promp_value_t *b)
{
    size_t a_size, b_size;

    assert_int_equal(promp_value_type(a), promp_value_type(b));
    assert_int_equal(promp_value_as_int(a), promp_value_as_int(b));
    assert_int_equal(promp_value_as_bool(a), promp_value_as_bool(b));
    assert_true(promp_value_as_float(a) == promp_value_as_float(b));
    assert_int_equal(promp_value_is_negative(a), promp_value_is_negative(b));
    const uint8_t *data = promp_value_data(a, &a_size);
    assert_memory_equal(data, promp_value_data(b, &b_size), a_size);
    assert_int_equal(a_size, b_size);
    assert_int_equal(promp_value_count(a), promp_value_count(b));
    for (size_t i = 0; i < promp_value_count(a); i++) {
        if (promp_value_type(a) == PROMP_VALUE_DICT)
            test_equal(promp_value_key_at(a, i), promp_value_key_at(b, i));
        test_equal(promp_value_at(a, i), promp_value_at(b, i));
    }
}
