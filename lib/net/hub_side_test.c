/* Sides of the hub: how they come, carry frames and descriptors, and are full. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "hub_sided.h"
#include "limits.h"

/* --- frames --- */

static void test_frames(void **state)
{
    /* Frames of a session with a side take it in both directions, those of others the link. */
    fake_node_t *node = *state;
    promp_hub_t *hub = fake_manager_hub(node);
    sided_t a = {.core.size = 10};
    fake_core_t b = {.size = 20};
    promp_hub_attach(hub, fake_core_port(&b));
    sided_attach(hub, &a);
    assert_int_equal(a.core.room, PROMP_LIMIT_LINK_WINDOW);
    sided_send(hub, &a.core, 2);
    sided_send(hub, &b, 1);
    sided_expect_data(&a.peer, &a.core);
    sided_expect_data(&a.peer, &a.core);
    sided_expect_data(node, &b);
    fake_node_data(&a.peer, &a.core.id, "a", 1);
    fake_node_data(node, &b.id, "b", 1);
    sided_expect_frames(hub, &a.core, 1);
    sided_expect_frames(hub, &b, 1);
    promp_hub_detach(hub, &b);
    sided_detach(hub, &a);
    promp_hub_destroy(&hub);
}

static void test_held(void **state)
{
    /* A side that is held is read, but frames go over the link until it is used. */
    fake_node_t *node = *state;
    promp_hub_t *hub = fake_manager_hub(node);
    sided_t a = {.core.size = 10};
    int ends[2];
    assert_int_equal(promp_hub_attach(hub, fake_core_port(&a.core)), PROMP_OK);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    fake_node_take(&a.peer, ends[1]);
    promp_hub_lock(hub);
    assert_int_equal(promp_hub_side_add(hub, &a.core, &a.core.id, ends[0], true), PROMP_OK);
    promp_hub_unlock(hub);
    sided_send(hub, &a.core, 1);
    sided_expect_data(node, &a.core);
    fake_node_data(&a.peer, &a.core.id, "a", 1);
    sided_expect_frames(hub, &a.core, 1);
    promp_hub_lock(hub);
    promp_hub_side_use(hub, &a.core.id);
    promp_hub_unlock(hub);
    sided_send(hub, &a.core, 1);
    sided_expect_data(&a.peer, &a.core);
    sided_detach(hub, &a);
    promp_hub_destroy(&hub);
}

static void test_add_refused(void **state)
{
    /* Who has a side, is no core of the hub, or has no link gets none; the descriptor is closed. */
    fake_node_t *node = *state;
    promp_hub_t *hub = fake_manager_hub(node);
    sided_t a = {.core.size = 10};
    fake_core_t stranger = {0};
    char byte;
    sided_attach(hub, &a);
    for (int i = 0; i < 3; i++) {
        int ends[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        if (i == 2) {
            fake_node_hang_up(node);
            fake_expect_paths(hub, &a.core, 1, 1, 0);
        }
        promp_hub_lock(hub);
        assert_int_equal(promp_hub_side_add(hub, i == 1 ? &stranger : &a.core, &a.core.id, ends[0], false),
                         PROMP_ERR_STATE);
        promp_hub_unlock(hub);
        assert_int_equal(read(ends[1], &byte, 1), 0);
        close(ends[1]);
    }
    sided_detach(hub, &a);
    promp_hub_destroy(&hub);
}

static void test_pump(void **state)
{
    /* A pump reads sides, too: who only ever looks sees what is there. */
    promp_hub_t *hub = fake_manager_hub(*state);
    sided_t a = {.core.size = 10};
    sided_attach(hub, &a);
    promp_hub_lock(hub); /* nobody else reads meanwhile */
    for (uint64_t i = 1; i <= 3; i++) {
        fake_node_data(&a.peer, &a.core.id, "a", 1);
        promp_hub_pump(hub);
        assert_int_equal(a.core.frames, i);
    }
    promp_hub_unlock(hub);
    sided_detach(hub, &a);
    promp_hub_destroy(&hub);
}

/* --- full ones --- */

static bool is_full(void *arg)
{
    return ((fake_core_t *)arg)->room < PROMP_FRAME_HEADER + 50000;
}

static bool all_sent(void *arg)
{
    const fake_core_t *core = arg;
    return core->sent == core->to_send;
}

static int64_t cpu_ms(void)
{
    struct rusage used;
    assert_int_equal(getrusage(RUSAGE_SELF, &used), 0);
    return (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000 +
           (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1000;
}

static void test_full(void **state)
{
    /* A full side says that it has no room, costs nothing, and goes on when there is some; no other one waits for it. */
    enum { MANY = 12 };
    static sided_t many[MANY];
    fake_node_t *node = *state;
    promp_hub_t *hub = fake_manager_hub(node);
    memset(many, 0, sizeof many);
    for (size_t i = 0; i < MANY; i++) {
        many[i].core.size = 50000;
        sided_attach(hub, &many[i]);
    }
    sided_t *full = &many[3], *other = &many[5];
    sided_send(hub, &full->core, 200);
    fake_wait(hub, is_full, &full->core);
    assert_true(full->core.sent < 200);
    int64_t before = cpu_ms();
    promp_hub_lock(hub);
    assert_false(promp_hub_sent(hub));
    (void)promp_hub_wait(hub, fake_never, NULL, promp_clock_ms() + 300);
    promp_hub_unlock(hub);
    assert_true(cpu_ms() - before < 100);
    sided_send(hub, &other->core, 1);
    sided_expect_data(&other->peer, &other->core);
    for (uint64_t n = 0; n < 200; n++) {
        promp_frame_t frame;
        fake_node_frame(&full->peer, &frame);
        assert_int_equal(frame.type, PROMP_TYPE_DATA);
        assert_int_equal(frame.offset, n);
    }
    fake_wait(hub, all_sent, &full->core);
    promp_hub_lock(hub);
    assert_true(full->core.room > 0);
    assert_true(promp_hub_send(hub));
    promp_hub_unlock(hub);
    for (size_t i = 0; i < MANY; i++)
        sided_detach(hub, &many[i]);
    promp_hub_destroy(&hub);
}

/* --- descriptors --- */

/* The next frame is LEND with a descriptor, which is given. */
static int expect_lend(promp_link_t *link)
{
    int fds[PROMP_LIMIT_FRAME_FDS];
    promp_frame_t frame;
    bool got = false;
    while (!got) {
        assert_int_equal(promp_link_next(link, &frame, fds, &got), PROMP_OK);
        if (got && promp_link_windowed(&frame))
            promp_link_release(link, frame.size);
        got = got && frame.type == PROMP_TYPE_LEND;
        if (!got) {
            assert_int_equal(poll(&(struct pollfd){promp_link_fd(link), POLLIN, 0}, 1, FAKE_WAIT), 1);
            assert_int_equal(promp_link_read(link, NULL), PROMP_OK);
        }
    }
    assert_int_equal(frame.fds, 1);
    return fds[0];
}

static promp_err_t hand(promp_hub_t *hub, const promp_id_t *session, int fd)
{
    const promp_message_t lend = {.type = PROMP_TYPE_LEND, .lend.request = 7};
    return promp_hub_hand(hub, session, &lend, fd);
}

static void test_hand(void **state)
{
    /* A descriptor goes out on the side where there is one, else over the link. */
    fake_node_t *node = *state;
    promp_hub_t *hub = fake_manager_hub(node);
    sided_t a = {.core.size = 10};
    int ends[2];
    char byte = 'x';
    assert_int_equal(pipe(ends), 0);
    promp_hub_attach(hub, fake_core_port(&a.core));
    for (int sided = 0; sided < 2; sided++) {
        promp_hub_lock(hub);
        assert_int_equal(hand(hub, &a.core.id, ends[1]), PROMP_OK);
        promp_hub_unlock(hub);
        int fd = expect_lend(sided ? a.peer.link : node->link);
        assert_int_equal(write(fd, &byte, 1), 1);
        assert_int_equal(read(ends[0], &byte, 1), 1);
        close(fd);
        if (!sided)
            sided_add(hub, &a);
    }
    close(ends[0]);
    close(ends[1]);
    sided_detach(hub, &a);
    promp_hub_destroy(&hub);
}

/* Hands a descriptor to its own peer, as a manager does when a container is opened. */
static void hand_back(fake_core_t *core)
{
    core->handed = hand(core->hub, &core->id, 0);
}

static void test_hand_without_descriptors(void **state)
{
    /* Asked for over a side that is full, a descriptor has to wait in a duplicate; where none can be had the caller is told
     * so, and the side goes on. */
    fake_node_t *node = *state;
    promp_hub_t *hub = fake_manager_hub(node);
    sided_t a = {.core = {.size = 50000, .on_data = hand_back}};
    struct rlimit before, none;
    a.core.hub = hub;
    sided_attach(hub, &a);
    sided_send(hub, &a.core, 200);
    fake_wait(hub, is_full, &a.core);
    promp_hub_lock(hub);
    fake_node_data(&a.peer, &a.core.id, "x", 1);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){3, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    promp_hub_pump(hub);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(a.core.handed, PROMP_ERR_DESCRIPTORS);
    assert_int_equal(a.core.unsided, 0);
    a.core.on_data = NULL;
    promp_hub_unlock(hub);
    fake_node_data(&a.peer, &a.core.id, "x", 1);
    sided_expect_frames(hub, &a.core, 2);
    fake_node_hang_up(&a.peer);
    sided_detach(hub, &a);
    promp_hub_destroy(&hub);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_setup, fake_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_frames),
        TEST(test_held),
        TEST(test_add_refused),
        TEST(test_pump),
        TEST(test_full),
        TEST(test_hand),
        TEST(test_hand_without_descriptors),
    };
    return cmocka_run_group_tests_name("hub_side", tests, NULL, NULL);
}
