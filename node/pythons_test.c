/* Finding out what interpreters a node has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pythons.h"

static char folder[] = "/tmp/promp-test-XXXXXX";

/* A program in the folder that does as the script says. */
static const char *make(const char *name, const char *script, char path[128])
{
    snprintf(path, 128, "%s/%s", folder, name);
    FILE *f = fopen(path, "we");
    fprintf(f, "#!/bin/sh\n%s\n", script);
    fclose(f);
    chmod(path, 0755);
    return path;
}

static int setup(void **state)
{
    (void)state;
    return mkdtemp(folder) && !setenv("PATH", folder, 1) ? 0 : -1;
}

static int teardown(void **state)
{
    char path[128];

    (void)state;
    for (const char *const *name = (const char *const[]){"a", "b", "c", "old", "bad", "mute", NULL}; *name;
         name++) {
        snprintf(path, sizeof path, "%s/%s", folder, *name);
        unlink(path);
    }
    return rmdir(folder);
}

static void versions(void **state)
{
    /* Interpreters by path and by name, in their order; the first one of a version counts. */
    promp_pythons_t *p = calloc(1, sizeof *p);
    char path[128], text[PROMP_LIMIT_LABELS + 1];
    promp_error_t error;

    (void)state;
    assert_string_equal(promp_pythons_text(p, text), "");
    assert_null(promp_pythons_fit(p, promp_slice_str("")));
    assert_int_equal(promp_pythons_add(p, make("a", "echo 3.12", path), &error), PROMP_OK);
    make("b", "echo 3.11", path);
    assert_int_equal(promp_pythons_add(p, "b", &error), PROMP_OK);
    assert_int_equal(promp_pythons_add(p, make("c", "echo 3.12", path), &error), PROMP_OK);
    assert_string_equal(promp_pythons_text(p, text), "3.12 3.11");
    assert_string_equal(strrchr(promp_pythons_fit(p, promp_slice_str("")), '/'), "/a");
    assert_string_equal(strrchr(promp_pythons_fit(p, promp_slice_str("3.12")), '/'), "/a");
    assert_string_equal(strrchr(promp_pythons_fit(p, promp_slice_str("3.11")), '/'), "/b");
    assert_null(promp_pythons_fit(p, promp_slice_str("3.1")));
    free(p);
}

static void none_at_all(void **state)
{
    /* Missing, too old, broken, and too many: each its own reason, and nothing is added. */
    promp_pythons_t *p = calloc(1, sizeof *p);
    char path[128];
    promp_error_t error;

    (void)state;
    assert_int_equal(promp_pythons_add(p, "/no/such", &error), PROMP_ERR_PROGRAM_MISSING);
    assert_int_equal(promp_pythons_add(p, "no-such", &error), PROMP_ERR_PROGRAM_MISSING);
    assert_int_equal(promp_pythons_add(p, make("old", "echo 3.10", path), &error), PROMP_ERR_ARGUMENT);
    assert_int_equal(promp_pythons_add(p, make("bad", "echo 3.11; exit 3", path), &error),
                     PROMP_ERR_PROGRAM_FAILED);
    assert_int_equal(promp_pythons_add(p, make("mute", "true", path), &error), PROMP_ERR_PROGRAM_FAILED);
    assert_int_equal(p->count, 0);
    p->count = PROMP_LIMIT_PYTHONS;
    assert_int_equal(promp_pythons_add(p, path, &error), PROMP_ERR_ARGUMENT);
    free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(versions), cmocka_unit_test(none_at_all)};

    return cmocka_run_group_tests(tests, setup, teardown);
}
