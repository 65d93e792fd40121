#include "text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void check(const char *in, bool cut, const char *out)
{
    char text[64];
    strcpy(text, in);
    promp_text_tidy(text, cut);
    assert_string_equal(text, out);
}

/* Aim: control characters become spaces, everything else stays. */
static void control_characters(void **state)
{
    (void)state;
    check("", false, "");
    check("a\nb\r\tc\033[2J\177", false, "a b  c [2J ");
    check("gr\xc3\xbc\xc3\x9f", false, "gr\xc3\xbc\xc3\x9f");
}

/* Aim: of a cut text only an incomplete last character goes; complete ones of 1 to 4 bytes stay. */
static void cut_characters(void **state)
{
    (void)state;
    check("", true, "");
    check("ab", true, "ab");
    check("a\xc3\xbc", true, "a\xc3\xbc");
    check("a\xc3", true, "a");
    check("a\xe2\x82\xac", true, "a\xe2\x82\xac");
    check("a\xe2\x82", true, "a");
    check("a\xf0\x9f\x98\x80", true, "a\xf0\x9f\x98\x80");
    check("a\xf0\x9f\x98", true, "a");
    check("a\xf0\x9f\x98", false, "a\xf0\x9f\x98");
    check("\x82", true, "\x82");
    check("\x82\x82\x82\x82", true, "\x82\x82\x82\x82");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(control_characters),
                                       cmocka_unit_test(cut_characters)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
