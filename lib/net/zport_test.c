/* The broker's end: who peers are, each with windows and queues of its own, how they leave. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include <cmocka.h>

#include "zlink_rig.h"

static bool never(zrig_t *rig)
{
    (void)rig;
    return false;
}

static bool lost(zrig_t *rig)
{
    return promp_zlink_state(rig->link[0]) == PROMP_ZLINK_LOST;
}

static void test_identities(void **state)
{
    /* Two peers are told apart by the keys of their handshakes; the ZAP handler's properties arrive. */
    zrig_t *rig = *state;
    zrig_up(rig, 0);
    zrig_up(rig, 1);
    assert_true(rig->peer[0] != rig->peer[1] && rig->peer[0] && rig->peer[1]);
    assert_string_equal(promp_zport_property(rig->port, rig->peer[0], "User-Id"), rig->known[0].text);
    assert_string_equal(promp_zport_property(rig->port, rig->peer[1], "User-Id"), rig->known[1].text);
    assert_string_equal(promp_zport_property(rig->port, rig->peer[1], "Role"), "manager");
    assert_non_null(strstr(promp_zport_property(rig->port, rig->peer[1], "Peer-Address"), "127.0.0.1"));
    assert_null(promp_zport_property(rig->port, rig->peer[1], "Nonsense"));
    assert_null(promp_zport_property(rig->port, rig->peer[1] + ((uint64_t)1 << 32), "User-Id"));
    assert_null(promp_zport_property(rig->port, 12345, "User-Id"));
}

/* A relay: what link 0 sends goes to the peer of link 1, and back. */
static bool relay(zrig_t *rig, int from, promp_zpeer_t peer, const promp_frame_t *frame)
{
    if (from < 0)
        assert_int_equal(promp_zport_forward(rig->port, rig->peer[peer == rig->peer[0]], frame, false, 9),
                         PROMP_OK);
    else
        zrig_check(frame, frame->offset, frame->offset);
    return true;
}

static bool relayed(zrig_t *rig)
{
    return rig->frames[1] == 200 && rig->frames[0] == 200;
}

static void test_relay(void **state)
{
    /* Frames pass from peer to peer unchanged, and their tags come back. */
    zrig_t *rig = *state;
    uint64_t tag, bytes, sum = 0;
    zrig_up(rig, 0);
    zrig_up(rig, 1);
    rig->on_frame = relay;
    for (uint64_t i = 0; i < 200; i++)
        for (int n = 0; n < 2; n++)
            assert_int_equal(zrig_send(rig->link[n], PROMP_LANE_MESSAGES, i, i, 0), PROMP_OK);
    zrig_until(rig, relayed);
    while (promp_zport_flushed(rig->port, &tag, &bytes)) {
        assert_int_equal(tag, 9);
        sum += bytes;
    }
    assert_int_equal(sum, 2 * (200 * PROMP_FRAME_HEADER + 199 * 100));
}

#define BIG (PROMP_LIMIT_FRAME - PROMP_FRAME_HEADER)

static bool many_at_1(zrig_t *rig)
{
    return rig->frames[1] >= 2000;
}

static void test_slow_reader(void **state)
{
    /* A peer that reads nothing costs itself alone: its queue fills and says so, control still fits in, and another peer gets all
     * of its frames meanwhile. When it reads again it gets all that was taken for it. */
    zrig_t *rig = *state;
    uint64_t taken = 0, given = 0;
    zrig_up(rig, 0);
    zrig_up(rig, 1);
    rig->hold_link[0] = true;
    promp_err_t err;
    while (!(err = zrig_post(rig, rig->peer[0], PROMP_LANE_BULK, taken, BIG, 0)))
        taken++;
    assert_int_equal(err, PROMP_ERR_QUEUE_FULL);
    assert_in_range(taken * PROMP_LIMIT_FRAME, PROMP_LIMIT_PEER_DATA,
                    PROMP_LIMIT_PEER_DATA + PROMP_LIMIT_LINK_WINDOW + PROMP_LIMIT_FRAME);
    assert_in_range(promp_zport_queued(rig->port, rig->peer[0]), PROMP_LIMIT_PEER_DATA - PROMP_LIMIT_FRAME,
                    PROMP_LIMIT_PEER_DATA);
    assert_int_equal(zrig_post(rig, rig->peer[0], PROMP_LANE_CONTROL, 0, 100, 0), PROMP_OK);
    while (given < 2000) {
        if (promp_zport_room(rig->port, rig->peer[1]) > 10000)
            assert_int_equal(zrig_post(rig, rig->peer[1], PROMP_LANE_BULK, given++, 10000, 0), PROMP_OK);
        else
            zrig_drive(rig, many_at_1, 1);
    }
    zrig_until(rig, many_at_1);
    assert_int_equal(zrig_post(rig, rig->peer[0], PROMP_LANE_BULK, taken, BIG, 0), PROMP_ERR_QUEUE_FULL);
    rig->hold_link[0] = false;
    rig->test = &taken;
    int64_t end = promp_clock_ms() + ZRIG_PATIENCE;
    while (rig->frames[0] < taken + 1 && promp_clock_ms() < end)
        zrig_drive(rig, never, 10);
    assert_int_equal(rig->frames[0], taken + 1);
    assert_int_equal(promp_zport_queued(rig->port, rig->peer[0]), 0);
    assert_false(lost(rig));
}

#define FLOOD 20000 /* bytes of each: they are encrypted more slowly than they are given */

static uint64_t flood;

static bool flood_is_there(zrig_t *rig)
{
    return rig->frames[0] >= flood;
}

static bool flood_is_at_port(zrig_t *rig)
{
    return rig->port_frames >= flood;
}

static void test_control_flood(void **state)
{
    /* Control frames beyond what libzmq takes for a peer wait here, and all go once it reads: no wake-up is lost, at either
     * end. */
    zrig_t *rig = *state;
    static uint8_t body[FLOOD];
    promp_out_t out = zrig_out(PROMP_LANE_CONTROL, 0, body, sizeof body);
    zrig_up(rig, 0);
    for (flood = 0; promp_zport_queued(rig->port, rig->peer[0]) < 100 * FLOOD; flood++)
        assert_int_equal(promp_zport_send(rig->port, rig->peer[0], &out, 0), PROMP_OK);
    zrig_until(rig, flood_is_there);
    assert_int_equal(promp_zport_queued(rig->port, rig->peer[0]), 0);
    assert_int_equal(rig->frames[0], flood);

    rig->port_frames = 0;
    for (flood = 0; promp_zlink_queued(rig->link[0]) < 100 * FLOOD; flood++)
        assert_int_equal(promp_zlink_send(rig->link[0], &out, 0), PROMP_OK);
    assert_true(promp_zlink_wants_write(rig->link[0]));
    zrig_until(rig, flood_is_at_port);
    assert_int_equal(rig->port_frames, flood);
    assert_int_equal(promp_zlink_queued(rig->link[0]), 0);
}

static void test_kick(void **state)
{
    /* A kicked peer loses its connection at once, nothing it still sends is seen, its number is dead, and it may come back as
     * another peer. The peer beside it notices nothing. */
    zrig_t *rig = *state;
    zrig_up(rig, 0);
    zrig_up(rig, 1);
    for (int i = 0; i < 20; i++)
        assert_int_equal(zrig_send(rig->link[0], PROMP_LANE_BULK, 0, 1000, 0), PROMP_OK);
    uint64_t before = rig->port_frames;
    promp_zpeer_t kicked = rig->peer[0];
    promp_zport_kick(rig->port, kicked);
    assert_int_equal(zrig_post(rig, kicked, PROMP_LANE_CONTROL, 0, 10, 0), PROMP_ERR_PEER_LEFT);
    int64_t start = promp_clock_ms();
    zrig_until(rig, lost);
    assert_in_range(promp_clock_ms() - start, 0, 1000);
    assert_int_equal(rig->port_frames, before);
    promp_zport_kick(rig->port, kicked); /* again: nothing */

    promp_zlink_destroy(&rig->link[0]);
    zrig_up(rig, 0);
    assert_int_equal(rig->peers, 3);
    assert_true(rig->peer[2] != kicked);
    zrig_drive(rig, never, 2 * PROMP_TIME_SWEEP + 200);
    assert_int_equal(rig->gones, 0);
    assert_int_equal(promp_zlink_state(rig->link[1]), PROMP_ZLINK_UP);
    assert_int_equal(zrig_post(rig, rig->peer[1], PROMP_LANE_CONTROL, 0, 10, 0), PROMP_OK);
    assert_int_equal(zrig_post(rig, rig->peer[2], PROMP_LANE_CONTROL, 0, 10, 0), PROMP_OK);
}

static void test_numbers(void **state)
{
    /* Peers that come and go never get the number of another, and their entries are used again. */
    zrig_t *rig = *state;
    promp_zpeer_t all[40];
    for (int i = 0; i < 40; i++) {
        rig->peers = rig->gones = 0;
        zrig_up(rig, 0);
        all[i] = rig->peer[0];
        for (int j = 0; j < i; j++)
            assert_true(all[j] != all[i]);
        if (i % 2)
            promp_zport_kick(rig->port, all[i]);
        promp_zlink_destroy(&rig->link[0]);
    }
    for (int i = 0; i < 40; i++)
        assert_in_range((uint32_t)all[i], 0, 49);
}

static bool refused(zrig_t *rig)
{
    promp_zport_counters_t counters;
    promp_zport_count(rig->port, &counters);
    return counters.refused > 0;
}

static void test_limit_on_peers(void **state)
{
    /* Beyond the limit a connection is closed; when a peer leaves there is room again. */
    zrig_t *rig = *state;
    promp_zport_destroy(&rig->port);
    rig->port_config.peers = 1;
    zrig_listen(rig, "tcp://127.0.0.1:0");
    zrig_up(rig, 1);
    zrig_dial(rig, 0, NULL, &rig->known[0]);
    assert_int_equal(zrig_send(rig->link[0], PROMP_LANE_CONTROL, 0, 10, 0), PROMP_OK);
    zrig_until(rig, lost);
    assert_true(refused(rig));
    assert_int_equal(rig->peers, 1);
    promp_zport_kick(rig->port, rig->peer[0]);
    promp_zlink_destroy(&rig->link[0]);
    zrig_up(rig, 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, zrig_setup, zrig_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_identities), TEST(test_relay),   TEST(test_slow_reader),    TEST(test_control_flood),
        TEST(test_kick),       TEST(test_numbers), TEST(test_limit_on_peers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
