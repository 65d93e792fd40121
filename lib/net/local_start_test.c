/* How the local node is started: with scripts in its place. */
#include "local.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "local_testing.h"

static char own_path[4096];

/* A program in the place of promp-node. */
static const char *script(const char *text)
{
    const char *path = in_top("node-script");
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file, "#!/bin/sh\n%s\n", text);
    fclose(file);
    assert_int_equal(chmod(path, 0700), 0);
    return path;
}

static promp_err_t start(const char *program, int timeout, promp_error_t *error)
{
    promp_local_t local;
    int fd;
    assert_int_equal(promp_local_find(&local, true, NULL), PROMP_OK);
    promp_err_t err = promp_local_connect(&local, program, true, timeout, &fd, error);
    if (fd >= 0)
        close(fd);
    return err;
}

static void no_child_left(void)
{
    int status;
    assert_int_equal(waitpid(-1, &status, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

static void test_start(void **state)
{
    /* The program is called detached with a clean environment of descriptors and signals; what it serves is
     * connected to. */
    promp_local_t local;
    promp_error_t error;
    char text[6000];
    (void)state;
    assert_int_equal(promp_local_find(&local, true, NULL), PROMP_OK);
    snprintf(
        text, sizeof text,
        "in=$(readlink /proc/$$/fd/0); out=$(readlink /proc/$$/fd/1); fds=$(ls /proc/$$/fd | tr '\\n' ' ')\n"
        "ignored=$(grep SigIgn /proc/$$/status); blocked=$(grep SigBlk /proc/$$/status)\n"
        "echo \"$* $in $out $ignored $blocked $fds\" >%s/seen\n"
        "%s --serve %s 2>/dev/null &\n"
        "while [ ! -e %s.up ]; do :; done; exit 0",
        top(), own_path, local.socket, local.socket);
    int leak = fcntl(0, F_DUPFD, 100); /* not close-on-exec */
    struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
    sigaction(SIGINT, &ignore, &before);
    sigset_t mask, old;
    sigfillset(&mask);
    pthread_sigmask(SIG_SETMASK, &mask, &old);
    promp_err_t err = start(script(text), 15000, &error);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    sigaction(SIGINT, &before, NULL);
    close(leak);
    assert_int_equal(err, PROMP_OK);
    no_child_left();

    char seen[512] = "";
    FILE *file = fopen(in_top("seen"), "r");
    assert_non_null(file);
    size_t size = fread(seen, 1, sizeof seen - 1, file);
    fclose(file);
    assert_true(size > 0);
    assert_non_null(strstr(seen, "--local --detach /dev/null /dev/null SigIgn:"));
    assert_non_null(strstr(seen, "SigBlk:\t0000000000000000"));
    unsigned long long ignored = strtoull(strstr(seen, "SigIgn:") + 7, NULL, 16);
    assert_int_equal(ignored & 0x7fffffff, 0); /* above are those that libc keeps for itself */
    char descriptor[16];
    snprintf(descriptor, sizeof descriptor, " %d ", leak);
    assert_null(strstr(seen, descriptor));
}

static void test_start_fails(void **state)
{
    /* What a failing node says, or else how it ended, is in the error. */
    promp_error_t error;
    (void)state;
    assert_int_equal(start(script("echo 'no room in here' >&2; exit 4"), 5000, &error), PROMP_ERR_NODE_START);
    assert_non_null(strstr(error.text, "no room in here"));
    assert_null(strchr(error.text, '\n'));
    assert_int_equal(start(script("exit 4"), 5000, &error), PROMP_ERR_NODE_START);
    assert_non_null(strstr(error.text, "status 4"));
    assert_int_equal(start(script("kill -9 $$"), 5000, &error), PROMP_ERR_NODE_START);
    assert_non_null(strstr(error.text, "signal 9"));
    assert_int_equal(start(script("yes | head -c 200000 >&2; exit 1"), 5000, &error), PROMP_ERR_NODE_START);
    assert_int_equal(start(script("exit 0"), 5000, &error),
                     PROMP_ERR_NODE_GONE); /* said yes, served nothing */
    no_child_left();
}

static void test_start_slow(void **state)
{
    /* A node that is not ready in time is told so, and no child is left. */
    promp_error_t error;
    (void)state;
    int64_t begin = promp_clock_ms();
    assert_int_equal(start(script("exec sleep 60"), 100, &error), PROMP_ERR_NODE_TIMEOUT);
    assert_in_range(promp_clock_ms() - begin, 100, 10000);
    no_child_left();
}

static void test_no_program(void **state)
{
    /* A missing program, one that is no program and one that may not be executed are told with their names. */
    promp_error_t error;
    (void)state;
    assert_int_equal(start("/does/not/exist", 1000, &error), PROMP_ERR_NODE_PROGRAM);
    assert_non_null(strstr(error.text, "/does/not/exist"));
    assert_int_equal(error.system, ENOENT);
    assert_int_equal(start(top(), 1000, &error), PROMP_ERR_NODE_PROGRAM);
    const char *path = script("exit 0");
    assert_int_equal(chmod(path, 0600), 0);
    setenv("PROMP_NODE", path, 1);
    assert_int_equal(start(NULL, 1000, &error), PROMP_ERR_NODE_PROGRAM);
    assert_non_null(strstr(error.text, path));
    no_child_left();
}

static void test_sigchld_ignored(void **state)
{
    /* A host that ignores SIGCHLD takes the exit status away: whether the node runs is then seen by
     * connecting. */
    promp_error_t error;
    struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
    (void)state;
    sigaction(SIGCHLD, &ignore, &before);
    promp_err_t err = start(script("exit 4"), 5000, &error);
    sigaction(SIGCHLD, &before, NULL);
    assert_int_equal(err, PROMP_ERR_NODE_GONE);
}

/* What test_start's script leaves behind: a node that takes one connection. */
static int serve(const char *path)
{
    char up[128];
    int listener = listen_at(path);
    alarm(60);
    snprintf(up, sizeof up, "%s.up", path);
    close(open(up, O_CREAT | O_WRONLY, 0600));
    return accept(listener, NULL, NULL) < 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--serve") == 0)
        return serve(argv[2]);
    if (!realpath("/proc/self/exe", own_path))
        return 1;
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_start),      TEST(test_start_fails),     TEST(test_start_slow),
        TEST(test_no_program), TEST(test_sigchld_ignored),
    };
    return cmocka_run_group_tests_name("local_start", tests, NULL, NULL);
}
