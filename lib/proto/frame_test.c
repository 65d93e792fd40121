#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "message.h"

static const promp_frame_t sample = {
    .size = PROMP_FRAME_HEADER + 3,
    .type = PROMP_TYPE_DATA,
    .lane = PROMP_LANE_OUTPUT,
    .fds = 2,
    .epoch = 0x01020304,
    .session = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}},
    .offset = 0x1122334455667788,
};

static void header_has_its_layout(void **state)
{
    /* Aim: every field of the header lies where frame.h and docs/protocol.md say, little-endian, reserved ones zero. */
    static const uint8_t expected[PROMP_FRAME_HEADER] = {
        43, 0, 0, 0, 23, 2,  2,  0,  4,  3,  2,  1,  0,    0,    0,    0,    1,    2,    3,    4,
        5,  6, 7, 8, 9,  10, 11, 12, 13, 14, 15, 16, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11};
    uint8_t header[PROMP_FRAME_HEADER];
    (void)state;

    memset(header, 0xEE, sizeof header);
    promp_frame_pack(&sample, header);
    assert_memory_equal(header, expected, sizeof header);
    assert_int_equal(promp_record_head(PROMP_TYPE_TASK, 0x123456789ABC), 0x0050123456789ABC);
    assert_int_equal(promp_frame_size(3), sample.size);
}

static void frames_come_back(void **state)
{
    /* Aim: what was packed is unpacked, byte by byte as it arrives: *need tells the header first, then the whole. */
    uint8_t wire[PROMP_FRAME_HEADER + 3 + 5] = {0};
    promp_frame_t frame;
    size_t need;
    (void)state;

    promp_frame_pack(&sample, wire);
    memcpy(wire + PROMP_FRAME_HEADER, "abc", 3);
    for (size_t size = 0; size < sizeof wire; size++) {
        uint8_t *part = malloc(size ? size : 1);
        memcpy(part, wire, size);
        assert_int_equal(promp_frame_unpack(promp_slice(part, size), &frame, &need), PROMP_OK);
        if (size < PROMP_FRAME_HEADER)
            assert_int_equal(need, PROMP_FRAME_HEADER);
        else
            assert_int_equal(need, size < sample.size ? sample.size : 0);
        if (need == 0) {
            assert_int_equal(frame.size, sample.size);
            assert_int_equal(frame.type, sample.type);
            assert_int_equal(frame.lane, sample.lane);
            assert_int_equal(frame.fds, sample.fds);
            assert_int_equal(frame.epoch, sample.epoch);
            assert_true(promp_id_equal(&frame.session, &sample.session));
            assert_true(frame.offset == sample.offset);
            assert_int_equal(frame.body.size, 3);
            assert_memory_equal(frame.body.data, "abc", 3);
        }
        free(part);
    }
}

static promp_err_t unpack(const promp_frame_t *frame)
{
    uint8_t wire[PROMP_FRAME_HEADER];
    promp_frame_t read;
    size_t need;

    promp_frame_pack(frame, wire);
    return promp_frame_unpack(promp_slice(wire, sizeof wire), &read, &need);
}

static void bad_headers_are_found_at_once(void **state)
{
    /* Aim: each limit of the header, and one beyond it, with only the header there. */
    promp_frame_t frame;
    (void)state;

    frame = sample;
    frame.size = PROMP_FRAME_HEADER - 1;
    assert_int_equal(unpack(&frame), PROMP_ERR_FRAME_SIZE);
    frame.size = 0;
    assert_int_equal(unpack(&frame), PROMP_ERR_FRAME_SIZE);
    frame.size = PROMP_LIMIT_FRAME;
    assert_int_equal(unpack(&frame), PROMP_OK);
    frame.size = PROMP_LIMIT_FRAME + 1;
    assert_int_equal(unpack(&frame), PROMP_ERR_FRAME_SIZE);
    frame.size = UINT32_MAX;
    assert_int_equal(unpack(&frame), PROMP_ERR_FRAME_SIZE);

    frame = sample;
    frame.type = 0;
    assert_int_equal(unpack(&frame), PROMP_ERR_FRAME_HEADER);
    frame.type = PROMP_TYPE_RECORD;
    assert_int_equal(unpack(&frame), PROMP_ERR_FRAME_HEADER);

    frame = sample;
    frame.lane = PROMP_LANES;
    assert_int_equal(unpack(&frame), PROMP_ERR_FRAME_HEADER);
    frame.lane = PROMP_LANE_BULK;
    frame.type = PROMP_TYPE_CONGESTED;
    assert_int_equal(unpack(&frame), PROMP_OK);
    frame.type = PROMP_TYPE_ACK;
    assert_int_equal(unpack(&frame), PROMP_ERR_FRAME_HEADER);
    frame.lane = 0;
    assert_int_equal(unpack(&frame), PROMP_ERR_FRAME_HEADER);
    frame.offset = 0;
    assert_int_equal(unpack(&frame), PROMP_OK);

    frame = sample;
    frame.fds = PROMP_LIMIT_FRAME_FDS;
    assert_int_equal(unpack(&frame), PROMP_OK);
    frame.fds = PROMP_LIMIT_FRAME_FDS + 1;
    assert_int_equal(unpack(&frame), PROMP_ERR_FRAME_HEADER);

    frame = sample;
    frame.offset = UINT64_MAX - 3;
    assert_int_equal(unpack(&frame), PROMP_OK);
    frame.offset = UINT64_MAX - 2;
    assert_int_equal(unpack(&frame), PROMP_ERR_FRAME_HEADER);
}

static void reserved_bytes_are_ignored(void **state)
{
    /* Aim: what a later version may put into the reserved bytes does not disturb this one. */
    uint8_t wire[PROMP_FRAME_HEADER];
    promp_frame_t frame;
    size_t need;
    (void)state;

    promp_frame_pack(&(promp_frame_t){.size = PROMP_FRAME_HEADER, .type = PROMP_TYPE_BYE}, wire);
    wire[7] = 0xFF;
    memset(wire + 12, 0xFF, 4);
    assert_int_equal(promp_frame_unpack(promp_slice(wire, sizeof wire), &frame, &need), PROMP_OK);
    assert_int_equal(need, 0);
    assert_int_equal(frame.body.size, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(header_has_its_layout),
        cmocka_unit_test(frames_come_back),
        cmocka_unit_test(bad_headers_are_found_at_once),
        cmocka_unit_test(reserved_bytes_are_ignored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
