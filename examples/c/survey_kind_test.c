#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "survey_kind.h"

static void check(const char *bytes, size_t size, const char *kind)
{
    assert_string_equal(survey_kind((const uint8_t *)bytes, size), kind);
}

#define CHECK(bytes, kind) check(bytes, sizeof(bytes) - 1, kind)

static void test_magic(void **state)
{
    /* Aim: what begins with a known magic is named after it. */
    (void)state;
    CHECK("", "empty");
    CHECK("\x7f"
          "ELF\2\1\1\0\0\0\0\0\0\0\0\0\3\0",
          "ELF shared object");
    CHECK("\x7f"
          "ELF\2\2\1\0\0\0\0\0\0\0\0\0\0\2",
          "ELF program");
    CHECK("\x7f"
          "ELF",
          "ELF");
    CHECK("!<arch>\ndebian", "ar archive");
    CHECK("\x1f\x8b\x08", "gzip");
    CHECK("#!/bin/sh\n", "script");
    CHECK("\xa7\r\r\n\0\0\0\0\1\2\3\4\5\6\7\x08", "Python bytecode");
    char tar[512] = {0};
    memcpy(tar + 257, "ustar", 5);
    check(tar, sizeof tar, "tar");
}

static void test_text(void **state)
{
    /* Aim: text is told from data, and a character cut by the end of the piece does not spoil it. */
    (void)state;
    CHECK("hello\n\tworld\r\n", "ASCII text");
    CHECK("gr\xc3\xbc\xc3\x9f", "UTF-8 text");
    CHECK("gr\xc3\xbc\xc3", "UTF-8 text");
    CHECK("a\0b", "data");
    CHECK("a\xff", "data");
    CHECK("\xc0\x80", "data");     /* not the shortest form */
    CHECK("\xed\xa0\x80", "data"); /* a surrogate */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_magic), cmocka_unit_test(test_text)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
