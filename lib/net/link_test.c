#include "link.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "buf.h"

static const promp_id_t some_session = {{1, 2, 3}};

/* Two links over a socket pair. */
typedef struct {
    promp_link_t *a, *b;
} pair_t;

static int setup(void **state)
{
    int fds[2];
    pair_t *pair = calloc(1, sizeof *pair);
    assert_non_null(pair);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    pair->a = promp_link_new(fds[0]);
    pair->b = promp_link_new(fds[1]);
    assert_true(pair->a && pair->b);
    *state = pair;
    return 0;
}

static int teardown(void **state)
{
    pair_t *pair = *state;
    promp_link_destroy(&pair->a);
    promp_link_destroy(&pair->b);
    free(pair);
    return 0;
}

static int open_fds(void)
{
    int count = 0;
    for (int fd = 0; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

/* Byte i of the body of frame n. */
static uint8_t pattern(uint64_t n, size_t i)
{
    return (uint8_t)(n * 31 + i * 7 + (i >> 8));
}

static uint8_t *body_of(uint64_t n, size_t size)
{
    uint8_t *body = malloc(size ? size : 1);
    assert_non_null(body);
    for (size_t i = 0; i < size; i++)
        body[i] = pattern(n, i);
    return body;
}

/* A DATA frame with number n as its offset; on the control lane it is urgent. */
static promp_out_t data_out(promp_lane_t lane, uint64_t n, const uint8_t *body, size_t size)
{
    promp_out_t out;
    memset(&out, 0, sizeof out);
    out.frame.type = PROMP_TYPE_DATA;
    out.frame.lane = (uint8_t)lane;
    out.frame.offset = n;
    out.frame.session = some_session;
    out.frame.size = (uint32_t)(PROMP_FRAME_HEADER + size);
    out.part[0] = promp_slice(body, size / 3);
    out.part[1] = promp_slice(body + size / 3, size - size / 3);
    out.parts = 2;
    out.urgent = lane == PROMP_LANE_CONTROL;
    return out;
}

static promp_err_t send_data(promp_link_t *link, promp_lane_t lane, uint64_t n, size_t size, uint64_t tag)
{
    uint8_t *body = body_of(n, size);
    promp_out_t out = data_out(lane, n, body, size);
    promp_err_t err = promp_link_send(link, &out, NULL, 0, tag);
    free(body);
    return err;
}

/* Reads until there is a frame; fails when none comes. */
static void expect(promp_link_t *link, promp_frame_t *frame, int *fds)
{
    bool got = false;
    for (int i = 0; i < 1000 && !got; i++) {
        assert_int_equal(promp_link_next(link, frame, fds, &got), PROMP_OK);
        if (!got)
            assert_int_equal(promp_link_read(link, NULL), PROMP_OK);
    }
    assert_true(got);
}

static void expect_data(promp_link_t *link, uint64_t n, size_t size)
{
    promp_frame_t frame;
    int fds[PROMP_LIMIT_FRAME_FDS];
    expect(link, &frame, fds);
    assert_int_equal(frame.type, PROMP_TYPE_DATA);
    assert_int_equal(frame.offset, n);
    assert_int_equal(frame.body.size, size);
    assert_int_equal(frame.fds, 0);
    for (size_t i = 0; i < size; i++)
        if (frame.body.data[i] != pattern(n, i))
            fail_msg("frame %d differs at byte %zu", (int)n, i);
}

static void expect_none(promp_link_t *link)
{
    promp_frame_t frame;
    int fds[PROMP_LIMIT_FRAME_FDS];
    bool got;
    assert_int_equal(promp_link_read(link, NULL), PROMP_OK);
    assert_int_equal(promp_link_next(link, &frame, fds, &got), PROMP_OK);
    assert_false(got);
}

/* Gives a raw frame header. */
static void pack(uint8_t *header, uint8_t type, uint32_t size, uint8_t fds)
{
    promp_frame_t frame = {.type = type, .size = size, .fds = fds};
    promp_frame_pack(&frame, header);
}

static void write_all(promp_link_t *link, const void *data, size_t size)
{
    assert_int_equal(write(promp_link_fd(link), data, size), size);
}

/* Writes raw bytes with descriptors to the socket behind a link. */
static void write_fds(promp_link_t *link, const void *data, size_t size, const int *fds, size_t count)
{
    char control[CMSG_SPACE(sizeof(int) * 16)] = {0};
    struct iovec iov = {(void *)data, size};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control};
    message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
    struct cmsghdr *c = CMSG_FIRSTHDR(&message);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int) * count);
    memcpy(CMSG_DATA(c), fds, sizeof(int) * count);
    assert_int_equal(sendmsg(promp_link_fd(link), &message, 0), size);
}

/* --- framing --- */

static void test_frames(void **state)
{
    /* Frames of all sizes arrive whole and in order, both ways. */
    pair_t *pair = *state;
    const size_t sizes[] = {0, 1, 39, 40, 4096, 16384, 70000, PROMP_LIMIT_FRAME - PROMP_FRAME_HEADER, 5};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        assert_int_equal(send_data(pair->a, PROMP_LANE_MESSAGES, i, sizes[i], 0), PROMP_OK);
        assert_int_equal(send_data(pair->b, PROMP_LANE_OUTPUT, i, sizes[i], 0), PROMP_OK);
        expect_data(pair->a, i, sizes[i]);
        for (int turn = 0; turn < 10 && promp_link_wants_write(pair->a); turn++)
            assert_int_equal(promp_link_flush(pair->a), PROMP_OK);
        expect_data(pair->b, i, sizes[i]);
    }
}

static void test_split_everywhere(void **state)
{
    /* Two frames cut in two at every byte are read as two frames. */
    pair_t *pair = *state;
    uint8_t bytes[2 * PROMP_FRAME_HEADER + 30];
    size_t size[2] = {PROMP_FRAME_HEADER + 10, PROMP_FRAME_HEADER + 20};
    pack(bytes, PROMP_TYPE_BEAT, (uint32_t)size[0], 0);
    memset(bytes + PROMP_FRAME_HEADER, 'x', 10);
    pack(bytes + size[0], PROMP_TYPE_BYE, (uint32_t)size[1], 0);
    memset(bytes + size[0] + PROMP_FRAME_HEADER, 'y', 20);

    for (size_t cut = 1; cut < sizeof bytes; cut++) {
        promp_frame_t frame;
        int fds[PROMP_LIMIT_FRAME_FDS];
        size_t seen = 0;
        for (int part = 0; part < 2; part++) {
            bool got;
            if (part == 0)
                write_all(pair->a, bytes, cut);
            else
                write_all(pair->a, bytes + cut, sizeof bytes - cut);
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
    pair_t *pair = *state;
    size_t size = 100000;
    uint8_t *raw = malloc(PROMP_FRAME_HEADER + size);
    uint8_t *body = body_of(5, size);
    promp_frame_t frame = {
        .type = PROMP_TYPE_DATA, .lane = 1, .offset = 5, .size = (uint32_t)(PROMP_FRAME_HEADER + size)};
    promp_frame_pack(&frame, raw);
    memcpy(raw + PROMP_FRAME_HEADER, body, size);
    for (size_t at = 0, step = 1; at < PROMP_FRAME_HEADER + size; at += step, step = step * 3 % 7919 + 1) {
        size_t left = PROMP_FRAME_HEADER + size - at;
        write_all(pair->a, raw + at, step < left ? step : left);
        assert_int_equal(promp_link_read(pair->b, NULL), PROMP_OK);
    }
    expect_data(pair->b, 5, size);
    free(raw);
    free(body);
}

static void test_many_small(void **state)
{
    /* Thousands of small frames through buffers that fill and compact come in order; the buffer grows and shrinks. */
    pair_t *pair = *state;
    uint64_t sent = 0, seen = 0;
    while (seen < 5000) {
        while (sent < 5000 && sent - seen < 700)
            assert_int_equal(send_data(pair->a, PROMP_LANE_CONTROL, sent, sent % 300, 0), PROMP_OK), sent++;
        assert_int_equal(promp_link_flush(pair->a), PROMP_OK);
        expect_data(pair->b, seen, seen % 300);
        seen++;
    }
    for (uint64_t i = 0; i < 200; i++) {
        assert_int_equal(send_data(pair->a, PROMP_LANE_CONTROL, i, 10, 0), PROMP_OK);
        expect_data(pair->b, i, 10);
    }
    expect_none(pair->b);
}

static void test_end(void **state)
{
    /* The end of the peer is CLOSED between frames and FRAME_TRUNCATED inside one; frames before it are still given. */
    for (size_t extra = 0; extra < 2; extra++) {
        pair_t *pair = *state;
        uint8_t bytes[2 * PROMP_FRAME_HEADER];
        pack(bytes, PROMP_TYPE_BYE, PROMP_FRAME_HEADER, 0);
        pack(bytes + PROMP_FRAME_HEADER, PROMP_TYPE_BYE, PROMP_FRAME_HEADER, 0);
        write_all(pair->a, bytes, PROMP_FRAME_HEADER + extra * 7);
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
        setup(state);
    }
}

static void test_reset(void **state)
{
    /* A peer that closes with unread data is CLOSED for reading and for writing, no signal comes. */
    pair_t *pair = *state;
    assert_int_equal(send_data(pair->b, PROMP_LANE_MESSAGES, 0, 10, 0), PROMP_OK);
    promp_link_destroy(&pair->a);
    assert_int_equal(promp_link_read(pair->b, NULL), PROMP_ERR_CLOSED);
    assert_int_equal(send_data(pair->b, PROMP_LANE_MESSAGES, 0, 10, 0), PROMP_ERR_CLOSED);
    assert_int_equal(send_data(pair->b, PROMP_LANE_MESSAGES, 0, 10, 0), PROMP_ERR_CLOSED);
    assert_int_equal(promp_link_room(pair->b), 0);
    assert_false(promp_link_wants_write(pair->b));
}

static void test_bad_header(void **state)
{
    /* Sizes and headers that are not allowed spoil the link at once, before a body is waited for, and for good. */
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
        pair_t *pair = *state;
        uint8_t header[PROMP_FRAME_HEADER];
        promp_frame_t frame;
        int fds[PROMP_LIMIT_FRAME_FDS];
        bool got = true;
        pack(header, bad[i].type, bad[i].size, 0);
        write_all(pair->a, header, sizeof header);
        assert_int_equal(promp_link_read(pair->b, NULL), PROMP_OK);
        assert_int_equal(promp_link_next(pair->b, &frame, fds, &got), bad[i].err);
        assert_false(got);
        assert_int_equal(promp_link_next(pair->b, &frame, fds, &got), bad[i].err);
        teardown(state);
        setup(state);
    }
}

/* --- out --- */

static void test_urgent_first(void **state)
{
    /* Behind a full socket urgent frames overtake data, never inside a frame that has begun. */
    pair_t *pair = *state;
    uint64_t n = 0;
    size_t size = 200000;
    while (!promp_link_wants_write(pair->a))
        assert_int_equal(send_data(pair->a, PROMP_LANE_MESSAGES, n++, size, 0), PROMP_OK);
    assert_int_equal(send_data(pair->a, PROMP_LANE_MESSAGES, n, size, 0), PROMP_OK);
    assert_int_equal(send_data(pair->a, PROMP_LANE_CONTROL, 1000, 10, 0), PROMP_OK);
    assert_int_equal(send_data(pair->a, PROMP_LANE_CONTROL, 1001, 10, 0), PROMP_OK);

    promp_frame_t frame;
    int fds[PROMP_LIMIT_FRAME_FDS];
    uint64_t order[64], count = 0;
    while (count < n + 3) {
        bool got;
        assert_int_equal(promp_link_flush(pair->a), PROMP_OK);
        assert_int_equal(promp_link_read(pair->b, NULL), PROMP_OK);
        while (promp_link_next(pair->b, &frame, fds, &got) == PROMP_OK && got) {
            for (size_t i = 0; i < frame.body.size; i += 997)
                assert_int_equal(frame.body.data[i], pattern(frame.offset, i));
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
    pair_t *pair = *state;
    promp_link_cork(pair->a);
    assert_int_equal(send_data(pair->a, PROMP_LANE_MESSAGES, 1, 100, 0), PROMP_OK);
    assert_int_equal(send_data(pair->a, PROMP_LANE_CONTROL, 2, 10, 0), PROMP_OK);
    expect_none(pair->b);
    assert_int_equal(promp_link_uncork(pair->a), PROMP_OK);
    assert_false(promp_link_wants_write(pair->a));
    assert_int_equal(promp_link_read(pair->b, NULL), PROMP_OK);
    promp_link_destroy(&pair->a); /* both were read by one call: nothing may come any more */
    expect_data(pair->b, 2, 10);
    expect_data(pair->b, 1, 100);
}

static void test_cork_large(void **state)
{
    /* A large frame takes along what has gathered, and order is kept. */
    pair_t *pair = *state;
    promp_link_cork(pair->a);
    for (uint64_t i = 0; i < 100; i++)
        assert_int_equal(send_data(pair->a, PROMP_LANE_MESSAGES, i, i == 50 || i == 99 ? 60000 : 10, 0),
                         PROMP_OK);
    assert_int_equal(promp_link_uncork(pair->a), PROMP_OK);
    for (uint64_t i = 0; i < 100; i++)
        expect_data(pair->b, i, i == 50 || i == 99 ? 60000 : 10);
}

static void test_queue_limit(void **state)
{
    /* What would pass the queue's limit is refused and not counted; what was queued still arrives. */
    pair_t *pair = *state;
    promp_err_t err = PROMP_OK;
    uint64_t sent = 0;
    while (!err && sent < 100000)
        if (!(err = send_data(pair->a, PROMP_LANE_CONTROL, sent, PROMP_LIMIT_FRAME - PROMP_FRAME_HEADER, 0)))
            sent++;
    assert_int_equal(err, PROMP_ERR_QUEUE_FULL);
    assert_true(promp_link_queued(pair->a) <= PROMP_LIMIT_LINK_QUEUE);
    assert_true(promp_link_queued(pair->a) > PROMP_LIMIT_LINK_QUEUE - PROMP_LIMIT_FRAME);
    for (uint64_t i = 0; i < sent; i++) {
        promp_frame_t frame;
        int fds[PROMP_LIMIT_FRAME_FDS];
        assert_int_equal(promp_link_flush(pair->a), PROMP_OK);
        expect(pair->b, &frame, fds);
        assert_int_equal(frame.offset, i);
        assert_int_equal(promp_link_flush(pair->a), PROMP_OK);
    }
    assert_int_equal(promp_link_queued(pair->a), 0);
}

static void test_wrong_size(void **state)
{
    /* A frame whose size is not that of its parts is refused and disturbs nothing. */
    pair_t *pair = *state;
    uint8_t *body = body_of(1, 10);
    promp_out_t out = data_out(PROMP_LANE_MESSAGES, 1, body, 10);
    out.frame.size++;
    assert_int_equal(promp_link_send(pair->a, &out, NULL, 0, 0), PROMP_ERR_ARGUMENT);
    out.frame.size = PROMP_LIMIT_FRAME + 1;
    out.part[1].size = PROMP_LIMIT_FRAME + 1;
    assert_int_equal(promp_link_send(pair->a, &out, NULL, 0, 0), PROMP_ERR_ARGUMENT);
    free(body);
    expect_none(pair->b);
    assert_int_equal(promp_link_room(pair->a), PROMP_LIMIT_LINK_WINDOW);
}

static void test_tags(void **state)
{
    /* Tags come back once their frames have left: at once, later, and when the queue is dropped; all bytes are told. */
    pair_t *pair = *state;
    uint64_t tag, bytes, sent = 0, told = 0;
    assert_int_equal(send_data(pair->a, PROMP_LANE_MESSAGES, 0, 10, 7), PROMP_OK);
    assert_true(promp_link_flushed(pair->a, &tag, &bytes));
    assert_int_equal(tag, 7);
    assert_int_equal(bytes, PROMP_FRAME_HEADER + 10);
    assert_false(promp_link_flushed(pair->a, &tag, &bytes));

    for (uint64_t i = 0; i < 60; i++) {
        assert_int_equal(send_data(pair->a, PROMP_LANE_MESSAGES, i, 50000, 100 + i / 3), PROMP_OK);
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
    assert_int_equal(send_data(pair->a, PROMP_LANE_MESSAGES, 0, 10, 7), PROMP_ERR_CLOSED);
}

static void test_forward(void **state)
{
    /* A relay's frame goes on as it came; the descriptors that it announced do not. */
    pair_t *pair = *state;
    uint8_t *body = body_of(9, 300);
    promp_frame_t frame = {.type = PROMP_TYPE_DATA,
                           .lane = PROMP_LANE_BULK,
                           .fds = 2,
                           .epoch = 77,
                           .session = some_session,
                           .offset = 9,
                           .size = PROMP_FRAME_HEADER + 300,
                           .body = promp_slice(body, 300)};
    promp_frame_t seen;
    int fds[PROMP_LIMIT_FRAME_FDS];
    assert_int_equal(promp_link_forward(pair->a, &frame, false, 0), PROMP_OK);
    expect(pair->b, &seen, fds);
    assert_int_equal(seen.epoch, 77);
    assert_int_equal(seen.fds, 0);
    assert_int_equal(seen.lane, PROMP_LANE_BULK);
    assert_true(promp_id_equal(&seen.session, &some_session));
    assert_memory_equal(seen.body.data, body, 300);
    frame.body.size = 299;
    assert_int_equal(promp_link_forward(pair->a, &frame, false, 0), PROMP_ERR_ARGUMENT);
    free(body);
}

/* --- windows --- */

static void test_window(void **state)
{
    /* Room shrinks with each data frame, not with control, and comes back by the reader's releases alone. */
    pair_t *pair = *state;
    const size_t body = 100000, frame_size = body + PROMP_FRAME_HEADER;
    uint64_t n = 0;
    assert_int_equal(promp_link_room(pair->a), PROMP_LIMIT_LINK_WINDOW);
    while (promp_link_room(pair->a) >= frame_size) {
        assert_int_equal(send_data(pair->a, PROMP_LANE_MESSAGES, n, body, 0), PROMP_OK);
        assert_int_equal(promp_link_flush(pair->a), PROMP_OK);
        expect_data(pair->b, n++, body);
    }
    uint64_t room = PROMP_LIMIT_LINK_WINDOW - n * frame_size;
    assert_int_equal(promp_link_room(pair->a), room);
    assert_int_equal(send_data(pair->a, PROMP_LANE_CONTROL, 1, 1000, 0), PROMP_OK);
    expect_data(pair->b, 1, 1000);
    assert_int_equal(promp_link_room(pair->a), room);

    promp_link_release(pair->b, frame_size); /* not worth an acknowledgement yet */
    expect_none(pair->a);
    assert_int_equal(promp_link_room(pair->a), room);
    for (int i = 0; i < 10; i++)
        promp_link_release(pair->b, frame_size);
    expect_none(pair->a); /* LINK_ACK is not shown */
    assert_int_equal(promp_link_room(pair->a), room + 11 * frame_size);
}

static void test_window_broken(void **state)
{
    /* A peer that sends beyond the window is stopped with CREDIT, and only then. */
    pair_t *pair = *state;
    promp_err_t err = PROMP_OK;
    uint64_t got_bytes = 0;
    bool got;
    for (uint64_t n = 0; n < 40 && !err; n++) {
        promp_frame_t frame;
        int fds[PROMP_LIMIT_FRAME_FDS];
        assert_int_equal(send_data(pair->a, PROMP_LANE_MESSAGES, n, 200000, 0), PROMP_OK);
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
        pair_t *pair = *state;
        uint8_t bytes[PROMP_FRAME_HEADER + 8] = {0};
        promp_frame_t frame;
        int fds[PROMP_LIMIT_FRAME_FDS];
        bool got;
        uint32_t size = i < 2 ? sizeof bytes : PROMP_FRAME_HEADER + 3;
        pack(bytes, PROMP_TYPE_LINK_ACK, size, 0);
        if (i < 2)
            promp_put64(bytes + PROMP_FRAME_HEADER, released[i]);
        write_all(pair->a, bytes, size);
        assert_int_equal(promp_link_read(pair->b, NULL), PROMP_OK);
        assert_int_equal(promp_link_next(pair->b, &frame, fds, &got),
                         i < 2 ? PROMP_ERR_OFFSET : PROMP_ERR_MESSAGE_FIELD);
        assert_false(got);
        teardown(state);
        setup(state);
    }
}

static void test_late_ack(void **state)
{
    /* An older acknowledgement behind a newer one takes no room away. */
    pair_t *pair = *state;
    uint8_t bytes[PROMP_FRAME_HEADER + 8] = {0};
    assert_int_equal(send_data(pair->b, PROMP_LANE_MESSAGES, 0, 1000, 0), PROMP_OK);
    pack(bytes, PROMP_TYPE_LINK_ACK, sizeof bytes, 0);
    for (uint64_t released = 1000; released > 0; released -= 500) {
        promp_put64(bytes + PROMP_FRAME_HEADER, released);
        write_all(pair->a, bytes, sizeof bytes);
        expect_none(pair->b);
        assert_int_equal(promp_link_room(pair->b), PROMP_LIMIT_LINK_WINDOW - 40);
    }
}

/* --- descriptors --- */

static ino_t inode(int fd)
{
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    return st.st_ino;
}

static void test_fds(void **state)
{
    /* Descriptors arrive with their own frames, close-on-exec, whether these leave at once, corked or from the queue. */
    for (int way = 0; way < 3; way++) {
        pair_t *pair = *state;
        int pipes[6];
        ino_t inodes[6];
        for (int i = 0; i < 6; i += 2)
            assert_int_equal(pipe(pipes + i), 0);
        for (int i = 0; i < 6; i++)
            inodes[i] = inode(pipes[i]);
        if (way == 1)
            promp_link_cork(pair->a);
        uint64_t n = 0;
        while (way == 2 && !promp_link_wants_write(pair->a))
            assert_int_equal(send_data(pair->a, PROMP_LANE_MESSAGES, n++, 100000, 0), PROMP_OK);
        uint8_t *body = body_of(1, 20);
        for (size_t i = 0; i < 6; i += 1 + i) { /* 1, 2 and 3 of them; a frame without in between */
            promp_out_t out = data_out(PROMP_LANE_MESSAGES, 1000 + i, body, 20);
            size_t count = i == 3 ? 3 : i + 1;
            assert_int_equal(promp_link_send(pair->a, &out, pipes + i, count, 0), PROMP_OK);
            assert_int_equal(send_data(pair->a, PROMP_LANE_MESSAGES, 5, 5, 0), PROMP_OK);
        }
        free(body);
        for (int i = 0; i < 6; i++)
            close(pipes[i]);
        if (way == 1)
            assert_int_equal(promp_link_uncork(pair->a), PROMP_OK);
        for (uint64_t i = 0; i < n; i++) {
            assert_int_equal(promp_link_flush(pair->a), PROMP_OK);
            expect_data(pair->b, i, 100000);
        }
        assert_int_equal(promp_link_flush(pair->a), PROMP_OK);
        for (size_t i = 0; i < 6; i += 1 + i) {
            promp_frame_t frame;
            int fds[PROMP_LIMIT_FRAME_FDS];
            expect(pair->b, &frame, fds);
            assert_int_equal(frame.offset, 1000 + i);
            assert_int_equal(frame.fds, i == 3 ? 3 : i + 1);
            for (size_t k = 0; k < frame.fds; k++) {
                assert_int_equal(inode(fds[k]), inodes[i + k]);
                assert_int_equal(fcntl(fds[k], F_GETFD), FD_CLOEXEC);
                close(fds[k]);
            }
            expect_data(pair->b, 5, 5);
        }
        teardown(state);
        setup(state);
    }
}

static void test_fds_of_nobody(void **state)
{
    /* Descriptors that no frame announced, or fewer than announced, spoil the link, and none stays open. */
    for (int way = 0; way < 3; way++) {
        int before = open_fds();
        pair_t *pair = *state;
        uint8_t bytes[2 * PROMP_FRAME_HEADER];
        int fds[PROMP_LIMIT_FRAME_FDS] = {0, 0};
        promp_frame_t frame;
        bool got;
        pack(bytes, PROMP_TYPE_BYE, PROMP_FRAME_HEADER, way == 0 ? 0 : way == 1 ? 3 : 2);
        pack(bytes + PROMP_FRAME_HEADER, PROMP_TYPE_BYE, PROMP_FRAME_HEADER, 0);
        if (way == 2) /* they come inside the frame, not with its first byte */
            write_all(pair->a, bytes, 8), expect_none(pair->b);
        size_t at = way == 2 ? 8 : 0;
        write_fds(pair->a, bytes + at, PROMP_FRAME_HEADER - at, fds, 2);
        assert_int_equal(promp_link_read(pair->b, NULL), PROMP_OK);
        promp_err_t err = promp_link_next(pair->b, &frame, fds, &got);
        if (way == 0) { /* found when the next frame begins */
            assert_int_equal(err, PROMP_OK);
            write_all(pair->a, bytes + PROMP_FRAME_HEADER, PROMP_FRAME_HEADER);
            assert_int_equal(promp_link_read(pair->b, NULL), PROMP_OK);
            err = promp_link_next(pair->b, &frame, fds, &got);
        }
        if (way == 2) { /* harmless: they are claimed all the same */
            assert_int_equal(err, PROMP_OK);
            close(fds[0]);
            close(fds[1]);
        } else {
            assert_int_equal(err, PROMP_ERR_DESCRIPTOR_COUNT);
        }
        teardown(state);
        setup(state);
        assert_int_equal(open_fds(), before);
    }
}

static void test_too_many_fds(void **state)
{
    /* More descriptors at once than a frame may have, and more unclaimed ones than the limit, are errors without a leak. */
    int before = open_fds();
    pair_t *pair = *state;
    int fds[16] = {0};
    write_fds(pair->a, "x", 1, fds, 5);
    assert_int_equal(promp_link_read(pair->b, NULL), PROMP_ERR_DESCRIPTOR_COUNT);
    teardown(state);
    setup(state);
    assert_int_equal(open_fds(), before);

    pair = *state;
    promp_err_t err = PROMP_OK;
    int reads = 0;
    while (!err && reads < 100) {
        write_fds(pair->a, "\x28", 1, fds, 4);
        err = promp_link_read(pair->b, NULL);
        reads++;
    }
    assert_int_equal(err, PROMP_ERR_DESCRIPTOR_COUNT);
    assert_int_equal(reads, PROMP_LIMIT_LINK_FDS / 4 + 1);
    teardown(state);
    setup(state);
    assert_int_equal(open_fds(), before);
}

static void test_fds_dropped(void **state)
{
    /* Descriptors queued behind a full socket are closed with the link, those of the caller are not touched. */
    int before = open_fds();
    pair_t *pair = *state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    while (!promp_link_wants_write(pair->a))
        assert_int_equal(send_data(pair->a, PROMP_LANE_MESSAGES, 0, 100000, 0), PROMP_OK);
    uint8_t *body = body_of(1, 20);
    promp_out_t out = data_out(PROMP_LANE_MESSAGES, 1, body, 20);
    assert_int_equal(promp_link_send(pair->a, &out, ends, 2, 0), PROMP_OK);
    assert_int_equal(promp_link_send(pair->a, &out, ends, PROMP_LIMIT_FRAME_FDS + 1, 0), PROMP_ERR_ARGUMENT);
    free(body);
    assert_int_equal(open_fds(), before + 4);
    teardown(state);
    setup(state);
    assert_int_equal(open_fds(), before + 2);
    close(ends[0]);
    close(ends[1]);
}

static void test_peer(void **state)
{
    /* The kernel tells who is at the other end. */
    pair_t *pair = *state;
    pid_t pid = 0;
    uid_t uid = 12345;
    assert_int_equal(promp_link_peer(pair->a, &pid, &uid), PROMP_OK);
    assert_int_equal(pid, getpid());
    assert_int_equal(uid, geteuid());
}

static void test_flags(void **state)
{
    /* A link never blocks and is not inherited; what is no descriptor gives no link. */
    pair_t *pair = *state;
    assert_true(fcntl(promp_link_fd(pair->a), F_GETFL) & O_NONBLOCK);
    assert_int_equal(fcntl(promp_link_fd(pair->a), F_GETFD), FD_CLOEXEC);
    assert_null(promp_link_new(-1));
    promp_link_t *none = NULL;
    promp_link_destroy(&none);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_frames),       TEST(test_split_everywhere),
        TEST(test_byte_by_byte), TEST(test_many_small),
        TEST(test_end),          TEST(test_reset),
        TEST(test_bad_header),   TEST(test_urgent_first),
        TEST(test_cork),         TEST(test_cork_large),
        TEST(test_queue_limit),  TEST(test_wrong_size),
        TEST(test_tags),         TEST(test_forward),
        TEST(test_window),       TEST(test_window_broken),
        TEST(test_bad_ack),      TEST(test_late_ack),
        TEST(test_fds),          TEST(test_fds_of_nobody),
        TEST(test_too_many_fds), TEST(test_fds_dropped),
        TEST(test_peer),         TEST(test_flags),
    };
    return cmocka_run_group_tests_name("link", tests, NULL, NULL);
}
