#include "manager_inner.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char home[] = "/tmp/place_test.XXXXXX";

static void put(const char *name, mode_t mode)
{
    FILE *file = fopen(name, "w");
    assert_non_null(file);
    fclose(file);
    assert_int_equal(chmod(name, mode), 0);
}

static int setup(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(home));
    assert_int_equal(chdir(home), 0);
    assert_int_equal(mkdir("a", 0700) | mkdir("b", 0700) | mkdir("b/folder", 0700), 0);
    put("b/run", 0700);
    put("a/plain", 0600);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink("b/run");
    unlink("a/plain");
    rmdir("b/folder");
    rmdir("a");
    rmdir("b");
    return chdir("/") || rmdir(home);
}

static void expect_path(const char *program, const char *tail)
{
    char *path = NULL, want[200];
    int system;
    assert_int_equal(promp_manager_place_program(program, &path, &system), PROMP_OK);
    snprintf(want, sizeof want, "%s/%s", home, tail);
    assert_string_equal(path, want);
    free(path);
}

static void expect_error(const char *program, promp_err_t err)
{
    char *path = NULL;
    int system;
    assert_int_equal(promp_manager_place_program(program, &path, &system), err);
    assert_null(path);
}

/* Aim: a program with a slash is a path, relative to the manager's folder; without one it is looked for in
 * $PATH. */
static void program_found(void **state)
{
    (void)state;
    expect_path("b/run", "b/run");
    expect_path("./b/run", "./b/run");
    char path[200];
    snprintf(path, sizeof path, "%s/a:b", home);
    setenv("PATH", path, 1);
    expect_path("run", "b/run");
    snprintf(path, sizeof path, "/nowhere:%s/b:", home);
    setenv("PATH", path, 1);
    expect_path("run", "b/run");
}

/* Aim: what is missing and what may not be executed are told apart; a folder is no program. */
static void program_refused(void **state)
{
    (void)state;
    setenv("PATH", "a:b", 1);
    expect_error("b/nothing", PROMP_ERR_PROGRAM_MISSING);
    expect_error("nothing", PROMP_ERR_PROGRAM_MISSING);
    expect_error("folder", PROMP_ERR_PROGRAM_MISSING);
    expect_error("b/folder", PROMP_ERR_PROGRAM_DENIED);
    expect_error("a/plain", PROMP_ERR_PROGRAM_DENIED);
    expect_error("plain", PROMP_ERR_PROGRAM_DENIED);
    expect_error("b/run/on", PROMP_ERR_PROGRAM_MISSING);
    expect_error("", PROMP_ERR_ARGUMENT);
    expect_error(NULL, PROMP_ERR_ARGUMENT);
}

/* Aim: the folder is the manager's own, or the one given, made absolute; what is no folder is refused. */
static void folder_found(void **state)
{
    (void)state;
    char *path = NULL;
    int system;
    assert_int_equal(promp_manager_place_folder(NULL, &path, &system), PROMP_OK);
    assert_string_equal(path, home);
    free(path);
    assert_int_equal(promp_manager_place_folder("b", &path, &system), PROMP_OK);
    assert_int_equal(path[0], '/');
    free(path);
    errno = 0;
    assert_int_equal(promp_manager_place_folder("b/run", &path, &system), PROMP_ERR_START_FOLDER);
    assert_int_equal(system, ENOTDIR);
    assert_int_equal(promp_manager_place_folder("none", &path, &system), PROMP_ERR_START_FOLDER);
    assert_int_equal(system, ENOENT);
}

/* Aim: the mask is read without being changed. */
static void mask_read(void **state)
{
    (void)state;
    mode_t before = umask(027);
    assert_int_equal(promp_manager_place_umask(), 027);
    assert_int_equal(umask(before), 027);
}

/* Aim: strings are joined in order, and their bytes are bounded. */
static void strings_joined(void **state)
{
    (void)state;
    const char *some[] = {"a", "", "b=c", NULL};
    promp_buf_t run = {0};
    assert_int_equal(promp_manager_place_strings(some, &run), PROMP_OK);
    assert_int_equal(run.size, 7);
    assert_memory_equal(run.data, "a\0\0b=c", 7);
    promp_buf_free(&run);
    static char big[PROMP_LIMIT_START / 2];
    memset(big, 'x', sizeof big - 1);
    const char *fits[] = {big, big, NULL}, *not [] = {big, big, "y", NULL};
    assert_int_equal(promp_manager_place_strings(fits, &run), PROMP_OK);
    promp_buf_free(&run);
    assert_int_equal(promp_manager_place_strings(not, &run), PROMP_ERR_START_SIZE);
    promp_buf_free(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(program_found), cmocka_unit_test(program_refused), cmocka_unit_test(folder_found),
        cmocka_unit_test(mask_read),     cmocka_unit_test(strings_joined),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
