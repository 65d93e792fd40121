/* tm_host.c - the process around the manager: forks, threads, limits, signals, what the library did to it. */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tm.h"

static int entries(const char *folder)
{
    DIR *d = opendir(folder);
    int n = 0;
    while (d && readdir(d))
        n++;
    if (d)
        closedir(d);
    return n - 2;
}

/* Everything a library could have changed behind its host's back. */
static void do_host(const tm_line_t *line)
{
    char text[4 * NSIG] = "";
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    tm_answer(line);
    for (int i = 1; i < NSIG; i++) {
        struct sigaction a;
        if (sigaction(i, NULL, &a) == 0)
            sprintf(text + strlen(text), "%d", a.sa_handler == SIG_DFL ? 0 : a.sa_handler == SIG_IGN ? 1 : 2);
        else
            strcat(text, "-");
    }
    tm_put_text("actions", text);
    *text = 0;
    for (int i = 1; i < NSIG; i++)
        strcat(text, sigismember(&mask, i) > 0 ? "1" : "0");
    tm_put_text("mask", text);
    tm_put_int("threads", entries("/proc/self/task"));
    tm_put_int("fds", entries("/proc/self/fd") - 1); /* without the folder's own */
    mode_t m = umask(0);
    umask(m);
    tm_put_int("umask", m);
    tm_put_int("stdin", fcntl(0, F_GETFL));
    tm_put_int("stdout", fcntl(1, F_GETFL));
}

/* Signals that the library's thread blocks: SigBlk of each task but the main one. */
static void do_masks(const tm_line_t *line)
{
    DIR *d = opendir("/proc/self/task");
    tm_answer(line);
    fputs(",\"masks\":[\"\"", tm_out);
    for (struct dirent *e; d && (e = readdir(d));) {
        char path[300], text[256];
        if (*e->d_name == '.' || atoi(e->d_name) == getpid())
            continue;
        snprintf(path, sizeof path, "/proc/self/task/%s/status", e->d_name);
        FILE *f = fopen(path, "r");
        while (f && fgets(text, sizeof text, f))
            if (strncmp(text, "SigBlk:", 7) == 0)
                fprintf(tm_out, ",\"%.16s\"", text + 8);
        if (f)
            fclose(f);
    }
    if (d)
        closedir(d);
    fputs("]", tm_out);
}

static void on_signal(int number)
{
    (void)number;
}

/* signal NUMBER ignore|handle|default|block */
static void do_signal(const tm_line_t *line)
{
    int number = (int)tm_int(line, 1);
    const char *what = line->words[2];
    if (strcmp(what, "block") == 0) {
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, number);
        pthread_sigmask(SIG_BLOCK, &set, NULL);
    } else {
        struct sigaction a = {0};
        a.sa_handler = *what == 'i' ? SIG_IGN : *what == 'h' ? on_signal : SIG_DFL;
        sigaction(number, &a, NULL);
    }
    tm_answer(line);
}

/* limit nofile|nproc|fsize|as SOFT */
static void do_limit(const tm_line_t *line)
{
    const char *what = line->words[1];
    int which = strcmp(what, "nofile") == 0  ? RLIMIT_NOFILE
                : strcmp(what, "nproc") == 0 ? RLIMIT_NPROC
                : strcmp(what, "fsize") == 0 ? RLIMIT_FSIZE
                                             : RLIMIT_AS;
    struct rlimit l;
    getrlimit((__rlimit_resource_t)which, &l);
    l.rlim_cur = (rlim_t)tm_int(line, 2) < l.rlim_max ? (rlim_t)tm_int(line, 2) : l.rlim_max;
    int e = setrlimit((__rlimit_resource_t)which, &l);
    tm_answer(line);
    tm_put_int("done", e == 0);
}

/* An alarm in so many ms whose handler does nothing: interrupts what waits. */
static void do_alarm(const tm_line_t *line)
{
    struct sigaction a = {0};
    a.sa_handler = on_signal;
    sigaction(SIGALRM, &a, NULL);
    ualarm((useconds_t)tm_int(line, 1) * 1000, 0);
    tm_answer(line);
}

static promp_manager_t *shared;
static promp_err_t said[8];

/* One of each kind of call, in a thread or process that may not. */
static void call_all(void)
{
    promp_start_t start = {.program = "/bin/true"};
    promp_task_spec_t task = {.name = "nothing"};
    uint32_t worker = 0;
    said[0] = promp_manager_start(shared, &start, &worker);
    said[1] = promp_manager_task(shared, 1, &task, NULL);
    said[2] = promp_manager_send(shared, 1, 1, "x", 1);
    said[3] = promp_manager_process(shared);
    said[4] = promp_manager_wait(shared, 10000);
    said[5] = promp_manager_wait_message(shared, 1, 10000);
    said[6] = promp_manager_abort(shared, 1, 10000);
    said[7] = promp_manager_stop(shared, 1);
}

static void put_said(const tm_line_t *line)
{
    tm_answer(line);
    fputs(",\"said\":[", tm_out);
    for (int i = 0; i < 8; i++)
        fprintf(tm_out, "%s%d", i ? "," : "", said[i]);
    fputs("]", tm_out);
}

static void *foreign_thread(void *arg)
{
    call_all();
    return arg;
}

static void do_foreign(const tm_line_t *line)
{
    pthread_t thread;
    shared = tm_manager();
    if (pthread_create(&thread, NULL, foreign_thread, NULL) == 0)
        pthread_join(thread, NULL);
    put_said(line);
}

static void *destroying_thread(void *arg)
{
    promp_manager_destroy(arg);
    return NULL;
}

static void do_destroy_elsewhere(const tm_line_t *line)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, destroying_thread, tm_slot()) == 0)
        pthread_join(thread, NULL);
    tm_answer(line);
    tm_put_int("made", tm_manager() != NULL);
}

/* In a forked child: every call, then destroy; the child leaves by exit when exit=1 (handlers run). */
static void do_fork_calls(const tm_line_t *line)
{
    int pipes[2], status = -1;
    if (pipe(pipes) != 0)
        return;
    fflush(tm_out);
    pid_t pid = fork();
    if (pid == 0) {
        shared = tm_manager();
        call_all();
        promp_manager_destroy(tm_slot());
        if (write(pipes[1], said, sizeof said) != sizeof said || tm_manager())
            _exit(9);
        _exit(0);
    }
    close(pipes[1]);
    if (read(pipes[0], said, sizeof said) != sizeof said)
        memset(said, 0xff, sizeof said);
    close(pipes[0]);
    waitpid(pid, &status, 0);
    put_said(line);
    tm_put_int("status", status);
}

/* A child of a fork makes a manager of its own and calls a worker: fork_new PROGRAM */
static void do_fork_new(const tm_line_t *line)
{
    int status = -1;
    fflush(tm_out);
    pid_t pid = fork();
    if (pid == 0) {
        promp_manager_t *m = promp_manager_new(NULL, NULL);
        promp_start_t start = {.program = line->words[1]};
        promp_task_spec_t task = {.name = "nothing", .result = true};
        uint32_t worker;
        bool fine = m && promp_manager_start(m, &start, &worker) == PROMP_OK &&
                    promp_manager_task(m, worker, &task, NULL) == PROMP_OK;
        while (fine && promp_manager_is_busy(m)) {
            fine = promp_manager_wait(m, 20000) == PROMP_OK;
            promp_manager_process(m);
        }
        fine = fine && !promp_manager_has_errors(m);
        promp_manager_destroy(&m);
        _exit(fine ? 0 : 1);
    }
    waitpid(pid, &status, 0);
    tm_answer(line);
    tm_put_int("status", status);
}

/* A child that holds everything and does nothing; it ends when told by a signal. */
static void do_fork_hold(const tm_line_t *line)
{
    fflush(tm_out);
    pid_t pid = fork();
    if (pid == 0)
        for (;;)
            pause();
    tm_answer(line);
    tm_put_int("pid", pid);
}

static promp_err_t one_life(const char *program, int calls)
{
    promp_error_t error;
    promp_manager_t *m = promp_manager_new(NULL, &error);
    if (!m)
        return error.code;
    promp_start_t start = {.program = program};
    promp_value_t *args = promp_value_list(), *two = promp_value_int(2), *three = promp_value_int(3);
    promp_value_append(args, &two);
    promp_value_append(args, &three);
    promp_task_spec_t task = {.name = "add", .args = args, .result = true};
    uint32_t worker;
    promp_err_t e = promp_manager_start(m, &start, &worker);
    for (int i = 0; e == PROMP_OK && i < calls; i++)
        e = promp_manager_task(m, worker, &task, NULL);
    int64_t deadline = tm_now() + 60000;
    while (e == PROMP_OK && promp_manager_is_busy(m)) {
        e = promp_manager_wait(m, tm_left(deadline));
        if (e == PROMP_OK)
            e = promp_manager_process(m);
    }
    for (int i = 0; e == PROMP_OK && i < calls; i++) {
        promp_result_t r = {0};
        bool got = false;
        e = promp_manager_take_result(m, worker, &r, &got);
        if (e == PROMP_OK && (!got || promp_value_as_int(r.value) != 5))
            e = PROMP_ERR_TASK_FAILED;
        promp_result_free(&r);
    }
    promp_value_free(&args);
    promp_manager_destroy(&m);
    return e;
}

/* lives COUNT PROGRAM CALLS: so many managers one after the other. */
static void do_lives(const tm_line_t *line)
{
    promp_err_t e = PROMP_OK;
    long long done = 0;
    int64_t begin = tm_now();
    for (; e == PROMP_OK && done < tm_int(line, 1); done += e == PROMP_OK)
        e = one_life(line->words[2], (int)tm_int(line, 3));
    tm_answer(line);
    tm_put_error(e);
    tm_put_int("done", done);
    tm_put_int("ms", tm_now() - begin);
}

static struct {
    const char *program;
    int lives, calls;
} plan;

static void *living_thread(void *arg)
{
    promp_err_t *e = arg;
    for (int i = 0; *e == PROMP_OK && i < plan.lives; i++)
        *e = one_life(plan.program, plan.calls);
    return NULL;
}

/* threads COUNT PROGRAM LIVES CALLS: managers in many threads at once. */
static void do_threads(const tm_line_t *line)
{
    pthread_t threads[64];
    promp_err_t results[64] = {PROMP_OK}, e = PROMP_OK;
    int count = (int)tm_int(line, 1) < 64 ? (int)tm_int(line, 1) : 64;
    plan.program = line->words[2];
    plan.lives = (int)tm_int(line, 3);
    plan.calls = (int)tm_int(line, 4);
    for (int i = 0; i < count; i++)
        pthread_create(&threads[i], NULL, living_thread, &results[i]);
    for (int i = 0; i < count; i++) {
        pthread_join(threads[i], NULL);
        if (results[i] != PROMP_OK)
            e = results[i];
    }
    tm_answer(line);
    tm_put_error(e);
}

/* Ends without a word to the library. */
static void do_die(const tm_line_t *line)
{
    tm_answer(line);
    tm_end();
    fflush(tm_out);
    _exit(0);
}

static void do_version(const tm_line_t *line)
{
    tm_answer(line);
    tm_put_text("version", promp_version());
    tm_put_text("name", promp_error_name(PROMP_ERR_NO_WORKER));
    tm_put_text("text", promp_error_text(PROMP_ERR_NO_WORKER));
    tm_put_text("unknown", promp_error_name((promp_err_t)4711));
}

const tm_command_t tm_host_commands[] = {{"host", do_host, 0},
                                         {"masks", do_masks, 0},
                                         {"signal", do_signal, 2},
                                         {"limit", do_limit, 2},
                                         {"alarm", do_alarm, 1},
                                         {"foreign", do_foreign, 0},
                                         {"destroy_elsewhere", do_destroy_elsewhere, 0},
                                         {"fork_calls", do_fork_calls, 0},
                                         {"fork_new", do_fork_new, 1},
                                         {"fork_hold", do_fork_hold, 0},
                                         {"lives", do_lives, 3},
                                         {"threads", do_threads, 4},
                                         {"die", do_die, 0},
                                         {"version", do_version, 0},
                                         {NULL, NULL, 0}};
