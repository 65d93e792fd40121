/* A worker process that has no memory left: what native code says of it is not lost. */
#include <malloc.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "worker_rig.h"

#define WORDS "out of memory\n"

/* Takes all memory there is, in a chain of blocks, but for crumbs: a record finds no room, what keeps the link does. */
static void **take_all(void)
{
    long pages = 0;
    void **chain = NULL, **block;
    FILE *statm = fopen("/proc/self/statm", "r");
    if (!statm || fscanf(statm, "%ld", &pages) != 1)
        _exit(98);
    fclose(statm);
    rlim_t limit = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + (32 << 20);
    setrlimit(RLIMIT_AS, &(struct rlimit){limit, limit});
    for (size_t size = 1 << 20; size >= 4096; size /= 2)
        while ((block = malloc(size))) {
            *block = chain;
            chain = block;
        }
    return chain;
}

/* Says it, and gives the network thread time to pick it up, which is the fault looked for. */
static void say(void)
{
    int there = 1;
    if (write(2, WORDS, sizeof WORDS - 1) < 0)
        _exit(99);
    for (int i = 0; i < 300 && there; i++) {
        usleep(1000);
        ioctl(2, FIONREAD, &there);
    }
}

static int task_die(promp_task_t *task)
{
    (void)task;
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    (void)take_all();
    say();
    abort();
}

static int task_recover(promp_task_t *task)
{
    (void)task;
    void **chain = take_all();
    say();
    while (chain) {
        void **next = *chain;
        free(chain);
        chain = next;
    }
    return 0;
}

static int native_worker(void)
{
    static const promp_task_def_t tasks[] = {{"die", task_die}, {"recover", task_recover}, {NULL, NULL}};
    mallopt(M_ARENA_MAX, 1); /* the network thread has no memory of its own either */
    return promp_worker_run(tasks);
}

static void skip_with_sanitizers(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    skip(); /* they take address space as they please */
#endif
}

static void test_last_words(void **state)
{
    /* Aim: a worker that dies for want of memory says so: what was not sent is still in its pipe, for the keeper. */
    static const uint32_t options[] = {PROMP_OPT_REDIRECT, PROMP_OPT_ATOMIC};
    (void)state;
    skip_with_sanitizers();
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        promp_worker_rig_t rig;
        char said[100] = "";
        promp_worker_rig_start(&rig, options[i], native_worker);
        promp_worker_rig_task(&rig, "die");
        int status = promp_worker_rig_wait(&rig);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGABRT);
        if (promp_session_has_record(rig.session, PROMP_LANE_OUTPUT))
            promp_worker_rig_output(&rig, PROMP_STREAM_NATIVE_STDERR, WORDS);
        else
            assert_int_equal(read(rig.pipe[1], said, sizeof said), sizeof WORDS - 1);
        assert_string_equal(said, *said ? WORDS : "");
        promp_worker_rig_close(&rig);
    }
}

static void test_recovered(void **state)
{
    /* Aim: where memory comes back what was said meanwhile arrives, before the end of its task. */
    static const uint32_t options[] = {PROMP_OPT_REDIRECT, PROMP_OPT_ATOMIC};
    (void)state;
    skip_with_sanitizers();
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        promp_worker_rig_t rig;
        promp_worker_rig_start(&rig, options[i], native_worker);
        promp_worker_rig_task(&rig, "recover");
        promp_worker_rig_output(&rig, PROMP_STREAM_NATIVE_STDERR, WORDS);
        promp_worker_rig_done(&rig, 1, 0);
        promp_session_urge(rig.session, PROMP_SLOT_STOP, 0, 0);
        assert_int_equal(promp_worker_rig_wait(&rig), 0);
        promp_worker_rig_close(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_last_words), cmocka_unit_test(test_recovered)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
