#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "metrics_address.h"

/* Aim: addresses in digits are read, and written as they were. */
static void test_good(void **state)
{
    static const struct {
        const char *text;
        int family;
        bool all;
    } rows[] = {{"127.0.0.1:0", AF_INET, false}, {"10.1.2.255:65535", AF_INET, false},
                {"[::1]:9559", AF_INET6, false}, {"[fe80::1:2:3:4]:80", AF_INET6, false},
                {"[::]:80", AF_INET6, false},    {"0.0.0.0:80", AF_INET, false},
                {"*:9559", AF_INET6, true}};
    char text[PROMP_METRICS_ADDRESS_TEXT];
    promp_metrics_address_t a;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_true(promp_metrics_address_read(rows[i].text, &a));
        assert_int_equal(a.any.sa_family, rows[i].family);
        assert_int_equal(a.all, rows[i].all);
        assert_int_equal(a.size, a.any.sa_family == AF_INET ? sizeof a.in : sizeof a.in6);
        promp_metrics_address_write(&a, text);
        assert_string_equal(text, rows[i].text);
    }
}

/* Aim: everything else is none. */
static void test_bad(void **state)
{
    static const char *const texts[] = {"",
                                        ":",
                                        "127.0.0.1",
                                        "127.0.0.1:",
                                        ":80",
                                        "*",
                                        "*:",
                                        "**:80",
                                        "::1:80",
                                        "[::1]",
                                        "[::1]:",
                                        "[::1:80",
                                        "[]:80",
                                        "[:80",
                                        "]:80",
                                        "1.2.3:80",
                                        "1.2.3.4.5:80",
                                        "1.2.3.4:65536",
                                        "1.2.3.4:-1",
                                        "1.2.3.4:0x1",
                                        "1.2.3.4: 80",
                                        "host:80",
                                        "localhost:80",
                                        "tcp://1.2.3.4:80",
                                        "http://1.2.3.4:80",
                                        "1.2.3.4:80 ",
                                        "[1.2.3.4]:80",
                                        "[::1%lo]:80",
                                        "[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]:80x",
                                        "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:80"};
    promp_metrics_address_t a;

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (promp_metrics_address_read(texts[i], &a))
            fail_msg("'%s'", texts[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_good), cmocka_unit_test(test_bad)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
