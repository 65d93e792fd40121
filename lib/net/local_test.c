/* Where the local node is, and who listens there. */
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

/* --- the folder --- */

static void test_find(void **state)
{
    /* Without make a folder that is not there is no node; with it, it is made for us alone and found again. */
    promp_local_t a, b;
    struct stat st;
    (void)state;
    assert_int_equal(promp_local_find(&a, false, NULL), PROMP_ERR_NODE_GONE);
    mode_t before = umask(0777); /* must not matter */
    promp_err_t err = promp_local_find(&a, true, NULL);
    umask(before);
    assert_int_equal(err, PROMP_OK);
    assert_int_equal(stat(in_top("run"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_int_equal(stat(a.folder, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_int_equal(strncmp(a.folder, in_top("run/"), strlen(in_top("run/"))), 0);
    assert_int_equal(strlen(strrchr(a.folder, '/')), 17);
    assert_string_equal(strrchr(a.socket, '/'), "/socket");
    assert_string_equal(strrchr(a.lock, '/'), "/lock");
    assert_string_equal(strrchr(a.log, '/'), "/log");
    assert_int_equal(promp_local_find(&b, false, NULL), PROMP_OK);
    assert_string_equal(a.socket, b.socket);
}

static void test_instance(void **state)
{
    /* Another instance name is another folder; an empty one is none. */
    promp_local_t a, b, c;
    (void)state;
    assert_int_equal(promp_local_find(&a, true, NULL), PROMP_OK);
    setenv("PROMP_INSTANCE", "other", 1);
    assert_int_equal(promp_local_find(&b, true, NULL), PROMP_OK);
    assert_string_not_equal(a.folder, b.folder);
    setenv("PROMP_INSTANCE", "", 1);
    assert_int_equal(promp_local_find(&c, true, NULL), PROMP_OK);
    assert_string_equal(a.folder, c.folder);
}

static void test_which_base(void **state)
{
    /* PROMP_RUNTIME_DIR counts before XDG_RUNTIME_DIR, and that before /tmp; a folder of somebody else is
     * passed over. */
    promp_local_t local;
    (void)state;
    setenv("XDG_RUNTIME_DIR", top(), 1);
    assert_int_equal(promp_local_find(&local, true, NULL), PROMP_OK);
    assert_non_null(strstr(local.folder, in_top("run/")));
    unsetenv("PROMP_RUNTIME_DIR");
    assert_int_equal(promp_local_find(&local, true, NULL), PROMP_OK);
    assert_non_null(strstr(local.folder, in_top("promp/")));
    const char *const useless[] = {"/does/not/exist", "relative", ""};
    char expected[64];
    snprintf(expected, sizeof expected, "/tmp/promp-%u/", (unsigned)geteuid());
    for (size_t i = 0; i < 3; i++) {
        setenv("XDG_RUNTIME_DIR", useless[i], 1);
        promp_err_t err = promp_local_find(&local, false, NULL);
        assert_true(err == PROMP_ERR_NODE_GONE || strncmp(local.folder, expected, strlen(expected)) == 0);
    }
}

static void expect_refused(const char *words)
{
    promp_local_t local;
    promp_error_t error;
    assert_int_equal(promp_local_find(&local, true, &error), PROMP_ERR_SOCKET_FOLDER);
    assert_non_null(strstr(error.text, words));
    assert_int_equal(promp_local_find(&local, false, NULL), PROMP_ERR_SOCKET_FOLDER);
}

static void test_bad_folder(void **state)
{
    /* A folder that is open to others, a symbolic link, a file, somebody else's or a relative path is
     * refused, in words. */
    (void)state;
    assert_int_equal(mkdir(in_top("run"), 0700), 0);
    assert_int_equal(chmod(in_top("run"), 0710), 0);
    expect_refused("0710");
    assert_int_equal(rename(in_top("run"), in_top("real")), 0);
    assert_int_equal(chmod(in_top("real"), 0700), 0);
    assert_int_equal(symlink(in_top("real"), in_top("run")), 0);
    expect_refused("not a directory");
    assert_int_equal(unlink(in_top("run")), 0);
    assert_int_equal(close(open(in_top("run"), O_CREAT | O_WRONLY, 0700)), 0);
    expect_refused("not a directory");
    setenv("PROMP_RUNTIME_DIR", "somewhere", 1);
    expect_refused("absolute");
    if (geteuid() == 0) {
        assert_int_equal(unlink(in_top("run")), 0);
        assert_int_equal(mkdir(in_top("run"), 0700), 0);
        assert_int_equal(chown(in_top("run"), 65534, 65534), 0);
        setenv("PROMP_RUNTIME_DIR", in_top("run"), 1);
        expect_refused("65534");
    }
}

static void test_bad_key_folder(void **state)
{
    /* The inner folder is checked as well. */
    promp_local_t local;
    (void)state;
    assert_int_equal(promp_local_find(&local, true, NULL), PROMP_OK);
    assert_int_equal(chmod(local.folder, 0755), 0);
    expect_refused("0755");
}

static void test_long_path(void **state)
{
    /* A path that no socket can have is refused with a hint, the longest possible one is not. */
    promp_local_t local;
    promp_error_t error;
    char base[200];
    size_t length = strlen(top());
    (void)state;
    for (size_t most = 60; most < 120; most++) {
        memset(base, 'x', sizeof base);
        memcpy(base, top(), length);
        base[length] = '/';
        base[most] = '\0';
        setenv("PROMP_RUNTIME_DIR", base, 1);
        promp_err_t err = promp_local_find(&local, true, &error);
        if (most + 24 + 4 < 108) {
            assert_int_equal(err, PROMP_OK);
            assert_int_equal(strlen(local.socket), most + 24);
        } else {
            assert_int_equal(err, PROMP_ERR_SOCKET_PATH);
            assert_non_null(strstr(error.text, "PROMP_RUNTIME_DIR"));
        }
    }
    char endless[5000];
    memset(endless, 'y', sizeof endless);
    endless[0] = '/';
    endless[sizeof endless - 1] = '\0';
    setenv("PROMP_RUNTIME_DIR", endless, 1);
    assert_int_equal(promp_local_find(&local, true, &error), PROMP_ERR_SOCKET_PATH);
    int fd;
    assert_int_equal(promp_local_open(endless, &fd, &error), PROMP_ERR_SOCKET_PATH);
    assert_int_equal(fd, -1);
}

/* --- connecting --- */

static void test_open(void **state)
{
    /* A listening socket of ours is connected to, without inheritance and blocking; a dead or missing one is
     * no node. */
    promp_local_t local;
    int fd;
    (void)state;
    assert_int_equal(promp_local_find(&local, true, NULL), PROMP_OK);
    assert_int_equal(promp_local_open(local.socket, &fd, NULL), PROMP_ERR_NODE_GONE);
    int listener = listen_at(local.socket);
    assert_int_equal(promp_local_open(local.socket, &fd, NULL), PROMP_OK);
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    close(fd);
    int more[8], count = 0;
    promp_err_t err = PROMP_OK;
    while (!err && count < 8)
        err = promp_local_open(local.socket, &more[count++], NULL);
    assert_int_equal(err, PROMP_ERR_NODE_TIMEOUT); /* nobody accepts */
    promp_error_t error;
    assert_int_equal(promp_local_connect(&local, NULL, false, 30, &fd, &error), PROMP_ERR_NODE_TIMEOUT);
    while (count-- > 1)
        close(more[count - 1]);
    close(listener);
    assert_int_equal(promp_local_open(local.socket, &fd, NULL), PROMP_ERR_NODE_GONE);
    assert_int_equal(promp_local_connect(&local, NULL, false, 30, &fd, &error), PROMP_ERR_NODE_GONE);
}

static void test_foreign(void **state)
{
    /* A socket on which another user listens is refused. */
    promp_local_t local;
    promp_error_t error;
    int fd, ready[2], status;
    char byte;
    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(promp_local_find(&local, true, NULL), PROMP_OK);
    assert_int_equal(chmod(top(), 0777) | chmod(in_top("run"), 0777) | chmod(local.folder, 0777), 0);
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        if (setuid(65534))
            _exit(1);
        listen_at(local.socket);
        close(ready[0]);
        if (write(ready[1], "x", 1) == 1)
            pause();
        _exit(0);
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    promp_err_t err = promp_local_connect(&local, NULL, true, 1000, &fd, &error);
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    assert_int_equal(err, PROMP_ERR_FOREIGN_USER);
    assert_non_null(strstr(error.text, "65534"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_find),           TEST(test_instance),  TEST(test_which_base), TEST(test_bad_folder),
        TEST(test_bad_key_folder), TEST(test_long_path), TEST(test_open),       TEST(test_foreign),
    };
    return cmocka_run_group_tests_name("local", tests, NULL, NULL);
}
