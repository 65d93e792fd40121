/* local_start.c - starting promp-node: finding the program, a clean child, its last words. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "local_inside.h"

#define NAME       "promp-node"
#define WORDS_ROOM 400 /* bytes of what the program says that go into an error */
#define NO_PIDFD   10  /* ms between looks where the kernel has no pidfd */

/* --- the program --- */

static bool runnable(const char *path)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return false;
    if (!S_ISREG(st.st_mode)) {
        errno = EACCES;
        return false;
    }
    return access(path, X_OK) == 0;
}

static bool try_in(char *path, const char *folder, size_t length, const char *rest)
{
    int n = snprintf(path, PATH_MAX, "%.*s%s/" NAME, (int)length, folder, rest);
    return n > 0 && n < PATH_MAX && runnable(path);
}

/* Beside the file that this code was loaded from: the shared library, or a program that it is linked into. */
static bool beside_us(char *path)
{
    static const char *const places[] = {"", "/../bin", "/../libexec", "/../libexec/promp"};
    char own[PATH_MAX];
    Dl_info info;

    /* A relative name is from where the host was started, not from where it is now. */
    if (!dladdr((void *)(uintptr_t)promp_local_start, &info) || !info.dli_fname || info.dli_fname[0] != '/' ||
        !realpath(info.dli_fname, own)) {
        ssize_t n = readlink("/proc/self/exe", own, sizeof own - 1);
        if (n <= 0)
            return false;
        own[n] = '\0';
    }
    char *slash = strrchr(own, '/');
    if (!slash)
        return false;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        if (try_in(path, own, (size_t)(slash - own), places[i]))
            return true;
    return false;
}

static bool in_search_path(char *path)
{
    const char *folders = secure_getenv("PATH");

    while (folders && *folders) {
        size_t length = strcspn(folders, ":");
        if (folders[0] == '/' && try_in(path, folders, length, "")) /* not where we happen to be */
            return true;
        folders += length + (folders[length] == ':');
    }
    return false;
}

static promp_err_t find_program(const char *program, char path[PATH_MAX], promp_error_t *error)
{
    const char *named = program ? program : secure_getenv("PROMP_NODE");

    if (named && named[0]) {
        if (strlen(named) >= PATH_MAX)
            return promp_error_set(error, PROMP_ERR_NODE_PROGRAM, ENAMETOOLONG, NULL);
        strcpy(path, named);
        if (runnable(path))
            return PROMP_OK;
        return promp_error_set(error, PROMP_ERR_NODE_PROGRAM, errno, "%s", path);
    }
    if (beside_us(path) || try_in(path, PROMP_BINDIR, strlen(PROMP_BINDIR), "") || in_search_path(path))
        return PROMP_OK;
    return promp_error_set(error, PROMP_ERR_NODE_PROGRAM, 0,
                           "not beside the library, in " PROMP_BINDIR " or in PATH; PROMP_NODE may name it");
}

/* --- the child --- */

typedef struct {
    pid_t pid;
    int pidfd; /* -1: the kernel has none */
    int words; /* what it writes to stderr; -1 at its end */
    char text[WORDS_ROOM];
    size_t size;
} child_t;

/* Nothing of the host's reaches it: descriptors, signal mask, ignored signals, the terminal's signals. */
static int spawn(child_t *child, const char *path, int words)
{
    char *const argv[] = {(char *)NAME, (char *)"--local", (char *)"--detach", NULL};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t none, all;
    int e;

    sigemptyset(&none);
    sigfillset(&all);
    if ((e = posix_spawn_file_actions_init(&files)))
        goto err0;
    if ((e = posix_spawnattr_init(&attr)))
        goto err1;
    if ((e = posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0)) ||
        (e = posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0)) ||
        (e = posix_spawn_file_actions_adddup2(&files, words, 2)) ||
        (e = posix_spawn_file_actions_addclosefrom_np(&files, 3)) ||
        (e = posix_spawnattr_setsigmask(&attr, &none)) || (e = posix_spawnattr_setsigdefault(&attr, &all)) ||
        (e = posix_spawnattr_setflags(&attr,
                                      POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID)))
        goto err2;
    e = posix_spawn(&child->pid, path, &files, &attr, argv, environ);
err2:
    posix_spawnattr_destroy(&attr);
err1:
    posix_spawn_file_actions_destroy(&files);
err0:
    return e;
}

/* Takes what is there. What does not fit is read and thrown away, so that the child never blocks. */
static void read_words(child_t *child)
{
    char rest[256];

    while (child->words >= 0) {
        bool fits = child->size < sizeof child->text;
        ssize_t n = fits ? read(child->words, child->text + child->size, sizeof child->text - child->size)
                         : read(child->words, rest, sizeof rest);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            close(child->words);
            child->words = -1;
        } else if (fits) {
            child->size += (size_t)n;
        }
    }
}

/* True when the child is no more; *status as of waitpid, -1 when somebody else has it. */
static bool reap(child_t *child, int *status)
{
    pid_t got;
    do
        got = waitpid(child->pid, status, WNOHANG);
    while (got < 0 && errno == EINTR);
    if (got == 0)
        return false;
    if (got < 0)
        *status = -1; /* ECHILD: the host ignores SIGCHLD, or waits for all */
    return true;
}

/* Waits for the end of the first process: it ends when the node is ready, and never later than deadline. */
static bool wait_end(child_t *child, int64_t deadline, int *status)
{
    for (;;) {
        int64_t left = promp_max64(deadline - promp_clock_ms(), 0);
        struct pollfd fds[2] = {{.fd = child->pidfd, .events = POLLIN},
                                {.fd = child->words, .events = POLLIN}};
        if (child->pidfd < 0)
            left = promp_min64(left, NO_PIDFD);
        poll(fds, 2, (int)promp_min64(left, INT_MAX));
        read_words(child);
        if (reap(child, status))
            return true;
        if (promp_clock_ms() >= deadline)
            return false;
    }
}

/* The process that we know, and none that got its number since. */
static void end_child(child_t *child, int *status)
{
    if (child->pidfd >= 0)
        syscall(SYS_pidfd_send_signal, child->pidfd, SIGKILL, NULL, 0);
    else if (!reap(child, status))
        kill(child->pid, SIGKILL);
    else
        return;
    while (waitpid(child->pid, status, 0) < 0 && errno == EINTR)
        ;
}

static promp_err_t judge(const child_t *child, int status, promp_error_t *error)
{
    int length = (int)child->size;

    while (length > 0 && (child->text[length - 1] == '\n' || child->text[length - 1] == ' '))
        length--;
    if (status == -1 || (WIFEXITED(status) && WEXITSTATUS(status) == 0))
        return PROMP_OK;
    if (length > 0)
        return promp_error_set(error, PROMP_ERR_NODE_START, 0, "%.*s", length, child->text);
    if (WIFSIGNALED(status))
        return promp_error_set(error, PROMP_ERR_NODE_START, 0, "it ended by signal %d", WTERMSIG(status));
    return promp_error_set(error, PROMP_ERR_NODE_START, 0, "it ended with status %d", WEXITSTATUS(status));
}

promp_err_t promp_local_start(const char *program, int64_t deadline, promp_error_t *error)
{
    child_t child = {.pid = -1, .pidfd = -1, .words = -1};
    char path[PATH_MAX];
    int ends[2], status = -1;
    promp_err_t err = find_program(program, path, error);

    if (err)
        return err;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return promp_error_set(error, promp_error_from_errno(errno), errno, "pipe");
    child.words = ends[0];
    (void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
    int e = spawn(&child, path, ends[1]);
    close(ends[1]);
    if (e) {
        err = e == ENOMEM                                  ? PROMP_ERR_MEMORY
              : e == ENOENT || e == EACCES || e == ENOEXEC ? PROMP_ERR_NODE_PROGRAM
                                                           : PROMP_ERR_NODE_START;
        promp_error_set(error, err, e, "%s", path);
        goto out;
    }
    child.pidfd = (int)syscall(SYS_pidfd_open, child.pid, 0);
    if (wait_end(&child, deadline, &status)) {
        read_words(&child);
        err = judge(&child, status, error);
    } else {
        end_child(&child, &status);
        err = promp_error_set(error, PROMP_ERR_NODE_TIMEOUT, 0, "%s was not ready in time", path);
    }
out:
    if (child.pidfd >= 0)
        close(child.pidfd);
    if (child.words >= 0)
        close(child.words);
    return err;
}
