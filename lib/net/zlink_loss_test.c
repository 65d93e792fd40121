/* The end of a connection: last words, restarts, cables that are cut, and the traps of libzmq. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zmq.h>

#include <cmocka.h>

#include "zlink_rig.h"

static bool is_lost(zrig_t *rig)
{
    return promp_zlink_state(rig->link[0]) == PROMP_ZLINK_LOST;
}

static bool is_up(zrig_t *rig)
{
    return promp_zlink_state(rig->link[0]) == PROMP_ZLINK_UP;
}

static bool never(zrig_t *rig)
{
    (void)rig;
    return false;
}

static void test_last_words(void **state)
{
    /* What the broker sent before the connection ended is read first, all of it; then the link is LOST. */
    zrig_t *rig = *state;
    enum { WORDS = 500 };
    zrig_up(rig, 0);
    rig->hold_link[0] = true;
    for (uint64_t i = 0; i < WORDS; i++)
        assert_int_equal(zrig_post(rig, rig->peer[0], PROMP_LANE_OUTPUT, i, 100, 0), PROMP_OK);
    zrig_drive(rig, never, 200); /* they leave the broker's host */
    promp_zport_destroy(&rig->port);
    zrig_drive(rig, never, 50);
    rig->hold_link[0] = false;
    zrig_until(rig, is_lost);
    assert_int_equal(rig->frames[0], WORDS);
    assert_int_equal(promp_zlink_why(rig->link[0], NULL), PROMP_ERR_CLOSED);
    assert_int_equal(promp_zlink_read(rig->link[0], NULL), PROMP_ERR_CLOSED);
}

static void test_broker_restarts(void **state)
{
    /* A broker that comes back at the same port gets a new connection, 10 times; nothing old travels on it. */
    zrig_t *rig = *state;
    char endpoint[64];
    uint64_t tag, bytes;
    strcpy(endpoint, promp_zport_endpoint(rig->port));
    for (int round = 0; round < 10; round++) {
        rig->peers = 0;
        zrig_up(rig, 0);
        promp_zport_destroy(&rig->port);
        for (int i = 0; i < 100; i++)
            (void)zrig_send(rig->link[0], PROMP_LANE_BULK, 0, 100000, 1);
        zrig_until(rig, is_lost);
        uint64_t back = 0;
        while (promp_zlink_flushed(rig->link[0], &tag, &bytes))
            back += bytes;
        assert_int_equal(back, 100 * (100000 + PROMP_FRAME_HEADER)); /* every tag comes back */
        promp_zlink_destroy(&rig->link[0]);
        zrig_listen(rig, endpoint);
        rig->port_frames = 0;
    }
    rig->peers = 0;
    zrig_up(rig, 0);
    assert_int_equal(rig->port_frames, 1);
}

/* A proxy on a thread of its own: passes bytes between one client and the port until it is told to stop, and then holds both
 * connections without a word, like a cut cable. */
typedef struct {
    int listener, client, server;
    const char *to;
    atomic_bool cut, end;
    pthread_t thread;
    char address[64];
} proxy_t;

static bool pass(int from, int to)
{
    char bytes[65536];
    ssize_t n = recv(from, bytes, sizeof bytes, 0);
    return n > 0 && send(to, bytes, (size_t)n, MSG_NOSIGNAL) == n;
}

static void *run_proxy(void *arg)
{
    proxy_t *proxy = arg;
    bool good = true;

    proxy->client = accept(proxy->listener, NULL, NULL);
    proxy->server = zrig_plain_connect(proxy->to);
    struct pollfd fds[] = {{proxy->client, POLLIN, 0}, {proxy->server, POLLIN, 0}};
    while (!atomic_load(&proxy->end)) {
        bool cut = atomic_load(&proxy->cut) || !good;
        int n = poll(fds, cut ? 0 : 2, 10);
        for (int i = 0; n > 0 && i < 2; i++)
            if (fds[i].revents && !atomic_load(&proxy->cut))
                good = pass(fds[i].fd, fds[1 - i].fd) && good;
    }
    close(proxy->client);
    close(proxy->server);
    return NULL;
}

static void proxy_start(proxy_t *proxy, const char *to)
{
    proxy->to = to;
    proxy->listener = zrig_plain_listen(proxy->address);
    assert_int_equal(pthread_create(&proxy->thread, NULL, run_proxy, proxy), 0);
}

static void proxy_end(proxy_t *proxy)
{
    atomic_store(&proxy->end, true);
    pthread_join(proxy->thread, NULL);
    close(proxy->listener);
}

static void dial_beating(zrig_t *rig, const char *address, int beat)
{
    promp_zlink_config_t config;
    zrig_config(rig, &rig->known[0], &config);
    if (address)
        config.address = address;
    config.beat = beat;
    assert_int_equal(promp_zlink_dial(&config, promp_clock_ms(), &rig->link[0], NULL), PROMP_OK);
    assert_int_equal(zrig_send(rig->link[0], PROMP_LANE_CONTROL, 0, 10, 0), PROMP_OK);
    zrig_until(rig, is_up);
}

static bool gone(zrig_t *rig)
{
    return rig->gones > 0;
}

static bool heard(zrig_t *rig)
{
    return rig->port_frames > 0;
}

static void test_cut_cable(void **state)
{
    /* A connection over which nothing comes any more ends at both ends by itself, after three heartbeats; closing does not
     * hang although frames wait. */
    zrig_t *rig = *state;
    proxy_t proxy = {0};
    promp_zport_destroy(&rig->port);
    rig->port_config.beat = 100;
    zrig_listen(rig, "tcp://127.0.0.1:0");
    proxy_start(&proxy, promp_zport_endpoint(rig->port));
    dial_beating(rig, proxy.address, 100);
    zrig_until(rig, heard);
    assert_false(zrig_drive(rig, is_lost, 1000)); /* as long as it passes bytes all is well */
    atomic_store(&proxy.cut, true);
    for (int i = 0; i < 30; i++)
        (void)zrig_send(rig->link[0], PROMP_LANE_BULK, 0, 200000, 0);
    zrig_until(rig, is_lost);
    zrig_until(rig, gone);
    assert_int_equal(rig->gone[0], rig->peer[0]);
    assert_int_equal(rig->why[0], PROMP_ERR_PEER_LEFT);
    proxy_end(&proxy);
}

static void test_destroy_when_cut(void **state)
{
    /* Closing a link whose peer takes nothing waits for no longer than the linger time. */
    zrig_t *rig = *state;
    proxy_t proxy = {0};
    proxy_start(&proxy, promp_zport_endpoint(rig->port));
    dial_beating(rig, proxy.address, 0);
    zrig_until(rig, heard);
    atomic_store(&proxy.cut, true);
    for (int i = 0; i < 30; i++)
        (void)zrig_send(rig->link[0], PROMP_LANE_BULK, 0, 200000, 0);
    int64_t start = promp_clock_ms();
    promp_zlink_destroy(&rig->link[0]);
    assert_in_range(promp_clock_ms() - start, 0, PROMP_TIME_ZMQ_LINGER + 1000);
    proxy_end(&proxy);
}

static bool all_there_or_lost(zrig_t *rig)
{
    return rig->frames[0] == 3000 || is_lost(rig);
}

static void test_stalled_reader_with_heartbeats(void **state)
{
    /* libzmq's trap: a connecting socket with a limit on received frames and heartbeats aborts the process when its reader
     * stalls. Ours stalls for a second, with a full window, and goes on. */
    zrig_t *rig = *state;
    dial_beating(rig, NULL, 50);
    zrig_until(rig, heard);
    for (int round = 0; round < 5; round++) {
        rig->frames[0] = 0;
        rig->hold_link[0] = true;
        for (uint64_t i = 0; i < 3000; i++)
            assert_int_equal(zrig_post(rig, rig->peer[0], PROMP_LANE_OUTPUT, i, 1000, 0), PROMP_OK);
        zrig_drive(rig, never, 200);
        rig->hold_link[0] = false;
        zrig_until(rig, all_there_or_lost);
        assert_false(is_lost(rig));
    }
}

static bool all_gone(zrig_t *rig)
{
    return rig->gones == 2 && is_lost(rig);
}

static void test_ends(void **state)
{
    /* The port finds that a peer closed its connection, and both ends that the network did. */
    zrig_t *rig = *state;
    proxy_t proxy = {0};
    promp_zport_counters_t counters;
    proxy_start(&proxy, promp_zport_endpoint(rig->port));
    dial_beating(rig, proxy.address, 0);
    zrig_until(rig, heard);
    zrig_up(rig, 1);
    promp_zlink_destroy(&rig->link[1]);
    proxy_end(&proxy);
    zrig_until(rig, all_gone);
    assert_int_equal(zrig_post(rig, rig->peer[0], PROMP_LANE_OUTPUT, 0, 10, 0), PROMP_ERR_PEER_LEFT);
    assert_int_equal(zrig_post(rig, rig->peer[1], PROMP_LANE_OUTPUT, 0, 10, 0), PROMP_ERR_PEER_LEFT);
    promp_zport_count(rig->port, &counters);
    assert_int_equal(counters.peers, 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, zrig_setup, zrig_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_last_words), TEST(test_broker_restarts),
        TEST(test_cut_cable),  TEST(test_destroy_when_cut),
        TEST(test_ends),       TEST(test_stalled_reader_with_heartbeats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
