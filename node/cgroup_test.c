/* Control groups on folders that look like the kernel's: what is written where, and what is done without. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cgroup.h"

#define PATH 128

typedef struct {
    char path[PATH];
    int ours;
    promp_cgroup_t group;
} fake_t;

/* What the kernel puts into a folder that is made; NULL at the end. */
static const char *const usual[] = {
    "cgroup.procs", "cgroup.kill",     "cgroup.events",    "cgroup.subtree_control",
    "memory.max",   "memory.swap.max", "memory.oom.group", "cpu.weight",
    "cpu.max",      "pids.max",        "memory.events",    NULL};
static bool busy;           /* no group is empty */
static const char *missing; /* one of those that is not there */

int __real_mkdirat(int at, const char *name, mode_t mode);
int __wrap_mkdirat(int at, const char *name, mode_t mode);
int __real_unlinkat(int at, const char *name, int flags);
int __wrap_unlinkat(int at, const char *name, int flags);

static void put(int at, const char *name, const char *text)
{
    int fd = openat(at, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

int __wrap_mkdirat(int at, const char *name, mode_t mode)
{
    int done = __real_mkdirat(at, name, mode), folder;

    if (done < 0)
        return done;
    folder = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; usual[i]; i++)
        if (!missing || strcmp(missing, usual[i]) != 0)
            put(folder, usual[i], "");
    close(folder);
    return 0;
}

/* A group's files go with it; groups and processes in it keep it. */
int __wrap_unlinkat(int at, const char *name, int flags)
{
    int folder = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char text[16];

    if (busy ||
        (folder >= 0 && promp_cgroup_read(folder, "cgroup.procs", text, sizeof text) && text[0] != '0')) {
        if (folder >= 0)
            close(folder);
        errno = EBUSY;
        return -1;
    }
    for (size_t i = 0; folder >= 0 && usual[i]; i++)
        __real_unlinkat(folder, usual[i], 0);
    if (folder >= 0)
        close(folder);
    if (__real_unlinkat(at, name, flags) == 0)
        return 0;
    errno = errno == ENOTEMPTY ? EBUSY : errno;
    return -1;
}

static const char *text_of(int at, const char *name)
{
    static char text[256];

    assert_true(promp_cgroup_read(at, name, text, sizeof text) || faccessat(at, name, F_OK, 0) == 0);
    return text;
}

static const char *text_in(const fake_t *fake, uint64_t serial, const char *file)
{
    char name[PROMP_CGROUP_NAME];

    return text_of(fake->group.folder, promp_cgroup_name("w", serial, file, name));
}

static int setup(void **state)
{
    fake_t *fake = calloc(1, sizeof *fake);

    missing = NULL;
    strcpy(fake->path, "/tmp/promp-test-XXXXXX");
    assert_non_null(mkdtemp(fake->path));
    fake->ours = open(fake->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    put(fake->ours, "cgroup.controllers", "cpuset cpu io memory pids\n");
    put(fake->ours, "cgroup.subtree_control", "");
    put(fake->ours, "cgroup.procs", "");
    *state = fake;
    return 0;
}

static int teardown(void **state)
{
    fake_t *fake = *state;
    char command[PATH + 16];

    promp_cgroup_close(&fake->group);
    close(fake->ours);
    snprintf(command, sizeof command, "rm -r %s", fake->path);
    assert_int_equal(system(command), 0);
    free(fake);
    return 0;
}

static void begin(fake_t *fake)
{
    fake->group = (promp_cgroup_t){.folder = -1};
    promp_cgroup_open_in(&fake->group, fake->ours);
    assert_true(fake->group.folder >= 0);
}

static int made(const fake_t *fake, uint64_t serial, const promp_cgroup_limits_t *limits)
{
    promp_error_t error;
    int fd;

    assert_int_equal(promp_cgroup_make(&fake->group, serial, limits, &fd, &error), PROMP_OK);
    assert_true(fd >= 0);
    return fd;
}

static void all_limits(void **state)
{
    /* The node moves down, gives the controllers on, and a worker gets what it asked for; all is gone at the end. */
    const promp_cgroup_limits_t limits = {.memory = 256 << 20, .cpus = 2500, .processes = 64};
    fake_t *fake = *state;
    char own[32], name[PROMP_CGROUP_NAME];

    snprintf(own, sizeof own, "%d\n", (int)getpid());
    put(fake->ours, "cgroup.procs", own);
    begin(fake);
    assert_null(fake->group.why);
    assert_true(fake->group.memory && fake->group.cpus && fake->group.processes && fake->group.moved);
    assert_string_equal(text_of(fake->group.folder, "node/cgroup.procs"), "0");
    assert_string_equal(text_of(fake->ours, "cgroup.subtree_control"), "+pidsry"); /* each from the start */
    assert_string_equal(text_of(fake->group.folder, "cgroup.subtree_control"), "+pidsry");

    close(made(fake, 7, &limits));
    assert_string_equal(text_in(fake, 7, "/memory.max"), "268435456");
    assert_string_equal(text_in(fake, 7, "/memory.swap.max"), "0");
    assert_string_equal(text_in(fake, 7, "/memory.oom.group"), "1");
    assert_string_equal(text_in(fake, 7, "/cpu.weight"), "250");
    assert_string_equal(text_in(fake, 7, "/cpu.max"), "");
    assert_string_equal(text_in(fake, 7, "/pids.max"), "64");
    promp_cgroup_remove(&fake->group, 7);
    assert_int_equal(faccessat(fake->group.folder, "w7", F_OK, 0), -1);

    promp_cgroup_close(&fake->group);
    assert_string_equal(text_of(fake->ours, "cgroup.subtree_control"), "-pidsry");
    assert_int_equal(text_of(fake->ours, "cgroup.procs")[0], '0');
    assert_int_equal(
        faccessat(fake->ours, promp_cgroup_name("promp-", (uint64_t)getpid(), "", name), F_OK, 0), -1);
}

static void what_is_asked(void **state)
{
    /* Who asks for nothing gets a usual share, no limit of memory; hard limits are for who asks for processors. */
    static const struct {
        promp_cgroup_limits_t limits;
        const char *weight, *most, *memory;
    } rows[] = {{{.processes = 1}, "100", "", ""},
                {{.cpus_hard = true, .processes = 1}, "100", "", ""},
                {{.cpus = 1500, .cpus_hard = true, .processes = 1}, "150", "150000 100000", ""},
                {{.cpus = 1, .cpus_hard = true, .processes = 1}, "1", "1000 100000", ""},
                {{.memory = 4096, .cpus = UINT32_MAX, .processes = 1}, "10000", "", "4096"}};
    fake_t *fake = *state;

    begin(fake);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        close(made(fake, i, &rows[i].limits));
        assert_string_equal(text_in(fake, i, "/cpu.weight"), rows[i].weight);
        assert_string_equal(text_in(fake, i, "/cpu.max"), rows[i].most);
        assert_string_equal(text_in(fake, i, "/memory.max"), rows[i].memory);
        promp_cgroup_remove(&fake->group, i);
    }
}

static void not_alone(void **state)
{
    /* Where somebody else stands nothing is moved, and the reason is told; workers have groups all the same. */
    const promp_cgroup_limits_t limits = {.memory = 4096, .processes = 1};
    fake_t *fake = *state;
    char two[32];

    snprintf(two, sizeof two, "%d\n1\n", (int)getpid());
    put(fake->ours, "cgroup.procs", two);
    begin(fake);
    assert_non_null(strstr(fake->group.why, "other processes"));
    assert_false(fake->group.memory || fake->group.cpus || fake->group.processes || fake->group.moved);
    assert_string_equal(text_of(fake->ours, "cgroup.subtree_control"), "");
    close(made(fake, 1, &limits));
    assert_string_equal(text_in(fake, 1, "/memory.max"), "");
    promp_cgroup_remove(&fake->group, 1);
    assert_string_equal(text_of(fake->ours, "cgroup.procs"), two);
}

static void no_controllers(void **state)
{
    /* A hierarchy that has none is for killing only. */
    fake_t *fake = *state;

    put(fake->ours, "cgroup.controllers", "\n");
    begin(fake);
    assert_non_null(strstr(fake->group.why, "no controllers"));
    assert_false(fake->group.moved);
}

static void cannot_be_limited(void **state)
{
    /* A worker that cannot have a limit that holds is not started, and leaves no group; what old kernels have not is done without. */
    const promp_cgroup_limits_t limits = {.memory = 4096, .cpus = 1000, .processes = 1};
    static const char *const needed[] = {"memory.max", "cpu.weight", "pids.max"};
    fake_t *fake = *state;
    promp_error_t error;
    int fd;

    begin(fake);
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
        missing = needed[i];
        assert_int_equal(promp_cgroup_make(&fake->group, 1, &limits, &fd, &error), PROMP_ERR_SYSTEM);
        assert_int_equal(fd, -1);
        assert_int_equal(faccessat(fake->group.folder, "w1", F_OK, 0), -1);
    }
    missing = "memory.swap.max";
    close(made(fake, 1, &limits));
    promp_cgroup_remove(&fake->group, 1);
    missing = NULL;
    close(made(fake, 2, &limits)); /* its name is taken now */
    assert_int_equal(promp_cgroup_make(&fake->group, 2, &limits, &fd, &error), PROMP_ERR_SYSTEM);
    promp_cgroup_remove(&fake->group, 2);
}

static void not_empty_yet(void **state)
{
    /* A group whose processes take their time to go is removed with a later one. */
    const promp_cgroup_limits_t limits = {.processes = 1};
    fake_t *fake = *state;

    begin(fake);
    for (uint64_t i = 1; i <= 4; i++)
        close(made(fake, i, &limits));
    busy = true;
    promp_cgroup_remove(&fake->group, 1);
    promp_cgroup_remove(&fake->group, 2);
    assert_int_equal(faccessat(fake->group.folder, "w1", F_OK, 0), 0);
    busy = false;
    promp_cgroup_remove(&fake->group, 3);
    for (int i = 1; i <= 3; i++)
        assert_int_equal(faccessat(fake->group.folder, i == 1 ? "w1" : i == 2 ? "w2" : "w3", F_OK, 0), -1);
    promp_cgroup_remove(&fake->group, 3); /* again is fine */
    assert_int_equal(fake->group.lates, 0);
    promp_cgroup_remove(&fake->group, 4);
}

static void groups_below(void **state)
{
    /* Groups that a worker has made in its own go with it, from the deepest on; with a process in one of them all wait for that. */
    static const char *const made_there[] = {"w1/a",   "w1/a/b",     "w1/a/b/c",
                                             "w1/a/d", "w1/promp-9", "w1/promp-9/w1"};
    const promp_cgroup_limits_t limits = {.processes = 1};
    fake_t *fake = *state;

    begin(fake);
    close(made(fake, 1, &limits));
    for (size_t i = 0; i < sizeof made_there / sizeof *made_there; i++)
        assert_int_equal(mkdirat(fake->group.folder, made_there[i], 0755), 0);
    put(fake->group.folder, "w1/a/b/c/cgroup.procs", "9\n");
    promp_cgroup_remove(&fake->group, 1);
    assert_int_equal(fake->group.lates, 1);
    assert_int_equal(faccessat(fake->group.folder, "w1/a/b/c", F_OK, 0), 0);
    put(fake->group.folder, "w1/a/b/c/cgroup.procs", "");
    promp_cgroup_remove(&fake->group, 2);
    assert_int_equal(fake->group.lates, 0);
    assert_int_equal(faccessat(fake->group.folder, "w1", F_OK, 0), -1);
}

static void starved(void **state)
{
    /* Killed for want of memory, and whether by its own limit; reaching a limit alone kills nobody. */
    static const struct {
        const char *events;
        bool killed;
        uint64_t limit;
    } rows[] = {{"low 0\nhigh 0\nmax 9\noom 1\noom_kill 3\noom_group_kill 1\n", true, 268435456},
                {"low 0\nhigh 0\nmax 0\noom 0\noom_kill 1\n", true, 0},
                {"low 0\nhigh 0\nmax 5\noom 2\noom_kill 0\n", false, 268435456},
                {"", false, 0}};
    const promp_cgroup_limits_t limits = {.memory = 256 << 20, .processes = 1};
    fake_t *fake = *state;
    uint64_t limit;

    begin(fake);
    close(made(fake, 3, &limits));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char name[PROMP_CGROUP_NAME];

        put(fake->group.folder, promp_cgroup_name("w", 3, "/memory.events", name), rows[i].events);
        assert_int_equal(promp_cgroup_starved(&fake->group, 3, &limit), rows[i].killed);
        assert_int_equal(limit, rows[i].limit);
    }
    assert_false(promp_cgroup_starved(&fake->group, 4, &limit));
    promp_cgroup_remove(&fake->group, 3);
}

static void stale(void **state)
{
    /* Folders of nodes that are dead go, with their groups, also one of an earlier process of our number; those of the living stay. */
    pid_t dead = fork();
    fake_t *fake = *state;
    char gone[PROMP_CGROUP_NAME], living[PROMP_CGROUP_NAME], before[PROMP_CGROUP_NAME];
    int folder;

    if (!dead)
        _exit(0);
    assert_int_equal(waitpid(dead, NULL, 0), dead);
    promp_cgroup_name("promp-", (uint64_t)dead, "", gone);
    promp_cgroup_name("promp-", (uint64_t)getppid(), "", living);
    promp_cgroup_name("promp-", (uint64_t)getpid(), "", before);
    assert_int_equal(mkdirat(fake->ours, gone, 0700), 0);
    assert_int_equal(mkdirat(fake->ours, living, 0700), 0);
    assert_int_equal(mkdirat(fake->ours, before, 0700), 0);
    assert_int_equal(mkdirat(fake->ours, "promp-service", 0700), 0);
    folder = openat(fake->ours, gone, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(mkdirat(folder, "w1", 0700), 0);
    assert_int_equal(mkdirat(folder, "node", 0700), 0);
    close(folder);
    begin(fake);
    assert_int_equal(faccessat(fake->ours, gone, F_OK, 0), -1);
    assert_int_equal(faccessat(fake->ours, living, F_OK, 0), 0);
    assert_int_equal(faccessat(fake->ours, "promp-service", F_OK, 0), 0);
}

static void forks(void **state)
{
    /* A process made for a folder that is no group of the kernel's comes about all the same, and is told to enter. */
    fake_t *fake = *state;
    int fd, status;
    bool outside;
    pid_t pid;

    begin(fake);
    fd = made(fake, 1, &(promp_cgroup_limits_t){.processes = 1});
    pid = promp_cgroup_fork(fd, &outside);
    if (!pid)
        _exit(outside && promp_cgroup_enter(fd) ? 7 : 1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), 7);
    assert_string_equal(text_in(fake, 1, "/cgroup.procs"), "0");
    close(fd);
    pid = promp_cgroup_fork(-1, &outside);
    if (!pid)
        _exit(outside ? 1 : 7);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(all_limits, setup, teardown),
                                       cmocka_unit_test_setup_teardown(what_is_asked, setup, teardown),
                                       cmocka_unit_test_setup_teardown(not_alone, setup, teardown),
                                       cmocka_unit_test_setup_teardown(no_controllers, setup, teardown),
                                       cmocka_unit_test_setup_teardown(cannot_be_limited, setup, teardown),
                                       cmocka_unit_test_setup_teardown(not_empty_yet, setup, teardown),
                                       cmocka_unit_test_setup_teardown(groups_below, setup, teardown),
                                       cmocka_unit_test_setup_teardown(starved, setup, teardown),
                                       cmocka_unit_test_setup_teardown(stale, setup, teardown),
                                       cmocka_unit_test_setup_teardown(forks, setup, teardown)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
