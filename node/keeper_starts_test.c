/* How workers are started: what they find, and what becomes of starts that fail, hang, or leave something behind. */
#include "keeper_rig.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define OWNER ((promp_id_t){{7}})

static char base[] = "/tmp/promp-test-XXXXXX"; /* where private folders are made here */

static int group_setup(void **state)
{
    (void)state;
    return mkdtemp(base) && !setenv("TMPDIR", base, 1) && !setenv("NODE_OWN", "1", 1) &&
                   !setenv("NOTIFY_SOCKET", "/x", 1) && !setenv("PROMP_CONFIG", "/x", 1) &&
                   !setenv("GIVEN", "by the node", 1)
               ? 0
               : -1;
}

static int group_teardown(void **state)
{
    (void)state;
    return rmdir(base); /* fails when anything is left */
}

/* A start of `sh -c script` by session; owner set: of a cluster. */
static void starts(rig_t *rig, uint8_t session, bool cluster, const char *program, const char *folder,
                   const char *script, const char *python, promp_slice_t env)
{
    char argv[1024];
    int n = snprintf(argv, sizeof argv, "sh%c-c%c%s", 0, 0, script) + 1, ends[2];
    promp_message_t m = {.type = PROMP_TYPE_SPAWN,
                         .spawn = {.lease_ms = 1000,
                                   .umask = 022,
                                   .program = promp_slice_str(program),
                                   .folder = promp_slice_str(folder),
                                   .argv = promp_slice(argv, (size_t)n),
                                   .env = env,
                                   .python = promp_slice_str(python)}};

    if (cluster)
        m.spawn.owner = OWNER;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    rig_says(rig, &m, session, ends[0]);
    close(ends[0]);
    close(ends[1]);
}

/* What the script wrote, once it and its tree have gone. */
static const char *wrote(rig_t *rig, char text[8192])
{
    promp_message_t m;
    int fd;

    m = rig_told(rig, PROMP_TYPE_EXITED, &fd);
    snprintf(text, 8192, "%.*s", (int)m.exited.tail.size, (const char *)m.exited.tail.data);
    return text;
}

static bool has_line(const char *text, const char *line)
{
    size_t size = strlen(line);

    for (const char *at = text; (at = strstr(at, line)); at++)
        if ((at == text || at[-1] == '\n') && (at[size] == '\n' || !at[size]))
            return true;
    return false;
}

static uint32_t failure(rig_t *rig, char text[512])
{
    promp_message_t m;
    int fd;

    m = rig_told(rig, PROMP_TYPE_SPAWN_FAILED, &fd);
    snprintf(text, 512, "%.*s", (int)m.spawn_failed.text.size, (const char *)m.spawn_failed.text.data);
    return m.spawn_failed.error;
}

static const promp_slice_t no_env;

static void of_this_host(void **state)
{
    /* On one host: the environment that was given and nothing of the node's, the folder, a session of its own. */
    rig_t *rig = *state;
    char text[8192];

    starts(rig, 1, false, "/bin/sh", "/usr", "pwd; env; umask", "", promp_slice("GIVEN=1\0PROMP_TREE=x", 21));
    wrote(rig, text);
    assert_true(has_line(text, "/usr"));
    assert_true(has_line(text, "GIVEN=1"));
    assert_true(has_line(text, "PROMP_WORKER_FDS=3"));
    assert_true(has_line(text, "0022"));
    assert_false(has_line(text, "PROMP_TREE=x"));
    assert_false(has_line(text, "NODE_OWN=1"));
}

static void of_a_cluster(void **state)
{
    /* In a cluster: our environment without what is the node's own business, completed by what was given, which wins; a name
     * is looked for in $PATH; PROMP_PYTHON is the interpreter that fits. */
    rig_t *rig = *state;
    char text[8192];

    strcpy(rig->pythons.python[0].version, "3.11");
    strcpy(rig->pythons.python[0].path, "/opt/a/python3");
    strcpy(rig->pythons.python[1].version, "3.12");
    strcpy(rig->pythons.python[1].path, "/opt/b/python3");
    rig->pythons.count = 2;
    starts(rig, 1, true, "sh", "/usr", "pwd; env", "3.12",
           promp_slice("GIVEN=1\0PROMP_CACHE=5\0PROMP_PYTHON=/evil", 41));
    wrote(rig, text);
    assert_true(has_line(text, "/usr"));
    assert_true(has_line(text, "GIVEN=1"));
    assert_false(has_line(text, "GIVEN=by the node"));
    assert_true(has_line(text, "NODE_OWN=1"));
    assert_true(has_line(text, "PROMP_CACHE=5"));
    assert_true(has_line(text, "PROMP_PYTHON=/opt/b/python3"));
    assert_null(strstr(text, "/evil"));
    assert_null(strstr(text, "NOTIFY_SOCKET"));
    assert_null(strstr(text, "PROMP_CONFIG"));
    starts(rig, 2, true, "sh", "/", "env", "", no_env);
    wrote(rig, text);
    assert_true(has_line(text, "PROMP_PYTHON=/opt/a/python3"));
    assert_true(has_line(text, "GIVEN=by the node"));
}

static void no_such_python(void **state)
{
    /* A version that this node does not have is NO_PLACE, at once, and told with what there is. */
    rig_t *rig = *state;
    char text[512];

    strcpy(rig->pythons.python[0].version, "3.11");
    rig->pythons.count = 1;
    starts(rig, 1, true, "sh", "/", "true", "3.1", no_env);
    assert_int_equal(failure(rig, text), PROMP_ERR_NO_PLACE);
    assert_non_null(strstr(text, "3.11"));
}

static bool goes(const char *path)
{
    for (int64_t until = promp_clock_ms() + 10000; access(path, F_OK) == 0 && promp_clock_ms() < until;)
        poll(NULL, 0, 5);
    return access(path, F_OK) < 0;
}

static void private_folder(void **state)
{
    /* A worker of a cluster without a folder has one of its own that nobody else can enter. It is removed with whatever was put
     * there, links are not followed, and what the worker locked for itself is no hindrance. */
    rig_t *rig = *state;
    char text[8192], precious[64];

    snprintf(precious, sizeof precious, "%s/precious", base);
    int fd = open(precious, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
    starts(rig, 1, true, "sh", "",
           "pwd; stat -c %a .; mkdir -p a/b/c && ln -s ../../precious a/link && ln -s .. up && touch a/b/c/f;"
           "chmod 0 a/b/c a/b; chmod 0500 a",
           "", no_env);
    wrote(rig, text);
    assert_memory_equal(text, base, strlen(base));
    assert_true(has_line(text, "700"));
    text[strcspn(text, "\n")] = '\0';
    assert_true(goes(text));
    assert_int_equal(unlink(precious), 0);
}

static void folders_wait(void **state)
{
    /* With as many processes as may be that remove folders, further ones wait, which holds up nobody, and all of them go when
     * one of those has ended. */
    rig_t *rig = *state;
    char text[2][8192];
    pid_t busy = fork();

    if (!busy)
        for (;;)
            pause();
    for (size_t i = 0; i < PROMP_KEEPER_CLEANERS; i++)
        rig->k.cleaner[i] = busy;
    for (uint8_t i = 0; i < 2; i++) {
        starts(rig, i + 1, true, "sh", "", "pwd", "", no_env);
        wrote(rig, text[i]);
        text[i][strcspn(text[i], "\n")] = '\0';
    }
    assert_int_equal(rig->k.scratches, 2);
    assert_int_equal(access(text[0], F_OK), 0);
    assert_int_equal(access(text[1], F_OK), 0);
    kill(busy, SIGKILL);
    while (rig->k.cleaner[0] == busy) {
        promp_keeper_reap(&rig->k, 0);
        poll(NULL, 0, 1);
    }
    promp_keeper_scratch_go(&rig->k);
    assert_int_equal(rig->k.scratches, 0);
    assert_true(goes(text[0]));
    assert_true(goes(text[1]));
}

static void fails(void **state)
{
    /* What cannot be started is told with its reason, by path and by name, and leaves neither process nor folder. */
    rig_t *rig = *state;
    static const struct {
        bool cluster;
        const char *program, *folder;
        promp_err_t error;
        const char *names;
    } cases[] = {{false, "/no/such", "/", PROMP_ERR_PROGRAM_MISSING, "/no/such"},
                 {false, "sh", "/", PROMP_ERR_PROGRAM_MISSING, "sh"},
                 {false, "/etc/passwd", "/", PROMP_ERR_PROGRAM_DENIED, "/etc/passwd"},
                 {false, "/bin/sh", "/no/such", PROMP_ERR_START_FOLDER, "/no/such"},
                 {false, "/bin/sh", "", PROMP_ERR_START_FOLDER, ""},
                 {true, "promp-no-such", "", PROMP_ERR_PROGRAM_MISSING, "promp-no-such"},
                 {true, "/no/such", "", PROMP_ERR_PROGRAM_MISSING, "/no/such"},
                 {true, "sh", "/no/such", PROMP_ERR_START_FOLDER, "/no/such"}};
    char text[512];

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        starts(rig, 1, cases[i].cluster, cases[i].program, cases[i].folder, "true", "", no_env);
        assert_int_equal(failure(rig, text), cases[i].error);
        assert_non_null(strstr(text, cases[i].names));
    }
    assert_int_equal(promp_keeper_core_living(rig->k.core), 0);
}

static void one_that_hangs(void **state)
{
    /* A start whose folder does not answer holds up nobody else, and can be killed; it tells the reason it was killed for. */
    rig_t *rig = *state;
    promp_message_t m, slay = {.type = PROMP_TYPE_SLAY, .slay = {.cause = PROMP_ERR_WORKER_STOPPED}};
    int64_t begin = promp_clock_ms();
    int fd;

    starts(rig, 1, false, "/bin/sh", RIG_HANGS, "true", "", no_env);
    starts(rig, 2, false, "/bin/sh", "/", "sleep 100", "", no_env);
    rig_told(rig, PROMP_TYPE_SPAWNED, &fd);
    close(fd);
    assert_in_range(promp_clock_ms() - begin, 0, 5000);
    assert_int_equal(promp_keeper_core_living(rig->k.core), 2);
    assert_false(rig_heard(rig, PROMP_TYPE_SPAWNED, &m, &fd));
    rig_says(rig, &slay, 1, -1);
    m = rig_told(rig, PROMP_TYPE_EXITED, &fd);
    assert_int_equal(m.exited.cause, PROMP_ERR_WORKER_STOPPED);
    assert_int_equal(promp_keeper_core_living(rig->k.core), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {TEST(of_this_host),   TEST(of_a_cluster), TEST(no_such_python),
                                       TEST(private_folder), TEST(folders_wait), TEST(fails),
                                       TEST(one_that_hangs)};

    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
