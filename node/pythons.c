#include "pythons.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define ASK          "import sys; print('%d.%d' % sys.version_info[:2])"
#define MINOR_LOWEST 11

/* --- finding --- */

static bool is_program(const char *path)
{
    return access(path, X_OK) == 0;
}

/* Where name is, absolute and not resolved: a virtual environment is told by the link that leads to its interpreter. */
static bool find(const char *name, char path[PROMP_LIMIT_PATH + 1])
{
    const char *at = getenv("PATH");
    const size_t room = PROMP_LIMIT_PATH + 1;
    char here[PROMP_LIMIT_PATH + 1];

    if (*name == '/')
        return (size_t)snprintf(path, room, "%s", name) < room && is_program(path);
    if (strchr(name, '/'))
        return getcwd(here, sizeof here) && (size_t)snprintf(path, room, "%s/%s", here, name) < room &&
               is_program(path);
    while (at && *at) {
        size_t size = strcspn(at, ":");

        if (*at == '/' && (size_t)snprintf(path, room, "%.*s/%s", (int)size, at, name) < room &&
            is_program(path))
            return true;
        at += size + (at[size] == ':');
    }
    return false;
}

/* --- asking --- */

static int launch(const char *path, int out, pid_t *pid)
{
    char *const argv[] = {(char *)path, (char *)"-I", (char *)"-S", (char *)"-c", (char *)ASK, NULL};
    posix_spawn_file_actions_t actions;
    int failed = posix_spawn_file_actions_init(&actions);

    if (failed)
        return failed;
    failed = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    if (!failed)
        failed = posix_spawn_file_actions_adddup2(&actions, out, 1);
    if (!failed)
        failed = posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    if (!failed)
        failed = posix_spawn(pid, path, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return failed;
}

/* Reads up to its end, or until the time is over; NUL-ended. */
static bool read_all(int fd, char *text, size_t size, int64_t until)
{
    size_t used = 0;

    while (used < size - 1) {
        struct pollfd item = {fd, POLLIN, 0};
        int64_t left = until - promp_clock_ms();
        ssize_t n;

        if (left <= 0)
            return false;
        if (poll(&item, 1, (int)left) <= 0)
            continue;
        n = read(fd, text + used, size - 1 - used);
        if (n == 0)
            break;
        if (n > 0)
            used += (size_t)n;
        else if (errno != EINTR)
            return false;
    }
    text[used] = '\0';
    return true;
}

/* Its exit code, -1: it had to be killed. */
static int wait_for(pid_t pid, int64_t until)
{
    pid_t ended;
    int status = 0;

    while ((ended = waitpid(pid, &status, WNOHANG)) == 0 && promp_clock_ms() < until)
        poll(NULL, 0, 5);
    if (ended == 0) {
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static promp_err_t ask(const char *path, char version[PROMP_PYTHON_VERSION], promp_error_t *error)
{
    int64_t until = promp_clock_ms() + PROMP_TIME_PYTHON;
    char answer[64] = "";
    int ends[2], major, minor, failed;
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return promp_error_set(error, promp_error_from_errno(errno), errno, "pipe");
    failed = launch(path, ends[1], &pid);
    close(ends[1]);
    if (failed) {
        close(ends[0]);
        return promp_error_set(error, PROMP_ERR_PROGRAM_FAILED, failed, "the interpreter %s", path);
    }
    bool told = read_all(ends[0], answer, sizeof answer, until);

    close(ends[0]);
    if (!told)
        kill(pid, SIGKILL);
    if (wait_for(pid, until) != 0 || !told || sscanf(answer, "%d.%d", &major, &minor) != 2)
        return promp_error_set(error, PROMP_ERR_PROGRAM_FAILED, 0,
                               "the interpreter %s does not tell its version", path);
    if (major != 3 || minor < MINOR_LOWEST || minor > 999)
        return promp_error_set(error, PROMP_ERR_ARGUMENT, 0,
                               "%s is Python %d.%d, 3.%d is the first that works", path, major, minor,
                               MINOR_LOWEST);
    snprintf(version, PROMP_PYTHON_VERSION, "%d.%d", major, minor);
    return PROMP_OK;
}

/* --- the list --- */

promp_err_t promp_pythons_add(promp_pythons_t *pythons, const char *name, promp_error_t *error)
{
    promp_python_t *python = &pythons->python[pythons->count];

    if (pythons->count == PROMP_LIMIT_PYTHONS)
        return promp_error_set(error, PROMP_ERR_ARGUMENT, 0, "more than %d interpreters",
                               PROMP_LIMIT_PYTHONS);
    if (!find(name, python->path))
        return promp_error_set(error, PROMP_ERR_PROGRAM_MISSING, 0, "the interpreter %s", name);
    if (ask(python->path, python->version, error))
        return error->code;
    pythons->count++;
    return PROMP_OK;
}

const char *promp_pythons_fit(const promp_pythons_t *pythons, promp_slice_t version)
{
    for (size_t i = 0; i < pythons->count; i++) {
        const promp_python_t *python = &pythons->python[i];

        if (!version.size || (version.size == strlen(python->version) &&
                              memcmp(version.data, python->version, version.size) == 0))
            return python->path;
    }
    return NULL;
}

char *promp_pythons_text(const promp_pythons_t *pythons, char text[PROMP_LIMIT_LABELS + 1])
{
    size_t used = 0;

    text[0] = '\0';
    for (size_t i = 0; i < pythons->count; i++) {
        const char *version = pythons->python[i].version;

        if (promp_pythons_fit(pythons, promp_slice_str(version)) == pythons->python[i].path)
            used += (size_t)snprintf(text + used, PROMP_LIMIT_LABELS + 1 - used, "%s%s", used ? " " : "",
                                     version);
    }
    return text;
}
