/* Frames over a ZeroMQ link, both ways: bytes, order, windows, queues, tags; what spoils it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <zmq.h>

#include <cmocka.h>

#include "zlink_rig.h"

static const size_t sizes[] = {0, 1, 39, 40, 4096, 16384, 70000, PROMP_LIMIT_FRAME - PROMP_FRAME_HEADER, 5};
#define SIZES (sizeof sizes / sizeof sizes[0])

static bool echo(zrig_t *rig, int from, promp_zpeer_t peer, const promp_frame_t *frame)
{
    zrig_check(frame, frame->offset, sizes[frame->offset % SIZES]);
    if (from < 0)
        assert_int_equal(promp_zport_forward(rig->port, peer, frame, false, 0), PROMP_OK);
    else
        assert_int_equal(frame->offset, rig->frames[from] - 1);
    return true;
}

static bool all_sizes(zrig_t *rig)
{
    return rig->frames[0] == 3 * SIZES;
}

static void test_round_trip(void **state)
{
    /* Frames of all sizes arrive whole and in order, there and back; those sent before the link is up as well. */
    zrig_t *rig = *state;
    rig->on_frame = echo;
    zrig_dial(rig, 0, NULL, &rig->known[0]);
    assert_int_equal(promp_zlink_state(rig->link[0]), PROMP_ZLINK_CONNECTING);
    for (uint64_t i = 0; i < 3 * SIZES; i++) /* the first ones small: a peer's first frame is its HELLO */
        assert_int_equal(zrig_send(rig->link[0], PROMP_LANE_MESSAGES, i, sizes[i % SIZES], 0), PROMP_OK);
    zrig_until(rig, all_sizes);
    assert_int_equal(promp_zlink_state(rig->link[0]), PROMP_ZLINK_UP);
    assert_int_equal(promp_zlink_why(rig->link[0], NULL), PROMP_OK);
    assert_int_equal(rig->peers, 1);
    assert_int_equal(rig->gones, 0);
    assert_int_equal(promp_zlink_queued(rig->link[0]), 0);
    assert_true(promp_zlink_received(rig->link[0]) >= 3 * PROMP_LIMIT_FRAME);
}

#define MANY 10000

static bool count_in_order(zrig_t *rig, int from, promp_zpeer_t peer, const promp_frame_t *frame)
{
    uint64_t *next = rig->test;

    (void)peer;
    if (frame->lane == PROMP_LANE_CONTROL)
        return true;
    zrig_check(frame, next[from < 0], frame->offset % 300);
    next[from < 0]++;
    return true;
}

static bool both_many(zrig_t *rig)
{
    uint64_t *next = rig->test;
    return next[0] == MANY && next[1] == MANY;
}

static void test_tiny_window(void **state)
{
    /* 10,000 frames each way at once through a window of 2 KiB: all arrive, in order, and libzmq never has more of them. */
    zrig_t *rig = *state;
    uint64_t next[2] = {0, 0};
    promp_zport_destroy(&rig->port);
    rig->port_config.window = 2048;
    zrig_listen(rig, "tcp://127.0.0.1:0");
    rig->test = next;
    zrig_up(rig, 0);
    rig->on_frame = count_in_order;
    for (uint64_t i = 0; i < MANY; i++) {
        assert_int_equal(zrig_send(rig->link[0], PROMP_LANE_MESSAGES, i, i % 300, 0), PROMP_OK);
        assert_int_equal(zrig_post(rig, rig->peer[0], PROMP_LANE_OUTPUT, i, i % 300, 0), PROMP_OK);
    }
    assert_int_equal(promp_zlink_room(rig->link[0]), 0);
    assert_int_equal(promp_zport_room(rig->port, rig->peer[0]), 0);
    assert_true(promp_zlink_queued(rig->link[0]) >= MANY * (PROMP_FRAME_HEADER + 148) - 2048 - 400);
    zrig_until(rig, both_many);
    assert_int_equal(promp_zlink_queued(rig->link[0]), 0);
    assert_int_equal(promp_zport_queued(rig->port, rig->peer[0]), 0);
}

static bool see_control(zrig_t *rig, int from, promp_zpeer_t peer, const promp_frame_t *frame)
{
    (void)from;
    (void)peer;
    if (frame->offset == 777)
        *(uint64_t *)rig->test = rig->port_frames;
    return true;
}

static bool hundred(zrig_t *rig)
{
    return rig->port_frames >= 101;
}

static void test_urgent(void **state)
{
    /* An urgent frame overtakes the data that waits for the window. */
    zrig_t *rig = *state;
    uint64_t place = 0;
    promp_zport_destroy(&rig->port);
    rig->port_config.window = 2048;
    zrig_listen(rig, "tcp://127.0.0.1:0");
    zrig_up(rig, 0);
    rig->test = &place;
    rig->on_frame = see_control;
    rig->port_frames = 0;
    for (uint64_t i = 0; i < 100; i++)
        assert_int_equal(zrig_send(rig->link[0], PROMP_LANE_BULK, i, 1000, 0), PROMP_OK);
    assert_int_equal(zrig_send(rig->link[0], PROMP_LANE_CONTROL, 777, 10, 0), PROMP_OK);
    zrig_until(rig, hundred);
    assert_in_range(place, 1, 4);
}

static void test_tags(void **state)
{
    /* A tag comes back when its frame has gone to libzmq, or was dropped; none before. */
    zrig_t *rig = *state;
    uint64_t tag, bytes;
    promp_zport_destroy(&rig->port);
    rig->port_config.window = 2048;
    zrig_listen(rig, "tcp://127.0.0.1:0");
    zrig_up(rig, 0);
    for (int i = 0; i < 5; i++)
        assert_int_equal(zrig_send(rig->link[0], PROMP_LANE_BULK, 1, 960, 5), PROMP_OK);
    assert_int_equal(zrig_send(rig->link[0], PROMP_LANE_BULK, 1, 60, 6), PROMP_OK);
    assert_true(promp_zlink_flushed(rig->link[0], &tag, &bytes));
    assert_int_equal(tag, 5);
    assert_int_equal(bytes, 3000); /* the third frame begins inside the window */
    assert_false(promp_zlink_flushed(rig->link[0], &tag, &bytes));
    assert_int_equal(promp_zlink_queued(rig->link[0]), 2100);
    promp_zlink_drop(rig->link[0]);
    assert_true(promp_zlink_flushed(rig->link[0], &tag, &bytes));
    assert_int_equal(bytes, 2000);
    assert_true(promp_zlink_flushed(rig->link[0], &tag, &bytes));
    assert_int_equal(tag, 6);
    assert_false(promp_zlink_flushed(rig->link[0], &tag, &bytes));
    assert_int_equal(zrig_send(rig->link[0], PROMP_LANE_BULK, 1, 60, 6), PROMP_ERR_CLOSED);
}

static void test_limits_of_sending(void **state)
{
    /* A frame that is too large, one whose size does not fit, and one beyond the queue's limit are not sent. */
    zrig_t *rig = *state;
    static uint8_t body[PROMP_LIMIT_FRAME];
    zrig_dial(rig, 0, NULL, &rig->known[0]); /* not up: all waits here */
    promp_out_t out = zrig_out(PROMP_LANE_BULK, 0, body, PROMP_LIMIT_FRAME - PROMP_FRAME_HEADER + 1);
    assert_int_equal(promp_zlink_send(rig->link[0], &out, 0), PROMP_ERR_ARGUMENT);
    out = zrig_out(PROMP_LANE_BULK, 0, body, 100);
    out.frame.size++;
    assert_int_equal(promp_zlink_send(rig->link[0], &out, 0), PROMP_ERR_ARGUMENT);
    promp_frame_t frame = out.frame;
    frame.body = promp_slice(body, 100);
    assert_int_equal(promp_zlink_forward(rig->link[0], &frame, false, 0), PROMP_ERR_ARGUMENT);
    assert_int_equal(promp_zlink_queued(rig->link[0]), 0);

    out = zrig_out(PROMP_LANE_BULK, 0, body, PROMP_LIMIT_FRAME - PROMP_FRAME_HEADER);
    for (size_t n = 0; n < PROMP_LIMIT_LINK_QUEUE / PROMP_LIMIT_FRAME; n++)
        assert_int_equal(promp_zlink_send(rig->link[0], &out, 0), PROMP_OK);
    assert_int_equal(promp_zlink_send(rig->link[0], &out, 0), PROMP_ERR_QUEUE_FULL);
    assert_int_equal(zrig_send(rig->link[0], PROMP_LANE_CONTROL, 0, 10, 0), PROMP_OK); /* control apart */
}

/* A broker that keeps no rules: a bare ROUTER with the port's key. Sends what it is told to whoever says HELLO. */
typedef struct {
    const void *bytes[2];
    size_t size[2];
    promp_err_t error;
} offence_t;

static bool is_spoilt(zrig_t *rig)
{
    return rig->spoilt[0] || promp_zlink_state(rig->link[0]) == PROMP_ZLINK_LOST;
}

static void *bare_router(zrig_t *rig, char endpoint[64])
{
    int yes = 1, none = 0;
    size_t size = 64;
    void *router = zmq_socket(rig->context, ZMQ_ROUTER);
    zmq_setsockopt(router, ZMQ_CURVE_SERVER, &yes, sizeof yes);
    zmq_setsockopt(router, ZMQ_CURVE_SECRETKEY, rig->server.secret_key, 32);
    zmq_setsockopt(router, ZMQ_ZAP_DOMAIN, ZRIG_DOMAIN, 5);
    zmq_setsockopt(router, ZMQ_LINGER, &none, sizeof none);
    assert_int_equal(zmq_bind(router, "tcp://127.0.0.1:*"), 0);
    assert_int_equal(zmq_getsockopt(router, ZMQ_LAST_ENDPOINT, endpoint, &size), 0);
    return router;
}

static bool is_up(zrig_t *rig)
{
    return promp_zlink_state(rig->link[0]) == PROMP_ZLINK_UP;
}

static promp_err_t outcome(zrig_t *rig, void *router, const char *endpoint, const offence_t *offence)
{
    uint8_t id[5];
    zrig_dial(rig, 0, endpoint, &rig->known[0]);
    zrig_until(rig, is_up);
    assert_int_equal(zrig_send(rig->link[0], PROMP_LANE_CONTROL, 0, 10, 0), PROMP_OK);
    assert_int_equal(zmq_recv(router, id, 5, 0), 5);
    assert_int_equal(zmq_recv(router, NULL, 0, 0), 50);
    zmq_send(router, id, 5, ZMQ_SNDMORE);
    zmq_send(router, offence->bytes[0], offence->size[0], offence->bytes[1] ? ZMQ_SNDMORE : 0);
    if (offence->bytes[1])
        zmq_send(router, offence->bytes[1], offence->size[1], 0);
    zrig_until(rig, is_spoilt);
    promp_err_t err = rig->spoilt[0] ? rig->spoilt[0] : promp_zlink_why(rig->link[0], NULL);
    if (rig->spoilt[0]) { /* it stays so */
        promp_frame_t frame;
        bool got;
        assert_int_equal(promp_zlink_next(rig->link[0], &frame, &got), err);
        assert_false(got);
    }
    promp_zlink_destroy(&rig->link[0]);
    rig->spoilt[0] = PROMP_OK;
    return err;
}

static void pack(uint8_t *to, uint8_t type, uint32_t size, uint8_t fds)
{
    promp_frame_t frame = {.type = type, .size = size, .fds = fds};
    promp_frame_pack(&frame, to);
}

static void test_bad_parts(void **state)
{
    /* Parts that are no frame, more than one part, descriptors and a false LINK_ACK each spoil the link with their number. */
    zrig_t *rig = *state;
    uint8_t good[41] = {0}, fds[40], type[40], longer[40], ack[48] = {0};
    static uint8_t large[PROMP_LIMIT_FRAME + 1], huge[2 * PROMP_LIMIT_FRAME];
    char endpoint[64];
    pack(good, PROMP_TYPE_BEAT, 40, 0);
    pack(fds, PROMP_TYPE_BEAT, 40, 1);
    pack(type, 200, 40, 0);
    pack(longer, PROMP_TYPE_BEAT, 41, 0);
    pack(ack, PROMP_TYPE_LINK_ACK, 48, 0);
    memset(ack + 40, 0x7F, 8);
    pack(large, PROMP_TYPE_BEAT, PROMP_LIMIT_FRAME, 0);
    const offence_t offences[] = {
        {{good}, {39}, PROMP_ERR_FRAME_SIZE},
        {{""}, {0}, PROMP_ERR_FRAME_SIZE},
        {{good}, {41}, PROMP_ERR_FRAME_SIZE},
        {{longer}, {40}, PROMP_ERR_FRAME_SIZE},
        {{large}, {PROMP_LIMIT_FRAME + 1}, PROMP_ERR_FRAME_SIZE},
        {{huge}, {sizeof huge}, PROMP_ERR_CLOSED},
        {{type}, {40}, PROMP_ERR_FRAME_HEADER},
        {{good, "x"}, {40, 1}, PROMP_ERR_FRAME_HEADER},
        {{fds}, {40}, PROMP_ERR_DESCRIPTOR_COUNT},
        {{ack}, {48}, PROMP_ERR_OFFSET},
    };
    void *router = rig->other = bare_router(rig, endpoint);
    for (size_t i = 0; i < sizeof offences / sizeof offences[0]; i++) {
        promp_err_t err = outcome(rig, router, endpoint, &offences[i]);
        if (err != offences[i].error)
            fail_msg("offence %zu: %s", i, promp_error_name(err));
    }
}

static bool keep_all(zrig_t *rig, int from, promp_zpeer_t peer, const promp_frame_t *frame)
{
    (void)rig;
    (void)peer;
    (void)frame;
    return from < 0;
}

static void test_credit(void **state)
{
    /* A broker that sends beyond the window is found out. */
    zrig_t *rig = *state;
    promp_zlink_config_t config;
    promp_zport_destroy(&rig->port);
    rig->port_config.window = 2 * PROMP_LIMIT_LINK_WINDOW;
    zrig_listen(rig, "tcp://127.0.0.1:0");
    zrig_config(rig, &rig->known[0], &config);
    config.window = 4096; /* the port thinks otherwise */
    assert_int_equal(promp_zlink_dial(&config, promp_clock_ms(), &rig->link[0], NULL), PROMP_OK);
    assert_int_equal(zrig_send(rig->link[0], PROMP_LANE_CONTROL, 0, 10, 0), PROMP_OK);
    rig->on_frame = keep_all;
    while (rig->peers == 0)
        zrig_until(rig, is_up), zrig_drive(rig, is_spoilt, 10);
    for (int i = 0; i < 10; i++)
        assert_int_equal(zrig_post(rig, rig->peer[0], PROMP_LANE_BULK, 0, 60000, 0), PROMP_OK);
    zrig_until(rig, is_spoilt);
    assert_int_equal(rig->spoilt[0], PROMP_ERR_CREDIT);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, zrig_setup, zrig_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_round_trip),        TEST(test_tiny_window), TEST(test_urgent), TEST(test_tags),
        TEST(test_limits_of_sending), TEST(test_bad_parts),   TEST(test_credit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
