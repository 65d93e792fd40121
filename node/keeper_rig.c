#include "keeper_rig.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE 10000 /* ms */

promp_err_t rig_fails_with;

promp_err_t __real_promp_link_send(promp_link_t *link, const promp_out_t *out, const int *fds, size_t count,
                                   uint64_t tag);
promp_err_t __wrap_promp_link_send(promp_link_t *link, const promp_out_t *out, const int *fds, size_t count,
                                   uint64_t tag);
int __real_chdir(const char *path);
int __wrap_chdir(const char *path);

promp_err_t __wrap_promp_link_send(promp_link_t *link, const promp_out_t *out, const int *fds, size_t count,
                                   uint64_t tag)
{
    promp_err_t error = rig_fails_with;

    rig_fails_with = PROMP_OK;
    return error ? error : __real_promp_link_send(link, out, fds, count, tag);
}

int __wrap_chdir(const char *path)
{
    while (strcmp(path, RIG_HANGS) == 0)
        pause();
    return __real_chdir(path);
}

/* A keeper whose agent is a process that does nothing. */
int rig_setup(void **state)
{
    static const promp_log_t quiet = {.fd = -1, .level = PROMP_LOG_ERROR, .program = "test"};
    rig_t *rig = calloc(1, sizeof *rig);
    promp_keeper_effect_t e;
    int ends[2];

    alarm(60); /* an agent that is not ended would be waited for */
    if (!rig || promp_spawn_reserve() || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return -1;
    rig->k = (promp_keeper_t){.config = {.log = &quiet, .pythons = &rig->pythons},
                              .signals = -1,
                              .cgroup = {.folder = -1},
                              .scratch_lock = -1,
                              .given = -1};
    promp_id_make(&rig->k.node);
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

int rig_teardown(void **state)
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
        promp_keeper_starts_clean(&rig->k, &rig->k.worker[i]);
    }
    memset(rig->k.cleaner, 0,
           sizeof rig->k.cleaner); /* a test may have said that there are as many as may be */
    promp_keeper_scratch_end(&rig->k);
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
        ; /* processes that remove folders */
    free(rig->k.worker);
    free(rig->k.polls);
    promp_keeper_core_destroy(&rig->k.core);
    promp_link_destroy(&rig->k.link);
    promp_link_destroy(&rig->agent);
    free(rig);
    return 0;
}

void rig_says(rig_t *rig, const promp_message_t *m, uint8_t session, int given)
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
    rig->k.given = -1;
    promp_buf_free(&body);
}

bool rig_heard(rig_t *rig, promp_type_t type, promp_message_t *m, int *fd)
{
    int fds[PROMP_LIMIT_FRAME_FDS];
    promp_frame_t frame;
    bool got = false;

    assert_int_equal(promp_link_read(rig->agent, NULL), PROMP_OK);
    while (!promp_link_next(rig->agent, &frame, fds, &got) && got) {
        if (frame.type != type) {
            if (frame.fds)
                close(fds[0]);
            continue;
        }
        *fd = frame.fds ? fds[0] : -1;
        assert_true(frame.body.size <= sizeof rig->body);
        memcpy(rig->body, frame.body.data, frame.body.size);
        assert_int_equal(promp_message_decode(frame.type, promp_slice(rig->body, frame.body.size),
                                              PROMP_WHO_KEEPER, PROMP_WHO_NODE, PROMP_AT_UP,
                                              PROMP_VERSION_HIGH, m),
                         PROMP_OK);
        return true;
    }
    return false;
}

promp_message_t rig_told(rig_t *rig, promp_type_t type, int *fd)
{
    int64_t until = promp_clock_ms() + PATIENCE;
    promp_message_t m;

    while (!rig_heard(rig, type, &m, fd)) {
        if (promp_clock_ms() >= until)
            fail_msg("message %d did not come", type);
        poll(NULL, 0, 2);
        promp_keeper_starts_ready(&rig->k, 0);
        promp_keeper_reap(&rig->k, 0);
        promp_keeper_core_tick(rig->k.core, 0);
        promp_keeper_effects_do(&rig->k, 0);
    }
    return m;
}
