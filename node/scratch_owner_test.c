/* Private folders that outlive their node. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scratch.h"
#include "scratch_owner.h"

#define OTHER 65534 /* a user that we are not */

static char base[] = "/tmp/promp-test-XXXXXX";
static const promp_id_t node = {{0xab, 1}}, other = {{0xcd, 2}};

static int setup(void **state)
{
    (void)state;
    strcpy(base + sizeof base - 7, "XXXXXX");
    assert_non_null(mkdtemp(base));
    setenv("TMPDIR", base, 1);
    return 0;
}

static int teardown(void **state)
{
    char command[64];

    (void)state;
    unsetenv("TMPDIR");
    snprintf(command, sizeof command, "rm -r %s", base);
    return system(command);
}

/* base/promp-NODEend */
static const char *path_of(const promp_id_t *id, const char *end)
{
    static char path[128];
    char text[33];

    snprintf(path, sizeof path, "%s/promp-%s%s", base, promp_id_text(id, text), end);
    return path;
}

static bool is_there(const promp_id_t *id, const char *end)
{
    return faccessat(AT_FDCWD, path_of(id, end), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void make(const promp_id_t *id, const char *end)
{
    char inside[160];

    assert_int_equal(mkdir(path_of(id, end), 0700), 0);
    snprintf(inside, sizeof inside, "%s/file", path_of(id, end));
    close(open(inside, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
}

static void killed(void **state)
{
    /* While a process of the node lives its folders stay; when it was killed they go, and the file with them. */
    int ends[2], mine;
    char byte;
    pid_t pid;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    pid = fork();
    if (!pid) {
        int fd = promp_scratch_own(&node);

        if (fd >= 0 && write(ends[1], "", 1) == 1)
            pause();
        _exit(1);
    }
    assert_int_equal(read(ends[0], &byte, 1), 1);
    make(&node, ".1");
    make(&node, ".18446744073709551615");
    mine = promp_scratch_own(&other);
    assert_true(mine >= 0);
    make(&other, ".1");
    assert_int_equal(promp_scratch_inherit(), 0);
    assert_true(is_there(&node, ".1") && is_there(&node, ".lock"));

    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(promp_scratch_inherit(), 1);
    assert_false(is_there(&node, ".1") || is_there(&node, ".18446744073709551615") ||
                 is_there(&node, ".lock"));
    assert_true(is_there(&other, ".1") && is_there(&other, ".lock"));
    close(ends[0]);
    close(ends[1]);
    close(mine);
}

static void the_last(void **state)
{
    /* Of several that own the folders only the last one that ends removes them. */
    int one = promp_scratch_own(&node), two = promp_scratch_own(&node);

    (void)state;
    assert_true(one >= 0 && two >= 0);
    make(&node, ".1");
    promp_scratch_disown(&node, one);
    assert_true(is_there(&node, ".1") && is_there(&node, ".lock"));
    promp_scratch_disown(&node, two);
    assert_false(is_there(&node, ".1") || is_there(&node, ".lock"));
    promp_scratch_disown(&node, -1);
}

static void found_at_once(void **state)
{
    /* Who takes part while another one looks for what is left has his file all the same, each of many times. */
    pid_t pid = fork();

    (void)state;
    if (!pid) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            promp_scratch_inherit();
    }
    for (int i = 0; i < 2000; i++) {
        int fd = promp_scratch_own(&node);

        assert_true(fd >= 0);
        assert_true(is_there(&node, ".lock"));
        close(fd);
    }
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void nobody_elses(void **state)
{
    /* What has no lock file, or another name, or is a link, stays; links are not followed. */
    static const char *const names[] = {".", ".1x", ".x", "1.1", ".1.1", ""};
    char victim[128], link[160];
    int fd;

    (void)state;
    make(&other, ".7"); /* no lock file */
    close(promp_scratch_own(&node));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        make(&node, names[i]);
    snprintf(victim, sizeof victim, "%s/victim", base);
    assert_int_equal(mkdir(victim, 0700), 0);
    assert_int_equal(symlink(victim, path_of(&node, ".2")), 0);
    snprintf(link, sizeof link, "%s/file", victim);
    close(open(link, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    make(&node, ".3");
    assert_int_equal(promp_scratch_inherit(), 1);
    assert_false(is_there(&node, ".3"));
    assert_true(is_there(&other, ".7"));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_true(is_there(&node, names[i]));
    assert_int_equal(access(link, F_OK), 0);
    assert_true(is_there(&node, ".2")); /* so the file stays, for who can tell */
    assert_true(is_there(&node, ".lock"));

    /* A lock file that is a link is none. */
    assert_int_equal(unlink(path_of(&node, ".lock")), 0);
    assert_int_equal(symlink(link, path_of(&node, ".lock")), 0);
    make(&node, ".4");
    assert_int_equal(promp_scratch_inherit(), 0);
    assert_true(is_there(&node, ".4"));
    fd = promp_scratch_own(&node);
    assert_int_equal(fd, -1);
}

static void of_others(void **state)
{
    /* What belongs to another user stays, be it a folder or the lock file. */
    (void)state;
    if (geteuid() != 0)
        skip();
    close(promp_scratch_own(&node));
    make(&node, ".1");
    make(&node, ".2");
    assert_int_equal(chown(path_of(&node, ".1"), OTHER, OTHER), 0);
    assert_int_equal(promp_scratch_inherit(), 1);
    assert_true(is_there(&node, ".1"));
    assert_false(is_there(&node, ".2"));
    make(&node, ".3");
    assert_int_equal(chown(path_of(&node, ".lock"), OTHER, OTHER), 0);
    assert_int_equal(promp_scratch_inherit(), 0);
    assert_true(is_there(&node, ".3"));
}

static void open_to_others(void **state)
{
    /* Where others may move things about nothing is removed, but with the sticky bit they may not. */
    (void)state;
    close(promp_scratch_own(&node));
    make(&node, ".1");
    assert_int_equal(chmod(base, 0777), 0);
    assert_int_equal(promp_scratch_inherit(), 0);
    assert_true(is_there(&node, ".1"));
    assert_int_equal(chmod(base, 01777), 0);
    assert_int_equal(promp_scratch_inherit(), 1);
    assert_false(is_there(&node, ".1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(killed, setup, teardown),
                                       cmocka_unit_test_setup_teardown(the_last, setup, teardown),
                                       cmocka_unit_test_setup_teardown(found_at_once, setup, teardown),
                                       cmocka_unit_test_setup_teardown(nobody_elses, setup, teardown),
                                       cmocka_unit_test_setup_teardown(of_others, setup, teardown),
                                       cmocka_unit_test_setup_teardown(open_to_others, setup, teardown)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
