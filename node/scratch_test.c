/* Removing the private folder of a worker. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
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

static void a_mount(void **state)
{
    /* What is mounted inside stays as it is, only unmounted it goes. */
    char path[] = "/tmp/promp-test-XXXXXX", mounted[64], file[64], other[] = "/tmp/promp-test-XXXXXX";
    struct stat s;

    (void)state;
    assert_non_null(mkdtemp(path));
    assert_non_null(mkdtemp(other));
    assert_int_equal(chmod(other, 0755), 0);
    snprintf(mounted, sizeof mounted, "%s/a", path);
    snprintf(file, sizeof file, "%s/f", other);
    assert_int_equal(mkdir(mounted, 0700), 0);
    close(open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    bool here = unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
                mount(other, mounted, NULL, MS_BIND, NULL) == 0;

    if (here) {
        assert_false(promp_scratch_clear(path));
        assert_int_equal(access(file, F_OK), 0);
        assert_int_equal(stat(other, &s), 0);
        assert_int_equal(s.st_mode & 0777, 0755);
        assert_int_equal(umount(mounted), 0);
    }
    assert_true(promp_scratch_clear(path));
    assert_true(promp_scratch_clear(other));
    if (!here)
        skip(); /* this takes root */
}

static void fill(const char *path)
{
    char file[96];

    assert_int_equal(mkdir(path, 0700), 0);
    for (int i = 0; i < 1000; i++) {
        snprintf(file, sizeof file, "%s/%d", path, i);
        close(open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    }
}

static void holds_nothing(void **state)
{
    /* A process that removes a folder holds none of our descriptors meanwhile: the other end of a pipe ends while there is still
     * something to remove. One try may come too late to see that, fifty do not. */
    char top[] = "/tmp/promp-test-XXXXXX", path[64];
    bool seen = false;
    int none = -1;

    (void)state;
    assert_non_null(mkdtemp(top));
    snprintf(path, sizeof path, "%s/full", top);
    for (int i = 0; i < 50 && !seen; i++) {
        int ends[2];
        char byte;

        fill(path);
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        pid_t pid = promp_scratch_fork(&none);

        if (!pid)
            _exit(promp_scratch_clear(path) ? 0 : 1);
        assert_true(pid > 0);
        close(ends[1]);
        assert_int_equal(read(ends[0], &byte, 1), 0);
        seen = access(path, F_OK) == 0;
        close(ends[0]);
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
    }
    assert_true(seen);
    assert_int_equal(rmdir(top), 0);
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
                                       cmocka_unit_test(holds_nothing), cmocka_unit_test(a_mount),
                                       cmocka_unit_test(paths)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
