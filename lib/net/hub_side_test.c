/* Sides of the hub: how they come, carry frames, break and end. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "hub_fake.h"
#include "limits.h"

/* A core with a side; peer is the other end, a fake_node_t only for its functions. */
typedef struct {
    fake_core_t core;
    fake_node_t peer;
} sided_t;

static void add(promp_hub_t *hub, sided_t *sided)
{
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    fake_node_take(&sided->peer, ends[1]);
    promp_hub_lock(hub);
    assert_int_equal(promp_hub_side_add(hub, &sided->core, &sided->core.id, ends[0]), PROMP_OK);
    promp_hub_unlock(hub);
}

static void attach(promp_hub_t *hub, sided_t *sided)
{
    assert_int_equal(promp_hub_attach(hub, fake_core_port(&sided->core)), PROMP_OK);
    add(hub, sided);
}

/* The other end sees it, whoever else holds ours. */
static void expect_end(sided_t *sided)
{
    assert_true(fake_node_ended(&sided->peer));
    fake_node_hang_up(&sided->peer);
}

static void detach(promp_hub_t *hub, sided_t *sided)
{
    promp_hub_detach(hub, &sided->core);
    if (sided->peer.link)
        expect_end(sided);
}

static bool has_no_side(void *arg)
{
    return ((fake_core_t *)arg)->unsided > 0;
}

static void send_frames(promp_hub_t *hub, fake_core_t *core, uint64_t count)
{
    promp_hub_lock(hub);
    core->to_send += count;
    promp_hub_unlock(hub);
}

static void expect_data(fake_node_t *node, const fake_core_t *core)
{
    promp_frame_t frame;
    fake_node_frame(node, &frame);
    assert_int_equal(frame.type, PROMP_TYPE_DATA);
    assert_true(promp_id_equal(&frame.session, &core->id));
}

static void expect_frames(promp_hub_t *hub, fake_core_t *core, uint64_t frames)
{
    fake_wait(hub, fake_has_frames, &(fake_frames_t){core, frames});
}

static void say(fake_node_t *node, promp_type_t type, const promp_id_t *session)
{
    const promp_message_t message = {.type = type};
    fake_node_send(node, &message, session);
}

/* --- frames --- */

static void test_frames(void **state)
{
    /* Frames of a session with a side take it in both directions, those of others the link. */
    fake_node_t *node = *state;
    promp_hub_t *hub = fake_manager_hub(node);
    sided_t a = {.core.size = 10};
    fake_core_t b = {.size = 20};
    promp_hub_attach(hub, fake_core_port(&b));
    attach(hub, &a);
    assert_int_equal(a.core.room, PROMP_LIMIT_LINK_WINDOW);
    send_frames(hub, &a.core, 2);
    send_frames(hub, &b, 1);
    expect_data(&a.peer, &a.core);
    expect_data(&a.peer, &a.core);
    expect_data(node, &b);
    fake_node_data(&a.peer, &a.core.id, "a", 1);
    fake_node_data(node, &b.id, "b", 1);
    expect_frames(hub, &a.core, 1);
    expect_frames(hub, &b, 1);
    promp_hub_detach(hub, &b);
    detach(hub, &a);
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
    attach(hub, &a);
    for (int i = 0; i < 3; i++) {
        int ends[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        if (i == 2) {
            fake_node_hang_up(node);
            fake_expect_paths(hub, &a.core, 1, 1, 0);
        }
        promp_hub_lock(hub);
        assert_int_equal(promp_hub_side_add(hub, i == 1 ? &stranger : &a.core, &a.core.id, ends[0]),
                         PROMP_ERR_STATE);
        promp_hub_unlock(hub);
        assert_int_equal(read(ends[1], &byte, 1), 0);
        close(ends[1]);
    }
    detach(hub, &a);
    promp_hub_destroy(&hub);
}

static void test_pump(void **state)
{
    /* A pump reads sides, too: who only ever looks sees what is there. */
    promp_hub_t *hub = fake_manager_hub(*state);
    sided_t a = {.core.size = 10};
    attach(hub, &a);
    promp_hub_lock(hub); /* nobody else reads meanwhile */
    for (uint64_t i = 1; i <= 3; i++) {
        fake_node_data(&a.peer, &a.core.id, "a", 1);
        promp_hub_pump(hub);
        assert_int_equal(a.core.frames, i);
    }
    promp_hub_unlock(hub);
    detach(hub, &a);
    promp_hub_destroy(&hub);
}

/* --- ends --- */

static void test_breaks(void **state)
{
    /* What was written before a side ended is read, then its core is told and frames take the link. */
    fake_node_t *node = *state;
    promp_hub_t *hub = fake_manager_hub(node);
    sided_t a = {.core.size = 10};
    attach(hub, &a);
    promp_hub_lock(hub);
    fake_node_data(&a.peer, &a.core.id, "1", 1);
    fake_node_data(&a.peer, &a.core.id, "2", 1);
    fake_node_hang_up(&a.peer);
    a.core.to_send = 1; /* lost: nobody is there */
    promp_hub_unlock(hub);
    fake_wait(hub, has_no_side, &a.core);
    assert_int_equal(a.core.frames, 2);
    send_frames(hub, &a.core, 1);
    expect_data(node, &a.core);
    assert_int_equal(a.core.down, 0);
    detach(hub, &a);
    promp_hub_destroy(&hub);
}

static void test_reads_no_more(void **state)
{
    /* An other end that closes only what comes from us ends the side, behind what it has said. */
    fake_node_t *node = *state;
    promp_hub_t *hub = fake_manager_hub(node);
    sided_t a = {.core.size = 10};
    attach(hub, &a);
    promp_hub_lock(hub);
    fake_node_data(&a.peer, &a.core.id, "1", 1);
    assert_int_equal(shutdown(promp_link_fd(a.peer.link), SHUT_RD), 0);
    a.core.to_send = 1;
    promp_hub_unlock(hub);
    fake_wait(hub, has_no_side, &a.core);
    assert_int_equal(a.core.frames, 1);
    send_frames(hub, &a.core, 1);
    expect_data(node, &a.core);
    detach(hub, &a);
    promp_hub_destroy(&hub);
}

static void send_with_fd(promp_link_t *link, promp_type_t type, const promp_id_t *session)
{
    const promp_message_t message = {.type = type};
    promp_out_t out;
    assert_int_equal(promp_message_out(&message, session, 0, &out), PROMP_OK);
    assert_int_equal(promp_link_send(link, &out, &(int){0}, 1, 0), PROMP_OK);
}

static void fault_beat(sided_t *a)
{
    say(&a->peer, PROMP_TYPE_BEAT, NULL);
}

static void fault_gone(sided_t *a)
{
    say(&a->peer, PROMP_TYPE_GONE, &a->core.id);
}

static void fault_foreign(sided_t *a)
{
    fake_node_data(&a->peer, &(promp_id_t){{1}}, "x", 1);
}

static void fault_record(sided_t *a)
{
    say(&a->peer, PROMP_TYPE_READY, &a->core.id);
}

static void fault_fd(sided_t *a)
{
    send_with_fd(a->peer.link, PROMP_TYPE_REATTACH, &a->core.id);
}

static void fault_text(sided_t *a)
{
    static const char text[] = "This is no frame, but it is longer than the header of one.";
    assert_int_equal(write(promp_link_fd(a->peer.link), text, sizeof text), sizeof text);
}

static void test_faults(void **state)
{
    /* What has no place on a side ends that side alone, and nothing of it reaches a core. */
    static void (*const faults[])(sided_t * a) = {fault_beat,   fault_gone, fault_foreign,
                                                  fault_record, fault_fd,   fault_text};
    fake_node_t *node = *state;
    promp_hub_t *hub = fake_manager_hub(node);
    sided_t honest = {.core.size = 10};
    attach(hub, &honest);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        sided_t a = {.core.size = 10};
        attach(hub, &a);
        faults[i](&a);
        fake_wait(hub, has_no_side, &a.core);
        assert_int_equal(a.core.frames + a.core.others, 0);
        expect_end(&a);
        promp_hub_detach(hub, &a.core);
        fake_node_data(&honest.peer, &honest.core.id, "h", 1);
        expect_frames(hub, &honest.core, i + 1);
    }
    assert_int_equal(honest.core.down + honest.core.unsided, 0);
    detach(hub, &honest);
    promp_hub_destroy(&hub);
}

static void test_link_lost(void **state)
{
    /* What lies in the sides when the link breaks is read first; then they end. */
    fake_node_t *node = *state;
    promp_hub_t *hub = fake_manager_hub(node);
    sided_t a = {.core.size = 10}, b = {.core.size = 10};
    attach(hub, &a);
    attach(hub, &b);
    promp_hub_lock(hub);
    fake_node_hang_up(node);
    fake_node_data(&a.peer, &a.core.id, "1", 1);
    fake_node_data(&b.peer, &b.core.id, "1", 1);
    promp_hub_unlock(hub);
    fake_expect_paths(hub, &a.core, 1, 1, 0);
    assert_int_equal(a.core.frames + b.core.frames, 2);
    assert_int_equal(a.core.unsided + b.core.unsided, 2);
    expect_end(&a);
    expect_end(&b);
    fake_node_accept(node);
    fake_node_welcome(node);
    fake_expect_paths(hub, &a.core, 2, 1, 0);
    add(hub, &a);
    fake_node_data(&a.peer, &a.core.id, "1", 1);
    expect_frames(hub, &a.core, 2);
    detach(hub, &a);
    detach(hub, &b);
    promp_hub_destroy(&hub);
}

/* On a frame of one core another one asks for a side, as a manager does when a worker is ready. */
static void side_for_another(fake_core_t *core)
{
    sided_t *other = core->arg;
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    (void)promp_hub_side_add(core->hub, &other->core, &other->core.id, ends[0]);
    fake_node_take(&other->peer, ends[1]);
}

static void test_add_while_they_end(void **state)
{
    /* No side begins while they end with the link: none is left over from a node that is gone. */
    fake_node_t *node = *state;
    promp_hub_t *hub = fake_manager_hub(node);
    sided_t b = {.core.size = 10}, a = {.core = {.size = 10, .on_data = side_for_another, .arg = &b}};
    a.core.hub = hub;
    promp_hub_attach(hub, fake_core_port(&b.core));
    attach(hub, &a);
    promp_hub_lock(hub);
    fake_node_hang_up(node);
    fake_node_data(&a.peer, &a.core.id, "1", 1);
    promp_hub_unlock(hub);
    fake_expect_paths(hub, &a.core, 1, 1, 0);
    promp_hub_lock(hub);
    assert_int_equal(a.core.frames, 1);
    assert_false(b.core.sided);
    promp_hub_unlock(hub);
    expect_end(&a);
    expect_end(&b);
    detach(hub, &a);
    detach(hub, &b);
    promp_hub_destroy(&hub);
}

static bool has_gone(void *arg)
{
    return ((fake_core_t *)arg)->others > 0;
}

static void test_gone_comes_last(void **state)
{
    /* All that a dead worker wrote to its side reaches the core before GONE does, which was there first. */
    static uint8_t body[30000];
    fake_node_t *node = *state;
    promp_hub_t *hub = fake_manager_hub(node);
    for (int open = 0; open < 2; open++) { /* a process that has escaped may hold it open */
        sided_t a = {.core.size = 10};
        uint64_t count = 0;
        attach(hub, &a);
        promp_hub_lock(hub);
        say(node, PROMP_TYPE_GONE, &a.core.id);
        for (; !promp_link_wants_write(a.peer.link); count++)
            fake_node_data(&a.peer, &a.core.id, body, sizeof body);
        assert_true(count > 5);
        if (!open)
            fake_node_hang_up(&a.peer);
        promp_hub_unlock(hub);
        fake_wait(hub, has_gone, &a.core);
        assert_true(a.core.frames_then >= count - 1); /* the last one did not fit */
        assert_int_equal(a.core.unsided, 1);
        promp_hub_detach(hub, &a.core);
        fake_node_hang_up(&a.peer);
    }
    promp_hub_destroy(&hub);
}

/* Writes frames until nobody is there. */
static void talk(sided_t *a)
{
    static uint8_t body[100000];
    const promp_frame_t frame = {.type = PROMP_TYPE_DATA,
                                 .lane = PROMP_LANE_MESSAGES,
                                 .session = a->core.id,
                                 .size = (uint32_t)(PROMP_FRAME_HEADER + sizeof body),
                                 .body = promp_slice(body, sizeof body)};
    while (!promp_link_forward(a->peer.link, &frame, false, 0))
        while (promp_link_wants_write(a->peer.link) && !promp_link_flush(a->peer.link))
            poll(&(struct pollfd){promp_link_fd(a->peer.link), POLLOUT, 0}, 1, -1);
}

/* A reader so slow that it never sees an empty socket. */
static void dawdle(fake_core_t *core)
{
    (void)core;
    poll(NULL, 0, 2);
}

static void test_gone_of_a_talker(void **state)
{
    /* Who goes on writing to the side of a dead worker does not keep its GONE back. */
    fake_node_t *node = *state;
    promp_hub_t *hub = fake_manager_hub(node);
    sided_t a = {.core = {.size = 10}};
    int status;
    attach(hub, &a);
    pid_t child = fork();
    if (child == 0) {
        talk(&a);
        _exit(0);
    }
    fake_node_hang_up(&a.peer);
    expect_frames(hub, &a.core, 10);
    promp_hub_lock(hub);
    a.core.on_data = dawdle;
    uint64_t before = a.core.frames;
    promp_hub_unlock(hub);
    say(node, PROMP_TYPE_GONE, &a.core.id);
    fake_wait(hub, has_gone, &a.core);
    assert_true(a.core.frames_then < before + 1000);
    assert_int_equal(waitpid(child, &status, 0), child); /* it sees the end */
    assert_true(WIFEXITED(status));
    promp_hub_detach(hub, &a.core);
    promp_hub_destroy(&hub);
}

static void test_forked_child(void **state)
{
    /* A child that keeps our end open for ever: the other end sees ours end all the same. */
    fake_node_t *node = *state;
    promp_hub_t *hub = fake_manager_hub(node);
    sided_t a = {.core.size = 10};
    int hold[2], status;
    char byte;
    assert_int_equal(pipe(hold), 0);
    attach(hub, &a);
    promp_hub_lock(hub);
    pid_t child = fork();
    if (child == 0) {
        close(hold[1]);
        _exit(read(hold[0], &byte, 1) != 0);
    }
    promp_hub_unlock(hub);
    fault_beat(&a);
    struct pollfd peer = {.fd = promp_link_fd(a.peer.link), .events = POLLIN};
    int ready = poll(&peer, 1, FAKE_WAIT / 4);
    close(hold[1]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(ready, 1);
    close(hold[0]);
    detach(hub, &a);
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
        attach(hub, &many[i]);
    }
    sided_t *full = &many[3], *other = &many[5];
    send_frames(hub, &full->core, 200);
    fake_wait(hub, is_full, &full->core);
    assert_true(full->core.sent < 200);
    int64_t before = cpu_ms();
    promp_hub_lock(hub);
    assert_false(promp_hub_sent(hub));
    (void)promp_hub_wait(hub, fake_never, NULL, promp_clock_ms() + 300);
    promp_hub_unlock(hub);
    assert_true(cpu_ms() - before < 100);
    send_frames(hub, &other->core, 1);
    expect_data(&other->peer, &other->core);
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
        detach(hub, &many[i]);
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
            add(hub, &a);
    }
    close(ends[0]);
    close(ends[1]);
    detach(hub, &a);
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
    attach(hub, &a);
    send_frames(hub, &a.core, 200);
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
    expect_frames(hub, &a.core, 2);
    fake_node_hang_up(&a.peer);
    detach(hub, &a);
    promp_hub_destroy(&hub);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_setup, fake_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_frames),
        TEST(test_add_refused),
        TEST(test_pump),
        TEST(test_breaks),
        TEST(test_reads_no_more),
        TEST(test_faults),
        TEST(test_link_lost),
        TEST(test_add_while_they_end),
        TEST(test_gone_comes_last),
        TEST(test_gone_of_a_talker),
        TEST(test_forked_child),
        TEST(test_full),
        TEST(test_hand),
        TEST(test_hand_without_descriptors),
    };
    return cmocka_run_group_tests_name("hub_side", tests, NULL, NULL);
}
