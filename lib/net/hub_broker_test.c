/* A manager's hub whose link goes to a broker: frames, connections that end and come back, brokers that turn it away. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "hub_zfake.h"

typedef struct {
    zrig_t *rig;
    zfake_t fake;
    promp_zdial_t *dial;
    promp_hub_t *hub;
    fake_core_t core;
} world_t;

static int setup(void **state)
{
    world_t *w = calloc(1, sizeof *w);
    void *rig;

    assert_non_null(w);
    zrig_setup(&rig);
    w->rig = rig;
    zfake_begin(&w->fake, w->rig);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    world_t *w = *state;
    void *rig = w->rig;

    if (w->hub) {
        promp_hub_detach(w->hub, &w->core);
        promp_hub_destroy(&w->hub);
    }
    promp_zdial_destroy(&w->dial);
    zfake_end(&w->fake);
    zrig_teardown(&rig);
    free(w);
    return 0;
}

/* A hub that is up, with a core. */
static void be_up(world_t *w, uint32_t lease, const uint8_t *next)
{
    promp_error_t error = {0};

    w->dial = zfake_dialer(&w->fake, NULL, &w->rig->known[0], next);
    w->hub = promp_zdial_hub(w->dial, 5000, &error);
    if (!w->hub)
        fail_msg("%s", error.text);
    w->core.lease_ms = lease;
    assert_int_equal(promp_hub_attach(w->hub, fake_core_port(&w->core)), PROMP_OK);
    fake_expect_paths(w->hub, &w->core, 1, 0, 0);
}

static void send(world_t *w, uint64_t count, size_t size)
{
    promp_hub_lock(w->hub);
    w->core.size = size;
    w->core.to_send += count;
    promp_hub_unlock(w->hub);
}

static void test_frames(void **state)
{
    /* Frames of all sizes go and come back, many more than a window has room for. */
    static const size_t sizes[] = {0, 1, 1000, 70000, PROMP_LIMIT_FRAME - PROMP_FRAME_HEADER};
    world_t *w = *state;
    uint64_t count = 0, bytes = 0;
    be_up(w, 10000, NULL);
    assert_true(promp_id_equal(promp_hub_node(w->hub), &w->fake.id));
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        send(w, 100, sizes[i]);
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
    world_t *w = *state;
    leader_t leader = {.over = false};
    pthread_t thread;
    be_up(w, 60000, NULL);
    leader.hub = w->hub;
    assert_int_equal(pthread_create(&thread, NULL, wait_elsewhere, &leader), 0);
    int64_t begin = promp_clock_ms();
    for (uint64_t i = 1; i <= 500; i++) {
        send(w, 1, 100);
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
    world_t *w = *state;
    int64_t end = promp_clock_ms() + FAKE_WAIT;
    uint64_t frames = 0;
    be_up(w, 60000, NULL);
    for (int i = 0; i < 20; i++) {
        send(w, 10, 5000);
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
    world_t *w = *state;
    be_up(w, 2000, NULL);
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
    send(w, 10, 100);
    fake_wait(w->hub, fake_has_frames, &(fake_frames_t){&w->core, 10});
}

static void test_other_broker(void **state)
{
    /* Another identity: what the one before knew is lost. */
    world_t *w = *state;
    be_up(w, 2000, NULL);
    zfake_stop(&w->fake);
    w->fake.id.b[0]++;
    zfake_again(&w->fake, &w->rig->server);
    fake_expect_paths(w->hub, &w->core, 2, 1, 1);
}

static void test_away(void **state)
{
    /* A broker that leaves is not dialled before the time it names. */
    const promp_message_t away = {.type = PROMP_TYPE_AWAY, .away.retry_ms = 600};
    world_t *w = *state;
    be_up(w, 2000, NULL);
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
    world_t *w = *state;
    be_up(w, 1000, NULL);
    zfake_mute(&w->fake, true);
    fake_expect_paths(w->hub, &w->core, 1, 1, 0);
    zfake_mute(&w->fake, false);
    fake_expect_paths(w->hub, &w->core, 2, 1, 0);
}

static void test_beats(void **state)
{
    /* Beats alone keep a quiet link. */
    world_t *w = *state;
    be_up(w, 500, NULL);
    promp_hub_lock(w->hub);
    (void)promp_hub_wait(w->hub, fake_never, NULL, promp_clock_ms() + 1500);
    promp_hub_unlock(w->hub);
    fake_expect_paths(w->hub, &w->core, 1, 0, 0);
    assert_int_equal(zfake_hellos(&w->fake), 1);
}

static void test_refused_for_now(void **state)
{
    /* What a broker refuses for a while is asked for again. */
    world_t *w = *state;
    be_up(w, 1000, NULL);
    zfake_refuse(&w->fake, PROMP_ERR_LIMIT_LINKS);
    zfake_again(&w->fake, &w->rig->server);
    fake_expect_paths(w->hub, &w->core, 1, 1, 0);
    uint32_t hellos = zfake_hellos(&w->fake);
    while (zfake_hellos(&w->fake) < hellos + 2)
        poll(NULL, 0, 5);
    fake_expect_paths(w->hub, &w->core, 1, 1, 0);
    zfake_refuse(&w->fake, PROMP_OK);
    fake_expect_paths(w->hub, &w->core, 2, 1, 0);
}

static void turned_away(world_t *w, promp_err_t why)
{
    be_up(w, 1000, NULL);
    zfake_refuse(&w->fake, why);
    zfake_again(&w->fake, &w->rig->server);
    fake_expect_paths(w->hub, &w->core, 1, 1, 1);
    promp_hub_lock(w->hub);
    assert_int_equal(promp_hub_trouble(w->hub)->code, why);
    promp_hub_unlock(w->hub);
}

static void test_turned_away(void **state)
{
    /* A broker that was reached and does not want this key: the end. */
    turned_away(*state, PROMP_ERR_KEY_REFUSED);
}

static void test_role_turned_away(void **state)
{
    /* Likewise with a key of another role, ... */
    turned_away(*state, PROMP_ERR_KEY_ROLE);
}

static void test_version_turned_away(void **state)
{
    /* ... or with a version that it does not speak. */
    turned_away(*state, PROMP_ERR_VERSION);
}

static void test_next_key(void **state)
{
    /* A broker whose key has changed is let be when nothing was known of it; the key that it had told lets in, which is news. */
    zrig_keys_t next, after;
    world_t *w = *state;
    promp_zdial_news_t news;
    zrig_make_keys(&next);
    zrig_make_keys(&after);
    const promp_message_t told = {.type = PROMP_TYPE_NEXT_KEY,
                                  .next_key = {promp_slice(next.public_key, 32), 1234}};
    be_up(w, 5000, NULL);
    zfake_say(&w->fake, &told);
    bool any = false;
    for (int64_t end = promp_clock_ms() + FAKE_WAIT; !any && promp_clock_ms() < end; poll(NULL, 0, 5)) {
        promp_hub_lock(w->hub);
        any = promp_zdial_news(w->dial, &news);
        promp_hub_unlock(w->hub);
    }
    assert_true(any && news.told && news.any && !news.moved);
    assert_int_equal(news.from, 1234);
    assert_memory_equal(news.next, next.public_key, 32);
    zfake_again(&w->fake, &next);
    fake_expect_paths(w->hub, &w->core, 2, 1, 0);
    promp_hub_lock(w->hub);
    assert_true(promp_zdial_news(w->dial, &news));
    assert_true(news.moved && !news.told);
    assert_memory_equal(news.key, next.public_key, 32);
    assert_false(promp_zdial_news(w->dial, &news));
    promp_hub_unlock(w->hub);
    zfake_again(&w->fake, &after); /* of this one nothing was told */
    fake_expect_paths(w->hub, &w->core, 2, 2, 0);
    for (bool known = false; !known; poll(NULL, 0, 5)) {
        promp_hub_lock(w->hub);
        known = promp_hub_trouble(w->hub)->code == PROMP_ERR_BROKER_KEY;
        promp_hub_unlock(w->hub);
    }
    fake_expect_paths(w->hub, &w->core, 2, 2, 0);
}

static void test_next_key_at_once(void **state)
{
    /* One that was remembered lets in when the hub is opened. */
    zrig_keys_t next;
    world_t *w = *state;
    zrig_make_keys(&next);
    zfake_again(&w->fake, &next);
    be_up(w, 1000, next.public_key);
}

static void expect_failure(world_t *w, const char *address, const zrig_keys_t *keys, int timeout,
                           promp_err_t why)
{
    promp_error_t error = {0};
    promp_zdial_t *dial = zfake_dialer(&w->fake, address, keys, NULL);
    int64_t begin = promp_clock_ms();
    promp_hub_t *hub = promp_zdial_hub(dial, timeout, &error);

    assert_null(hub);
    if (error.code != why)
        fail_msg("%s in place of %s", promp_error_name(error.code), promp_error_name(why));
    assert_in_range(promp_clock_ms() - begin, 0, 5000);
    promp_zdial_destroy(&dial);
}

static void test_opening_fails(void **state)
{
    /* Each reason for which a broker cannot be had has its number, within 5 s. */
    world_t *w = *state;
    char address[64];
    int fd = zrig_plain_listen(address);
    expect_failure(w, address, &w->rig->known[0], 700, PROMP_ERR_BROKER_SILENT);
    close(fd);
    expect_failure(w, address, &w->rig->known[0], 5000, PROMP_ERR_BROKER_ABSENT);
    expect_failure(w, "tcp://", &w->rig->known[0], 5000, PROMP_ERR_ARGUMENT);
    expect_failure(w, "tcp://nowhere.invalid:5599", &w->rig->known[0], 5000, PROMP_ERR_BROKER_NAME);
    expect_failure(w, NULL, &w->rig->unknown, 5000, PROMP_ERR_KEY_REFUSED);
    zfake_refuse(&w->fake, PROMP_ERR_KEY_ROLE);
    expect_failure(w, NULL, &w->rig->known[0], 5000, PROMP_ERR_KEY_ROLE);
    zfake_refuse(&w->fake, PROMP_ERR_VERSION);
    expect_failure(w, NULL, &w->rig->known[0], 5000, PROMP_ERR_VERSION);
    zfake_refuse(&w->fake, PROMP_OK);
    zfake_mute(&w->fake, true);
    expect_failure(w, NULL, &w->rig->known[0], 500, PROMP_ERR_BROKER_SILENT);
    zfake_mute(&w->fake, false);
    zfake_again(&w->fake, &w->rig->unknown);
    expect_failure(w, NULL, &w->rig->known[0], 5000, PROMP_ERR_BROKER_KEY);
}

static void test_no_descriptors(void **state)
{
    /* Nothing can be lent to the other side of a broker, and there are no direct ways. */
    const promp_message_t lend = {.type = PROMP_TYPE_LEND};
    world_t *w = *state;
    int ends[2];
    be_up(w, 1000, NULL);
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
    world_t *w = *state;
    int status;
    be_up(w, 1000, NULL);
    pid_t child = fork();
    if (child == 0) {
        alarm(20);
        promp_hub_abandon(&w->hub);
        _exit(w->hub ? 1 : 0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    send(w, 10, 1000);
    fake_wait(w->hub, fake_has_frames, &(fake_frames_t){&w->core, 10});
    fake_expect_paths(w->hub, &w->core, 1, 0, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_frames),
        TEST(test_swallowed_news),
        TEST(test_without_waiters),
        TEST(test_again),
        TEST(test_other_broker),
        TEST(test_away),
        TEST(test_silence),
        TEST(test_beats),
        TEST(test_turned_away),
        TEST(test_refused_for_now),
        TEST(test_role_turned_away),
        TEST(test_version_turned_away),
        TEST(test_next_key),
        TEST(test_next_key_at_once),
        TEST(test_opening_fails),
        TEST(test_no_descriptors),
        TEST(test_fork),
    };
    return cmocka_run_group_tests_name("hub_broker", tests, NULL, NULL);
}
