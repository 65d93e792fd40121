/* The life of a manager's link: beats, silence, dialling again, a node that is gone. */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "hub_fake.h"

static void test_again(void **state)
{
    /* A link that ends is dialled again; the same node means the sessions live on, another one that they are
     * lost. */
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
    fake_expect_paths(hub, &core, 2, 1, 0);

    fake_node_hang_up(node);
    assert_int_equal(promp_id_make(&node->id), PROMP_OK);
    fake_node_accept(node);
    fake_node_welcome(node);
    fake_expect_paths(hub, &core, 3, 2, 1);
    assert_true(promp_id_equal(&core.node, &node->id));
    fake_finish(&hub, &core);
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
    fake_expect_paths(hub, &core, 2, 1, 0);
    fake_finish(&hub, &core);
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
    fake_expect_paths(hub, &core, 1, 1, 1);
    promp_hub_attach(hub, fake_core_port(&late));
    assert_int_equal(late.lost, 1);
    promp_hub_detach(hub, &late);
    promp_hub_bye(hub);
    fake_finish(&hub, &core);
}

static void test_beats(void **state)
{
    /* A BEAT each fifth of the smallest lease, the first as soon as that is known; it tells lease and time in
     * a task. */
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
    fake_finish(&hub, &other);
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
    fake_expect_paths(hub, &core, 2, 1, 0);
    fake_finish(&hub, &core);
}

/* A process with a hub of its own; killed by its parent. */
static void be_manager(fake_node_t *node)
{
    fake_core_t core = {.lease_ms = 1000};
    promp_hub_t *hub = promp_hub_dial(&node->local, NULL, false, FAKE_WAIT, NULL);
    alarm(60);
    if (hub && promp_hub_attach(hub, fake_core_port(&core)) == PROMP_OK)
        pause();
    _exit(1);
}

static void test_own_absence(void **state)
{
    /* A process that was stopped for longer than it would wait for the node does not blame the node. */
    fake_node_t *node = *state;
    int status;
    pid_t child = fork();
    if (child == 0)
        be_manager(node);
    fake_node_accept(node);
    fake_node_welcome(node);
    fake_node_beat(node, NULL); /* it knows its lease */
    assert_int_equal(kill(child, SIGSTOP), 0);
    assert_int_equal(waitpid(child, &status, WUNTRACED), child);
    poll(NULL, 0, PROMP_TIME_GAP + 800); /* what it shall oversleep */
    assert_int_equal(kill(child, SIGCONT), 0);
    fake_node_beat(node, NULL);
    fake_node_send(node, &(promp_message_t){.type = PROMP_TYPE_BEAT}, NULL);
    fake_node_beat(node, NULL);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
}

static void test_faults(void **state)
{
    /* A peer that breaks the protocol three times in a row is given up; each time before the link is dialled
     * again. */
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
        fake_expect_paths(hub, &core, i + 1, i < 2 ? i + 1 : 2, i == 2);
        if (i < 2) {
            fake_node_accept(node);
            fake_node_welcome(node);
            fake_expect_paths(hub, &core, i + 2, i + 1, 0);
        }
    }
    fake_finish(&hub, &core);
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
    fake_expect_paths(hub, &core, 2, 1, 0);
    fake_finish(&hub, &core);
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

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_setup, fake_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_again),  TEST(test_back_off),    TEST(test_gone),
        TEST(test_beats),  TEST(test_silence),     TEST(test_own_absence),
        TEST(test_faults), TEST(test_descriptors), TEST(test_dial),
    };
    return cmocka_run_group_tests_name("hub_link", tests, NULL, NULL);
}
