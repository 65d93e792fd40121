/* A manager's hub whose link goes to a broker: frames, connections that end and come back. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "hub_zfake.h"

static void test_frames(void **state)
{
    /* Frames of all sizes go and come back, many more than a window has room for. */
    static const size_t sizes[] = {0, 1, 1000, 70000, PROMP_LIMIT_FRAME - PROMP_FRAME_HEADER};
    zworld_t *w = *state;
    uint64_t count = 0, bytes = 0;
    zworld_up(w, 10000, NULL);
    assert_true(promp_id_equal(promp_hub_node(w->hub), &w->fake.id));
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        zworld_send(w, 100, sizes[i]);
        count += 100;
        bytes += 100 * sizes[i];
        fake_wait(w->hub, fake_has_frames, &(fake_frames_t){&w->core, count});
    }
    promp_hub_lock(w->hub);
    assert_int_equal(w->core.bytes, bytes);
    assert_true(promp_hub_send(w->hub));
    promp_hub_unlock(w->hub);
    fake_expect_paths(w->hub, &w->core, 1, 0, 0);
}

static bool is_over(void *arg)
{
    return *(bool *)arg;
}

typedef struct {
    promp_hub_t *hub;
    bool over; /* under the hub's lock */
} leader_t;

static void *wait_elsewhere(void *arg)
{
    leader_t *leader = arg;
    promp_hub_lock(leader->hub);
    (void)promp_hub_wait(leader->hub, is_over, &leader->over, promp_clock_ms() + FAKE_WAIT);
    promp_hub_unlock(leader->hub);
    return NULL;
}

static void test_swallowed_news(void **state)
{
    /* What one thread sends does not hide from another, which polls, that something has come: each echo comes at once, not with
     * the next beat. */
    zworld_t *w = *state;
    leader_t leader = {.over = false};
    pthread_t thread;
    zworld_up(w, 60000, NULL);
    leader.hub = w->hub;
    assert_int_equal(pthread_create(&thread, NULL, wait_elsewhere, &leader), 0);
    int64_t begin = promp_clock_ms();
    for (uint64_t i = 1; i <= 500; i++) {
        zworld_send(w, 1, 100);
        fake_wait(w->hub, fake_has_frames, &(fake_frames_t){&w->core, i});
    }
    assert_true(promp_clock_ms() - begin < FAKE_WAIT / 2);
    promp_hub_lock(w->hub);
    leader.over = true;
    promp_hub_unlock(w->hub);
    pthread_join(thread, NULL);
}

static void test_without_waiters(void **state)
{
    /* The network thread alone moves frames. */
    zworld_t *w = *state;
    int64_t end = promp_clock_ms() + FAKE_WAIT;
    uint64_t frames = 0;
    zworld_up(w, 60000, NULL);
    for (int i = 0; i < 20; i++) {
        zworld_send(w, 10, 5000);
        do {
            assert_true(promp_clock_ms() < end);
            poll(NULL, 0, 1);
            promp_hub_lock(w->hub);
            frames = w->core.frames;
            promp_hub_unlock(w->hub);
        } while (frames < (uint64_t)(i + 1) * 10);
    }
}

static void test_again(void **state)
{
    /* A broker that starts anew is dialled again, a port that refuses meanwhile is no reason to give up. */
    zworld_t *w = *state;
    zworld_up(w, 2000, NULL);
    zfake_stop(&w->fake);
    fake_expect_paths(w->hub, &w->core, 1, 1, 0);
    promp_hub_lock(w->hub);
    (void)promp_hub_wait(w->hub, fake_never, NULL, promp_clock_ms() + 700);
    assert_int_equal(promp_hub_trouble(w->hub)->code, PROMP_ERR_BROKER_ABSENT);
    promp_hub_unlock(w->hub);
    zfake_again(&w->fake, &w->rig->server);
    fake_expect_paths(w->hub, &w->core, 2, 1, 0);
    promp_hub_lock(w->hub);
    assert_int_equal(promp_hub_trouble(w->hub)->code, PROMP_OK);
    promp_hub_unlock(w->hub);
    zworld_send(w, 10, 100);
    fake_wait(w->hub, fake_has_frames, &(fake_frames_t){&w->core, 10});
}

static void test_other_broker(void **state)
{
    /* Another identity: what the one before knew is lost. */
    zworld_t *w = *state;
    zworld_up(w, 2000, NULL);
    zfake_stop(&w->fake);
    w->fake.id.b[0]++;
    zfake_again(&w->fake, &w->rig->server);
    fake_expect_paths(w->hub, &w->core, 2, 1, 1);
}

static void test_away(void **state)
{
    /* A broker that leaves is not dialled before the time it names. */
    const promp_message_t away = {.type = PROMP_TYPE_AWAY, .away.retry_ms = 600};
    zworld_t *w = *state;
    zworld_up(w, 2000, NULL);
    zfake_say(&w->fake, &away);
    promp_hub_lock(w->hub);
    (void)promp_hub_wait(w->hub, fake_never, NULL,
                         promp_clock_ms() + 100); /* it goes on until the broker ends */
    promp_hub_unlock(w->hub);
    fake_expect_paths(w->hub, &w->core, 1, 0, 0);
    int64_t begin = promp_clock_ms();
    zfake_again(&w->fake, &w->rig->server);
    fake_expect_paths(w->hub, &w->core, 2, 1, 0);
    assert_in_range(zfake_hello_at(&w->fake) - begin, 600, 600 + 600 + 4000);
}

static void test_silence(void **state)
{
    /* A broker that says nothing for two fifths of the lease is dialled anew. */
    zworld_t *w = *state;
    zworld_up(w, 1000, NULL);
    zfake_mute(&w->fake, true);
    fake_expect_paths(w->hub, &w->core, 1, 1, 0);
    zfake_mute(&w->fake, false);
    fake_expect_paths(w->hub, &w->core, 2, 1, 0);
}

static void test_beats(void **state)
{
    /* Beats alone keep a quiet link. */
    zworld_t *w = *state;
    zworld_up(w, 500, NULL);
    promp_hub_lock(w->hub);
    (void)promp_hub_wait(w->hub, fake_never, NULL, promp_clock_ms() + 1500);
    promp_hub_unlock(w->hub);
    fake_expect_paths(w->hub, &w->core, 1, 0, 0);
    assert_int_equal(zfake_hellos(&w->fake), 1);
}

static void test_no_descriptors(void **state)
{
    /* Nothing can be lent to the other side of a broker, and there are no direct ways. */
    const promp_message_t lend = {.type = PROMP_TYPE_LEND};
    zworld_t *w = *state;
    int ends[2];
    zworld_up(w, 1000, NULL);
    assert_int_equal(pipe(ends), 0);
    promp_hub_lock(w->hub);
    assert_int_equal(promp_hub_hand(w->hub, &w->core.id, &lend, ends[0]), PROMP_ERR_STATE);
    assert_int_equal(promp_hub_side_add(w->hub, &w->core, &w->core.id, ends[0], false), PROMP_ERR_STATE);
    promp_hub_unlock(w->hub);
    close(ends[1]);
}

static void test_fork(void **state)
{
    /* A forked child lets go without waiting; the parent goes on. */
    zworld_t *w = *state;
    int status;
    zworld_up(w, 1000, NULL);
    pid_t child = fork();
    if (child == 0) {
        alarm(20);
        promp_hub_abandon(&w->hub);
        _exit(w->hub ? 1 : 0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    zworld_send(w, 10, 1000);
    fake_wait(w->hub, fake_has_frames, &(fake_frames_t){&w->core, 10});
    fake_expect_paths(w->hub, &w->core, 1, 0, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, zworld_setup, zworld_teardown)
    const struct CMUnitTest tests[] = {TEST(test_frames),          TEST(test_swallowed_news),
                                       TEST(test_without_waiters), TEST(test_again),
                                       TEST(test_other_broker),    TEST(test_away),
                                       TEST(test_silence),         TEST(test_beats),
                                       TEST(test_no_descriptors),  TEST(test_fork)};
    return cmocka_run_group_tests_name("hub_broker", tests, NULL, NULL);
}
