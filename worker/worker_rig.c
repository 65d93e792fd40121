#include "worker_rig.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE 20000 /* ms; a slow machine under a sanitizer */

static const promp_id_t session_id = {{7, 7, 7}};

/* --- the child --- */

/* far: the worker's ends, in the order of its descriptors; then the write ends for 1 and 2. All of them are above 20. */
static void become_worker(const int far[6], int (*body)(void))
{
    setsid();
    for (int i = 0; i < 4; i++)
        dup2(far[i], 3 + i);
    dup2(far[4], 1);
    dup2(far[5], 2);
    closefrom(7);
    setenv("PROMP_WORKER_FDS", "3", 1);
    int code = body();
    fflush(stdout);
    _exit(code);
}

static int above(int fd)
{
    int high = fcntl(fd, F_DUPFD_CLOEXEC, 20);
    assert_true(high >= 0);
    close(fd);
    return high;
}

/* Two ends, the second above 20. */
static void make_pair(int fds[2], bool is_pipe)
{
    if (is_pipe)
        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    else
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    fds[0] = above(fds[0]);
    fds[1] = above(fds[1]);
}

void promp_worker_rig_start(promp_worker_rig_t *rig, uint32_t options, int (*body)(void))
{
    int link[2], lifeline[2], out[2], err[2];
    *rig = (promp_worker_rig_t){0};
    make_pair(link, false);
    make_pair(lifeline, false);
    make_pair(out, true);
    make_pair(err, true);
    const int far[6] = {link[1], lifeline[1], out[0], err[0], out[1], err[1]};
    fflush(NULL);
    rig->pid = fork();
    assert_true(rig->pid >= 0);
    if (rig->pid == 0)
        become_worker(far, body);
    close(link[1]);
    close(lifeline[1]);
    close(out[1]);
    close(err[1]);
    rig->pidfd = (int)syscall(SYS_pidfd_open, rig->pid, 0);
    assert_true(rig->pidfd >= 0);
    rig->pipe[0] = out[0];
    rig->pipe[1] = err[0];
    rig->lifeline = lifeline[0];
    rig->link = promp_link_new(link[0]);
    rig->session = promp_session_new(&session_id, true);
    assert_non_null(rig->link);
    assert_non_null(rig->session);
    promp_worker_rig_post(
        rig, &(promp_message_t){PROMP_TYPE_SETUP, .setup = {.worker = 3,
                                                            .level = 1,
                                                            .options = options,
                                                            .timeout_ms = 10000,
                                                            .extra = promp_slice("\x01", 1),
                                                            .address = promp_slice_str("ipc:///here")}});
}

/* --- node and manager --- */

static void welcome(promp_worker_rig_t *rig)
{
    promp_out_t out;
    const promp_message_t message = {PROMP_TYPE_WELCOME, .welcome = {.version = 1, .node = {{1}}}};
    assert_int_equal(promp_message_out(&message, &session_id, 0, &out), PROMP_OK);
    promp_link_send(rig->link, &out, NULL, 0, 0);
    promp_session_path(rig->session, true, promp_clock_ms());
}

static void on_frame(promp_worker_rig_t *rig, const promp_frame_t *frame)
{
    if (frame->type == PROMP_TYPE_HELLO)
        welcome(rig);
    else if (promp_id_equal(&frame->session, &session_id))
        assert_int_equal(promp_session_frame(rig->session, frame, PROMP_WHO_WORKER, promp_clock_ms()),
                         PROMP_OK);
}

static void receive(promp_worker_rig_t *rig)
{
    promp_frame_t frame;
    int fds[PROMP_LIMIT_FRAME_FDS];
    bool got = true;
    promp_link_read(rig->link, NULL); /* its end is noticed by pidfd */
    while (promp_link_next(rig->link, &frame, fds, &got) == PROMP_OK && got) {
        on_frame(rig, &frame);
        if (promp_link_windowed(&frame))
            promp_link_release(rig->link, frame.size);
    }
}

static void transmit(promp_worker_rig_t *rig)
{
    promp_out_t out;
    int64_t now = promp_clock_ms();
    promp_session_tick(rig->session, now);
    promp_link_cork(rig->link);
    while (promp_session_next(rig->session, &out, promp_link_room(rig->link), now))
        promp_link_send(rig->link, &out, NULL, 0, 0);
    promp_link_uncork(rig->link);
}

/* Moves frames until done or the child ends; false: it has ended. Without either for PATIENCE the test fails. */
static bool run(promp_worker_rig_t *rig, bool (*done)(promp_worker_rig_t *rig, uint64_t arg), uint64_t arg)
{
    int64_t end = promp_clock_ms() + PATIENCE;
    while (!done(rig, arg)) {
        transmit(rig);
        int64_t now = promp_clock_ms();
        int64_t next = promp_min64(promp_session_tick(rig->session, now), end);
        struct pollfd fds[] = {{promp_link_fd(rig->link), POLLIN, 0}, {rig->pidfd, POLLIN, 0}};
        if (promp_link_wants_write(rig->link))
            fds[0].events |= POLLOUT;
        poll(fds, 2, (int)promp_max64(next - now, 0));
        if (fds[0].revents & POLLOUT)
            promp_link_flush(rig->link);
        receive(rig);
        if (fds[1].revents)
            return done(rig, arg);
        assert_true(now < end);
    }
    return true;
}

void promp_worker_rig_post(promp_worker_rig_t *rig, const promp_message_t *message)
{
    promp_buf_t body = {0};
    assert_int_equal(promp_message_encode(message, &body), PROMP_OK);
    promp_slice_t part = promp_slice(body.data, body.size);
    promp_lane_t lane = promp_message_row((uint16_t)message->type)->on - PROMP_ON_CONTROL;
    assert_int_equal(promp_session_send(rig->session, lane, (uint16_t)message->type, &part, 1), PROMP_OK);
    promp_buf_free(&body);
}

void promp_worker_rig_task(promp_worker_rig_t *rig, const char *name)
{
    promp_message_t task = {PROMP_TYPE_TASK,
                            .task = {.number = ++rig->task, .flags = 1, .name = promp_slice_str(name)}};
    promp_worker_rig_post(rig, &task);
}

static bool has_record(promp_worker_rig_t *rig, uint64_t lane)
{
    return promp_session_has_record(rig->session, (promp_lane_t)lane);
}

promp_message_t promp_worker_rig_take(promp_worker_rig_t *rig, promp_lane_t lane)
{
    static uint8_t *body;
    promp_record_t record;
    promp_message_t message;
    free(body);
    body = NULL;
    assert_true(run(rig, has_record, lane));
    assert_true(promp_session_take(rig->session, lane, &record));
    body = record.body;
    assert_int_equal(promp_message_decode(record.type, promp_slice(record.body, record.size),
                                          PROMP_WHO_WORKER, PROMP_WHO_MANAGER, PROMP_AT_UP,
                                          PROMP_VERSION_HIGH, &message),
                     PROMP_OK);
    return message;
}

void promp_worker_rig_output(promp_worker_rig_t *rig, int stream, const char *expected)
{
    size_t size = strlen(expected);
    for (size_t at = 0; at < size;) {
        promp_message_t m = promp_worker_rig_take(rig, PROMP_LANE_OUTPUT);
        if (m.output.stream != stream)
            continue;
        assert_true(m.output.text.size <= size - at);
        assert_memory_equal(m.output.text.data, expected + at, m.output.text.size);
        at += m.output.text.size;
    }
}

void promp_worker_rig_begun(promp_worker_rig_t *rig, uint64_t task)
{
    promp_message_t m;
    do
        m = promp_worker_rig_take(rig, PROMP_LANE_CONTROL);
    while (m.type != PROMP_TYPE_PROGRESS);
    assert_int_equal(m.progress.task, task);
}

void promp_worker_rig_done(promp_worker_rig_t *rig, uint64_t task, int outcome)
{
    for (;;) {
        promp_message_t m = promp_worker_rig_take(rig, PROMP_LANE_CONTROL);
        if (m.type != PROMP_TYPE_DONE)
            continue;
        assert_int_equal(m.done.task, task);
        assert_int_equal(m.done.outcome, outcome);
        return;
    }
}

static bool has_come(promp_worker_rig_t *rig, uint64_t bytes)
{
    return promp_session_received(rig->session, PROMP_LANE_OUTPUT) >= bytes;
}

void promp_worker_rig_fill(promp_worker_rig_t *rig, uint64_t bytes)
{
    assert_true(run(rig, has_come, bytes));
}

void promp_worker_rig_relink(promp_worker_rig_t *rig)
{
    int fds[2];
    make_pair(fds, false);
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {
        .head = {.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
    memcpy(CMSG_DATA(&control.head), &fds[1], sizeof fds[1]);
    struct iovec iov = {"L", 1};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    promp_session_path(rig->session, false, promp_clock_ms());
    promp_link_destroy(&rig->link);
    assert_int_equal(sendmsg(rig->lifeline, &message, MSG_NOSIGNAL), 1);
    close(fds[1]);
    rig->link = promp_link_new(fds[0]);
}

static bool never(promp_worker_rig_t *rig, uint64_t arg)
{
    (void)rig;
    (void)arg;
    return false;
}

int promp_worker_rig_wait(promp_worker_rig_t *rig)
{
    int status;
    assert_false(run(rig, never, 0));
    assert_int_equal(waitpid(rig->pid, &status, 0), rig->pid);
    rig->pid = 0;
    return status;
}

void promp_worker_rig_close(promp_worker_rig_t *rig)
{
    if (rig->pid) {
        kill(rig->pid, SIGKILL);
        waitpid(rig->pid, NULL, 0);
    }
    promp_link_destroy(&rig->link);
    promp_session_destroy(&rig->session);
    const int fds[] = {rig->pidfd, rig->lifeline, rig->pipe[0], rig->pipe[1]};
    for (size_t i = 0; i < 4; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}
