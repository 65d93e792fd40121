/* Connecting: each way to fail has its number, within its time, and nothing hangs. */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#include <cmocka.h>

#include "zlink_rig.h"

#define LIMIT 5000 /* ms within which every failure must be told */

static bool decided(zrig_t *rig)
{
    return promp_zlink_state(rig->link[0]) != PROMP_ZLINK_CONNECTING;
}

static promp_err_t why(zrig_t *rig)
{
    return promp_zlink_why(rig->link[0], NULL);
}

/* Dials address and says how it ended. */
static promp_err_t attempt(zrig_t *rig, const char *address, const zrig_keys_t *keys)
{
    int64_t start = promp_clock_ms();

    promp_zlink_destroy(&rig->link[0]);
    zrig_dial(rig, 0, address, keys);
    zrig_until(rig, decided);
    assert_in_range(promp_clock_ms() - start, 0, LIMIT);
    return why(rig);
}

static bool port_heard(zrig_t *rig)
{
    return rig->port_frames > 0;
}

static void expect_served(zrig_t *rig)
{
    promp_zlink_destroy(&rig->link[1]);
    zrig_up(rig, 1);
}

static void test_bad_addresses(void **state)
{
    /* What is no tcp://HOST:PORT is told at once. */
    zrig_t *rig = *state;
    static const char *const bad[] = {
        "",           "tcp://",        "tcp://a",      "tcp://a:",    "tcp://:5",
        "tcp://a:0",  "tcp://a:65536", "ipc:///tmp/x", "tcp://::1:5", "tcp://a:5x",
        "tcp://[]:5", "a:5",           "tcp://a:-5",   "tcp://a: 5"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        promp_zlink_config_t config;
        promp_error_t error;
        zrig_config(rig, &rig->known[0], &config);
        config.address = bad[i];
        if (promp_zlink_dial(&config, 0, &rig->link[0], &error) != PROMP_ERR_ARGUMENT)
            fail_msg("%s was taken", bad[i]);
        assert_null(rig->link[0]);
    }
}

static void test_nobody_listens(void **state)
{
    /* A closed port: BROKER_ABSENT with the system's word, at once. */
    zrig_t *rig = *state;
    char address[64];
    promp_error_t error;
    close(zrig_plain_listen(address));
    int64_t start = promp_clock_ms();
    assert_int_equal(attempt(rig, address, &rig->known[0]), PROMP_ERR_BROKER_ABSENT);
    assert_in_range(promp_clock_ms() - start, 0, 1000);
    promp_zlink_why(rig->link[0], &error);
    assert_int_equal(error.system, ECONNREFUSED);
    assert_non_null(strstr(error.text, address));
    expect_served(rig);
}

static void test_no_way(void **state)
{
    /* A host that takes no more connections: when the time is over BROKER_ABSENT, or BROKER_SILENT where its system had
     * answered before its backlog was full. */
    zrig_t *rig = *state;
    char address[64];
    int filler[200], listener = zrig_plain_listen(address);
    assert_int_equal(listen(listener, 0), 0);
    struct sockaddr_storage to;
    socklen_t size = sizeof to;
    getsockname(listener, (struct sockaddr *)&to, &size);
    for (int i = 0; i < 200; i++) {
        filler[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(filler[i], (struct sockaddr *)&to, size);
    }
    promp_err_t err = attempt(rig, address, &rig->known[0]);
    assert_true(err == PROMP_ERR_BROKER_ABSENT || err == PROMP_ERR_BROKER_SILENT);
    for (int i = 0; i < 200; i++)
        close(filler[i]);
    close(listener);
}

static void test_unknown_name(void **state)
{
    /* A name that cannot be resolved: BROKER_NAME, and giving up while it is looked up does not wait for it. */
    zrig_t *rig = *state;
    assert_int_equal(attempt(rig, "tcp://no-such-host.invalid:5599", &rig->known[0]), PROMP_ERR_BROKER_NAME);
    promp_zlink_destroy(&rig->link[0]);
    for (int i = 0; i < 20; i++) {
        int64_t start = promp_clock_ms();
        zrig_dial(rig, 0, "tcp://no-such-host.invalid:5599", &rig->known[0]);
        promp_zlink_destroy(&rig->link[0]);
        assert_in_range(promp_clock_ms() - start, 0, 1000);
    }
}

static void test_name(void **state)
{
    /* A name is resolved, and its addresses are tried in turn: localhost works although only one family listens. */
    zrig_t *rig = *state;
    char address[64];
    snprintf(address, sizeof address, "tcp://localhost%s", strrchr(promp_zport_endpoint(rig->port), ':'));
    assert_int_equal(attempt(rig, address, &rig->known[0]), PROMP_OK);
}

static void test_mute(void **state)
{
    /* Something that listens and says nothing: BROKER_SILENT. */
    zrig_t *rig = *state;
    char address[64];
    int listener = zrig_plain_listen(address);
    assert_int_equal(attempt(rig, address, &rig->known[0]), PROMP_ERR_BROKER_SILENT);
    close(listener);
    expect_served(rig);
}

/* A server that says its words to whoever comes and, if wanted, closes. */
typedef struct {
    int listener;
    const char *words;
    size_t size;
    bool closes;
} talker_t;

static void *talk(void *arg)
{
    talker_t *talker = arg;
    int fd;

    while ((fd = accept(talker->listener, NULL, NULL)) >= 0) {
        (void)!write(fd, talker->words, talker->size);
        if (talker->closes)
            close(fd);
    }
    return NULL;
}

static promp_err_t with_talker(zrig_t *rig, const char *words, size_t size, bool closes)
{
    char address[64];
    talker_t talker = {zrig_plain_listen(address), words, size, closes};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, talk, &talker), 0);
    promp_err_t err = attempt(rig, address, &rig->known[0]);
    shutdown(talker.listener, SHUT_RDWR);
    pthread_join(thread, NULL);
    close(talker.listener);
    return err;
}

static void test_not_a_broker(void **state)
{
    /* Another service: a banner, an answer to a bad request, one that hangs up, half a greeting: NOT_A_BROKER. */
    zrig_t *rig = *state;
    static const char ssh[] = "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n";
    static const char http[] = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    assert_int_equal(with_talker(rig, ssh, sizeof ssh - 1, false), PROMP_ERR_NOT_A_BROKER);
    assert_int_equal(with_talker(rig, http, sizeof http - 1, true), PROMP_ERR_NOT_A_BROKER);
    assert_int_equal(with_talker(rig, "", 0, true), PROMP_ERR_NOT_A_BROKER);
    assert_int_equal(with_talker(rig, "\xFF\0\0\0\0\0\0\0\1\x7F\3", 11, true), PROMP_ERR_NOT_A_BROKER);
    expect_served(rig);
}

static void *other_socket(zrig_t *rig, int type, const zrig_keys_t *server, char address[64])
{
    int yes = 1;
    size_t size = 64;
    void *socket = zmq_socket(rig->context, type);

    if (server) {
        zmq_setsockopt(socket, ZMQ_CURVE_SERVER, &yes, sizeof yes);
        zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, server->secret_key, 32);
        zmq_setsockopt(socket, ZMQ_ZAP_DOMAIN, ZRIG_DOMAIN, 5);
    }
    assert_int_equal(zmq_bind(socket, "tcp://127.0.0.1:*"), 0);
    assert_int_equal(zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, address, &size), 0);
    return socket;
}

static void test_no_curve(void **state)
{
    /* A ROUTER without CURVE: NOT_CURVE. */
    zrig_t *rig = *state;
    char address[64];
    rig->other = other_socket(rig, ZMQ_ROUTER, NULL, address);
    for (int i = 0; i < 20; i++) /* who closes first is chance */
        assert_int_equal(attempt(rig, address, &rig->known[0]), PROMP_ERR_NOT_CURVE);
}

static void test_wrong_server_key(void **state)
{
    /* A broker with another key: BROKER_KEY, and it never asked about ours. */
    zrig_t *rig = *state;
    promp_zlink_config_t config;
    zrig_config(rig, &rig->known[0], &config);
    config.server_key = rig->unknown.public_key;
    int64_t start = promp_clock_ms();
    assert_int_equal(promp_zlink_dial(&config, start, &rig->link[0], NULL), PROMP_OK);
    zrig_until(rig, decided);
    assert_int_equal(why(rig), PROMP_ERR_BROKER_KEY);
    assert_in_range(promp_clock_ms() - start, 0, 2000);
    assert_int_equal(rig->zap_asked, 0);
    expect_served(rig);
}

static void test_key_refused(void **state)
{
    /* ZAP says 400 or 500: KEY_REFUSED, each time, and what was to be sent is dropped. */
    zrig_t *rig = *state;
    for (int i = 0; i < 10; i++) {
        rig->zap_status = i % 2 ? "500" : "400";
        promp_zlink_destroy(&rig->link[0]);
        zrig_dial(rig, 0, NULL, &rig->unknown);
        assert_int_equal(zrig_send(rig->link[0], PROMP_LANE_CONTROL, 0, 10, 0), PROMP_OK);
        zrig_until(rig, decided);
        assert_int_equal(why(rig), PROMP_ERR_KEY_REFUSED);
        assert_int_equal(zrig_send(rig->link[0], PROMP_LANE_CONTROL, 0, 10, 0), PROMP_ERR_CLOSED);
    }
    expect_served(rig);
    assert_int_equal(rig->peers, 1);
}

static void test_undecided(void **state)
{
    /* ZAP says 300, which libzmq does not pass on: it says nothing (BROKER_SILENT) or hangs up as for a wrong key. No hang, and
     * nobody is let in. */
    zrig_t *rig = *state;
    rig->zap_status = "300";
    promp_err_t err = attempt(rig, NULL, &rig->unknown);
    assert_true(err == PROMP_ERR_BROKER_SILENT || err == PROMP_ERR_BROKER_KEY);
    assert_int_equal(rig->peers, 0);
}

static void test_destroy_at_any_time(void **state)
{
    /* Giving up in the middle of connecting takes no time, whoever is at the other end. */
    zrig_t *rig = *state;
    char mute[64], closed[64];
    int listener = zrig_plain_listen(mute);
    close(zrig_plain_listen(closed));
    const char *const addresses[] = {mute, closed, promp_zport_endpoint(rig->port)};
    for (int i = 0; i < 60; i++) {
        zrig_dial(rig, 0, addresses[i % 3], &rig->known[0]);
        assert_int_equal(zrig_send(rig->link[0], PROMP_LANE_BULK, 0, 100000, 0), PROMP_OK);
        zrig_drive(rig, decided, i / 3 % 4);
        int64_t start = promp_clock_ms();
        promp_zlink_destroy(&rig->link[0]);
        assert_in_range(promp_clock_ms() - start, 0, 1000);
    }
    close(listener);
    rig->peers = 0;
    expect_served(rig);
}

static void test_forked_child(void **state)
{
    /* In a forked child destroying a link does nothing to the parent's, and does not hang. */
    zrig_t *rig = *state;
    int status;
    zrig_up(rig, 0);
    pid_t child = fork();
    if (child == 0) {
        alarm(5);
        promp_zlink_destroy(&rig->link[0]);
        _exit(rig->link[0] ? 1 : 0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    rig->port_frames = 0;
    assert_int_equal(zrig_send(rig->link[0], PROMP_LANE_BULK, 0, 100, 0), PROMP_OK);
    zrig_until(rig, port_heard);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, zrig_setup, zrig_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_bad_addresses), TEST(test_nobody_listens), TEST(test_no_way),
        TEST(test_unknown_name),  TEST(test_name),           TEST(test_mute),
        TEST(test_not_a_broker),  TEST(test_no_curve),       TEST(test_wrong_server_key),
        TEST(test_key_refused),   TEST(test_undecided),      TEST(test_destroy_at_any_time),
        TEST(test_forked_child),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
