/* The hub and its users' threads: who polls, who is told, signals, idleness. */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>

#include <cmocka.h>

#include "hub_fake.h"

static void test_timeout(void **state)
{
    /* A wait ends at its deadline, not before and not long after. */
    fake_node_t *node = *state;
    promp_hub_t *hub = fake_manager_hub(node);
    int64_t begin = promp_clock_ms();
    promp_hub_lock(hub);
    assert_int_equal(promp_hub_wait(hub, fake_never, NULL, begin + 30), PROMP_ERR_TIMEOUT);
    promp_hub_unlock(hub);
    assert_in_range(promp_clock_ms() - begin, 30, 5000);
    promp_hub_destroy(&hub);
}

typedef struct {
    promp_hub_t *hub;
    fake_core_t core;
    uint64_t rounds;
    promp_err_t result;
} user_t;

static void *wait_rounds(void *arg)
{
    user_t *user = arg;
    for (uint64_t i = 1; i <= user->rounds; i++) {
        promp_hub_lock(user->hub);
        user->core.to_send++;
        user->result = promp_hub_wait(user->hub, fake_has_frames, &(fake_frames_t){&user->core, i},
                                      promp_clock_ms() + FAKE_WAIT);
        promp_hub_unlock(user->hub);
        if (user->result)
            break;
    }
    return NULL;
}

static void test_many_waiters(void **state)
{
    /* Threads that wait on one hub each get their own answers, whoever polls; no answer is missed. */
    enum { USERS = 12, ROUNDS = 150 }; /* more than PROMP_HUB_WAKES */
    fake_node_t *node = *state;
    promp_hub_t *hub = fake_manager_hub(node);
    user_t users[USERS];
    pthread_t threads[USERS];
    memset(users, 0, sizeof users);
    for (int i = 0; i < USERS; i++) {
        users[i].hub = hub;
        users[i].rounds = ROUNDS;
        users[i].core.size = 10;
        promp_hub_attach(hub, fake_core_port(&users[i].core));
    }
    for (int i = 0; i < USERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, wait_rounds, &users[i]), 0);
    for (int i = 0; i < USERS * ROUNDS; i++) {
        promp_frame_t frame;
        fake_node_frame(node, &frame);
        const promp_id_t session = frame.session;
        fake_node_data(node, &session, "y", 1);
    }
    for (int i = 0; i < USERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(users[i].result, PROMP_OK);
        assert_int_equal(users[i].core.frames, ROUNDS);
        promp_hub_detach(hub, &users[i].core);
    }
    promp_hub_destroy(&hub);
}

static void *echo(void *arg)
{
    fake_node_t *node = arg;
    promp_frame_t frame;
    for (;;) {
        fake_node_frame(node, &frame);
        const promp_id_t session = frame.session;
        if (frame.type == PROMP_TYPE_BYE)
            return NULL;
        fake_node_data(node, &session, "z", 1);
    }
}

static void test_pauses(void **state)
{
    /* A user thread that computes between its calls, long enough for the network thread to lead or to tick,
     * gets every answer. */
    fake_node_t *node = *state;
    promp_hub_t *hub = fake_manager_hub(node);
    user_t user = {.hub = hub, .rounds = 1, .core = {.size = 10}};
    pthread_t thread;
    promp_hub_attach(hub, fake_core_port(&user.core));
    assert_int_equal(pthread_create(&thread, NULL, echo, node), 0);
    for (uint64_t i = 1; i <= 150; i++) {
        promp_hub_lock(hub);
        user.core.to_send++;
        assert_int_equal(promp_hub_wait(hub, fake_has_frames, &(fake_frames_t){&user.core, i},
                                        promp_clock_ms() + FAKE_WAIT),
                         PROMP_OK);
        promp_hub_unlock(hub);
        int64_t until = promp_clock_us() + (int64_t)(i * 7919 % 15) * 1000;
        while (promp_clock_us() < until)
            ;
    }
    promp_hub_bye(hub);
    pthread_join(thread, NULL);
    promp_hub_detach(hub, &user.core);
    promp_hub_destroy(&hub);
}

static bool is_set(void *arg)
{
    return *(bool *)arg;
}

typedef struct {
    promp_hub_t *hub;
    bool flag;
} flag_t;

static void *set_flag(void *arg)
{
    flag_t *flag = arg;
    promp_hub_lock(flag->hub);
    flag->flag = true;
    promp_hub_notify(flag->hub);
    promp_hub_unlock(flag->hub);
    return NULL;
}

static void test_notify(void **state)
{
    /* Another thread changes what is waited for and says so: the waiter sees it at once. */
    fake_node_t *node = *state;
    promp_hub_t *hub = fake_manager_hub(node);
    flag_t flag = {hub, false};
    pthread_t thread;
    promp_hub_lock(hub); /* the other one gets it when we wait */
    assert_int_equal(pthread_create(&thread, NULL, set_flag, &flag), 0);
    assert_int_equal(promp_hub_wait(hub, is_set, &flag.flag, promp_clock_ms() + FAKE_WAIT), PROMP_OK);
    promp_hub_unlock(hub);
    pthread_join(thread, NULL);
    promp_hub_destroy(&hub);
}

static void on_signal(int number)
{
    (void)number;
}

typedef struct {
    pthread_t victim;
    atomic_bool done;
} killer_t;

/* Until it is seen: a signal that comes before the wait begins ends nothing. */
static void *interrupt(void *arg)
{
    killer_t *killer = arg;
    while (!killer->done) {
        pthread_kill(killer->victim, SIGUSR1);
        poll(NULL, 0, 1);
    }
    return NULL;
}

static void test_signal(void **state)
{
    /* A signal handler that runs in a waiting thread ends its wait with STATE, for one that polls and one
     * that follows. */
    fake_node_t *node = *state;
    promp_hub_t *hub = fake_manager_hub(node);
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART}, before;
    sigaction(SIGUSR1, &action, &before);
    for (int following = 0; following < 2; following++) {
        user_t leader = {.hub = hub, .rounds = 1, .core = {.size = 1}};
        killer_t killer = {.victim = pthread_self()};
        pthread_t killing, other;
        if (following) {
            promp_frame_t frame;
            promp_hub_attach(hub, fake_core_port(&leader.core));
            assert_int_equal(pthread_create(&other, NULL, wait_rounds, &leader), 0);
            fake_node_frame(node, &frame); /* it has sent, it waits now or very soon */
        }
        assert_int_equal(pthread_create(&killing, NULL, interrupt, &killer), 0);
        promp_hub_lock(hub);
        assert_int_equal(promp_hub_wait(hub, fake_never, NULL, PROMP_NEVER), PROMP_ERR_STATE);
        killer.done = true;
        promp_hub_unlock(hub);
        pthread_join(killing, NULL);
        if (following) {
            fake_node_data(node, &leader.core.id, "x", 1);
            pthread_join(other, NULL);
            assert_int_equal(leader.result, PROMP_OK);
            promp_hub_detach(hub, &leader.core);
        }
    }
    sigaction(SIGUSR1, &before, NULL);
    promp_hub_destroy(&hub);
}

static void test_idle(void **state)
{
    /* Idle means idle: neither with a waiting user thread nor without one does anything wake up regularly. */
    fake_node_t *node = *state;
    promp_hub_t *hub = fake_manager_hub(node);
    fake_core_t core = {.lease_ms = 10000};
    promp_hub_attach(hub, fake_core_port(&core));
    for (int waiting = 0; waiting < 2; waiting++) {
        promp_hub_lock(hub);
        int before = core.ticks;
        if (waiting)
            assert_int_equal(promp_hub_wait(hub, fake_never, NULL, promp_clock_ms() + 500),
                             PROMP_ERR_TIMEOUT);
        promp_hub_unlock(hub);
        if (!waiting)
            poll(NULL, 0, 500);
        promp_hub_lock(hub);
        assert_in_range(core.ticks - before, 0, 8);
        promp_hub_unlock(hub);
    }
    promp_hub_detach(hub, &core);
    promp_hub_destroy(&hub);
}

static bool ticked(void *arg)
{
    return ((fake_core_t *)arg)->tick_at == 0;
}

static void test_tick(void **state)
{
    /* A core is ticked when it asked for it, also when the wish came while somebody polls already. */
    fake_node_t *node = *state;
    promp_hub_t *hub = fake_manager_hub(node);
    fake_core_t core = {.lease_ms = 0};
    promp_hub_attach(hub, fake_core_port(&core));
    for (int i = 0; i < 3; i++) {
        promp_hub_lock(hub);
        int64_t at = core.tick_at = promp_clock_ms() + 40;
        if (i == 0)
            assert_int_equal(promp_hub_wait(hub, ticked, &core, at + FAKE_WAIT), PROMP_OK);
        promp_hub_unlock(hub);
        bool done = false;
        while (!done) { /* the network thread does it */
            assert_true(promp_clock_ms() < at + FAKE_WAIT);
            poll(NULL, 0, 1);
            promp_hub_lock(hub);
            done = core.tick_at == 0;
            promp_hub_unlock(hub);
        }
        assert_true(promp_clock_ms() >= at);
    }
    promp_hub_detach(hub, &core);
    promp_hub_destroy(&hub);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_setup, fake_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_timeout), TEST(test_many_waiters), TEST(test_pauses), TEST(test_notify),
        TEST(test_signal),  TEST(test_idle),         TEST(test_tick),
    };
    return cmocka_run_group_tests_name("hub_wait", tests, NULL, NULL);
}
