/* Peers that keep no rules, and what libzmq lets them do unless one knows: each test ends by serving an honest peer. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#include <cmocka.h>

#include "zlink_rig.h"
#include "zport_inside.h"

static bool never(zrig_t *rig)
{
    (void)rig;
    return false;
}

static void expect_served(zrig_t *rig)
{
    uint64_t before = rig->port_frames;
    zrig_up(rig, 3);
    assert_int_equal(rig->port_frames, before + 1);
    assert_int_equal(zrig_post(rig, rig->peer[rig->peers - 1], PROMP_LANE_CONTROL, 0, 10, 0), PROMP_OK);
    int64_t end = promp_clock_ms() + ZRIG_PATIENCE;
    while (rig->frames[3] == 0 && promp_clock_ms() < end)
        zrig_drive(rig, never, 10);
    assert_int_equal(rig->frames[3], 1);
}

/* A bare DEALER with a valid key, connected. id NULL: none of its own. */
static void *bare(zrig_t *rig, const zrig_keys_t *keys, const void *id, size_t id_size)
{
    int none = 0;
    void *dealer = zmq_socket(rig->context, ZMQ_DEALER);
    zmq_setsockopt(dealer, ZMQ_LINGER, &none, sizeof none);
    if (keys) {
        zmq_setsockopt(dealer, ZMQ_CURVE_SERVERKEY, rig->server.public_key, 32);
        zmq_setsockopt(dealer, ZMQ_CURVE_PUBLICKEY, keys->public_key, 32);
        zmq_setsockopt(dealer, ZMQ_CURVE_SECRETKEY, keys->secret_key, 32);
    }
    if (id)
        assert_int_equal(zmq_setsockopt(dealer, ZMQ_ROUTING_ID, id, id_size), 0);
    assert_int_equal(zmq_connect(dealer, promp_zport_endpoint(rig->port)), 0);
    return dealer;
}

static void pack(uint8_t *to, uint8_t type, uint32_t size, uint8_t fds)
{
    promp_frame_t frame = {.type = type, .size = size, .fds = fds};
    promp_frame_pack(&frame, to);
}

static void hello(void *dealer)
{
    uint8_t bytes[40];
    pack(bytes, PROMP_TYPE_BEAT, 40, 0);
    assert_int_equal(zmq_send(dealer, bytes, 40, 0), 40);
}

static size_t wanted;

static bool peers_wanted(zrig_t *rig)
{
    return rig->peers >= wanted;
}

static bool gones_wanted(zrig_t *rig)
{
    return rig->gones >= wanted;
}

static uint64_t refusals(zrig_t *rig)
{
    promp_zport_counters_t counters;
    promp_zport_count(rig->port, &counters);
    return counters.refused;
}

static bool refused_wanted(zrig_t *rig)
{
    return refusals(rig) >= wanted;
}

static void test_bad_frames(void **state)
{
    /* Parts that are no frame, more than one part, descriptors, a false LINK_ACK, too large a first frame: the peer is dropped
     * with the number of what it did. */
    zrig_t *rig = *state;
    uint8_t good[41] = {0}, fds[40], type[40], ack[48] = {0};
    pack(good, PROMP_TYPE_BEAT, 40, 0);
    pack(fds, PROMP_TYPE_BEAT, 40, 2);
    pack(type, 250, 40, 0);
    pack(ack, PROMP_TYPE_LINK_ACK, 48, 0);
    ack[40] = 1;
    const struct {
        const void *bytes;
        size_t size;
        bool two;
        promp_err_t why;
    } offences[] = {
        {good, 39, false, PROMP_ERR_FRAME_SIZE},   {good, 41, false, PROMP_ERR_FRAME_SIZE},
        {"", 0, false, PROMP_ERR_FRAME_SIZE},      {good, 40, true, PROMP_ERR_FRAME_HEADER},
        {type, 40, false, PROMP_ERR_FRAME_HEADER}, {fds, 40, false, PROMP_ERR_DESCRIPTOR_COUNT},
        {ack, 48, false, PROMP_ERR_OFFSET},
    };
    for (size_t i = 0; i < sizeof offences / sizeof offences[0]; i++) {
        rig->peers = rig->gones = 0;
        rig->other = bare(rig, &rig->known[0], NULL, 0);
        hello(rig->other);
        wanted = 1;
        zrig_until(rig, peers_wanted);
        zmq_send(rig->other, offences[i].bytes, offences[i].size, offences[i].two ? ZMQ_SNDMORE : 0);
        if (offences[i].two)
            zmq_send(rig->other, good, 40, 0);
        zrig_until(rig, gones_wanted);
        assert_int_equal(rig->gone[0], rig->peer[0]);
        if (rig->why[0] != offences[i].why)
            fail_msg("offence %zu: %s", i, promp_error_name(rig->why[0]));
        zmq_close(rig->other);
    }
    rig->other = NULL;
    rig->peers = 0;
    expect_served(rig);
}

static void test_large_first_frame(void **state)
{
    /* Who begins with a large frame is no peer. */
    zrig_t *rig = *state;
    static uint8_t large[PROMP_LIMIT_PEER_FIRST + 1];
    pack(large, PROMP_TYPE_BEAT, sizeof large, 0);
    rig->other = bare(rig, &rig->known[0], NULL, 0);
    zmq_send(rig->other, large, sizeof large, 0);
    wanted = 1;
    zrig_until(rig, refused_wanted);
    assert_int_equal(rig->peers, 0);
    expect_served(rig);
}

static bool hold_bulk(zrig_t *rig, int from, promp_zpeer_t peer, const promp_frame_t *frame)
{
    (void)rig;
    (void)peer;
    return from >= 0 || !promp_link_windowed(frame);
}

static void test_credit(void **state)
{
    /* A peer that sends beyond its window is dropped with CREDIT. */
    zrig_t *rig = *state;
    static uint8_t data[PROMP_LIMIT_FRAME];
    promp_frame_t frame = {.type = PROMP_TYPE_DATA, .lane = PROMP_LANE_BULK, .size = sizeof data};
    promp_frame_pack(&frame, data);
    rig->on_frame = hold_bulk;
    rig->other = bare(rig, &rig->known[0], NULL, 0);
    hello(rig->other);
    for (int i = 0; i < 40; i++)
        zmq_send(rig->other, data, sizeof data, 0);
    wanted = 1;
    zrig_until(rig, gones_wanted);
    assert_int_equal(rig->why[0], PROMP_ERR_CREDIT);
    assert_in_range(rig->port_frames, 17, 19);
    expect_served(rig);
}

static void test_own_routing_id(void **state)
{
    /* A routing id of one's own choice is refused: it could be meant to be mistaken for another's. */
    zrig_t *rig = *state;
    zrig_up(rig, 0);
    rig->other = bare(rig, &rig->known[1], "victim", 6);
    hello(rig->other);
    wanted = 1;
    zrig_until(rig, refused_wanted);
    assert_int_equal(rig->peers, 1);
    expect_served(rig);
}

static bool victim_heard(zrig_t *rig)
{
    return rig->frames[0] == 1;
}

static void test_theft_of_a_living_id(void **state)
{
    /* Another key that claims the routing id of a living peer (say that it could guess it) is not heard, and hears nothing. */
    zrig_t *rig = *state;
    int patience = 300;
    zrig_up(rig, 0);
    rig->other = bare(rig, &rig->known[1], rig->port->peers[0]->id, PROMP_ZPORT_ID);
    zmq_setsockopt(rig->other, ZMQ_RCVTIMEO, &patience, sizeof patience);
    hello(rig->other);
    zrig_drive(rig, never, 300);
    assert_int_equal(rig->port_frames, 1);
    assert_int_equal(zrig_post(rig, rig->peer[0], PROMP_LANE_CONTROL, 0, 10, 0), PROMP_OK);
    zrig_until(rig, victim_heard);
    assert_int_equal(zmq_recv(rig->other, NULL, 0, 0), -1);
    expect_served(rig);
}

static void test_theft_of_a_dead_id(void **state)
{
    /* Another key that claims the routing id of a peer that has just ended is a new peer: the old one is gone first, and nothing
     * that was meant for it reaches the thief. */
    zrig_t *rig = *state;
    uint8_t id[PROMP_ZPORT_ID];
    zrig_up(rig, 0);
    promp_zpeer_t victim = rig->peer[0];
    memcpy(id, rig->port->peers[0]->id, sizeof id);
    promp_zlink_destroy(&rig->link[0]);
    rig->port->sweep_at = PROMP_NEVER; /* it is to be found out by the theft */
    wanted = 2;
    for (int i = 0; i < 20 && rig->peers < 2; i++) { /* too early, and libzmq ignores it */
        rig->other = bare(rig, &rig->known[1], id, sizeof id);
        hello(rig->other);
        if (zrig_drive(rig, peers_wanted, 300))
            break;
        zmq_close(rig->other);
        rig->other = NULL;
    }
    assert_int_equal(rig->peers, 2);
    assert_int_equal(rig->gones, 1);
    assert_int_equal(rig->gone[0], victim);
    assert_int_equal(rig->why[0], PROMP_ERR_PEER_LEFT);
    assert_true(rig->peer[1] != victim);
    assert_string_equal(promp_zport_property(rig->port, rig->peer[1], "User-Id"), rig->known[1].text);
    assert_null(promp_zport_property(rig->port, victim, "User-Id"));
    assert_int_equal(zrig_post(rig, victim, PROMP_LANE_CONTROL, 0, 10, 0), PROMP_ERR_PEER_LEFT);
    rig->port->sweep_at = 0;
    zrig_drive(rig, never, 2 * PROMP_TIME_SWEEP + 200);
    assert_int_equal(rig->gones, 1); /* the new one stays */
    expect_served(rig);
}

static void test_without_user_id(void **state)
{
    /* Nobody without a User-Id is heard, even where libzmq has let him in: here the handler gives none. */
    zrig_t *rig = *state;
    zrig_keys_t nameless = rig->known[0];
    rig->zap_nameless = true;
    rig->other = bare(rig, &nameless, NULL, 0);
    hello(rig->other);
    wanted = 1;
    zrig_until(rig, refused_wanted);
    assert_int_equal(rig->peers, 0);
    rig->zap_nameless = false;
    expect_served(rig);
}

static void test_refused_at_the_door(void **state)
{
    /* Neither an unknown key nor NULL gets a byte to the port, and both are counted. */
    zrig_t *rig = *state;
    promp_zport_counters_t counters = {0};
    rig->other = bare(rig, &rig->unknown, NULL, 0);
    void *plain = bare(rig, NULL, NULL, 0);
    hello(rig->other);
    hello(plain);
    int64_t end = promp_clock_ms() + ZRIG_PATIENCE;
    while ((!counters.handshake_denied || !counters.handshake_broken) && promp_clock_ms() < end) {
        zrig_drive(rig, never, 10);
        promp_zport_count(rig->port, &counters);
    }
    assert_true(counters.handshake_denied > 0);
    assert_true(counters.handshake_broken > 0);
    assert_int_equal(rig->peers, 0);
    zmq_close(plain);
    expect_served(rig);
}

static void test_silent_connections(void **state)
{
    /* Connections that say nothing are closed when the time of the handshake is over, and block nobody. */
    zrig_t *rig = *state;
    int fds[200];
    char byte;
    promp_zport_destroy(&rig->port);
    rig->port_config.handshake = 500;
    zrig_listen(rig, "tcp://127.0.0.1:0");
    for (int i = 0; i < 200; i++)
        fds[i] = zrig_plain_connect(promp_zport_endpoint(rig->port));
    expect_served(rig);
    for (int i = 0; i < 200; i++) {
        while (read(fds[i], &byte, 1) > 0) /* its greeting, then the end */
            ;
        close(fds[i]);
    }
}

static void test_monitor_trap(void **state)
{
    /* libzmq's trap: events that nobody reads stop its thread. 3,000 handshakes that are broken off while the port's own thread does nothing;
     * an honest peer's handshake still goes through. */
    zrig_t *rig = *state;
    promp_zport_counters_t counters = {0};
    for (int i = 0; i < 3000; i++) {
        int fd = zrig_plain_connect(promp_zport_endpoint(rig->port));
        close(fd);
    }
    int64_t end = promp_clock_ms() + ZRIG_PATIENCE;
    while (counters.handshake_cut + counters.handshake_broken < 2500 && promp_clock_ms() < end) {
        usleep(10000);
        promp_zport_count(rig->port, &counters);
    }
    assert_true(counters.handshake_cut + counters.handshake_broken >= 2500);
    expect_served(rig);
}

static void test_refuses_to_start(void **state)
{
    /* No handler, no domain, too few descriptors, a port that is taken or none: each its number. */
    zrig_t *rig = *state;
    promp_zport_config_t config = rig->port_config;
    promp_zport_t *port;
    promp_error_t error;
    void *bare_context = zmq_ctx_new();
    assert_int_equal(promp_zport_new(bare_context, &config, &port, &error), PROMP_ERR_SELFTEST);
    assert_null(port);
    zmq_ctx_term(bare_context);

    config.zap_domain = "";
    assert_int_equal(promp_zport_new(rig->context, &config, &port, &error), PROMP_ERR_ARGUMENT);
    config.zap_domain = ZRIG_DOMAIN;
    config.peers = 0;
    assert_int_equal(promp_zport_new(rig->context, &config, &port, &error), PROMP_ERR_ARGUMENT);
    config.peers = 10;
    config.endpoint = promp_zport_endpoint(rig->port);
    assert_int_equal(promp_zport_new(rig->context, &config, &port, &error), PROMP_ERR_PORT_TAKEN);
    static const char *const bad[] = {
        "tcp://192.0.2.1:5599", "tcp://127.0.0.1", "ipc:///nowhere/x", "inproc://x", "", NULL};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        config.endpoint = bad[i];
        assert_int_equal(promp_zport_new(rig->context, &config, &port, NULL), PROMP_ERR_PORT_ADDRESS);
    }
    struct rlimit before, few;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = before;
    few.rlim_cur = 200;
    config.endpoint = "tcp://127.0.0.1:0";
    config.peers = 200;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    promp_err_t err = promp_zport_new(rig->context, &config, &port, &error);
    setrlimit(RLIMIT_NOFILE, &before);
    assert_int_equal(err, PROMP_ERR_PEER_DESCRIPTORS);
    expect_served(rig);
}

static void test_options(void **state)
{
    /* What must be set before the first byte is set: the limits of libzmq that fail open, or abort, when they are not. */
    zrig_t *rig = *state;
    int value;
    int64_t largest;
    size_t size = sizeof value;
    promp_zport_config_t config = rig->port_config;
    rig->other = zmq_socket(rig->context, ZMQ_ROUTER);
    assert_int_equal(promp_zport_prepare(rig->other, &config, NULL), PROMP_OK);
    assert_int_equal(zmq_getsockopt(rig->other, 93, &value, &size), 0);
    assert_int_equal(value, 1);
    assert_int_equal(zmq_getsockopt(rig->other, ZMQ_CURVE_SERVER, &value, &size), 0);
    assert_int_equal(value, 1);
    assert_int_equal(zmq_getsockopt(rig->other, ZMQ_HEARTBEAT_TTL, &value, &size), 0);
    assert_int_equal(value, 0);
    size = sizeof largest;
    assert_int_equal(zmq_getsockopt(rig->other, ZMQ_MAXMSGSIZE, &largest, &size), 0);
    assert_in_range(largest, PROMP_LIMIT_FRAME + 33, PROMP_LIMIT_FRAME + 65536);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, zrig_setup, zrig_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_bad_frames),      TEST(test_large_first_frame),    TEST(test_credit),
        TEST(test_own_routing_id),  TEST(test_theft_of_a_living_id), TEST(test_theft_of_a_dead_id),
        TEST(test_without_user_id), TEST(test_refused_at_the_door),  TEST(test_silent_connections),
        TEST(test_monitor_trap),    TEST(test_refuses_to_start),     TEST(test_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
