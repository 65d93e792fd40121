#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "worker_text.h"

static void check(const char *text, size_t limit, const char *expected)
{
    promp_buf_t out = {0};
    assert_int_equal(promp_worker_text_clean(text, limit, &out), PROMP_OK);
    assert_int_equal(out.size, strlen(expected));
    if (out.size)
        assert_memory_equal(out.data, expected, out.size);
    promp_buf_free(&out);
}

static void test_whole(void **state)
{
    /* Aim: a good text that fits is left alone, none is none. */
    (void)state;
    check("gr\xc3\xbc\xc3\x9f", 100, "gr\xc3\xbc\xc3\x9f");
    check("abc", 3, "abc");
    check("", 10, "");
    check(NULL, 10, "");
}

static void test_bad_bytes(void **state)
{
    /* Aim: each byte that is no UTF-8 becomes '?', what is good around it stays. */
    (void)state;
    check("a\xff\xc3+", 100, "a??+");
    check("\xe2\x82\xac\x80", 100, "\xe2\x82\xac?");
    check("\xed\xa0\x80", 100, "???"); /* a surrogate */
    check("end\xe2\x82", 100, "end??");
}

static void test_cut(void **state)
{
    /* Aim: a long text is cut between two characters. */
    (void)state;
    check("abcdef", 3, "abc");
    check("a\xe2\x82\xac", 3, "a");
    check("a\xe2\x82\xac", 4, "a\xe2\x82\xac");
    check("abc", 0, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_bad_bytes),
        cmocka_unit_test(test_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
