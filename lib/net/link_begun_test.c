/* Large frames that are handed out while they come. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "link_rig.h"

#define FRAMES 400
#define STEP   1000000u /* offsets of frames are multiples of it: so a piece tells where it belongs */
#define LARGE  200000u

static uint32_t random_to(uint64_t *seed, uint32_t most)
{
    *seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
    return (uint32_t)((*seed >> 33) % (most + 1));
}

static promp_err_t next(promp_link_t *link, promp_frame_t *frame, int *fds, bool *got)
{
    promp_err_t err = promp_link_next(link, frame, fds, got);
    return err || *got ? err : promp_link_begin(link, frame, got);
}

static void expect_bytes(const promp_frame_t *frame)
{
    uint64_t n = frame->offset / STEP * STEP;
    for (size_t i = 0; i < frame->body.size; i++)
        if (frame->body.data[i] != link_rig_byte(n, frame->offset - n + i))
            fail_msg("frame %d differs at byte %d", (int)n, (int)(frame->offset - n + i));
}

/* Reads once: to a place (NULL: none) where the rest of a frame is missing. True when some of it has one. */
static bool read_to(promp_link_t *link, uint8_t *place, uint64_t *seed)
{
    const promp_frame_t *begun = place ? promp_link_begun(link) : NULL;
    if (begun)
        promp_link_place(link, place, 1 + random_to(seed, begun->size - 1));
    assert_int_equal(promp_link_read(link, NULL), PROMP_OK);
    return begun;
}

static void test_in_pieces(void **state)
{
    /* Frames of all sizes arrive with every byte at its offset and in order, whether their rest has a place, a part of one or
     * none; and all of them is released. */
    link_pair_t *pair = *state;
    static uint8_t place[PROMP_LIMIT_FRAME];
    uint32_t sizes[FRAMES], done = 0;
    uint64_t seed = 7, placed = 0;
    int fds[PROMP_LIMIT_FRAME_FDS], sent = 0;
    assert_int_equal(setsockopt(promp_link_fd(pair->a), SOL_SOCKET, SO_SNDBUF, &(int){16384}, sizeof(int)),
                     0);
    for (int seen = 0; seen < FRAMES;) {
        promp_frame_t frame;
        bool got;
        for (; sent < FRAMES && sent - seen < 3 && promp_link_room(pair->a) >= PROMP_LIMIT_FRAME; sent++) {
            uint32_t most = random_to(&seed, 3) ? PROMP_LIMIT_FRAME - PROMP_FRAME_HEADER : 300;
            sizes[sent] = random_to(&seed, most);
            assert_int_equal(link_rig_send(pair->a, PROMP_LANE_BULK, (uint64_t)sent * STEP, sizes[sent], 0),
                             PROMP_OK);
        }
        assert_int_equal(promp_link_flush(pair->a), PROMP_OK);
        placed += read_to(pair->b, random_to(&seed, 2) ? place : NULL, &seed);
        while (next(pair->b, &frame, fds, &got) == PROMP_OK && got) {
            assert_true(frame.offset == (uint64_t)seen * STEP + done);
            expect_bytes(&frame);
            promp_link_release(pair->b, frame.size);
            done += (uint32_t)frame.body.size;
            if (done == sizes[seen]) {
                seen++;
                done = 0;
            }
        }
        assert_int_equal(promp_link_read(pair->a, NULL), PROMP_OK);
        assert_int_equal(promp_link_next(pair->a, &frame, fds, &got), PROMP_OK); /* LINK_ACK */
    }
    assert_true(placed > FRAMES);
    assert_true(promp_link_room(pair->a) >= PROMP_LIMIT_LINK_WINDOW * 3 / 4);
}

/* Writes the header and `size` bytes of the body of a frame whose body has LARGE. */
static void write_part(promp_link_t *link, const promp_frame_t *like, size_t size)
{
    uint8_t header[PROMP_FRAME_HEADER];
    uint8_t *body = link_rig_body(like->offset, LARGE);
    promp_frame_t frame = *like;
    frame.size = PROMP_FRAME_HEADER + LARGE;
    promp_frame_pack(&frame, header);
    link_rig_write(link, header, sizeof header);
    link_rig_write(link, body, size);
    free(body);
}

static void test_what_waits(void **state)
{
    /* What is not windowed data, or lacks little, or only its body, is waited for. */
    link_pair_t *pair = *state;
    static const struct {
        promp_frame_t frame;
        size_t size;
        bool begun;
    } cases[] = {{{.type = PROMP_TYPE_DATA, .lane = PROMP_LANE_BULK}, 1, true},
                 {{.type = PROMP_TYPE_DATA, .lane = PROMP_LANE_MESSAGES}, LARGE / 2, true},
                 {{.type = PROMP_TYPE_DATA, .lane = PROMP_LANE_BULK}, 0, false},
                 {{.type = PROMP_TYPE_DATA, .lane = PROMP_LANE_BULK}, LARGE - 1000, false},
                 {{.type = PROMP_TYPE_DATA, .lane = PROMP_LANE_CONTROL}, LARGE / 2, false},
                 {{.type = PROMP_TYPE_START}, LARGE / 2, false},
                 {{.type = PROMP_TYPE_DATA, .lane = PROMP_LANE_BULK, .fds = 1}, LARGE / 2, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int fds[PROMP_LIMIT_FRAME_FDS];
        promp_frame_t frame;
        bool got = true;
        write_part(pair->a, &cases[i].frame, cases[i].size);
        for (int reads = 0; reads < 20; reads++)
            assert_int_equal(promp_link_read(pair->b, NULL), PROMP_OK);
        assert_int_equal(promp_link_next(pair->b, &frame, fds, &got), PROMP_OK);
        assert_false(got);
        assert_null(promp_link_begun(pair->b));
        assert_int_equal(promp_link_begin(pair->b, &frame, &got), PROMP_OK);
        assert_int_equal(got, cases[i].begun);
        if (got) {
            assert_int_equal(frame.body.size, cases[i].size);
            assert_int_equal(promp_link_begun(pair->b)->size, LARGE - cases[i].size);
        }
        link_rig_teardown(state);
        link_rig_setup(state);
        pair = *state;
    }
}

static void test_end_within(void **state)
{
    /* The end of the peer within a frame that has begun is FRAME_TRUNCATED, and what came of it is given. */
    link_pair_t *pair = *state;
    static uint8_t place[LARGE];
    const promp_frame_t data = {.type = PROMP_TYPE_DATA, .lane = PROMP_LANE_BULK};
    int fds[PROMP_LIMIT_FRAME_FDS];
    promp_frame_t frame;
    bool got;
    write_part(pair->a, &data, 1000);
    assert_int_equal(promp_link_read(pair->b, NULL), PROMP_OK);
    assert_int_equal(next(pair->b, &frame, fds, &got), PROMP_OK);
    assert_true(got);
    link_rig_write(pair->a, place, 500);
    promp_link_destroy(&pair->a);
    promp_link_place(pair->b, place, LARGE - 1000);
    assert_int_equal(promp_link_read(pair->b, NULL), PROMP_OK);
    assert_int_equal(next(pair->b, &frame, fds, &got), PROMP_OK);
    assert_true(got);
    assert_int_equal(frame.offset, 1000);
    assert_int_equal(frame.body.size, 500);
    assert_ptr_equal(frame.body.data, place);
    assert_int_equal(promp_link_read(pair->b, NULL), PROMP_ERR_FRAME_TRUNCATED);
}

static void test_descriptors_behind(void **state)
{
    /* A descriptor of the frame behind one that was handed out in pieces is that frame's. */
    link_pair_t *pair = *state;
    static uint8_t place[LARGE];
    int fds[PROMP_LIMIT_FRAME_FDS], null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    promp_frame_t frame = {.type = PROMP_TYPE_DATA, .lane = PROMP_LANE_BULK};
    uint64_t seed = 1, pieces = 0;
    bool got;
    assert_true(null >= 0);
    promp_out_t lend = link_rig_out(PROMP_LANE_MESSAGES, 0, place, 100);
    lend.frame.type = PROMP_TYPE_LEND;
    lend.frame.lane = 0;
    write_part(pair->a, &frame, LARGE / 2);
    assert_int_equal(promp_link_read(pair->b, NULL), PROMP_OK);
    assert_int_equal(next(pair->b, &frame, fds, &got), PROMP_OK);
    assert_true(got);
    uint8_t *rest = link_rig_body(0, LARGE);
    link_rig_write(pair->a, rest + LARGE / 2, LARGE / 2);
    free(rest);
    assert_int_equal(promp_link_send(pair->a, &lend, &null, 1, 0), PROMP_OK);
    while (frame.type == PROMP_TYPE_DATA) {
        read_to(pair->b, place, &seed);
        while (next(pair->b, &frame, fds, &got) == PROMP_OK && got && frame.type == PROMP_TYPE_DATA) {
            expect_bytes(&frame);
            pieces++;
        }
        assert_true(pieces < 1000000);
    }
    assert_true(pieces > 0);
    assert_int_equal(frame.fds, 1);
    assert_int_equal(close(fds[0]), 0);
    close(null);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, link_rig_setup, link_rig_teardown)
    const struct CMUnitTest tests[] = {TEST(test_in_pieces), TEST(test_what_waits), TEST(test_end_within),
                                       TEST(test_descriptors_behind)};
    return cmocka_run_group_tests_name("link_begun", tests, NULL, NULL);
}
