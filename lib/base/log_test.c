#include "log.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

typedef struct {
    int ends[2];
    promp_log_t log;
    char line[4096];
} fixture_t;

static void begin(fixture_t *f, promp_log_level_t level)
{
    assert_int_equal(pipe(f->ends), 0);
    f->log = (promp_log_t){f->ends[1], level, "tester"};
}

/* Closes the writing end and reads all that was written. */
static size_t finish(fixture_t *f)
{
    size_t size = 0;
    ssize_t n;

    close(f->ends[1]);
    while ((n = read(f->ends[0], f->line + size, sizeof f->line - 1 - size)) > 0)
        size += (size_t)n;
    close(f->ends[0]);
    f->line[size] = '\0';
    return size;
}

/* Aim: a line is time, level, program[pid], number, text. */
static void line_is_complete(void **state)
{
    (void)state;
    fixture_t f;
    int y, mo, d, h, mi, s, ms, pid, number, end = 0;

    begin(&f, PROMP_LOG_INFO);
    promp_log(&f.log, PROMP_LOG_WARNING, PROMP_ERR_SOCKET_FOLDER, "folder %s", "x");
    finish(&f);
    int fields = sscanf(f.line, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ warning tester[%d] %d folder x\n%n", &y, &mo,
                        &d, &h, &mi, &s, &ms, &pid, &number, &end);
    assert_int_equal(fields, 9);
    assert_int_equal(end, strlen(f.line));
    assert_int_equal(pid, getpid());
    assert_int_equal(number, 1205);
    assert_in_range(y, 2024, 9999);
}

/* Aim: code 0 leaves the number out. */
static void number_may_be_missing(void **state)
{
    (void)state;
    fixture_t f;

    begin(&f, PROMP_LOG_INFO);
    promp_log(&f.log, PROMP_LOG_INFO, PROMP_OK, "ready");
    finish(&f);
    assert_non_null(strstr(f.line, "] ready\n"));
}

/* Aim: what is less important than the log's level, or has no place to go, is dropped. */
static void levels(void **state)
{
    (void)state;
    fixture_t f;
    promp_log_t nowhere = {-1, PROMP_LOG_DEBUG, "tester"};

    begin(&f, PROMP_LOG_WARNING);
    promp_log(&f.log, PROMP_LOG_INFO, PROMP_OK, "no");
    promp_log(&f.log, PROMP_LOG_DEBUG, PROMP_OK, "no");
    promp_log(&nowhere, PROMP_LOG_ERROR, PROMP_OK, "no");
    promp_log(NULL, PROMP_LOG_ERROR, PROMP_OK, "no");
    assert_int_equal(finish(&f), 0);
}

/* Aim: a long text full of newlines stays one line of at most 1 KiB, ended by a newline. */
static void one_line_always(void **state)
{
    (void)state;
    fixture_t f;
    char text[3000];

    memset(text, '\n', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    begin(&f, PROMP_LOG_DEBUG);
    promp_log(&f.log, PROMP_LOG_DEBUG, PROMP_OK, "%s", text);
    assert_int_equal(finish(&f), 1024);
    assert_ptr_equal(strchr(f.line, '\n'), f.line + 1023);
}

/* Aim: logging to a closed descriptor does no harm, and errno stays what it was. */
static void keeps_errno(void **state)
{
    (void)state;
    fixture_t f;

    begin(&f, PROMP_LOG_INFO);
    finish(&f);
    errno = EXDEV;
    promp_log(&f.log, PROMP_LOG_ERROR, PROMP_ERR_SYSTEM, "gone");
    assert_int_equal(errno, EXDEV);
}

/* Aim: a pipe that is full and that nobody reads holds nobody up; when there is room again, lines come again. */
static void does_not_wait(void **state)
{
    (void)state;
    fixture_t f;
    static char all[1 << 17]; /* a pipe has half of it */
    size_t size = 0;
    ssize_t n;

    begin(&f, PROMP_LOG_INFO);
    alarm(10);
    for (int i = 0; i < 2000; i++)
        promp_log(&f.log, PROMP_LOG_INFO, PROMP_OK, "%0500d", i);
    alarm(0);
    assert_int_equal(read(f.ends[0], all, 1 << 14), 1 << 14);
    promp_log(&f.log, PROMP_LOG_INFO, PROMP_OK, "last");
    close(f.ends[1]);
    while ((n = read(f.ends[0], all + size, sizeof all - 1 - size)) > 0)
        size += (size_t)n;
    close(f.ends[0]);
    all[size] = '\0';
    assert_non_null(strstr(all, "] last\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(line_is_complete), cmocka_unit_test(number_may_be_missing),
        cmocka_unit_test(levels),           cmocka_unit_test(one_line_always),
        cmocka_unit_test(keeps_errno),      cmocka_unit_test(does_not_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
