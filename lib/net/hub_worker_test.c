/* The life of a worker's link: its lifeline, the orphan's end. */
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "hub_fake.h"

typedef struct {
    promp_hub_t *hub;
    int lifeline; /* the keeper's end */
    atomic_int orphaned;
} worker_t;

static void on_orphan(void *arg)
{
    worker_t *worker = arg;
    worker->orphaned++;
}

static void send_line(int lifeline, char byte, int fd)
{
    char control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec iov = {&byte, 1};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
    if (fd >= 0) {
        message.msg_control = control;
        message.msg_controllen = sizeof control;
        struct cmsghdr *c = CMSG_FIRSTHDR(&message);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &fd, sizeof fd);
    }
    assert_int_equal(sendmsg(lifeline, &message, 0), 1);
    if (fd >= 0)
        close(fd);
}

/* Gives the worker a new link; the node has its other end then. */
static void relink(worker_t *worker, fake_node_t *node)
{
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    send_line(worker->lifeline, 'L', ends[1]);
    fake_node_take(node, ends[0]);
}

static void open_start(fake_open_t *open, worker_t *worker, fake_node_t *node)
{
    int link[2], line[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, link), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, line), 0);
    *open = (fake_open_t){.config = {.worker = true, .fd = link[1], .lifeline = line[1], .arg = worker}};
    open->config.orphan = on_orphan;
    worker->lifeline = line[0];
    worker->orphaned = 0;
    fake_node_take(node, link[0]);
    assert_int_equal(promp_id_make(&node->session), PROMP_OK);
    fake_open_start(open);
}

static void open_worker(worker_t *worker, fake_node_t *node)
{
    fake_open_t open;
    open_start(&open, worker, node);
    fake_node_welcome(node);
    worker->hub = fake_open_end(&open);
    assert_non_null(worker->hub);
}

static bool is_orphan(void *arg)
{
    return ((worker_t *)arg)->orphaned > 0;
}

static void test_early_frames(void **state)
{
    /* What comes behind WELCOME waits for the worker's core. */
    fake_node_t *node = *state;
    worker_t worker;
    open_worker(&worker, node);
    fake_core_t core = {.id = node->session};
    fake_node_data(node, &core.id, "1", 1);
    fake_node_data(node, &core.id, "2", 1);
    assert_int_equal(promp_link_read(node->link, NULL), PROMP_OK); /* no RESET */
    promp_hub_lock(worker.hub);
    assert_true(promp_id_equal(promp_hub_session(worker.hub), &core.id));
    promp_hub_pump(worker.hub);
    promp_hub_unlock(worker.hub);
    promp_hub_attach(worker.hub, fake_core_port(&core));
    assert_int_equal(core.frames, 2);
    fake_finish(&worker.hub, &core);
    assert_true(fake_node_ended(node));
    close(worker.lifeline);
}

static void test_lifeline(void **state)
{
    /* A new link over the lifeline takes the place of the old one, whether that has ended or not; rubbish is
     * passed over. */
    fake_node_t *node = *state;
    worker_t worker;
    open_worker(&worker, node);
    fake_core_t core = {.id = node->session, .lease_ms = 10000};
    promp_hub_attach(worker.hub, fake_core_port(&core));
    for (int i = 0; i < 3; i++) {
        promp_message_t hello, welcome = {.type = PROMP_TYPE_WELCOME, .welcome.version = PROMP_VERSION_HIGH};
        promp_link_t *old = node->link;
        promp_frame_t frame;
        int fds[PROMP_LIMIT_FRAME_FDS];
        bool got;
        node->link = NULL;
        if (i == 1)
            promp_link_destroy(&old);
        send_line(worker.lifeline, 'x', -1);
        send_line(worker.lifeline, 'L', -1);
        send_line(worker.lifeline, 'x', dup(0));
        relink(&worker, node);
        fake_node_expect(node, PROMP_TYPE_HELLO, &hello, NULL);
        assert_int_equal(hello.hello.role, 2);
        welcome.welcome.node = node->id;
        fake_node_send(node, &welcome, &node->session);
        fake_expect_paths(worker.hub, &core, i + 2, i + 1, 0);
        if (old) { /* the old one was closed by the hub */
            promp_err_t err = PROMP_OK;
            for (int k = 0; k < 10 && !err; k++) {
                err = promp_link_read(old, NULL);
                while (promp_link_next(old, &frame, fds, &got) == PROMP_OK && got)
                    ;
            }
            assert_int_equal(err, PROMP_ERR_CLOSED);
            promp_link_destroy(&old);
        }
    }
    fake_finish(&worker.hub, &core);
    close(worker.lifeline);
}

static void test_relink_before_welcome(void **state)
{
    /* The agent may die before it welcomes a worker: the next one's link does as well. */
    fake_node_t *node = *state;
    worker_t worker;
    fake_open_t open;
    open_start(&open, &worker, node);
    fake_node_expect(node, PROMP_TYPE_HELLO, NULL, NULL);
    fake_node_hang_up(node);
    relink(&worker, node);
    fake_node_welcome(node);
    worker.hub = fake_open_end(&open);
    assert_non_null(worker.hub);
    promp_hub_destroy(&worker.hub);
    close(worker.lifeline);
}

static void test_orphan(void **state)
{
    /* The end of the lifeline is told once, without the lock, whoever drives; cores hear that all is lost. */
    fake_node_t *node = *state;
    for (int waiting = 0; waiting < 2; waiting++) {
        worker_t worker;
        open_worker(&worker, node);
        fake_core_t core = {.id = node->session, .lease_ms = 10000};
        promp_hub_attach(worker.hub, fake_core_port(&core));
        close(worker.lifeline);
        if (waiting)
            fake_wait(worker.hub, is_orphan, &worker);
        for (int64_t end = promp_clock_ms() + FAKE_WAIT; !worker.orphaned && promp_clock_ms() < end;)
            poll(NULL, 0, 1);
        fake_expect_paths(worker.hub, &core, 1, 0, 1);
        fake_finish(&worker.hub, &core);
        assert_int_equal(worker.orphaned, 1);
    }
}

static void test_orphan_by_lease(void **state)
{
    /* A link that is gone or silent for the longest lease makes an orphan, not earlier. */
    fake_node_t *node = *state;
    for (int gone = 0; gone < 2; gone++) {
        worker_t worker;
        open_worker(&worker, node);
        fake_core_t core = {.id = node->session, .lease_ms = 700}, child = {.lease_ms = 100};
        int64_t begin = promp_clock_ms();
        promp_hub_attach(worker.hub, fake_core_port(&core));
        promp_hub_attach(worker.hub, fake_core_port(&child));
        if (gone)
            fake_node_hang_up(node);
        fake_wait(worker.hub, is_orphan, &worker);
        assert_in_range(promp_clock_ms() - begin, 690, 15000);
        assert_int_equal(core.lost, 1);
        promp_hub_detach(worker.hub, &child);
        fake_finish(&worker.hub, &core);
        close(worker.lifeline);
    }
}

/* A worker process without a call-back whose lifeline ends; never returns. */
static void be_orphan(bool leads)
{
    int link[2], line[2];
    promp_link_t *peer;
    if (leads)
        setpgid(0, 0);
    socketpair(AF_UNIX, SOCK_STREAM, 0, link);
    socketpair(AF_UNIX, SOCK_STREAM, 0, line);
    promp_hub_config_t config = {.worker = true, .fd = link[1], .lifeline = line[1]};
    promp_message_t welcome = {.type = PROMP_TYPE_WELCOME, .welcome.version = PROMP_VERSION_HIGH};
    promp_out_t out;
    peer = promp_link_new(link[0]);
    promp_message_out(&welcome, &welcome.welcome.node, 0, &out);
    promp_link_send(peer, &out, NULL, 0, 0); /* it reads this behind its HELLO */
    promp_hub_t *hub = promp_hub_new(&config, FAKE_WAIT, NULL);
    close(line[0]);
    poll(NULL, 0, hub ? FAKE_WAIT : 0);
    _exit(77);
}

static void test_orphan_dies(void **state)
{
    /* Without a call-back an orphan kills its process group, and only itself where it leads none. */
    (void)state;
    for (int leads = 0; leads < 2; leads++) {
        int status;
        pid_t child = fork();
        if (child == 0)
            be_orphan(leads);
        assert_int_equal(waitpid(child, &status, 0), child);
        if (leads)
            assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        else
            assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_setup, fake_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_early_frames), TEST(test_lifeline),        TEST(test_relink_before_welcome),
        TEST(test_orphan),       TEST(test_orphan_by_lease), TEST(test_orphan_dies),
    };
    return cmocka_run_group_tests_name("hub_worker", tests, NULL, NULL);
}
