/* tw_end.c - ways for a worker to end, and what it leaves behind. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tw.h"

int task_signal(promp_task_t *task)
{
    int number = (int)arg_int(task, 0);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, number);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    signal(number, SIG_DFL);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    kill(getpid(), number);
    for (;;)
        pause();
}

int task_exit(promp_task_t *task)
{
    _exit((int)arg_int(task, 0));
}

/* Takes memory until there is none (argument: limit in MiB), then ends as programs do that find none. */
int task_oom(promp_task_t *task)
{
    rlim_t limit = (rlim_t)arg_int(task, 0) << 20;
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    setrlimit(RLIMIT_AS, &(struct rlimit){limit, limit});
    for (;;) {
        void *block = malloc(1 << 20);
        if (!block) {
            static const char words[] = "out of memory\n";
            if (write(2, words, sizeof words - 1) < 0)
                _exit(99);
            abort();
        }
        memset(block, 1, 1 << 20);
    }
}

/* Writes last words (argument 0, to descriptor 2), argument 1 times, and dies of signal 9 in the same breath.
 */
int task_words(promp_task_t *task)
{
    const char *text = arg_str(task, 0);
    for (int64_t i = 0; i < arg_int(task, 1); i++)
        if (write(2, text, strlen(text)) < 0)
            return 1;
    kill(getpid(), SIGKILL);
    return 0;
}

static void linger(void)
{
    for (;;)
        pause();
}

static void stubborn(void)
{
    for (int i = 1; i < NSIG; i++)
        signal(i, SIG_IGN);
    linger();
}

static void daemonise(bool clean)
{
    setsid();
    if (fork() != 0)
        _exit(0);
    if (clean) {
        char *argv[] = {"sleep", "1000", NULL}, *env[] = {NULL};
        execve("/bin/sleep", argv, env);
        _exit(127);
    }
    linger();
}

static void be(const char *mode)
{
    if (strcmp(mode, "plain") == 0)
        linger();
    if (strcmp(mode, "stubborn") == 0)
        stubborn();
    if (strcmp(mode, "setsid") == 0) {
        setsid();
        linger();
    }
    if (strcmp(mode, "double") == 0)
        daemonise(false);
    if (strcmp(mode, "clean") == 0)
        daemonise(true);
    if (strcmp(mode, "exec") == 0)
        execl("/bin/sleep", "sleep", "1000", (char *)NULL);
    if (strcmp(mode, "forker") == 0) /* never the same process for long */
        for (;;) {
            if (fork() != 0)
                _exit(0);
            nap();
        }
    _exit(127);
}

/* Leaves a child of each named kind behind; they hold all descriptors. What comes next is the caller's
 * business. */
int task_family(promp_task_t *task)
{
    const promp_value_t *args = promp_task_args(task);
    for (size_t i = 0; i < promp_value_count(args); i++) {
        const char *mode = arg_str(task, i);
        pid_t pid = fork();
        if (pid == 0)
            be(mode);
        if (pid < 0)
            return promp_task_fail(task, "fork failed");
        if (strcmp(mode, "double") == 0 || strcmp(mode, "clean") == 0)
            waitpid(pid, NULL, 0);
    }
    return result_int(task, (int64_t)promp_value_count(args));
}

/* Ends every socket of this process above descriptor 6, both ways: not what it was started with. Result: how many. */
int task_shut(promp_task_t *task)
{
    int64_t ended = 0;
    for (int fd = 7; fd < 64; fd++)
        ended += shutdown(fd, SHUT_RDWR) == 0;
    return result_int(task, ended);
}
