#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "limits.h"
#include "tree.h"

#define WORKER_FDS "PROMP_WORKER_FDS=3"

extern char **environ;

promp_err_t promp_spawn_reserve(void)
{
    for (;;) {
        int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

        if (fd < 0)
            return promp_error_from_errno(errno);
        if (fd >= PROMP_SPAWN_FIRST) {
            close(fd);
            return PROMP_OK;
        }
    }
}

/* --- arguments and environment --- */

static bool is_ours(const char *variable)
{
    return strncmp(variable, "PROMP_WORKER_FDS=", 17) == 0 ||
           strncmp(variable, PROMP_TREE_ENV "=", sizeof PROMP_TREE_ENV) == 0;
}

/* Makes list point to the strings of a run; of an environment without the variables that we set ourselves. */
static size_t point(promp_slice_t run, bool env, char **list)
{
    const char *at = (const char *)run.data, *end = at + run.size;
    size_t count = 0;

    while (at < end) {
        size_t size = strlen(at) + 1; /* the decoder has seen the NUL of the last one */

        if (!env || !is_ours(at))
            list[count++] = (char *)at;
        at += size;
    }
    list[count] = NULL;
    return count;
}

static size_t strings(promp_slice_t run)
{
    size_t count = 0;

    for (size_t i = 0; i < run.size; i++)
        count += run.data[i] == '\0';
    return count;
}

static char *text(promp_slice_t bytes)
{
    char *copy = malloc(bytes.size + 1);

    if (!copy)
        return NULL;
    if (bytes.size)
        memcpy(copy, bytes.data, bytes.size);
    copy[bytes.size] = '\0';
    return copy;
}

typedef struct {
    char *program, *folder;
    char **argv, **env;
    char mark[sizeof PROMP_TREE_ENV + 1 + PROMP_TREE_SIZE];
} words_t;

static void words_free(words_t *w)
{
    free(w->program);
    free(w->folder);
    free(w->argv);
    free(w->env);
}

static promp_err_t words_make(words_t *w, const promp_msg_spawn_t *what, const char *mark)
{
    w->program = text(what->program);
    w->folder = text(what->folder);
    w->argv = calloc(strings(what->argv) + 2, sizeof *w->argv);
    w->env = calloc(strings(what->env) + 3, sizeof *w->env);
    if (!w->program || !w->folder || !w->argv || !w->env)
        return PROMP_ERR_MEMORY;
    if (!point(what->argv, false, w->argv))
        w->argv[0] = w->program;
    snprintf(w->mark, sizeof w->mark, PROMP_TREE_ENV "=%s", mark);
    w->env[0] = (char *)WORKER_FDS;
    w->env[1] = w->mark;
    point(what->env, true, w->env + 2);
    return PROMP_OK;
}

/* --- descriptors --- */

/* The two ends of everything; what the worker gets is closed by us afterwards. */
typedef struct {
    int null, folder;
    int life[2];   /* ours, the worker's */
    int out[2][2]; /* pipes: read end, write end */
} ends_t;

static void shut(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void ends_close(ends_t *e)
{
    int *all[] = {&e->null,      &e->folder,    &e->life[0],   &e->life[1],
                  &e->out[0][0], &e->out[0][1], &e->out[1][0], &e->out[1][1]};

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        shut(all[i]);
}

static promp_err_t ends_make(ends_t *e, const char *folder, promp_error_t *error)
{
    *e = (ends_t){-1, -1, {-1, -1}, {{-1, -1}, {-1, -1}}};
    if (folder) {
        e->folder = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (e->folder < 0 || faccessat(e->folder, ".", X_OK, AT_EACCESS) < 0)
            return promp_error_set(error, errno == EMFILE ? PROMP_ERR_DESCRIPTORS : PROMP_ERR_START_FOLDER,
                                   errno, "%s", folder);
    }
    e->null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (e->null < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, e->life) < 0 ||
        pipe2(e->out[0], O_CLOEXEC) < 0 || pipe2(e->out[1], O_CLOEXEC) < 0)
        return promp_error_set(error, promp_error_from_errno(errno), errno, "pipes of a worker");
    return PROMP_OK;
}

/* Each source lies above every target, so the order does not matter. */
static int plan(posix_spawn_file_actions_t *actions, const int *fds, int count, int folder)
{
    int failed = 0;

    for (int i = 0; i < count && !failed; i++)
        failed = posix_spawn_file_actions_adddup2(actions, fds[i], i);
    if (!failed && folder >= 0)
        failed = posix_spawn_file_actions_addfchdir_np(actions, folder);
    return failed ? failed : posix_spawn_file_actions_addclosefrom_np(actions, count);
}

static int launch(const char *program, char *const argv[], char *const env[], const int *fds, int count,
                  int folder, short flags, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none, all;
    int failed;

    sigemptyset(&none);
    sigfillset(&all);
    failed = posix_spawn_file_actions_init(&actions);
    if (failed)
        return failed;
    failed = posix_spawnattr_init(&attr);
    if (failed)
        goto err1;
    posix_spawnattr_setflags(&attr, (short)(flags | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF));
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    failed = plan(&actions, fds, count, folder);
    if (!failed)
        failed = posix_spawn(pid, program, &actions, &attr, argv, env);
    posix_spawnattr_destroy(&attr);
err1:
    posix_spawn_file_actions_destroy(&actions);
    return failed;
}

/* --- what went wrong --- */

static promp_err_t explain(int failed, const char *program, promp_error_t *error)
{
    promp_err_t code = PROMP_ERR_PROGRAM_FAILED;

    switch (failed) {
    case ENOENT: /* of a script: the interpreter in its first line */
        code = access(program, F_OK) == 0 ? PROMP_ERR_PROGRAM_FAILED : PROMP_ERR_PROGRAM_MISSING;
        break;
    case ENOTDIR:
    case ENAMETOOLONG:
    case ELOOP:
        code = PROMP_ERR_PROGRAM_MISSING;
        break;
    case EACCES:
    case EPERM:
    case EISDIR:
    case ENOEXEC:
    case ETXTBSY:
        code = PROMP_ERR_PROGRAM_DENIED;
        break;
    case E2BIG:
        code = PROMP_ERR_START_SIZE;
        break;
    case EAGAIN:
        code = PROMP_ERR_PROCESSES;
        break;
    case ENOMEM:
    case EMFILE:
    case ENFILE:
        code = promp_error_from_errno(failed);
        break;
    }
    return promp_error_set(error, code, failed, "%s", program);
}

promp_err_t promp_spawn_worker(const promp_msg_spawn_t *what, int link, const struct rlimit *files,
                               const char *mark, promp_spawn_t *spawn, promp_error_t *error)
{
    words_t words = {0};
    ends_t ends = {-1, -1, {-1, -1}, {{-1, -1}, {-1, -1}}};
    struct rlimit ours;
    promp_err_t code;
    int failed;

    code = words_make(&words, what, mark);
    if (code) {
        promp_error_set(error, code, 0, NULL);
        goto out;
    }
    code = ends_make(&ends, words.folder, error);
    if (code)
        goto out;

    const int fds[] = {ends.null,    ends.out[0][1], ends.out[1][1], link,
                       ends.life[1], ends.out[0][0], ends.out[1][0]};
    bool limited = getrlimit(RLIMIT_NOFILE, &ours) == 0 && setrlimit(RLIMIT_NOFILE, files) == 0;
    mode_t mask = umask((mode_t)what->umask);

    failed = launch(words.program, words.argv, words.env, fds, sizeof fds / sizeof fds[0], ends.folder,
                    POSIX_SPAWN_SETSID, &spawn->pid);
    umask(mask);
    if (limited)
        setrlimit(RLIMIT_NOFILE, &ours);
    if (failed) {
        code = explain(failed, words.program, error);
        goto out;
    }
    spawn->lifeline = ends.life[0];
    spawn->output[0] = ends.out[0][0];
    spawn->output[1] = ends.out[1][0];
    ends.life[0] = ends.out[0][0] = ends.out[1][0] = -1; /* spawn has them now */
out:
    ends_close(&ends);
    words_free(&words);
    return code;
}

promp_err_t promp_spawn_self(char *const argv[], int fd3, int fd4, pid_t *pid, promp_error_t *error)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int err = fcntl(2, F_DUPFD_CLOEXEC, PROMP_SPAWN_FIRST);
    const int fds[] = {null, null, err >= 0 ? err : null, fd3, fd4};
    int failed = null < 0 ? errno : launch("/proc/self/exe", argv, environ, fds, 5, -1, 0, pid);

    shut(&null);
    shut(&err);
    return failed ? promp_error_set(error,
                                    failed == EAGAIN ? PROMP_ERR_PROCESSES : promp_error_from_errno(failed),
                                    failed, "starting the agent")
                  : PROMP_OK;
}

void promp_spawn_close(promp_spawn_t *spawn)
{
    shut(&spawn->lifeline);
    shut(&spawn->output[0]);
    shut(&spawn->output[1]);
}
