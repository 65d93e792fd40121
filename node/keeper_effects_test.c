/* What the keeper's shell does when it runs short of something. */
#include "keeper_rig.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void starts(rig_t *rig, uint8_t session, int given)
{
    promp_message_t m = {.type = PROMP_TYPE_SPAWN,
                         .spawn = {.lease_ms = 1000,
                                   .program = promp_slice_str("/bin/sleep"),
                                   .folder = promp_slice_str("/"),
                                   .argv = promp_slice("sleep\00020", 9)}};

    rig_says(rig, &m, session, given);
}

static void frame_is_lost(void **state)
{
    /* An agent that cannot be told something would be wrong for ever: it is ended, whatever the reason is. Only one that
     * has closed its end is left to end by itself. */
    static const promp_err_t errors[] = {PROMP_ERR_MEMORY, PROMP_ERR_QUEUE_FULL, PROMP_ERR_SYSTEM,
                                         PROMP_ERR_CLOSED};
    promp_message_t pulse = {.type = PROMP_TYPE_PULSE};

    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        rig_t *rig = *state;
        int status = 0;

        rig_fails_with = errors[i];
        rig_says(rig, &pulse, 0, -1);
        assert_int_equal(rig_fails_with, PROMP_OK);
        if (errors[i] == PROMP_ERR_CLOSED) {
            assert_int_equal(waitpid(rig->k.agent, &status, WNOHANG), 0);
        } else {
            assert_int_equal(waitpid(rig->k.agent, &status, 0), rig->k.agent);
            assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
            rig->k.agent = 0;
        }
        rig_teardown(state);
        rig_setup(state);
    }
}

static void pidfd_is_left_out(void **state)
{
    /* Where there is no descriptor for the pidfd, the agent hears of the worker without it, and lives. */
    rig_t *rig = *state;
    int ends[2], fd, status;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    starts(rig, 1, ends[0]);
    rig_told(rig, PROMP_TYPE_SPAWNED, &fd);
    assert_true(fd >= 0);
    close(fd);
    rig_fails_with = PROMP_ERR_DESCRIPTORS;
    starts(rig, 2, ends[0]);
    rig_told(rig, PROMP_TYPE_SPAWNED, &fd);
    assert_int_equal(fd, -1);
    assert_int_equal(waitpid(rig->k.agent, &status, WNOHANG), 0);
    close(ends[0]);
    close(ends[1]);
}

static void link_is_lost(void **state)
{
    /* A SPAWN whose descriptor did not arrive for want of room here fails with that reason; RELINK does nothing. */
    rig_t *rig = *state;
    promp_message_t m, relink = {.type = PROMP_TYPE_RELINK};
    int fd;

    starts(rig, 1, -1);
    m = rig_told(rig, PROMP_TYPE_SPAWN_FAILED, &fd);
    assert_int_equal(m.spawn_failed.error, PROMP_ERR_DESCRIPTORS);
    rig_says(rig, &relink, 1, -1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {TEST(frame_is_lost), TEST(pidfd_is_left_out), TEST(link_is_lost)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
