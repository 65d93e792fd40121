/* libzmq as libpromp has it: loaded when it is needed, or missed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "zload.h"

void zmq_version(int *major, int *minor, int *patch); /* of zlazy.c */
void *zmq_ctx_new(void);
int zmq_ctx_term(void *context);

static void test_there(void **state)
{
    /* Loaded once, its functions are led to it. */
    promp_error_t error = {0};
    int major = 0, minor = 0, patch = 0;
    (void)state;
    assert_int_equal(promp_zload(&error), PROMP_OK);
    assert_int_equal(promp_zload(&error), PROMP_OK);
    zmq_version(&major, &minor, &patch);
    assert_int_equal(major, 4);
    void *context = zmq_ctx_new();
    assert_non_null(context);
    assert_int_equal(zmq_ctx_term(context), 0);
}

/* In a process that finds something else under the library's name. */
static int miss(void)
{
    promp_error_t error = {0};
    promp_err_t err = promp_zload(&error);

    return err == PROMP_ERR_ZMQ_MISSING && error.code == err && strstr(error.text, "libzmq.so.5") &&
                   promp_zload(NULL) == err
               ? 0
               : 1;
}

static void test_missing(void **state)
{
    /* Where it cannot be loaded: ZMQ_MISSING, with the loader's words. */
    char folder[] = "/tmp/promp-test-XXXXXX", name[64];
    int status;
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(name, sizeof name, "%s/libzmq.so.5", folder);
    FILE *file = fopen(name, "w");
    assert_non_null(file);
    fputs("no library", file);
    fclose(file);
    pid_t child = fork();
    if (child == 0) {
        setenv("LD_LIBRARY_PATH", folder, 1);
        execl("/proc/self/exe", "zlazy_test", "miss", NULL);
        _exit(2);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    unlink(name);
    rmdir(folder);
    assert_int_equal(status, 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_there), cmocka_unit_test(test_missing)};

    if (argc > 1 && strcmp(argv[1], "miss") == 0)
        return miss();
    return cmocka_run_group_tests_name("zlazy", tests, NULL, NULL);
}
