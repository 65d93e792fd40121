#include "link_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

const promp_id_t link_rig_session = {{1, 2, 3}};

int link_rig_setup(void **state)
{
    int fds[2];
    link_pair_t *pair = calloc(1, sizeof *pair);
    assert_non_null(pair);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    pair->a = promp_link_new(fds[0]);
    pair->b = promp_link_new(fds[1]);
    assert_true(pair->a && pair->b);
    *state = pair;
    return 0;
}

int link_rig_teardown(void **state)
{
    link_pair_t *pair = *state;
    promp_link_destroy(&pair->a);
    promp_link_destroy(&pair->b);
    free(pair);
    return 0;
}

/* Byte i of the body of frame n. */
uint8_t link_rig_byte(uint64_t n, size_t i)
{
    return (uint8_t)(n * 31 + i * 7 + (i >> 8));
}

uint8_t *link_rig_body(uint64_t n, size_t size)
{
    uint8_t *body = malloc(size ? size : 1);
    assert_non_null(body);
    for (size_t i = 0; i < size; i++)
        body[i] = link_rig_byte(n, i);
    return body;
}

/* A DATA frame with number n as its offset; on the control lane it is urgent. */
promp_out_t link_rig_out(promp_lane_t lane, uint64_t n, const uint8_t *body, size_t size)
{
    promp_out_t out;
    memset(&out, 0, sizeof out);
    out.frame.type = PROMP_TYPE_DATA;
    out.frame.lane = (uint8_t)lane;
    out.frame.offset = n;
    out.frame.session = link_rig_session;
    out.frame.size = (uint32_t)(PROMP_FRAME_HEADER + size);
    out.part[0] = promp_slice(body, size / 3);
    out.part[1] = promp_slice(body + size / 3, size - size / 3);
    out.parts = 2;
    out.urgent = lane == PROMP_LANE_CONTROL;
    return out;
}

promp_err_t link_rig_send(promp_link_t *link, promp_lane_t lane, uint64_t n, size_t size, uint64_t tag)
{
    uint8_t *body = link_rig_body(n, size);
    promp_out_t out = link_rig_out(lane, n, body, size);
    promp_err_t err = promp_link_send(link, &out, NULL, 0, tag);
    free(body);
    return err;
}

/* Reads until there is a frame; fails when none comes. */
void link_rig_expect(promp_link_t *link, promp_frame_t *frame, int *fds)
{
    bool got = false;
    for (int i = 0; i < 1000 && !got; i++) {
        assert_int_equal(promp_link_next(link, frame, fds, &got), PROMP_OK);
        if (!got)
            assert_int_equal(promp_link_read(link, NULL), PROMP_OK);
    }
    assert_true(got);
}

void link_rig_expect_data(promp_link_t *link, uint64_t n, size_t size)
{
    promp_frame_t frame;
    int fds[PROMP_LIMIT_FRAME_FDS];
    link_rig_expect(link, &frame, fds);
    assert_int_equal(frame.type, PROMP_TYPE_DATA);
    assert_int_equal(frame.offset, n);
    assert_int_equal(frame.body.size, size);
    assert_int_equal(frame.fds, 0);
    for (size_t i = 0; i < size; i++)
        if (frame.body.data[i] != link_rig_byte(n, i))
            fail_msg("frame %d differs at byte %zu", (int)n, i);
}

void link_rig_expect_none(promp_link_t *link)
{
    promp_frame_t frame;
    int fds[PROMP_LIMIT_FRAME_FDS];
    bool got;
    assert_int_equal(promp_link_read(link, NULL), PROMP_OK);
    assert_int_equal(promp_link_next(link, &frame, fds, &got), PROMP_OK);
    assert_false(got);
}

/* Gives a raw frame header. */
void link_rig_pack(uint8_t *header, uint8_t type, uint32_t size, uint8_t fds)
{
    promp_frame_t frame = {.type = type, .size = size, .fds = fds};
    promp_frame_pack(&frame, header);
}

void link_rig_write(promp_link_t *link, const void *data, size_t size)
{
    assert_int_equal(write(promp_link_fd(link), data, size), size);
}
