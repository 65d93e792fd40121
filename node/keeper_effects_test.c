/* What the keeper's shell does when it runs short of something. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "keeper_inside.h"

typedef struct {
    promp_keeper_t k;
    promp_link_t *agent; /* its end of the link */
} rig_t;

/* What the next promp_link_send returns instead of sending, once. */
static promp_err_t fails_with;

promp_err_t __real_promp_link_send(promp_link_t *link, const promp_out_t *out, const int *fds, size_t count,
                                   uint64_t tag);
promp_err_t __wrap_promp_link_send(promp_link_t *link, const promp_out_t *out, const int *fds, size_t count,
                                   uint64_t tag);

promp_err_t __wrap_promp_link_send(promp_link_t *link, const promp_out_t *out, const int *fds, size_t count,
                                   uint64_t tag)
{
    promp_err_t error = fails_with;

    fails_with = PROMP_OK;
    return error ? error : __real_promp_link_send(link, out, fds, count, tag);
}

/* A keeper whose agent is a process that does nothing. */
static int setup(void **state)
{
    static const promp_log_t quiet = {.fd = -1, .level = PROMP_LOG_ERROR, .program = "test"};
    rig_t *rig = calloc(1, sizeof *rig);
    promp_keeper_effect_t e;
    int ends[2];

    alarm(20); /* an agent that is not ended would be waited for */
    if (!rig || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return -1;
    rig->k = (promp_keeper_t){.config.log = &quiet, .signals = -1, .cgroup = -1, .given = -1};
    rig->k.node = (promp_id_t){{9}};
    getrlimit(RLIMIT_NOFILE, &rig->k.files);
    rig->k.core = promp_keeper_core_new(1, &rig->k.node, 0);
    rig->k.link = promp_link_new(ends[0]);
    rig->agent = promp_link_new(ends[1]);
    rig->k.agent = fork();
    if (rig->k.agent == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            pause();
    }
    promp_keeper_core_tick(rig->k.core, 0);
    while (promp_keeper_core_next(rig->k.core, &e))
        assert_int_equal(e.kind, PROMP_KEEPER_START_AGENT);
    promp_keeper_core_agent_up(rig->k.core, 0);
    promp_keeper_effects_do(&rig->k, 0);
    *state = rig;
    return 0;
}

static int teardown(void **state)
{
    rig_t *rig = *state;

    if (rig->k.agent) {
        kill(rig->k.agent, SIGKILL);
        waitpid(rig->k.agent, NULL, 0);
    }
    for (size_t i = 0; i < rig->k.workers; i++) {
        if (!rig->k.worker[i].pid)
            continue;
        kill(rig->k.worker[i].pid, SIGKILL);
        waitpid(rig->k.worker[i].pid, NULL, 0);
        promp_spawn_close(&rig->k.worker[i]);
    }
    free(rig->k.worker);
    promp_keeper_core_destroy(&rig->k.core);
    promp_link_destroy(&rig->k.link);
    promp_link_destroy(&rig->agent);
    free(rig);
    return 0;
}

static void says(rig_t *rig, const promp_message_t *m, uint8_t session, int given)
{
    promp_buf_t body = {0};
    promp_frame_t frame = {.type = (uint8_t)m->type, .session = {{session}}};

    assert_int_equal(promp_message_encode(m, &body), PROMP_OK);
    frame.size = promp_frame_size(body.size);
    frame.body = promp_slice(body.data, body.size);
    frame.fds = m->type == PROMP_TYPE_SPAWN;
    rig->k.given = given;
    promp_keeper_core_frame(rig->k.core, &frame, 0);
    promp_keeper_effects_do(&rig->k, 0);
    promp_buf_free(&body);
}

static void starts(rig_t *rig, uint8_t session, int given)
{
    promp_message_t m = {.type = PROMP_TYPE_SPAWN,
                         .spawn = {.lease_ms = 1000,
                                   .program = promp_slice_str("/bin/sleep"),
                                   .folder = promp_slice_str("/"),
                                   .argv = promp_slice("sleep\00020", 9)}};

    says(rig, &m, session, given);
}

/* The next frame that the agent gets of this type, and its descriptor (-1: none). */
static promp_frame_t told(rig_t *rig, promp_type_t type, int *fd)
{
    int fds[PROMP_LIMIT_FRAME_FDS];
    promp_frame_t frame;
    bool got = false;

    for (int i = 0; i < 10; i++) {
        assert_int_equal(promp_link_read(rig->agent, NULL), PROMP_OK);
        while (!promp_link_next(rig->agent, &frame, fds, &got) && got) {
            *fd = frame.fds ? fds[0] : -1;
            if (frame.type == type)
                return frame;
        }
    }
    fail_msg("message %d did not come", type);
    return frame;
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

        fails_with = errors[i];
        says(rig, &pulse, 0, -1);
        assert_int_equal(fails_with, PROMP_OK);
        if (errors[i] == PROMP_ERR_CLOSED) {
            assert_int_equal(waitpid(rig->k.agent, &status, WNOHANG), 0);
        } else {
            assert_int_equal(waitpid(rig->k.agent, &status, 0), rig->k.agent);
            assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
            rig->k.agent = 0;
        }
        teardown(state);
        setup(state);
    }
}

static void pidfd_is_left_out(void **state)
{
    /* Where there is no descriptor for the pidfd, the agent hears of the worker without it, and lives. */
    rig_t *rig = *state;
    int ends[2], fd, status;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    starts(rig, 1, ends[0]);
    told(rig, PROMP_TYPE_SPAWNED, &fd);
    assert_true(fd >= 0);
    close(fd);
    fails_with = PROMP_ERR_DESCRIPTORS;
    starts(rig, 2, ends[0]);
    told(rig, PROMP_TYPE_SPAWNED, &fd);
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
    promp_frame_t frame = told(rig, PROMP_TYPE_SPAWN_FAILED, &fd);
    assert_int_equal(promp_message_decode(frame.type, frame.body, PROMP_WHO_KEEPER, PROMP_WHO_NODE,
                                          PROMP_AT_UP, PROMP_VERSION_HIGH, &m),
                     PROMP_OK);
    assert_int_equal(m.spawn_failed.error, PROMP_ERR_DESCRIPTORS);
    says(rig, &relink, 1, -1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {TEST(frame_is_lost), TEST(pidfd_is_left_out), TEST(link_is_lost)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
