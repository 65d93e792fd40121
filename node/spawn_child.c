#include "spawn_child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cgroup.h"

#define FAILED 127

/* Where the node has no $PATH. */
#define USUAL_PATH "/usr/local/bin:/usr/bin:/bin"

static _Noreturn void give_up(int report, const promp_error_t *error)
{
    if (write(report, error, sizeof *error) < 0)
        _exit(FAILED + 1); /* the keeper is gone */
    _exit(FAILED);
}

static _Noreturn void fail(int report, promp_err_t code, int system, const char *what)
{
    promp_error_t error;

    promp_error_set(&error, code, system, "%s", what);
    give_up(report, &error);
}

/* --- what went wrong --- */

static promp_err_t explain(int failed, const char *program)
{
    switch (failed) {
    case ENOENT: /* of a script: the interpreter in its first line */
        return access(program, F_OK) == 0 ? PROMP_ERR_PROGRAM_FAILED : PROMP_ERR_PROGRAM_MISSING;
    case ENOTDIR:
    case ENAMETOOLONG:
    case ELOOP:
        return PROMP_ERR_PROGRAM_MISSING;
    case EACCES:
    case EPERM:
    case EISDIR:
    case ENOEXEC:
    case ETXTBSY:
        return PROMP_ERR_PROGRAM_DENIED;
    case E2BIG:
        return PROMP_ERR_START_SIZE;
    case ENOMEM:
    case EMFILE:
    case ENFILE:
        return promp_error_from_errno(failed);
    default:
        return PROMP_ERR_PROGRAM_FAILED;
    }
}

/* --- a program by its name --- */

/* Becomes folder/name; returns when it is not there, the reason of a refusal in *denied; fails for any other reason. */
static void try_in(const promp_spawn_child_t *c, int report, const char *folder, size_t size,
                   promp_error_t *denied)
{
    char path[PROMP_LIMIT_PATH + 1];
    int n = snprintf(path, sizeof path, "%.*s/%s", (int)size, folder, c->words->program);

    if (n < 0 || (size_t)n >= sizeof path)
        return;
    execve(path, c->words->argv, c->words->env);

    int failed = errno;
    promp_err_t code = explain(failed, path);

    if (code == PROMP_ERR_PROGRAM_DENIED && !denied->code)
        promp_error_set(denied, code, failed, "%s", path);
    if (code != PROMP_ERR_PROGRAM_DENIED && code != PROMP_ERR_PROGRAM_MISSING)
        fail(report, code, failed, path);
}

/* Our own folder first: what belongs together is installed together. Empty parts of $PATH would be the folder of the worker. */
static _Noreturn void search(const promp_spawn_child_t *c, int report)
{
    const char *path = getenv("PATH");
    promp_error_t denied = {0};
    char own[PROMP_LIMIT_PATH + 1];
    ssize_t n = readlink("/proc/self/exe", own, sizeof own - 1);

    if (n > 0) {
        own[n] = '\0';
        try_in(c, report, own, (size_t)(strrchr(own, '/') - own), &denied);
    }
    if (!path || !*path)
        path = USUAL_PATH;
    while (*path) {
        size_t size = strcspn(path, ":");

        if (size && *path == '/')
            try_in(c, report, path, size, &denied);
        path += size + (path[size] == ':');
    }
    if (denied.code)
        give_up(report, &denied);
    promp_error_set(&denied, PROMP_ERR_PROGRAM_MISSING, 0, "%s is neither beside promp-node nor in its $PATH",
                    c->words->program);
    give_up(report, &denied);
}

/* --- */

static void forget_signals(void)
{
    sigset_t none;

    for (int i = 1; i < NSIG; i++)
        signal(i, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Each source lies above every target, so the order does not matter. Returns where to report from now on. */
static int place(const promp_spawn_child_t *c)
{
    const int report = PROMP_SPAWN_FDS;
    bool failed = false;

    for (int i = 1; i < PROMP_SPAWN_FDS; i++)
        failed |= dup2(c->fds[i], i) < 0;
    if (failed || dup3(c->report, report, O_CLOEXEC) < 0)
        fail(c->report, promp_error_from_errno(errno), errno, "descriptors of a worker");
    closefrom(report + 1); /* so there is room for one more */

    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (null < 0 || dup2(null, 0) < 0)
        fail(report, promp_error_from_errno(errno), errno, "/dev/null");
    return report;
}

static void enter(const promp_spawn_child_t *c, int report)
{
    const char *folder = c->words->folder ? c->words->folder : c->order->scratch;

    if (!c->words->folder && mkdir(folder, 0700) < 0)
        fail(report, PROMP_ERR_START_FOLDER, errno, folder);
    if (chdir(folder) < 0)
        fail(report, PROMP_ERR_START_FOLDER, errno, folder);
}

_Noreturn void promp_spawn_child(const promp_spawn_child_t *c)
{
    int report;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != c->keeper)
        _exit(FAILED);
    if (c->outside && !promp_cgroup_enter(c->order->group))
        fail(c->report, PROMP_ERR_SYSTEM, errno, "the control group of a worker");
    setsid();
    forget_signals();
    report = place(c);
    setrlimit(RLIMIT_NOFILE, c->order->files);
    enter(c, report);
    umask((mode_t)c->order->what->umask);
    if (!promp_id_is_none(&c->order->what->owner) && !strchr(c->words->program, '/'))
        search(c, report);
    execve(c->words->program, c->words->argv, c->words->env);

    int failed = errno;
    fail(report, explain(failed, c->words->program), failed, c->words->program);
}
