/* Sides of the hub: how they break and end, and what comes last. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "hub_sided.h"
#include "limits.h"

/* --- ends --- */

static void test_breaks(void **state)
{
    /* What was written before a side ended is read, then its core is told and frames take the link. */
    fake_node_t *node = *state;
    promp_hub_t *hub = fake_manager_hub(node);
    sided_t a = {.core.size = 10};
    sided_attach(hub, &a);
    promp_hub_lock(hub);
    fake_node_data(&a.peer, &a.core.id, "1", 1);
    fake_node_data(&a.peer, &a.core.id, "2", 1);
    fake_node_hang_up(&a.peer);
    a.core.to_send = 1; /* lost: nobody is there */
    promp_hub_unlock(hub);
    fake_wait(hub, sided_has_none, &a.core);
    assert_int_equal(a.core.frames, 2);
    assert_int_equal(a.core.way, PROMP_WAY_READ_OUT);
    sided_send(hub, &a.core, 1);
    sided_expect_data(node, &a.core);
    assert_int_equal(a.core.down, 0);
    sided_detach(hub, &a);
    promp_hub_destroy(&hub);
}

static void test_reads_no_more(void **state)
{
    /* An other end that closes only what comes from us ends the side, behind what it has said. */
    fake_node_t *node = *state;
    promp_hub_t *hub = fake_manager_hub(node);
    sided_t a = {.core.size = 10};
    sided_attach(hub, &a);
    promp_hub_lock(hub);
    fake_node_data(&a.peer, &a.core.id, "1", 1);
    assert_int_equal(shutdown(promp_link_fd(a.peer.link), SHUT_RD), 0);
    a.core.to_send = 1;
    promp_hub_unlock(hub);
    fake_wait(hub, sided_has_none, &a.core);
    assert_int_equal(a.core.frames, 1);
    sided_send(hub, &a.core, 1);
    sided_expect_data(node, &a.core);
    sided_detach(hub, &a);
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
    sided_say(&a->peer, PROMP_TYPE_BEAT, NULL);
}

static void fault_gone(sided_t *a)
{
    sided_say(&a->peer, PROMP_TYPE_GONE, &a->core.id);
}

static void fault_foreign(sided_t *a)
{
    fake_node_data(&a->peer, &(promp_id_t){{1}}, "x", 1);
}

static void fault_record(sided_t *a)
{
    sided_say(&a->peer, PROMP_TYPE_READY, &a->core.id);
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
    sided_attach(hub, &honest);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        sided_t a = {.core.size = 10};
        sided_attach(hub, &a);
        faults[i](&a);
        fake_wait(hub, sided_has_none, &a.core);
        assert_int_equal(a.core.frames + a.core.others, 0);
        sided_expect_end(&a);
        promp_hub_detach(hub, &a.core);
        fake_node_data(&honest.peer, &honest.core.id, "h", 1);
        sided_expect_frames(hub, &honest.core, i + 1);
    }
    assert_int_equal(honest.core.down + honest.core.unsided, 0);
    sided_detach(hub, &honest);
    promp_hub_destroy(&hub);
}

static void test_link_lost(void **state)
{
    /* What lies in the sides when the link breaks is read first; then they end. */
    fake_node_t *node = *state;
    promp_hub_t *hub = fake_manager_hub(node);
    sided_t a = {.core.size = 10}, b = {.core.size = 10};
    sided_attach(hub, &a);
    sided_attach(hub, &b);
    promp_hub_lock(hub);
    fake_node_hang_up(node);
    fake_node_data(&a.peer, &a.core.id, "1", 1);
    fake_node_data(&b.peer, &b.core.id, "1", 1);
    promp_hub_unlock(hub);
    fake_expect_paths(hub, &a.core, 1, 1, 0);
    assert_int_equal(a.core.frames + b.core.frames, 2);
    assert_int_equal(a.core.unsided + b.core.unsided, 2);
    assert_int_equal(a.core.way, PROMP_WAY_CUT); /* it may go on writing */
    sided_expect_end(&a);
    sided_expect_end(&b);
    fake_node_accept(node);
    fake_node_welcome(node);
    fake_expect_paths(hub, &a.core, 2, 1, 0);
    sided_add(hub, &a);
    fake_node_data(&a.peer, &a.core.id, "1", 1);
    sided_expect_frames(hub, &a.core, 2);
    sided_detach(hub, &a);
    sided_detach(hub, &b);
    promp_hub_destroy(&hub);
}

/* On a frame of one core another one asks for a side, as a manager does when a worker is ready. */
static void side_for_another(fake_core_t *core)
{
    sided_t *other = core->arg;
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    (void)promp_hub_side_add(core->hub, &other->core, &other->core.id, ends[0], false);
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
    sided_attach(hub, &a);
    promp_hub_lock(hub);
    fake_node_hang_up(node);
    fake_node_data(&a.peer, &a.core.id, "1", 1);
    promp_hub_unlock(hub);
    fake_expect_paths(hub, &a.core, 1, 1, 0);
    promp_hub_lock(hub);
    assert_int_equal(a.core.frames, 1);
    assert_false(b.core.sided);
    promp_hub_unlock(hub);
    sided_expect_end(&a);
    sided_expect_end(&b);
    sided_detach(hub, &a);
    sided_detach(hub, &b);
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
        sided_attach(hub, &a);
        promp_hub_lock(hub);
        sided_say(node, PROMP_TYPE_GONE, &a.core.id);
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

static void says_one(sided_t *a)
{
    fake_node_data(&a->peer, &a->core.id, "1", 1);
}

static void says_nothing(sided_t *a)
{
    (void)a;
}

static void says_half(sided_t *a)
{
    says_one(a);
    assert_int_equal(write(promp_link_fd(a->peer.link), "half a header", 3), 3);
}

static void test_how_it_ended(void **state)
{
    /* The core is told whether all that came over a side was read, up to the other end's close, by itself or with GONE. */
    static const struct {
        void (*says)(sided_t *a);
        promp_way_t way;
    } cases[] = {{says_one, PROMP_WAY_READ_OUT},
                 {says_nothing, PROMP_WAY_UNUSED},
                 {says_half, PROMP_WAY_CUT},
                 {fault_beat, PROMP_WAY_CUT}};
    fake_node_t *node = *state;
    promp_hub_t *hub = fake_manager_hub(node);
    for (size_t i = 0; i < 2 * sizeof cases / sizeof *cases; i++) {
        sided_t a = {.core.size = 10};
        sided_attach(hub, &a);
        promp_hub_lock(hub);
        if (i % 2)
            sided_say(node, PROMP_TYPE_GONE, &a.core.id);
        cases[i / 2].says(&a);
        fake_node_hang_up(&a.peer);
        promp_hub_unlock(hub);
        fake_wait(hub, sided_has_none, &a.core);
        assert_int_equal(a.core.way, cases[i / 2].way);
        promp_hub_detach(hub, &a.core);
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
    sided_attach(hub, &a);
    pid_t child = fork();
    if (child == 0) {
        talk(&a);
        _exit(0);
    }
    fake_node_hang_up(&a.peer);
    sided_expect_frames(hub, &a.core, 10);
    promp_hub_lock(hub);
    a.core.on_data = dawdle;
    uint64_t before = a.core.frames;
    promp_hub_unlock(hub);
    sided_say(node, PROMP_TYPE_GONE, &a.core.id);
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
    sided_attach(hub, &a);
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
    sided_detach(hub, &a);
    promp_hub_destroy(&hub);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_setup, fake_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_breaks),       TEST(test_reads_no_more),      TEST(test_faults),
        TEST(test_link_lost),    TEST(test_add_while_they_end), TEST(test_gone_comes_last),
        TEST(test_how_it_ended), TEST(test_gone_of_a_talker),   TEST(test_forked_child),
    };
    return cmocka_run_group_tests_name("hub_side_end", tests, NULL, NULL);
}
