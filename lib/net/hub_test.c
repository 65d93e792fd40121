/* The hub between its cores and a node: handshake, frames, watches, fork. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "hub_fake.h"

/* --- handshake --- */

static void test_handshake(void **state)
{
    /* HELLO says who we are, WELCOME who the node is; a core that is attached hears of it. */
    fake_node_t *node = *state;
    fake_open_t open = {.config = {.path = node->local.socket, .lifeline = -1}};
    promp_message_t message = {.type = PROMP_TYPE_WELCOME};
    promp_id_t session;
    assert_int_equal(promp_local_open(node->local.socket, &open.config.fd, NULL), PROMP_OK);
    fake_open_start(&open);
    fake_node_accept(node);
    promp_message_t hello;
    fake_node_expect(node, PROMP_TYPE_HELLO, &hello, &session);
    assert_int_equal(hello.hello.version_low, PROMP_VERSION_LOW);
    assert_int_equal(hello.hello.version_high, PROMP_VERSION_HIGH);
    assert_int_equal(hello.hello.role, 1);
    assert_true(promp_id_is_none(&session));
    message.welcome.version = PROMP_VERSION_HIGH;
    message.welcome.node = node->id;
    fake_node_send(node, &message, NULL);
    promp_hub_t *hub = fake_open_end(&open);
    assert_non_null(hub);

    fake_core_t core = {.lease_ms = 0};
    assert_int_equal(promp_hub_attach(hub, fake_core_port(&core)), PROMP_OK);
    assert_int_equal(core.up, 1);
    assert_true(promp_id_equal(&core.node, &node->id));
    promp_hub_lock(hub);
    assert_true(promp_id_equal(promp_hub_node(hub), &node->id));
    promp_hub_unlock(hub);
    promp_hub_detach(hub, &core);
    promp_hub_destroy(&hub);
    assert_null(hub);
    assert_true(fake_node_ended(node));
}

static void send_refused(fake_node_t *node)
{
    promp_message_t message = {.type = PROMP_TYPE_REFUSED};
    message.refused.error = PROMP_ERR_LIMIT_LINKS;
    message.refused.text = promp_slice_str("1024 are here");
    fake_node_send(node, &message, NULL);
}

static void send_version(fake_node_t *node)
{
    promp_message_t message = {.type = PROMP_TYPE_WELCOME};
    message.welcome.version = PROMP_VERSION_HIGH + 1;
    message.welcome.node = node->id;
    fake_node_send(node, &message, NULL);
}

static void send_text(fake_node_t *node)
{
    const char text[] = "HTTP/1.0 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    assert_int_equal(write(promp_link_fd(node->link), text, sizeof text), sizeof text);
}

static void send_beat(fake_node_t *node)
{
    fake_node_send(node, &(promp_message_t){.type = PROMP_TYPE_BEAT}, NULL);
}

static void send_unknown_refusal(fake_node_t *node)
{
    promp_message_t message = {.type = PROMP_TYPE_REFUSED};
    message.refused.error = 99;
    fake_node_send(node, &message, NULL);
}

static void send_nothing(fake_node_t *node)
{
    (void)node;
}

static void test_no_welcome(void **state)
{
    /* Whatever comes instead of WELCOME ends in the error that says what it was. */
    static const struct {
        void (*play)(fake_node_t *node);
        bool hang_up;
        promp_err_t err;
        const char *words;
    } cases[] = {{send_refused, true, PROMP_ERR_LIMIT_LINKS, "1024 are here"},
                 {send_unknown_refusal, true, PROMP_ERR_NOT_A_NODE, ""},
                 {send_version, false, PROMP_ERR_VERSION, ""},
                 {send_text, false, PROMP_ERR_NOT_A_NODE, ""},
                 {send_beat, false, PROMP_ERR_NOT_A_NODE, ""},
                 {send_nothing, true, PROMP_ERR_CLOSED, ""},
                 {send_nothing, false, PROMP_ERR_NODE_TIMEOUT, "50 ms"}};
    fake_node_t *node = *state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fake_open_t open = {.config = {.path = node->local.socket, .lifeline = -1}};
        open.timeout = cases[i].err == PROMP_ERR_NODE_TIMEOUT ? 50 : FAKE_WAIT;
        assert_int_equal(promp_local_open(node->local.socket, &open.config.fd, NULL), PROMP_OK);
        fake_open_start(&open);
        fake_node_accept(node);
        fake_node_expect(node, PROMP_TYPE_HELLO, NULL, NULL);
        cases[i].play(node);
        if (cases[i].hang_up)
            fake_node_hang_up(node);
        assert_null(fake_open_end(&open));
        assert_int_equal(open.error.code, cases[i].err);
        assert_non_null(strstr(open.error.text, cases[i].words));
    }
}

static void test_no_descriptors(void **state)
{
    /* A hub that cannot be made says so, and lets go of the link that it took over. */
    fake_node_t *node = *state;
    promp_hub_config_t config = {.path = node->local.socket, .lifeline = -1};
    promp_error_t error;
    struct rlimit before, none;
    assert_int_equal(promp_local_open(node->local.socket, &config.fd, NULL), PROMP_OK);
    fake_node_accept(node);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){3, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    promp_hub_t *hub = promp_hub_new(&config, FAKE_WAIT, &error);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_null(hub);
    assert_int_equal(error.code, PROMP_ERR_DESCRIPTORS);
    assert_true(fake_node_ended(node));
}

/* --- frames --- */

static void test_frames(void **state)
{
    /* What cores want to send leaves with unlock; each frame finds the core of its session, others are
     * answered. */
    fake_node_t *node = *state;
    promp_hub_t *hub = fake_manager_hub(node);
    fake_core_t a = {.size = 10}, b = {.size = 20};
    promp_hub_attach(hub, fake_core_port(&a));
    promp_hub_attach(hub, fake_core_port(&b));
    promp_frame_t frame;

    promp_hub_lock(hub);
    a.to_send = 1;
    b.to_send = 2;
    promp_hub_unlock(hub);
    for (int i = 0; i < 3; i++) {
        fake_node_frame(node, &frame);
        assert_int_equal(frame.type, PROMP_TYPE_DATA);
        assert_true(promp_id_equal(&frame.session, i == 0 ? &a.id : &b.id));
    }

    fake_node_data(node, &b.id, "b", 1);
    fake_wait(hub, fake_has_frames, &(fake_frames_t){&b, 1});
    assert_int_equal(a.frames, 0);
    assert_int_equal(b.last, 'b');

    const promp_id_t stranger = {{9}};
    promp_id_t session;
    promp_message_t message;
    fake_node_data(node, &stranger, "x", 1);
    fake_node_expect(node, PROMP_TYPE_RESET, &message, &session);
    assert_true(promp_id_equal(&session, &stranger));
    assert_int_equal(message.reset.error, PROMP_ERR_CLOSED);
    promp_message_t gone = {.type = PROMP_TYPE_GONE, .gone.cause = PROMP_ERR_WORKER_EXITED};
    fake_node_send(node, &gone, &stranger);
    fake_node_expect(node, PROMP_TYPE_GONE_ACK, NULL, &session);
    assert_true(promp_id_equal(&session, &stranger));

    promp_hub_bye(hub);
    fake_node_expect(node, PROMP_TYPE_BYE, NULL, NULL);
    promp_hub_detach(hub, &a);
    promp_hub_detach(hub, &b);
    promp_hub_destroy(&hub);
}

static void test_pump(void **state)
{
    /* Pump hands over what is there without waiting. */
    fake_node_t *node = *state;
    promp_hub_t *hub = fake_manager_hub(node);
    fake_core_t core = {.size = 1};
    promp_hub_attach(hub, fake_core_port(&core));
    promp_hub_lock(hub); /* nobody else can read now */
    fake_node_data(node, &core.id, "1", 1);
    promp_hub_pump(hub);
    assert_int_equal(core.frames, 1);
    promp_hub_pump(hub);
    assert_int_equal(core.frames, 1);
    fake_node_data(node, &core.id, "2", 1);
    assert_int_equal(promp_hub_wait(hub, fake_has_frames, &(fake_frames_t){&core, 2}, 0),
                     PROMP_OK); /* as good as a pump */
    promp_hub_unlock(hub);
    promp_hub_detach(hub, &core);
    promp_hub_destroy(&hub);
}

static void test_nobody_waits(void **state)
{
    /* Without any user thread the network thread reads and sends, however much it is. */
    fake_node_t *node = *state;
    promp_hub_t *hub = fake_manager_hub(node);
    fake_core_t core = {.size = 100000};
    promp_hub_attach(hub, fake_core_port(&core));
    promp_hub_lock(hub);
    core.to_send = 100; /* more than socket and window hold */
    promp_hub_unlock(hub);
    promp_frame_t frame;
    for (uint64_t i = 0; i < 100; i++) {
        fake_node_frame(node, &frame);
        assert_int_equal(frame.offset, i);
        fake_node_data(node, &core.id, "x", 1);
    }
    uint64_t frames = 0;
    for (int64_t end = promp_clock_ms() + FAKE_WAIT; frames < 100 && promp_clock_ms() < end;) {
        promp_hub_lock(hub);
        frames = core.frames;
        promp_hub_unlock(hub);
    }
    assert_int_equal(frames, 100);
    promp_hub_detach(hub, &core);
    promp_hub_destroy(&hub);
}

/* --- watches --- */

typedef struct {
    promp_hub_t *hub;
    int calls;
    bool stop;
} watched_t;

static void on_ready(void *arg, int fd, short revents)
{
    watched_t *watched = arg;
    char byte;
    assert_true(revents & POLLIN);
    assert_int_equal(read(fd, &byte, 1), 1);
    watched->calls++;
    if (watched->stop)
        promp_hub_unwatch(watched->hub, fd);
}

static bool called(void *arg)
{
    return ((watched_t *)arg)->calls >= 2;
}

static void test_watch(void **state)
{
    /* A watched descriptor is served by whoever drives, until it is taken away; their number is limited. */
    fake_node_t *node = *state;
    promp_hub_t *hub = fake_manager_hub(node);
    watched_t watched = {.hub = hub};
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    const promp_hub_watch_t watch = {ends[0], on_ready, &watched};
    promp_hub_lock(hub);
    assert_int_equal(promp_hub_watch(hub, &watch, POLLIN), PROMP_OK);
    assert_int_equal(promp_hub_watch(hub, &watch, POLLIN), PROMP_OK); /* the same one */
    promp_hub_unlock(hub);
    assert_int_equal(write(ends[1], "xy", 2), 2);
    fake_wait(hub, called, &watched);
    promp_hub_lock(hub);
    watched.stop = true;
    watched.calls = 1;
    promp_hub_unlock(hub);
    assert_int_equal(write(ends[1], "abc", 3), 3);
    fake_wait(hub, called, &watched);
    promp_hub_lock(hub);
    assert_int_equal(promp_hub_wait(hub, fake_never, NULL, promp_clock_ms() + 30), PROMP_ERR_TIMEOUT);
    assert_int_equal(watched.calls, 2);
    promp_err_t err = PROMP_OK;
    int fds[PROMP_LIMIT_HUB_WATCHES + 1], count = 0;
    while (!err && count <= PROMP_LIMIT_HUB_WATCHES) {
        fds[count] = dup(ends[1]);
        err = promp_hub_watch(hub, &(promp_hub_watch_t){fds[count++], on_ready, &watched}, 0);
    }
    assert_int_equal(err, PROMP_ERR_ARGUMENT);
    assert_int_equal(count, PROMP_LIMIT_HUB_WATCHES + 1);
    while (count-- > 0) {
        promp_hub_unwatch(hub, fds[count]);
        close(fds[count]);
    }
    promp_hub_unlock(hub);
    close(ends[0]);
    close(ends[1]);
    promp_hub_destroy(&hub);
}

/* --- fork --- */

static void test_abandon(void **state)
{
    /* A forked child lets go of the hub without a hang, and the parent's goes on. */
    fake_node_t *node = *state;
    promp_hub_t *hub = fake_manager_hub(node);
    fake_core_t core = {.size = 1};
    int status;
    promp_hub_attach(hub, fake_core_port(&core));
    promp_hub_lock(hub); /* as another thread might have it */
    pid_t child = fork();
    if (child == 0) {
        promp_hub_abandon(&hub);
        promp_link_destroy(&node->link);
        _exit(hub ? 1 : 0);
    }
    promp_hub_unlock(hub);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    fake_node_data(node, &core.id, "x", 1);
    fake_wait(hub, fake_has_frames, &(fake_frames_t){&core, 1});
    promp_hub_detach(hub, &core);
    promp_hub_destroy(&hub);
    promp_hub_abandon(&hub);
    promp_hub_destroy(&hub);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_setup, fake_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_handshake), TEST(test_no_welcome),   TEST(test_no_descriptors), TEST(test_frames),
        TEST(test_pump),      TEST(test_nobody_waits), TEST(test_watch),          TEST(test_abandon),
    };
    return cmocka_run_group_tests_name("hub", tests, NULL, NULL);
}
