#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "config.h"
#include "lines.h"
#include "notify.h"

static promp_err_t parse(const char *text, promp_config_t *config, promp_error_t *error)
{
    promp_config_start(config);
    return promp_config_parse(promp_slice_str(text), config, error);
}

/* Aim: every setting is read, and what is not set keeps its default. */
static void test_all(void **state)
{
    promp_config_t config, plain;
    promp_error_t error = {0};

    (void)state;
    promp_config_start(&plain);
    assert_int_equal(parse("", &config, &error), PROMP_OK);
    assert_string_equal(config.listen, "tcp://*:5599");
    assert_int_equal(config.gather, PROMP_TIME_GATHER);
    assert_int_equal(config.level, PROMP_LOG_INFO);
    assert_int_equal(config.peers, 0);
    assert_string_equal(config.passphrase, "");
    assert_int_equal(parse("listen = \"tcp://[::1]:7\"\npeers = 9\nthreads=3 # three\n\n# more\ngather = 0\n"
                           "log = 'debug'\npassphrase-file = \"/a b\"\n",
                           &config, &error),
                     PROMP_OK);
    assert_string_equal(config.listen, "tcp://[::1]:7");
    assert_int_equal(config.peers, 9);
    assert_int_equal(config.threads, 3);
    assert_int_equal(config.gather, 0);
    assert_int_equal(config.level, PROMP_LOG_DEBUG);
    assert_string_equal(config.passphrase, "/a b");
    assert_int_not_equal(plain.threads, 3);
}

/* Aim: limits hold at both ends, numbers do not wrap around, and the error names the line. */
static void test_limits(void **state)
{
    static const struct {
        const char *text;
        bool good;
    } rows[] = {{"peers = 0", false},
                {"peers = 1", true},
                {"peers = 65536", true},
                {"peers = 65537", false},
                {"peers = 18446744073709551617", false},
                {"peers = -1", false},
                {"peers =", false},
                {"threads = 16", true},
                {"threads = 17", false},
                {"gather = 86400000", true},
                {"gather = 86400001", false},
                {"listen = tcp://*:0", true},
                {"listen = tcp://*:65535", true},
                {"listen = tcp://*:65536", false},
                {"listen = tcp://:5", false},
                {"listen = tcp://a", false},
                {"listen = ipc://a:5", false},
                {"log = Debug", false},
                {"listen = ", false},
                {"x = y", false}};
    promp_config_t config;
    char text[128];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        promp_error_t error = {0};

        snprintf(text, sizeof text, "\n\n%s\n", rows[i].text);
        promp_err_t code = parse(text, &config, &error);
        if (code != (rows[i].good ? PROMP_OK : PROMP_ERR_CONFIG_FILE))
            fail_msg("%s: %s", rows[i].text, promp_error_name(code));
        if (!rows[i].good)
            assert_non_null(strstr(error.text, "line 3"));
    }
}

/* Aim: a burst is let through, then so many a second; what was left out is counted once. */
static void test_lines(void **state)
{
    promp_lines_t lines = {0};
    uint64_t left_out = 9;
    int taken = 0;

    (void)state;
    for (int i = 0; i < 100; i++)
        taken += promp_lines_take(&lines, 0, &left_out);
    assert_int_equal(taken, PROMP_LINES_BURST);
    assert_int_equal(left_out, 0);
    assert_false(promp_lines_take(&lines, 1000 / PROMP_LINES_SECOND - 10, &left_out));
    assert_true(promp_lines_take(&lines, 1000 / PROMP_LINES_SECOND + 10, &left_out));
    assert_int_equal(left_out, 100 - PROMP_LINES_BURST + 1);
    for (int64_t now = taken = 0; now < 10000; now += 10)
        taken += promp_lines_take(&lines, 2000 + now, &left_out);
    assert_in_range(taken, 10 * PROMP_LINES_SECOND, 10 * PROMP_LINES_SECOND + 2 * PROMP_LINES_SECOND);
    assert_true(promp_lines_take(&lines, INT64_MAX, &left_out));
    assert_true(promp_lines_take(&lines, INT64_MAX, &left_out));
    assert_true(promp_lines_take(&lines, -5, &left_out));
    assert_int_equal(lines.room, (PROMP_LINES_BURST - 3) * 1000);
}

/* Aim: what systemd asks for is half of its time, only for the process that it means; nonsense is no wish. */
static void test_watchdog(void **state)
{
    char pid[32];

    (void)state;
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    assert_true(promp_notify_watchdog() == PROMP_NEVER);
    setenv("WATCHDOG_USEC", "3000000", 1);
    assert_int_equal(promp_notify_watchdog(), 1500);
    setenv("WATCHDOG_PID", "1", 1);
    assert_true(promp_notify_watchdog() == PROMP_NEVER);
    snprintf(pid, sizeof pid, "%ld", (long)getpid());
    setenv("WATCHDOG_PID", pid, 1);
    assert_int_equal(promp_notify_watchdog(), 1500);
    static const char *const wrong[] = {"", "x", "0", "-1", "12x", "99999999999999999999"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        setenv("WATCHDOG_USEC", wrong[i], 1);
        assert_true(promp_notify_watchdog() == PROMP_NEVER);
    }
}

/* Aim: without a socket, with one that nobody reads or with a name that is none, nothing happens. */
static void test_nobody_to_notify(void **state)
{
    char path[200];

    (void)state;
    unsetenv("NOTIFY_SOCKET");
    promp_notify("READY=1");
    memset(path, 'x', sizeof path);
    path[sizeof path - 1] = '\0';
    static const char *const wrong[] = {"", "@", "relative", "/nonexistent/socket", "/dev/null"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        setenv("NOTIFY_SOCKET", wrong[i], 1);
        promp_notify("READY=1");
    }
    path[0] = '/';
    setenv("NOTIFY_SOCKET", path, 1);
    promp_notify("READY=1");
    unsetenv("NOTIFY_SOCKET");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_all), cmocka_unit_test(test_limits),
                                       cmocka_unit_test(test_lines), cmocka_unit_test(test_watchdog),
                                       cmocka_unit_test(test_nobody_to_notify)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
