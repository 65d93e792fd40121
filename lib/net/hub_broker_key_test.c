/* Brokers that turn a hub away, cannot be had at all, or have another key. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#include "hub_zfake.h"

static void test_refused_for_now(void **state)
{
    /* What a broker refuses for a while is asked for again. */
    zworld_t *w = *state;
    zworld_up(w, 1000, NULL);
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

static void turned_away(zworld_t *w, promp_err_t why)
{
    zworld_up(w, 1000, NULL);
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
    zworld_t *w = *state;
    promp_zdial_news_t news;
    zrig_make_keys(&next);
    zrig_make_keys(&after);
    const promp_message_t told = {.type = PROMP_TYPE_NEXT_KEY,
                                  .next_key = {promp_slice(next.public_key, 32), 1234}};
    zworld_up(w, 5000, NULL);
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
    zworld_t *w = *state;
    zrig_make_keys(&next);
    zfake_again(&w->fake, &next);
    zworld_up(w, 1000, next.public_key);
}

static void expect_failure(zworld_t *w, const char *address, const zrig_keys_t *keys, int timeout,
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
    zworld_t *w = *state;
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

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, zworld_setup, zworld_teardown)
    const struct CMUnitTest tests[] = {TEST(test_refused_for_now),  TEST(test_turned_away),
                                       TEST(test_role_turned_away), TEST(test_version_turned_away),
                                       TEST(test_next_key),         TEST(test_next_key_at_once),
                                       TEST(test_opening_fails)};
    return cmocka_run_group_tests_name("hub_broker_key", tests, NULL, NULL);
}
