#include "error.h"

#include <errno.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Aim: the text is the table's, then the particulars, then the system's words. */
static void text_is_put_together(void **state)
{
    (void)state;
    promp_error_t e;

    assert_int_equal(promp_error_set(&e, PROMP_ERR_ARGUMENT, 0, NULL), PROMP_ERR_ARGUMENT);
    assert_int_equal(e.code, PROMP_ERR_ARGUMENT);
    assert_int_equal(e.system, 0);
    assert_string_equal(e.text, "an argument is not valid");

    promp_error_set(&e, PROMP_ERR_PROGRAM_MISSING, 0, "%s/%d", "bin", 7);
    assert_string_equal(e.text, "the worker program does not exist: bin/7");

    promp_error_set(&e, PROMP_ERR_SYSTEM, ENOENT, "open %s", "x");
    assert_int_equal(e.system, ENOENT);
    assert_string_equal(e.text, "a system call failed: open x: No such file or directory");

    promp_error_set(&e, PROMP_ERR_SYSTEM, EACCES, NULL);
    assert_string_equal(e.text, "a system call failed: Permission denied");
}

/* Aim: particulars that are empty, or the sentence of the table once more, are left out. */
static void says_nothing_twice(void **state)
{
    (void)state;
    promp_error_t e;

    promp_error_set(&e, PROMP_ERR_ARGUMENT, 0, "%s", promp_error_text(PROMP_ERR_ARGUMENT));
    assert_string_equal(e.text, "an argument is not valid");
    promp_error_set(&e, PROMP_ERR_ARGUMENT, ENOENT, "%s", "");
    assert_string_equal(e.text, "an argument is not valid: No such file or directory");
}

/* Aim: without a place for it only the number comes back. */
static void no_place(void **state)
{
    (void)state;
    assert_int_equal(promp_error_set(NULL, PROMP_ERR_MEMORY, ENOMEM, "%s", "x"), PROMP_ERR_MEMORY);
}

/* Aim: a long text is cut to fit, at the end of a UTF-8 character, and stays one line. */
static void long_text_is_cut(void **state)
{
    (void)state;
    promp_error_t e;
    char particulars[1024];

    for (size_t i = 0; i + 2 < sizeof particulars; i += 2)
        memcpy(particulars + i, "\xc3\xbc", 3);
    for (int shift = 0; shift < 2; shift++) {
        promp_error_set(&e, PROMP_ERR_TIMEOUT, ENOENT, "%.*s%s", shift, "\n", particulars);
        size_t size = strlen(e.text);
        assert_in_range(size, sizeof e.text - 2, sizeof e.text - 1);
        assert_int_equal((unsigned char)e.text[size - 1], 0xbc);
        assert_null(strchr(e.text, '\n'));
    }
}

/* Aim: an error may be wrapped in itself: its old text is an argument of the new one. */
static void wraps_itself(void **state)
{
    (void)state;
    promp_error_t e;

    promp_error_set(&e, PROMP_ERR_TIMEOUT, 0, NULL);
    promp_error_set(&e, PROMP_ERR_NODE_START, 0, "%s", e.text);
    assert_string_equal(e.text, "the local node could not be started: the time is over");
}

/* Aim: errno's particular numbers have errors of their own. */
static void errno_is_mapped(void **state)
{
    (void)state;
    assert_int_equal(promp_error_from_errno(ENOMEM), PROMP_ERR_MEMORY);
    assert_int_equal(promp_error_from_errno(EMFILE), PROMP_ERR_DESCRIPTORS);
    assert_int_equal(promp_error_from_errno(ENFILE), PROMP_ERR_DESCRIPTORS);
    assert_int_equal(promp_error_from_errno(ENOSPC), PROMP_ERR_DISK_FULL);
    assert_int_equal(promp_error_from_errno(EDQUOT), PROMP_ERR_DISK_FULL);
    assert_int_equal(promp_error_from_errno(EPIPE), PROMP_ERR_SYSTEM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_put_together),
        cmocka_unit_test(says_nothing_twice),
        cmocka_unit_test(no_place),
        cmocka_unit_test(long_text_is_cut),
        cmocka_unit_test(wraps_itself),
        cmocka_unit_test(errno_is_mapped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
