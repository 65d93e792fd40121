#include "base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Aim: two ids differ, none is recognised, equality compares all bytes. */
static void ids_are_random(void **state)
{
    (void)state;
    promp_id_t none = {{0}}, a = none, b = none;

    assert_true(promp_id_is_none(&none));
    assert_int_equal(promp_id_make(&a), PROMP_OK);
    assert_int_equal(promp_id_make(&b), PROMP_OK);
    assert_false(promp_id_is_none(&a));
    assert_false(promp_id_equal(&a, &b));
    b = a;
    assert_true(promp_id_equal(&a, &b));
    b.b[15] ^= 1;
    assert_false(promp_id_equal(&a, &b));
}

/* Aim: an id's text is its 32 hexadecimal digits in the order of its bytes. */
static void ids_have_text(void **state)
{
    (void)state;
    promp_id_t id = {{0x00, 0x01, 0x0f, 0x10, 0xff, 0xab, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0x9e}};
    char text[33];

    assert_ptr_equal(promp_id_text(&id, text), text);
    assert_string_equal(text, "00010f10ffab060708090a0b0c0d0e9e");
}

/* Aim: both clocks run forward and tell the same time in their units. */
static void clocks_agree(void **state)
{
    (void)state;
    int64_t us1 = promp_clock_us();
    int64_t ms = promp_clock_ms();
    int64_t us2 = promp_clock_us();

    assert_true(us1 > 0);
    assert_true(us1 / 1000 <= ms);
    assert_true(ms <= us2 / 1000);
    assert_true(us1 <= us2);
}

/* Aim: every number of the table has its name and text, numbers are unique and ascend, and unknown ones have
 * words too. */
static void errors_have_words(void **state)
{
    (void)state;
#define ROW(name, number, text) {number, #name, text},
    static const struct {
        int number;
        const char *name;
        const char *text;
    } rows[] = {PROMP_ERRORS(ROW)};
    int before = 1000;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_true(rows[i].number > before);
        before = rows[i].number;
        assert_string_equal(promp_error_name((promp_err_t)rows[i].number), rows[i].name);
        assert_string_equal(promp_error_text((promp_err_t)rows[i].number), rows[i].text);
    }
    assert_true(before < 2000);
    assert_string_equal(promp_error_name(PROMP_OK), "OK");
    assert_string_equal(promp_error_name((promp_err_t)1000), "UNKNOWN");
    assert_string_equal(promp_error_name((promp_err_t)-1), "UNKNOWN");
    assert_non_null(promp_error_text((promp_err_t)0x7fffffff));
}

/* Aim: slices of NULL are empty, the smaller and larger of two times are what they say. */
static void small_helpers(void **state)
{
    (void)state;
    assert_int_equal(promp_slice_str(NULL).size, 0);
    assert_int_equal(promp_slice_str("abc").size, 3);
    assert_true(promp_min64(-1, PROMP_NEVER) == -1);
    assert_true(promp_max64(-1, PROMP_NEVER) == PROMP_NEVER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_are_random),    cmocka_unit_test(ids_have_text), cmocka_unit_test(clocks_agree),
        cmocka_unit_test(errors_have_words), cmocka_unit_test(small_helpers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
