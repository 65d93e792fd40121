/* Removing the private folder of a worker. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scratch.h"

static void a_deep_tree(void **state)
{
    /* 5,000 levels, longer than any path may be, with few descriptors: all goes. */
    char path[] = "/tmp/promp-test-XXXXXX";
    struct rlimit few = {32, 32}, before;
    int at;

    (void)state;
    assert_non_null(mkdtemp(path));
    at = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; i < 5000; i++) {
        assert_int_equal(mkdirat(at, "folder", 0500), 0);
        int next = openat(at, "folder", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(fchmod(next, 0700), 0);
        close(at);
        at = next;
    }
    close(openat(at, "1", O_CREAT | O_WRONLY | O_CLOEXEC, 0));
    close(at);
    getrlimit(RLIMIT_NOFILE, &before);
    few.rlim_max = before.rlim_max;
    setrlimit(RLIMIT_NOFILE, &few);
    assert_true(promp_scratch_clear(path));
    setrlimit(RLIMIT_NOFILE, &before);
    assert_int_equal(access(path, F_OK), -1);
}

static void not_a_folder(void **state)
{
    /* A link in the folder's place is removed, not followed; nothing there is fine. */
    char path[] = "/tmp/promp-test-XXXXXX", link[64], file[64];

    (void)state;
    assert_non_null(mkdtemp(path));
    snprintf(link, sizeof link, "%s.link", path);
    snprintf(file, sizeof file, "%s/f", path);
    close(open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    assert_int_equal(symlink(path, link), 0);
    assert_true(promp_scratch_clear(link));
    assert_int_equal(access(link, F_OK), -1);
    assert_int_equal(access(file, F_OK), 0);
    assert_true(promp_scratch_clear(link));
    assert_true(promp_scratch_clear(path));
}

static void paths(void **state)
{
    /* Below $TMPDIR where that is a path that leaves room, else below /tmp. */
    char path[PROMP_SCRATCH_PATH], *much = calloc(1, PROMP_LIMIT_PATH + 1);

    (void)state;
    setenv("TMPDIR", "/var/tmp", 1);
    assert_string_equal(promp_scratch_path("a.1", path), "/var/tmp/promp-a.1");
    setenv("TMPDIR", "relative", 1);
    assert_string_equal(promp_scratch_path("a.1", path), "/tmp/promp-a.1");
    memset(much, '/', PROMP_LIMIT_PATH);
    setenv("TMPDIR", much, 1);
    assert_string_equal(promp_scratch_path("a.1", path), "/tmp/promp-a.1");
    unsetenv("TMPDIR");
    assert_string_equal(promp_scratch_path("a.1", path), "/tmp/promp-a.1");
    free(much);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_deep_tree), cmocka_unit_test(not_a_folder),
                                       cmocka_unit_test(paths)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
