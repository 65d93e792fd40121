/* The link: what goes out when and in which order, queues, tags, windows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "buf.h"
#include "link_rig.h"

/* --- out --- */

static void test_urgent_first(void **state)
{
    /* Behind a full socket urgent frames overtake data, never inside a frame that has begun. */
    link_pair_t *pair = *state;
    uint64_t n = 0;
    size_t size = 200000;
    while (!promp_link_wants_write(pair->a))
        assert_int_equal(link_rig_send(pair->a, PROMP_LANE_MESSAGES, n++, size, 0), PROMP_OK);
    assert_int_equal(link_rig_send(pair->a, PROMP_LANE_MESSAGES, n, size, 0), PROMP_OK);
    assert_int_equal(link_rig_send(pair->a, PROMP_LANE_CONTROL, 1000, 10, 0), PROMP_OK);
    assert_int_equal(link_rig_send(pair->a, PROMP_LANE_CONTROL, 1001, 10, 0), PROMP_OK);

    promp_frame_t frame;
    int fds[PROMP_LIMIT_FRAME_FDS];
    uint64_t order[64], count = 0;
    while (count < n + 3) {
        bool got;
        assert_int_equal(promp_link_flush(pair->a), PROMP_OK);
        assert_int_equal(promp_link_read(pair->b, NULL), PROMP_OK);
        while (promp_link_next(pair->b, &frame, fds, &got) == PROMP_OK && got) {
            for (size_t i = 0; i < frame.body.size; i += 997)
                assert_int_equal(frame.body.data[i], link_rig_byte(frame.offset, i));
            order[count++] = frame.offset;
        }
    }
    for (uint64_t i = 0; i < n; i++)
        assert_int_equal(order[i], i);
    assert_int_equal(order[n], 1000);
    assert_int_equal(order[n + 1], 1001);
    assert_int_equal(order[n + 2], n);
    assert_false(promp_link_wants_write(pair->a));
    assert_int_equal(promp_link_queued(pair->a), 0);
}

static void test_cork(void **state)
{
    /* Between cork and uncork small frames wait, then leave together, the urgent ones first. */
    link_pair_t *pair = *state;
    promp_link_cork(pair->a);
    assert_int_equal(link_rig_send(pair->a, PROMP_LANE_MESSAGES, 1, 100, 0), PROMP_OK);
    assert_int_equal(link_rig_send(pair->a, PROMP_LANE_CONTROL, 2, 10, 0), PROMP_OK);
    link_rig_expect_none(pair->b);
    assert_int_equal(promp_link_uncork(pair->a), PROMP_OK);
    assert_false(promp_link_wants_write(pair->a));
    assert_int_equal(promp_link_read(pair->b, NULL), PROMP_OK);
    promp_link_destroy(&pair->a); /* both were read by one call: nothing may come any more */
    link_rig_expect_data(pair->b, 2, 10);
    link_rig_expect_data(pair->b, 1, 100);
}

static void test_cork_large(void **state)
{
    /* A large frame takes along what has gathered, and order is kept. */
    link_pair_t *pair = *state;
    promp_link_cork(pair->a);
    for (uint64_t i = 0; i < 100; i++)
        assert_int_equal(link_rig_send(pair->a, PROMP_LANE_MESSAGES, i, i == 50 || i == 99 ? 60000 : 10, 0),
                         PROMP_OK);
    assert_int_equal(promp_link_uncork(pair->a), PROMP_OK);
    for (uint64_t i = 0; i < 100; i++)
        link_rig_expect_data(pair->b, i, i == 50 || i == 99 ? 60000 : 10);
}

static void test_queue_limit(void **state)
{
    /* What would pass the queue's limit is refused and not counted; what was queued still arrives. */
    link_pair_t *pair = *state;
    promp_err_t err = PROMP_OK;
    uint64_t sent = 0;
    while (!err && sent < 100000)
        if (!(err = link_rig_send(pair->a, PROMP_LANE_CONTROL, sent, PROMP_LIMIT_FRAME - PROMP_FRAME_HEADER,
                                  0)))
            sent++;
    assert_int_equal(err, PROMP_ERR_QUEUE_FULL);
    assert_true(promp_link_queued(pair->a) <= PROMP_LIMIT_LINK_QUEUE);
    assert_true(promp_link_queued(pair->a) > PROMP_LIMIT_LINK_QUEUE - PROMP_LIMIT_FRAME);
    for (uint64_t i = 0; i < sent; i++) {
        promp_frame_t frame;
        int fds[PROMP_LIMIT_FRAME_FDS];
        assert_int_equal(promp_link_flush(pair->a), PROMP_OK);
        link_rig_expect(pair->b, &frame, fds);
        assert_int_equal(frame.offset, i);
        assert_int_equal(promp_link_flush(pair->a), PROMP_OK);
    }
    assert_int_equal(promp_link_queued(pair->a), 0);
}

static void test_wrong_size(void **state)
{
    /* A frame whose size is not that of its parts is refused and disturbs nothing. */
    link_pair_t *pair = *state;
    uint8_t *body = link_rig_body(1, 10);
    promp_out_t out = link_rig_out(PROMP_LANE_MESSAGES, 1, body, 10);
    out.frame.size++;
    assert_int_equal(promp_link_send(pair->a, &out, NULL, 0, 0), PROMP_ERR_ARGUMENT);
    out.frame.size = PROMP_LIMIT_FRAME + 1;
    out.part[1].size = PROMP_LIMIT_FRAME + 1;
    assert_int_equal(promp_link_send(pair->a, &out, NULL, 0, 0), PROMP_ERR_ARGUMENT);
    free(body);
    link_rig_expect_none(pair->b);
    assert_int_equal(promp_link_room(pair->a), PROMP_LIMIT_LINK_WINDOW);
}

static void test_tags(void **state)
{
    /* Tags come back once their frames have left: at once, later, and when the queue is dropped; all bytes
     * are told. */
    link_pair_t *pair = *state;
    uint64_t tag, bytes, sent = 0, told = 0;
    assert_int_equal(link_rig_send(pair->a, PROMP_LANE_MESSAGES, 0, 10, 7), PROMP_OK);
    assert_true(promp_link_flushed(pair->a, &tag, &bytes));
    assert_int_equal(tag, 7);
    assert_int_equal(bytes, PROMP_FRAME_HEADER + 10);
    assert_false(promp_link_flushed(pair->a, &tag, &bytes));

    for (uint64_t i = 0; i < 60; i++) {
        assert_int_equal(link_rig_send(pair->a, PROMP_LANE_MESSAGES, i, 50000, 100 + i / 3), PROMP_OK);
        sent += PROMP_FRAME_HEADER + 50000;
    }
    while (promp_link_flushed(pair->a, &tag, &bytes))
        told += bytes;
    assert_true(told < sent);
    assert_in_range(sent - told, promp_link_queued(pair->a), promp_link_queued(pair->a) + 50040);
    promp_link_drop(pair->a);
    uint64_t last = 0;
    while (promp_link_flushed(pair->a, &tag, &bytes)) {
        assert_true(tag >= last);
        last = tag;
        told += bytes;
    }
    assert_int_equal(told, sent);
    assert_int_equal(last, 119);
    assert_int_equal(link_rig_send(pair->a, PROMP_LANE_MESSAGES, 0, 10, 7), PROMP_ERR_CLOSED);
}

static void test_forward(void **state)
{
    /* A relay's frame goes on as it came; the descriptors that it announced do not. */
    link_pair_t *pair = *state;
    uint8_t *body = link_rig_body(9, 300);
    promp_frame_t frame = {.type = PROMP_TYPE_DATA,
                           .lane = PROMP_LANE_BULK,
                           .fds = 2,
                           .epoch = 77,
                           .session = link_rig_session,
                           .offset = 9,
                           .size = PROMP_FRAME_HEADER + 300,
                           .body = promp_slice(body, 300)};
    promp_frame_t seen;
    int fds[PROMP_LIMIT_FRAME_FDS];
    assert_int_equal(promp_link_forward(pair->a, &frame, false, 0), PROMP_OK);
    link_rig_expect(pair->b, &seen, fds);
    assert_int_equal(seen.epoch, 77);
    assert_int_equal(seen.fds, 0);
    assert_int_equal(seen.lane, PROMP_LANE_BULK);
    assert_true(promp_id_equal(&seen.session, &link_rig_session));
    assert_memory_equal(seen.body.data, body, 300);
    frame.body.size = 299;
    assert_int_equal(promp_link_forward(pair->a, &frame, false, 0), PROMP_ERR_ARGUMENT);
    free(body);
}

/* --- windows --- */

static void test_window(void **state)
{
    /* Room shrinks with each data frame, not with control, and comes back by the reader's releases alone. */
    link_pair_t *pair = *state;
    const size_t body = 100000, frame_size = body + PROMP_FRAME_HEADER;
    uint64_t n = 0;
    assert_int_equal(promp_link_room(pair->a), PROMP_LIMIT_LINK_WINDOW);
    while (promp_link_room(pair->a) >= frame_size) {
        assert_int_equal(link_rig_send(pair->a, PROMP_LANE_MESSAGES, n, body, 0), PROMP_OK);
        assert_int_equal(promp_link_flush(pair->a), PROMP_OK);
        link_rig_expect_data(pair->b, n++, body);
    }
    uint64_t room = PROMP_LIMIT_LINK_WINDOW - n * frame_size;
    assert_int_equal(promp_link_room(pair->a), room);
    assert_int_equal(link_rig_send(pair->a, PROMP_LANE_CONTROL, 1, 1000, 0), PROMP_OK);
    link_rig_expect_data(pair->b, 1, 1000);
    assert_int_equal(promp_link_room(pair->a), room);

    promp_link_release(pair->b, frame_size); /* not worth an acknowledgement yet */
    link_rig_expect_none(pair->a);
    assert_int_equal(promp_link_room(pair->a), room);
    for (int i = 0; i < 10; i++)
        promp_link_release(pair->b, frame_size);
    link_rig_expect_none(pair->a); /* LINK_ACK is not shown */
    assert_int_equal(promp_link_room(pair->a), room + 11 * frame_size);
}

static void test_window_broken(void **state)
{
    /* A peer that sends beyond the window is stopped with CREDIT, and only then. */
    link_pair_t *pair = *state;
    promp_err_t err = PROMP_OK;
    uint64_t got_bytes = 0;
    bool got;
    for (uint64_t n = 0; n < 40 && !err; n++) {
        promp_frame_t frame;
        int fds[PROMP_LIMIT_FRAME_FDS];
        assert_int_equal(link_rig_send(pair->a, PROMP_LANE_MESSAGES, n, 200000, 0), PROMP_OK);
        got = false;
        while (!err && !got) {
            assert_int_equal(promp_link_flush(pair->a), PROMP_OK);
            assert_int_equal(promp_link_read(pair->b, NULL), PROMP_OK);
            err = promp_link_next(pair->b, &frame, fds, &got);
        }
        got_bytes += got ? frame.size : 0;
    }
    assert_int_equal(err, PROMP_ERR_CREDIT);
    assert_true(got_bytes >= PROMP_LIMIT_LINK_WINDOW);
    assert_true(got_bytes <= PROMP_LIMIT_LINK_WINDOW + 2 * PROMP_LIMIT_FRAME);
}

static void test_bad_ack(void **state)
{
    /* An acknowledgement of what was never sent, and a malformed one, spoil the link. */
    const uint64_t released[] = {1, UINT64_MAX};
    for (size_t i = 0; i < 3; i++) {
        link_pair_t *pair = *state;
        uint8_t bytes[PROMP_FRAME_HEADER + 8] = {0};
        promp_frame_t frame;
        int fds[PROMP_LIMIT_FRAME_FDS];
        bool got;
        uint32_t size = i < 2 ? sizeof bytes : PROMP_FRAME_HEADER + 3;
        link_rig_pack(bytes, PROMP_TYPE_LINK_ACK, size, 0);
        if (i < 2)
            promp_put64(bytes + PROMP_FRAME_HEADER, released[i]);
        link_rig_write(pair->a, bytes, size);
        assert_int_equal(promp_link_read(pair->b, NULL), PROMP_OK);
        assert_int_equal(promp_link_next(pair->b, &frame, fds, &got),
                         i < 2 ? PROMP_ERR_OFFSET : PROMP_ERR_MESSAGE_FIELD);
        assert_false(got);
        link_rig_teardown(state);
        link_rig_setup(state);
    }
}

static void test_late_ack(void **state)
{
    /* An older acknowledgement behind a newer one takes no room away. */
    link_pair_t *pair = *state;
    uint8_t bytes[PROMP_FRAME_HEADER + 8] = {0};
    assert_int_equal(link_rig_send(pair->b, PROMP_LANE_MESSAGES, 0, 1000, 0), PROMP_OK);
    link_rig_pack(bytes, PROMP_TYPE_LINK_ACK, sizeof bytes, 0);
    for (uint64_t released = 1000; released > 0; released -= 500) {
        promp_put64(bytes + PROMP_FRAME_HEADER, released);
        link_rig_write(pair->a, bytes, sizeof bytes);
        link_rig_expect_none(pair->b);
        assert_int_equal(promp_link_room(pair->b), PROMP_LIMIT_LINK_WINDOW - 40);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, link_rig_setup, link_rig_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_urgent_first),  TEST(test_cork),    TEST(test_cork_large), TEST(test_queue_limit),
        TEST(test_wrong_size),    TEST(test_tags),    TEST(test_forward),    TEST(test_window),
        TEST(test_window_broken), TEST(test_bad_ack), TEST(test_late_ack),
    };
    return cmocka_run_group_tests_name("link_out", tests, NULL, NULL);
}
