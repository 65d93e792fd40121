/* The life of a hub's link: beats, silence, dialling again, a node that is gone, a worker's lifeline. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "hub_fake.h"

static int setup(void **state)
{
    fake_node_t *node = calloc(1, sizeof *node);
    assert_non_null(node);
    fake_node_open(node);
    *state = node;
    return 0;
}

static int teardown(void **state)
{
    fake_node_close(*state);
    free(*state);
    return 0;
}

/* How often path was called, in the order up, down, lost. */
typedef struct {
    fake_core_t *core;
    int up, down, lost;
} paths_t;

static bool has_paths(void *arg)
{
    const paths_t *want = arg;
    return want->core->up >= want->up && want->core->down >= want->down && want->core->lost >= want->lost;
}

static void expect_paths(promp_hub_t *hub, fake_core_t *core, int up, int down, int lost)
{
    fake_wait(hub, has_paths, &(paths_t){core, up, down, lost});
    promp_hub_lock(hub);
    assert_int_equal(core->up, up);
    assert_int_equal(core->down, down);
    assert_int_equal(core->lost, lost);
    promp_hub_unlock(hub);
}

static void finish(promp_hub_t **hub, fake_core_t *core)
{
    promp_hub_detach(*hub, core);
    promp_hub_destroy(hub);
}

/* --- a manager's hub --- */

static void test_again(void **state)
{
    /* A link that ends is dialled again; the same node means the sessions live on, another one that they are lost. */
    fake_node_t *node = *state;
    promp_hub_t *hub = fake_manager_hub(node);
    fake_core_t core = {.lease_ms = 10000};
    promp_hub_attach(hub, fake_core_port(&core));
    fake_node_hang_up(node);
    fake_node_accept(node);
    promp_message_t hello;
    promp_message_t welcome = {.type = PROMP_TYPE_WELCOME, .welcome.version = PROMP_VERSION_HIGH};
    fake_node_expect(node, PROMP_TYPE_HELLO, &hello, NULL);
    assert_int_equal(hello.hello.lease_ms, 10000);
    promp_hub_lock(hub);
    assert_int_equal(core.up, 1); /* not before WELCOME */
    promp_hub_unlock(hub);
    welcome.welcome.node = node->id;
    fake_node_send(node, &welcome, NULL);
    expect_paths(hub, &core, 2, 1, 0);

    fake_node_hang_up(node);
    assert_int_equal(promp_id_make(&node->id), PROMP_OK);
    fake_node_accept(node);
    fake_node_welcome(node);
    expect_paths(hub, &core, 3, 2, 1);
    assert_true(promp_id_equal(&core.node, &node->id));
    finish(&hub, &core);
}

static void test_back_off(void **state)
{
    /* A node that ends every link at once is dialled less and less often. */
    fake_node_t *node = *state;
    promp_hub_t *hub = fake_manager_hub(node);
    fake_core_t core = {.lease_ms = 2000};
    promp_hub_attach(hub, fake_core_port(&core));
    int64_t begin = promp_clock_ms();
    for (int i = 0; i < 6; i++) { /* 0, 20, 40, 80, 160, 200, half of it by chance */
        fake_node_hang_up(node);
        fake_node_accept(node);
    }
    assert_true(promp_clock_ms() - begin >= 250);
    fake_node_welcome(node);
    expect_paths(hub, &core, 2, 1, 0);
    finish(&hub, &core);
}

static void test_gone(void **state)
{
    /* When the socket refuses, the node is gone for good, for cores that are there and for those that come. */
    fake_node_t *node = *state;
    promp_hub_t *hub = fake_manager_hub(node);
    fake_core_t core = {.lease_ms = 10000}, late = {.lease_ms = 0};
    promp_hub_attach(hub, fake_core_port(&core));
    fake_node_stop_listening(node);
    fake_node_hang_up(node);
    expect_paths(hub, &core, 1, 1, 1);
    promp_hub_attach(hub, fake_core_port(&late));
    assert_int_equal(late.lost, 1);
    promp_hub_detach(hub, &late);
    promp_hub_bye(hub);
    finish(&hub, &core);
}

static void test_beats(void **state)
{
    /* A BEAT each fifth of the smallest lease, the first as soon as that is known; it tells lease and time in a task. */
    fake_node_t *node = *state;
    promp_hub_t *hub = fake_manager_hub(node);
    fake_core_t core = {.lease_ms = 1000}, other = {.lease_ms = 5000};
    promp_message_t beat = {.type = PROMP_TYPE_BEAT};
    promp_hub_attach(hub, fake_core_port(&core));
    fake_node_beat(node, &beat);
    assert_int_equal(beat.beat.lease_ms, 1000);
    assert_int_equal(beat.beat.busy_ms, 0);
    promp_hub_attach(hub, fake_core_port(&other));
    promp_hub_lock(hub);
    promp_hub_busy(hub, true);
    promp_hub_unlock(hub);
    int64_t begin = promp_clock_ms();
    for (int i = 0; i < 4; i++) {
        fake_node_send(node, &(promp_message_t){.type = PROMP_TYPE_BEAT}, NULL); /* or it would dial again */
        fake_node_beat(node, &beat);
        assert_int_equal(beat.beat.lease_ms, 1000);
        assert_true(beat.beat.busy_ms > 0);
    }
    assert_in_range(promp_clock_ms() - begin, 600, 10000);
    promp_hub_detach(hub, &core);
    fake_node_beat(node, &beat);
    assert_int_equal(beat.beat.lease_ms, 5000);
    finish(&hub, &other);
}

static void test_silence(void **state)
{
    /* A node that is silent for two fifths of the lease is dialled again; one that speaks is not. */
    fake_node_t *node = *state;
    promp_hub_t *hub = fake_manager_hub(node);
    fake_core_t core = {.lease_ms = 1000};
    promp_hub_attach(hub, fake_core_port(&core));
    for (int i = 0; i < 4; i++) {
        fake_node_beat(node, NULL);
        fake_node_send(node, &(promp_message_t){.type = PROMP_TYPE_BEAT}, NULL);
    }
    int64_t begin = promp_clock_ms();
    assert_true(fake_node_ended(node));
    assert_in_range(promp_clock_ms() - begin, 350, 10000);
    fake_node_accept(node);
    fake_node_welcome(node);
    expect_paths(hub, &core, 2, 1, 0);
    finish(&hub, &core);
}

static void test_faults(void **state)
{
    /* A peer that breaks the protocol three times in a row is given up; each time before the link is dialled again. */
    fake_node_t *node = *state;
    promp_hub_t *hub = fake_manager_hub(node);
    fake_core_t core = {.lease_ms = 1000};
    promp_hub_attach(hub, fake_core_port(&core));
    for (int i = 0; i < 3; i++) {
        if (i == 0) /* a frame that nobody may send to us */
            fake_node_send(node, &(promp_message_t){.type = PROMP_TYPE_BYE}, NULL);
        else if (i == 1)
            assert_int_equal(
                write(promp_link_fd(node->link), "\1\0\0\0 this is no frame, it is too small ", 40), 40);
        else { /* one that the core itself refuses */
            promp_hub_lock(hub);
            core.answer = PROMP_ERR_CREDIT;
            promp_hub_unlock(hub);
            fake_node_data(node, &core.id, "x", 1);
        }
        expect_paths(hub, &core, i + 1, i < 2 ? i + 1 : 2, i == 2);
        if (i < 2) {
            fake_node_accept(node);
            fake_node_welcome(node);
            expect_paths(hub, &core, i + 2, i + 1, 0);
        }
    }
    finish(&hub, &core);
}

static void test_descriptors(void **state)
{
    /* Descriptors that come with a frame are closed and end the link. */
    fake_node_t *node = *state;
    promp_hub_t *hub = fake_manager_hub(node);
    fake_core_t core = {.lease_ms = 0};
    promp_out_t out;
    int ends[2];
    char byte;
    promp_hub_attach(hub, fake_core_port(&core));
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(promp_message_out(&(promp_message_t){.type = PROMP_TYPE_BEAT}, &core.id, 0, &out),
                     PROMP_OK);
    assert_int_equal(promp_link_send(node->link, &out, &ends[1], 1, 0), PROMP_OK);
    close(ends[1]);
    assert_int_equal(read(ends[0], &byte, 1), 0); /* the other copy is closed too */
    close(ends[0]);
    fake_node_accept(node);
    fake_node_welcome(node);
    expect_paths(hub, &core, 2, 1, 0);
    finish(&hub, &core);
}

static void *play_late(void *arg)
{
    fake_node_t *node = arg;
    for (int i = 0; i < 2; i++) {
        fake_node_accept(node);
        fake_node_expect(node, PROMP_TYPE_HELLO, NULL, NULL);
        fake_node_hang_up(node);
    }
    fake_node_accept(node);
    fake_node_welcome(node);
    return NULL;
}

static void test_dial(void **state)
{
    /* A node that ends before WELCOME is tried again, twice; without one at all it is told at once. */
    fake_node_t *node = *state;
    promp_error_t error;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, play_late, node), 0);
    promp_hub_t *hub = promp_hub_dial(&node->local, NULL, false, FAKE_WAIT, &error);
    assert_non_null(hub);
    pthread_join(thread, NULL);
    promp_hub_destroy(&hub);
    fake_node_stop_listening(node);
    assert_null(promp_hub_dial(&node->local, NULL, false, FAKE_WAIT, &error));
    assert_int_equal(error.code, PROMP_ERR_NODE_GONE);
}

/* --- a worker's hub --- */

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
    finish(&worker.hub, &core);
    assert_true(fake_node_ended(node));
    close(worker.lifeline);
}

static void test_lifeline(void **state)
{
    /* A new link over the lifeline takes the place of the old one, whether that has ended or not; rubbish is passed over. */
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
        expect_paths(worker.hub, &core, i + 2, i + 1, 0);
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
    finish(&worker.hub, &core);
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
        expect_paths(worker.hub, &core, 1, 0, 1);
        finish(&worker.hub, &core);
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
        finish(&worker.hub, &core);
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
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_again),
        TEST(test_back_off),
        TEST(test_gone),
        TEST(test_beats),
        TEST(test_silence),
        TEST(test_faults),
        TEST(test_descriptors),
        TEST(test_dial),
        TEST(test_early_frames),
        TEST(test_lifeline),
        TEST(test_relink_before_welcome),
        TEST(test_orphan),
        TEST(test_orphan_by_lease),
        TEST(test_orphan_dies),
    };
    return cmocka_run_group_tests_name("hub_link", tests, NULL, NULL);
}
