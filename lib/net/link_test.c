/* The link: bytes into frames, its end, what breaks it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "link_rig.h"

static void test_frames(void **state)
{
    /* Frames of all sizes arrive whole and in order, both ways. */
    link_pair_t *pair = *state;
    const size_t sizes[] = {0, 1, 39, 40, 4096, 16384, 70000, PROMP_LIMIT_FRAME - PROMP_FRAME_HEADER, 5};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        assert_int_equal(link_rig_send(pair->a, PROMP_LANE_MESSAGES, i, sizes[i], 0), PROMP_OK);
        assert_int_equal(link_rig_send(pair->b, PROMP_LANE_OUTPUT, i, sizes[i], 0), PROMP_OK);
        link_rig_expect_data(pair->a, i, sizes[i]);
        for (int turn = 0; turn < 10 && promp_link_wants_write(pair->a); turn++)
            assert_int_equal(promp_link_flush(pair->a), PROMP_OK);
        link_rig_expect_data(pair->b, i, sizes[i]);
    }
}

static void test_split_everywhere(void **state)
{
    /* Two frames cut in two at every byte are read as two frames. */
    link_pair_t *pair = *state;
    uint8_t bytes[2 * PROMP_FRAME_HEADER + 30];
    size_t size[2] = {PROMP_FRAME_HEADER + 10, PROMP_FRAME_HEADER + 20};
    link_rig_pack(bytes, PROMP_TYPE_BEAT, (uint32_t)size[0], 0);
    memset(bytes + PROMP_FRAME_HEADER, 'x', 10);
    link_rig_pack(bytes + size[0], PROMP_TYPE_BYE, (uint32_t)size[1], 0);
    memset(bytes + size[0] + PROMP_FRAME_HEADER, 'y', 20);

    for (size_t cut = 1; cut < sizeof bytes; cut++) {
        promp_frame_t frame;
        int fds[PROMP_LIMIT_FRAME_FDS];
        size_t seen = 0;
        for (int part = 0; part < 2; part++) {
            bool got;
            if (part == 0)
                link_rig_write(pair->a, bytes, cut);
            else
                link_rig_write(pair->a, bytes + cut, sizeof bytes - cut);
            assert_int_equal(promp_link_read(pair->b, NULL), PROMP_OK);
            while (promp_link_next(pair->b, &frame, fds, &got) == PROMP_OK && got) {
                assert_int_equal(frame.type, seen == 0 ? PROMP_TYPE_BEAT : PROMP_TYPE_BYE);
                assert_int_equal(frame.size, size[seen]);
                assert_int_equal(frame.body.data[0], seen == 0 ? 'x' : 'y');
                seen++;
            }
            assert_int_equal(seen, part == 1 ? 2 : cut >= size[0] ? 1 : 0);
        }
    }
}

static void test_byte_by_byte(void **state)
{
    /* A frame larger than the first buffer, fed in odd pieces, arrives whole. */
    link_pair_t *pair = *state;
    size_t size = 100000;
    uint8_t *raw = malloc(PROMP_FRAME_HEADER + size);
    uint8_t *body = link_rig_body(5, size);
    promp_frame_t frame = {
        .type = PROMP_TYPE_DATA, .lane = 1, .offset = 5, .size = (uint32_t)(PROMP_FRAME_HEADER + size)};
    promp_frame_pack(&frame, raw);
    memcpy(raw + PROMP_FRAME_HEADER, body, size);
    for (size_t at = 0, step = 1; at < PROMP_FRAME_HEADER + size; at += step, step = step * 3 % 7919 + 1) {
        size_t left = PROMP_FRAME_HEADER + size - at;
        link_rig_write(pair->a, raw + at, step < left ? step : left);
        assert_int_equal(promp_link_read(pair->b, NULL), PROMP_OK);
    }
    link_rig_expect_data(pair->b, 5, size);
    free(raw);
    free(body);
}

static void test_many_small(void **state)
{
    /* Thousands of small frames through buffers that fill and compact come in order; the buffer grows and
     * shrinks. */
    link_pair_t *pair = *state;
    uint64_t sent = 0, seen = 0;
    while (seen < 5000) {
        while (sent < 5000 && sent - seen < 700)
            assert_int_equal(link_rig_send(pair->a, PROMP_LANE_CONTROL, sent, sent % 300, 0), PROMP_OK),
                sent++;
        assert_int_equal(promp_link_flush(pair->a), PROMP_OK);
        link_rig_expect_data(pair->b, seen, seen % 300);
        seen++;
    }
    for (uint64_t i = 0; i < 200; i++) {
        assert_int_equal(link_rig_send(pair->a, PROMP_LANE_CONTROL, i, 10, 0), PROMP_OK);
        link_rig_expect_data(pair->b, i, 10);
    }
    link_rig_expect_none(pair->b);
}

static void test_end(void **state)
{
    /* The end of the peer is CLOSED between frames and FRAME_TRUNCATED inside one; frames before it are still
     * given. */
    for (size_t extra = 0; extra < 2; extra++) {
        link_pair_t *pair = *state;
        uint8_t bytes[2 * PROMP_FRAME_HEADER];
        link_rig_pack(bytes, PROMP_TYPE_BYE, PROMP_FRAME_HEADER, 0);
        link_rig_pack(bytes + PROMP_FRAME_HEADER, PROMP_TYPE_BYE, PROMP_FRAME_HEADER, 0);
        link_rig_write(pair->a, bytes, PROMP_FRAME_HEADER + extra * 7);
        promp_link_destroy(&pair->a);
        assert_int_equal(promp_link_read(pair->b, NULL), PROMP_OK);
        assert_int_equal(promp_link_read(pair->b, NULL),
                         extra ? PROMP_ERR_FRAME_TRUNCATED : PROMP_ERR_CLOSED);
        promp_frame_t frame;
        int fds[PROMP_LIMIT_FRAME_FDS];
        bool got;
        assert_int_equal(promp_link_next(pair->b, &frame, fds, &got), PROMP_OK);
        assert_true(got);
        assert_int_equal(frame.type, PROMP_TYPE_BYE);
        promp_link_destroy(&pair->b);
        free(pair);
        link_rig_setup(state);
    }
}

static void test_reset(void **state)
{
    /* A peer that closes with unread data is CLOSED for reading and for writing, no signal comes. */
    link_pair_t *pair = *state;
    assert_int_equal(link_rig_send(pair->b, PROMP_LANE_MESSAGES, 0, 10, 0), PROMP_OK);
    promp_link_destroy(&pair->a);
    assert_int_equal(promp_link_read(pair->b, NULL), PROMP_ERR_CLOSED);
    assert_int_equal(link_rig_send(pair->b, PROMP_LANE_MESSAGES, 0, 10, 0), PROMP_ERR_CLOSED);
    assert_int_equal(link_rig_send(pair->b, PROMP_LANE_MESSAGES, 0, 10, 0), PROMP_ERR_CLOSED);
    assert_int_equal(promp_link_room(pair->b), 0);
    assert_false(promp_link_wants_write(pair->b));
}

static void test_bad_header(void **state)
{
    /* Sizes and headers that are not allowed spoil the link at once, before a body is waited for, and for
     * good. */
    static const struct {
        uint8_t type;
        uint32_t size;
        promp_err_t err;
    } bad[] = {{PROMP_TYPE_BEAT, PROMP_FRAME_HEADER - 1, PROMP_ERR_FRAME_SIZE},
               {PROMP_TYPE_BEAT, PROMP_LIMIT_FRAME + 1, PROMP_ERR_FRAME_SIZE},
               {PROMP_TYPE_BEAT, UINT32_MAX, PROMP_ERR_FRAME_SIZE},
               {0, PROMP_FRAME_HEADER, PROMP_ERR_FRAME_HEADER},
               {200, PROMP_FRAME_HEADER, PROMP_ERR_FRAME_HEADER}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        link_pair_t *pair = *state;
        uint8_t header[PROMP_FRAME_HEADER];
        promp_frame_t frame;
        int fds[PROMP_LIMIT_FRAME_FDS];
        bool got = true;
        link_rig_pack(header, bad[i].type, bad[i].size, 0);
        link_rig_write(pair->a, header, sizeof header);
        assert_int_equal(promp_link_read(pair->b, NULL), PROMP_OK);
        assert_int_equal(promp_link_next(pair->b, &frame, fds, &got), bad[i].err);
        assert_false(got);
        assert_int_equal(promp_link_next(pair->b, &frame, fds, &got), bad[i].err);
        link_rig_teardown(state);
        link_rig_setup(state);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, link_rig_setup, link_rig_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_frames),       TEST(test_split_everywhere),
        TEST(test_byte_by_byte), TEST(test_many_small),
        TEST(test_end),          TEST(test_reset),
        TEST(test_bad_header),
    };
    return cmocka_run_group_tests_name("link", tests, NULL, NULL);
}
