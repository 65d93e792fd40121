#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "session_pair.h"

#define MESSAGE PROMP_TYPE_USER_MESSAGE

static void records_of_all_sizes_arrive_in_order(void **state)
{
    /* Aim: what is queued on a lane comes out in the same pieces and order, whatever the sizes. */
    (void)state;
    static const size_t sizes[] = {0,     1,     8,     4063,   4064,    4088,    4089,
                                   16376, 16377, 32760, 100000, 1048568, 1048569, 3000000};
    pair_t p;
    pair_begin_open(&p);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        pair_send(p.manager, PROMP_LANE_MESSAGES, MESSAGE, sizes[i], (uint8_t)i);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        pair_exchange(&p);
        pair_take(p.worker, PROMP_LANE_MESSAGES, MESSAGE, sizes[i], (uint8_t)i);
    }
    assert_false(promp_session_has_record(p.worker, PROMP_LANE_MESSAGES));
    pair_wait(&p, PROMP_TIME_ACK);
    pair_exchange(&p);
    assert_true(promp_session_settled(p.manager));
    assert_int_equal(promp_session_acked(p.manager, PROMP_LANE_MESSAGES),
                     promp_session_taken(p.worker, PROMP_LANE_MESSAGES));
    pair_end(&p);
}

/* A piece of a frame, as a path that hands out what has come makes it. */
static void give_piece(pair_t *p, const pair_frame_t *whole, size_t from, const uint8_t *bytes, size_t size)
{
    pair_frame_t piece = *whole;
    piece.frame.offset += from;
    piece.frame.body = promp_slice(bytes, size);
    assert_int_equal(pair_give(p, p->worker, &piece), PROMP_OK);
}

static void a_record_is_read_to_its_place(void **state)
{
    /* Aim: the next bytes of a record that has begun have a place, as far as it and the frame go; what is read there counts
     * when its frame is given. Other bytes, and bytes that the session would not take, have none. */
    (void)state;
    enum { SIZE = 100000, FIRST = 1000 };
    pair_t p;
    pair_begin_open(&p);
    pair_send(p.manager, PROMP_LANE_MESSAGES, MESSAGE, SIZE, 3);
    pair_send(p.manager, PROMP_LANE_MESSAGES, MESSAGE, 20, 4);
    pair_frame_t whole = pair_expect(&p, p.manager, PROMP_TYPE_DATA);
    const uint8_t *bytes = whole.bytes;
    size_t size = whole.frame.body.size, room = size;
    assert_true(size > SIZE);

    promp_frame_t rest = whole.frame;
    assert_null(promp_session_place(p.worker, &rest, &room)); /* nothing has begun */
    give_piece(&p, &whole, 0, bytes, FIRST);
    assert_null(promp_session_place(p.worker, &rest, &room)); /* these are here */
    rest.offset += FIRST + 1;
    assert_null(promp_session_place(p.worker, &rest, &room)); /* a gap */
    rest.offset--;
    rest.epoch++;
    assert_null(promp_session_place(p.worker, &rest, &room));
    rest.epoch--;
    rest.lane = PROMP_LANE_BULK;
    assert_null(promp_session_place(p.worker, &rest, &room));
    rest.lane = PROMP_LANE_MESSAGES;

    room = 500;
    uint8_t *place = promp_session_place(p.worker, &rest, &room);
    assert_non_null(place);
    assert_int_equal(room, 500);
    memcpy(place, bytes + FIRST, room);
    give_piece(&p, &whole, FIRST, place, room);
    room = size; /* more than the record lacks */
    rest.offset += 500;
    place = promp_session_place(p.worker, &rest, &room);
    assert_non_null(place);
    assert_int_equal(room, PROMP_RECORD_HEAD + SIZE - FIRST - 500);
    memcpy(place, bytes + FIRST + 500, room / 2);
    give_piece(&p, &whole, FIRST + 500, place, room / 2);
    give_piece(&p, &whole, FIRST + 500 + room / 2, bytes + FIRST + 500 + room / 2,
               size - (FIRST + 500 + room / 2));
    pair_take(p.worker, PROMP_LANE_MESSAGES, MESSAGE, SIZE, 3);
    pair_free(&whole);
    pair_exchange(&p);
    pair_take(p.worker, PROMP_LANE_MESSAGES, MESSAGE, 20, 4);
    promp_session_path(p.worker, false, p.now);
    assert_null(promp_session_place(p.worker, &rest, &room));
    pair_end(&p);
}

static void a_record_may_be_filled_later(void **state)
{
    /* Aim: what is written to the last bytes queued is what arrives, whether or not the record shares its memory. */
    (void)state;
    static const size_t sizes[] = {1, 100, 4064, 16376, 16377, 65536, 262144};
    static uint8_t zeros[262145], filled[262144];
    pair_t p;
    pair_begin_open(&p);
    memset(filled, 0x5a, sizeof filled);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const promp_slice_t parts[] = {{zeros, 1}, {zeros, sizes[i]}};
        assert_int_equal(promp_session_send(p.worker, PROMP_LANE_OUTPUT, PROMP_TYPE_OUTPUT, parts, 2),
                         PROMP_OK);
        uint8_t *at = promp_session_last(p.worker, PROMP_LANE_OUTPUT, sizes[i]);
        assert_non_null(at);
        memset(at, 0x5a, sizes[i]);
        pair_exchange(&p);
        promp_record_t record;
        assert_true(promp_session_take(p.manager, PROMP_LANE_OUTPUT, &record));
        assert_int_equal(record.size, 1 + sizes[i]);
        assert_int_equal(record.body[0], 0);
        assert_memory_equal(record.body + 1, filled, sizes[i]);
        free(record.body);
    }
    assert_null(promp_session_last(p.worker, PROMP_LANE_OUTPUT, sizeof zeros + PROMP_MIB));
    pair_end(&p);
}

static void small_records_share_a_frame(void **state)
{
    /* Aim: what waits together on a lane leaves in one frame, of whatever number of chunks. */
    (void)state;
    pair_t p;
    pair_begin_open(&p);
    for (int i = 0; i < 500; i++)
        pair_send(p.worker, PROMP_LANE_OUTPUT, PROMP_TYPE_OUTPUT, 100, (uint8_t)i);
    assert_int_equal(promp_session_unsent(p.worker, PROMP_LANE_OUTPUT), 500 * 108);
    pair_frame_t frame = pair_expect(&p, p.worker, PROMP_TYPE_DATA);
    pair_expect_nothing(&p, p.worker);
    assert_int_equal(frame.frame.body.size, 500 * 108);
    assert_int_equal(promp_session_unsent(p.worker, PROMP_LANE_OUTPUT), 0);
    assert_int_equal(promp_session_backlog(p.worker, PROMP_LANE_OUTPUT), 500 * 108);
    pair_free(&frame);
    pair_end(&p);
}

static void a_frame_is_never_too_large(void **state)
{
    /* Aim: a frame keeps to PROMP_LIMIT_FRAME and to the room that the link has. */
    (void)state;
    pair_t p;
    pair_begin_open(&p);
    pair_send(p.manager, PROMP_LANE_MESSAGES, MESSAGE, 900000, 1);
    pair_frame_t frame = pair_expect(&p, p.manager, PROMP_TYPE_DATA);
    assert_int_equal(frame.frame.size, PROMP_LIMIT_FRAME);
    pair_free(&frame);
    assert_true(pair_next(&p, p.manager, 10000, &frame));
    assert_int_equal(frame.frame.size, 10000);
    pair_free(&frame);
    assert_false(pair_next(&p, p.manager, 0, &frame));
    assert_false(pair_next(&p, p.manager, PROMP_FRAME_HEADER, &frame));
    assert_false(pair_next(&p, p.manager, 1000, &frame)); /* not worth a frame while so much waits */
    pair_end(&p);
}

static void control_goes_first_and_needs_no_room(void **state)
{
    /* Aim: while a large record is on its way a control record and an abort leave at once, also when the link is full. */
    (void)state;
    pair_t p;
    pair_begin_open(&p);
    pair_send(p.manager, PROMP_LANE_MESSAGES, MESSAGE, 64 << 20, 1);
    pair_frame_t frame = pair_expect(&p, p.manager, PROMP_TYPE_DATA);
    pair_free(&frame);
    pair_send(p.manager, PROMP_LANE_CONTROL, PROMP_TYPE_SETUP, 50, 2);
    promp_session_urge(p.manager, PROMP_SLOT_ABORT, 1, 2);
    assert_true(pair_next(&p, p.manager, 0, &frame));
    assert_int_equal(frame.frame.type, PROMP_TYPE_URGENT);
    assert_true(frame.urgent);
    pair_free(&frame);
    assert_true(pair_next(&p, p.manager, 0, &frame));
    assert_int_equal(frame.frame.type, PROMP_TYPE_DATA);
    assert_int_equal(frame.frame.lane, PROMP_LANE_CONTROL);
    assert_true(frame.urgent);
    pair_free(&frame);
    assert_false(pair_next(&p, p.manager, 0, &frame));
    frame = pair_expect(&p, p.manager, PROMP_TYPE_DATA);
    assert_int_equal(frame.frame.lane, PROMP_LANE_MESSAGES);
    assert_false(frame.urgent);
    pair_free(&frame);
    pair_end(&p);
}

static void lanes_take_turns(void **state)
{
    /* Aim: of two lanes with much to send neither waits for the other. */
    (void)state;
    pair_t p;
    pair_begin_open(&p);
    pair_send(p.worker, PROMP_LANE_MESSAGES, MESSAGE, 1000000, 1);
    pair_send(p.worker, PROMP_LANE_OUTPUT, PROMP_TYPE_OUTPUT, 1000000, 1);
    int lanes[PROMP_LANES] = {0};
    for (int i = 0; i < 6; i++) {
        pair_frame_t frame = pair_expect(&p, p.worker, PROMP_TYPE_DATA);
        lanes[frame.frame.lane]++;
        pair_free(&frame);
    }
    assert_int_equal(lanes[PROMP_LANE_MESSAGES], 3);
    assert_int_equal(lanes[PROMP_LANE_OUTPUT], 3);
    pair_end(&p);
}

static void unread_output_stops_no_message(void **state)
{
    /* Aim: a lane that nobody takes from uses up its own credit and no other's. */
    (void)state;
    pair_t p;
    pair_begin_open(&p);
    for (int i = 0; i < 40; i++)
        pair_send(p.worker, PROMP_LANE_OUTPUT, PROMP_TYPE_OUTPUT, 100000, (uint8_t)i);
    pair_exchange(&p);
    /* the window, and what there is of a record in assembly */
    assert_in_range(promp_session_received(p.manager, PROMP_LANE_OUTPUT), PROMP_WINDOW_OUTPUT,
                    PROMP_WINDOW_OUTPUT + 100000);
    pair_send(p.worker, PROMP_LANE_MESSAGES, MESSAGE, 100, 1);
    pair_exchange(&p);
    pair_take(p.manager, PROMP_LANE_MESSAGES, MESSAGE, 100, 1);
    for (int i = 0; i < 40; i++) {
        pair_take(p.manager, PROMP_LANE_OUTPUT, PROMP_TYPE_OUTPUT, 100000, (uint8_t)i);
        pair_exchange(&p);
    }
    pair_end(&p);
}

static void credit_comes_back_in_worthwhile_grants(void **state)
{
    /* Aim: a taker that takes one small record after the other sends an ACK per quarter window, not per record. */
    (void)state;
    pair_t p;
    pair_begin_open(&p);
    for (int i = 0; i < 2000; i++)
        pair_send(p.worker, PROMP_LANE_OUTPUT, PROMP_TYPE_OUTPUT, 992, (uint8_t)i);
    pair_exchange(&p);
    int frames = 0;
    for (int i = 0; i < 2000; i++) {
        pair_take(p.manager, PROMP_LANE_OUTPUT, PROMP_TYPE_OUTPUT, 992, (uint8_t)i);
        frames += pair_exchange(&p);
    }
    assert_in_range(frames, 4, 40);
    pair_end(&p);
}

static void an_exchange_costs_no_acks(void **state)
{
    /* Aim: in a fast call and answer each way is one frame; acknowledgements come by time or quarter window only. */
    (void)state;
    pair_t p;
    pair_begin_open(&p);
    int frames = 0;
    for (int i = 0; i < 1000; i++) {
        pair_send(p.manager, PROMP_LANE_MESSAGES, MESSAGE, 40, (uint8_t)i);
        frames += pair_exchange(&p);
        pair_take(p.worker, PROMP_LANE_MESSAGES, MESSAGE, 40, (uint8_t)i);
        pair_send(p.worker, PROMP_LANE_MESSAGES, MESSAGE, 40, (uint8_t)i);
        frames += pair_exchange(&p);
        pair_take(p.manager, PROMP_LANE_MESSAGES, MESSAGE, 40, (uint8_t)i);
    }
    assert_int_equal(frames, 2000);
    assert_false(promp_session_settled(p.manager));
    assert_int_equal(promp_session_tick(p.worker, p.now), p.now + PROMP_TIME_ACK);
    pair_wait(&p, PROMP_TIME_ACK);
    assert_int_equal(pair_exchange(&p), 2);
    assert_true(promp_session_settled(p.manager));
    assert_true(promp_session_settled(p.worker));
    assert_int_equal(promp_session_tick(p.worker, p.now), PROMP_NEVER);
    assert_int_equal(promp_session_tick(p.manager, p.now), PROMP_NEVER);
    pair_end(&p);
}

static void ack_now_acknowledges_what_there_is(void **state)
{
    /* Aim: the taker can have an acknowledgement sent at once, but none where nothing came. */
    (void)state;
    pair_t p;
    pair_begin_open(&p);
    promp_session_ack_now(p.worker);
    pair_expect_nothing(&p, p.worker);
    pair_send(p.manager, PROMP_LANE_MESSAGES, MESSAGE, 40, 1);
    pair_exchange(&p);
    pair_expect_nothing(&p, p.worker);
    promp_session_ack_now(p.worker);
    pair_frame_t frame = pair_expect(&p, p.worker, PROMP_TYPE_ACK);
    assert_int_equal(pair_give(&p, p.manager, &frame), PROMP_OK);
    assert_true(promp_session_settled(p.manager));
    pair_free(&frame);
    pair_end(&p);
}

static void urgent_values_come_last_one_first(void **state)
{
    /* Aim: of a slot the newest value is told, once, and an older frame that comes late changes nothing. */
    (void)state;
    pair_t p;
    uint64_t a, b;
    pair_begin_open(&p);
    promp_session_urge(p.manager, PROMP_SLOT_ABORT, 5, 50);
    pair_frame_t old = pair_expect(&p, p.manager, PROMP_TYPE_URGENT);
    promp_session_urge(p.manager, PROMP_SLOT_ABORT, 6, 60);
    promp_session_urge(p.manager, PROMP_SLOT_STOP, 7, 70);
    assert_false(promp_session_settled(p.manager));
    pair_exchange(&p);
    assert_int_equal(pair_give(&p, p.worker, &old), PROMP_OK);
    assert_true(promp_session_urged(p.worker, PROMP_SLOT_ABORT, &a, &b));
    assert_int_equal(a, 6);
    assert_int_equal(b, 60);
    assert_false(promp_session_urged(p.worker, PROMP_SLOT_ABORT, &a, &b));
    assert_true(promp_session_urged(p.worker, PROMP_SLOT_STOP, &a, &b));
    assert_int_equal(a, 7);
    assert_true(promp_session_settled(p.manager));
    pair_free(&old);
    pair_end(&p);
}

static void sending_is_checked(void **state)
{
    /* Aim: a record that the peer would refuse is refused at the sender, with nothing queued. */
    (void)state;
    pair_t p;
    pair_begin(&p);
    static const uint8_t bytes[100];
    const promp_slice_t part = promp_slice(bytes, sizeof bytes);
    const promp_slice_t huge = promp_slice(bytes, PROMP_LIMIT_RECORD + 1); /* never read */
    assert_int_equal(promp_session_send(p.manager, PROMP_LANE_OUTPUT, PROMP_TYPE_OUTPUT, &part, 1),
                     PROMP_ERR_ARGUMENT);
    assert_int_equal(promp_session_send(p.manager, PROMP_LANE_OUTPUT, MESSAGE, &part, 1), PROMP_ERR_ARGUMENT);
    assert_int_equal(promp_session_send(p.manager, PROMP_LANE_MESSAGES, PROMP_TYPE_ACK, &part, 1),
                     PROMP_ERR_ARGUMENT);
    assert_int_equal(promp_session_send(p.manager, PROMP_LANE_MESSAGES, 9999, &part, 1), PROMP_ERR_ARGUMENT);
    assert_int_equal(promp_session_send(p.worker, PROMP_LANE_CONTROL, PROMP_TYPE_READY, &part, 1),
                     PROMP_ERR_VALUE_SIZE);
    assert_int_equal(promp_session_send(p.worker, PROMP_LANE_MESSAGES, MESSAGE, &huge, 1),
                     PROMP_ERR_VALUE_SIZE);
    for (int i = 0; i < PROMP_LANES; i++) {
        assert_int_equal(promp_session_sent(p.manager, i), 0);
        assert_int_equal(promp_session_sent(p.worker, i), 0);
    }
    promp_session_over(p.manager, PROMP_ERR_WORKER_STOPPED);
    assert_int_equal(promp_session_send(p.manager, PROMP_LANE_MESSAGES, MESSAGE, &part, 1), PROMP_ERR_CLOSED);
    pair_end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_of_all_sizes_arrive_in_order),
        cmocka_unit_test(a_record_is_read_to_its_place),
        cmocka_unit_test(a_record_may_be_filled_later),
        cmocka_unit_test(small_records_share_a_frame),
        cmocka_unit_test(a_frame_is_never_too_large),
        cmocka_unit_test(control_goes_first_and_needs_no_room),
        cmocka_unit_test(lanes_take_turns),
        cmocka_unit_test(unread_output_stops_no_message),
        cmocka_unit_test(credit_comes_back_in_worthwhile_grants),
        cmocka_unit_test(an_exchange_costs_no_acks),
        cmocka_unit_test(ack_now_acknowledges_what_there_is),
        cmocka_unit_test(urgent_values_come_last_one_first),
        cmocka_unit_test(sending_is_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
