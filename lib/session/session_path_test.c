#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "session_pair.h"

#define MESSAGE PROMP_TYPE_USER_MESSAGE

static void nothing_leaves_before_the_answer(void **state)
{
    /* Aim: the manager attaches when its path is up, and sends what was queued only when the worker has answered. */
    (void)state;
    pair_t p;
    pair_begin(&p);
    pair_send(p.manager, PROMP_LANE_CONTROL, PROMP_TYPE_SETUP, 100, 1);
    pair_expect_nothing(&p, p.manager);
    promp_session_path(p.manager, true, p.now);
    pair_frame_t attach = pair_expect(&p, p.manager, PROMP_TYPE_ATTACH);
    assert_int_equal(attach.frame.epoch, 1);
    assert_int_equal(promp_session_state(p.manager), PROMP_SESSION_ATTACHING);
    pair_expect_nothing(&p, p.manager);
    promp_session_path(p.worker, true, p.now);
    pair_expect_nothing(&p, p.worker);
    assert_int_equal(pair_give(&p, p.worker, &attach), PROMP_OK);
    pair_exchange(&p);
    pair_take(p.worker, PROMP_LANE_CONTROL, PROMP_TYPE_SETUP, 100, 1);
    pair_free(&attach);
    pair_end(&p);
}

static void attach_is_repeated_with_back_off(void **state)
{
    /* Aim: without an answer ATTACH is repeated under the same epoch, 20 ms later at first, then ever less often. */
    (void)state;
    pair_t p;
    pair_begin(&p);
    promp_session_path(p.manager, true, p.now);
    pair_frame_t frame = pair_expect(&p, p.manager, PROMP_TYPE_ATTACH);
    pair_free(&frame);
    int tries = 0;
    int64_t longest = 0;
    for (int64_t end = p.now + 10000; p.now < end; tries++) {
        int64_t next = promp_session_tick(p.manager, p.now);
        assert_true(next > p.now);
        longest = next - p.now > longest ? next - p.now : longest;
        p.now = next;
        assert_int_equal(promp_session_tick(p.manager, p.now), p.now); /* next() has a frame */
        frame = pair_expect(&p, p.manager, PROMP_TYPE_ATTACH);
        assert_int_equal(frame.frame.epoch, 1);
        pair_free(&frame);
    }
    assert_in_range(tries, 12, 18);
    assert_int_equal(longest, PROMP_TIME_ATTACH_MAX);
    pair_end(&p);
}

static void a_late_answer_counts(void **state)
{
    /* Aim: ATTACHED that is slower than the back-off still opens the session: repeats do not outdate one another. */
    (void)state;
    pair_t p;
    pair_begin(&p);
    promp_session_path(p.manager, true, p.now);
    promp_session_path(p.worker, true, p.now);
    pair_frame_t first = pair_expect(&p, p.manager, PROMP_TYPE_ATTACH);
    pair_wait(&p, 500);
    pair_frame_t second = pair_expect(&p, p.manager, PROMP_TYPE_ATTACH);
    assert_int_equal(pair_give(&p, p.worker, &first), PROMP_OK);
    pair_frame_t answer = pair_expect(&p, p.worker, PROMP_TYPE_ATTACHED);
    assert_int_equal(pair_give(&p, p.manager, &answer), PROMP_OK);
    assert_int_equal(promp_session_state(p.manager), PROMP_SESSION_OPEN);
    assert_int_equal(pair_give(&p, p.worker, &second), PROMP_OK); /* answered again, and that does no harm */
    assert_int_equal(pair_exchange(&p), 1);
    pair_free(&first);
    pair_free(&second);
    pair_free(&answer);
    pair_end(&p);
}

static void both_directions_resume(void **state)
{
    /* Aim: what was lost with a path, either way and in the middle of a record, comes again on the next one, once. */
    (void)state;
    pair_t p;
    pair_begin_open(&p);
    for (int i = 0; i < 3; i++) {
        pair_send(p.manager, PROMP_LANE_MESSAGES, MESSAGE, 600000, (uint8_t)i);
        pair_send(p.worker, PROMP_LANE_MESSAGES, MESSAGE, 600000, (uint8_t)(i + 100));
    }
    pair_frame_t frame;
    for (int i = 0; pair_next(&p, p.manager, PAIR_ROOM, &frame); i++) {
        if (i < 3)
            assert_int_equal(pair_give(&p, p.worker, &frame), PROMP_OK);
        pair_free(&frame);
    }
    while (pair_next(&p, p.worker, PAIR_ROOM, &frame)) /* all of it is lost */
        pair_free(&frame);
    promp_session_path(p.manager, false, p.now);
    promp_session_path(p.worker, false, p.now);
    assert_int_equal(promp_session_state(p.manager), PROMP_SESSION_DOWN);
    pair_expect_nothing(&p, p.manager);
    promp_session_path(p.worker, true, p.now);
    promp_session_path(p.manager, true, p.now);
    for (int i = 0; i < 3; i++) {
        pair_exchange(&p);
        pair_take(p.worker, PROMP_LANE_MESSAGES, MESSAGE, 600000, (uint8_t)i);
        pair_take(p.manager, PROMP_LANE_MESSAGES, MESSAGE, 600000, (uint8_t)(i + 100));
    }
    pair_end(&p);
}

static void a_worker_asks_to_attach_again(void **state)
{
    /* Aim: a worker whose link is new says REATTACH until the manager raises the epoch. */
    (void)state;
    pair_t p;
    pair_begin_open(&p);
    promp_session_path(p.worker, false, p.now);
    promp_session_path(p.worker, true, p.now);
    pair_frame_t lost = pair_expect(&p, p.worker, PROMP_TYPE_REATTACH);
    pair_wait(&p, PROMP_TIME_RECONNECT);
    pair_frame_t again = pair_expect(&p, p.worker, PROMP_TYPE_REATTACH);
    assert_int_equal(pair_give(&p, p.manager, &again), PROMP_OK);
    pair_frame_t attach = pair_expect(&p, p.manager, PROMP_TYPE_ATTACH);
    assert_int_equal(attach.frame.epoch, 2);
    assert_int_equal(pair_give(&p, p.worker, &attach), PROMP_OK);
    pair_exchange(&p);
    assert_int_equal(promp_session_state(p.manager), PROMP_SESSION_OPEN);
    assert_int_equal(pair_give(&p, p.manager, &lost), PROMP_OK); /* of the old epoch: nothing happens */
    pair_expect_nothing(&p, p.manager);
    pair_free(&lost);
    pair_free(&again);
    pair_free(&attach);
    pair_end(&p);
}

static void data_ahead_of_the_answer(void **state)
{
    /* Aim: data that overtake ATTACHED, on another way, are taken and not lost until somebody asks. */
    (void)state;
    pair_t p;
    pair_begin(&p);
    promp_session_path(p.manager, true, p.now);
    promp_session_path(p.worker, true, p.now);
    pair_frame_t attach = pair_expect(&p, p.manager, PROMP_TYPE_ATTACH);
    assert_int_equal(pair_give(&p, p.worker, &attach), PROMP_OK);
    pair_frame_t answer = pair_expect(&p, p.worker, PROMP_TYPE_ATTACHED);
    pair_send(p.worker, PROMP_LANE_MESSAGES, MESSAGE, 100, 1);
    pair_frame_t data = pair_expect(&p, p.worker, PROMP_TYPE_DATA);
    assert_int_equal(pair_give(&p, p.manager, &data), PROMP_OK);
    assert_int_equal(promp_session_state(p.manager), PROMP_SESSION_ATTACHING);
    pair_take(p.manager, PROMP_LANE_MESSAGES, MESSAGE, 100, 1);
    assert_int_equal(promp_session_heard(p.manager, PROMP_LANE_MESSAGES), data.frame.body.size);
    assert_int_equal(pair_give(&p, p.manager, &answer), PROMP_OK);
    pair_exchange(&p);
    assert_false(promp_session_has_record(p.manager, PROMP_LANE_MESSAGES));
    pair_free(&attach);
    pair_free(&answer);
    pair_free(&data);
    pair_end(&p);
}

static void late_data_counts_and_nothing_else(void **state)
{
    /* Aim: data that come late from an earlier path are taken, in their place and once; other frames are not. */
    (void)state;
    pair_t p;
    pair_begin_open(&p);
    pair_send(p.manager, PROMP_LANE_MESSAGES, MESSAGE, 100, 1);
    pair_frame_t late = pair_expect(&p, p.manager, PROMP_TYPE_DATA);
    promp_session_path(p.manager, false, p.now);
    promp_session_path(p.manager, true, p.now);
    pair_frame_t attach = pair_expect(&p, p.manager, PROMP_TYPE_ATTACH);
    assert_int_equal(attach.frame.epoch, 2);
    assert_int_equal(pair_give(&p, p.worker, &attach), PROMP_OK);
    assert_int_equal(pair_give(&p, p.worker, &late), PROMP_OK);
    assert_int_equal(promp_session_received(p.worker, PROMP_LANE_MESSAGES), late.frame.body.size);
    assert_int_equal(pair_give(&p, p.worker, &late), PROMP_OK);
    late.frame.offset += 1000; /* beyond what has come: nothing to be told as a gap */
    assert_int_equal(pair_give(&p, p.worker, &late), PROMP_OK);
    attach.frame.epoch = 1;
    assert_int_equal(pair_give(&p, p.worker, &attach), PROMP_OK);
    pair_exchange(&p);
    pair_take(p.worker, PROMP_LANE_MESSAGES, MESSAGE, 100, 1);
    assert_false(promp_session_has_record(p.worker, PROMP_LANE_MESSAGES));
    pair_free(&late);
    pair_free(&attach);
    pair_end(&p);
}

static void no_route_leads_to_another_try(void **state)
{
    /* Aim: NO_ROUTE on an open session makes the manager attach again after the back-off, not at once. */
    (void)state;
    pair_t p;
    pair_begin_open(&p);
    const promp_message_t message = {.type = PROMP_TYPE_NO_ROUTE};
    pair_frame_t no_route = pair_message(&p, 1, &message);
    assert_int_equal(pair_give(&p, p.manager, &no_route), PROMP_OK);
    assert_int_equal(promp_session_state(p.manager), PROMP_SESSION_ATTACHING);
    pair_expect_nothing(&p, p.manager);
    assert_int_equal(pair_give(&p, p.manager, &no_route), PROMP_OK); /* of the old epoch now */
    pair_wait(&p, PROMP_TIME_RECONNECT);
    pair_frame_t attach = pair_expect(&p, p.manager, PROMP_TYPE_ATTACH);
    assert_int_equal(attach.frame.epoch, 2);
    pair_free(&attach);
    pair_free(&no_route);
    pair_end(&p);
}

static void a_gap_is_told_once_and_repaired(void **state)
{
    /* Aim: a lost piece is asked for at the next one that comes, with one ACK, without waiting for a time. */
    (void)state;
    pair_t p;
    pair_begin_open(&p);
    pair_send(p.manager, PROMP_LANE_MESSAGES, MESSAGE, 900000, 1);
    pair_frame_t frame;
    for (int i = 0; i < 3; i++) {
        frame = pair_expect(&p, p.manager, PROMP_TYPE_DATA);
        if (i > 0)
            assert_int_equal(pair_give(&p, p.worker, &frame), PROMP_OK);
        pair_free(&frame);
    }
    pair_frame_t ack = pair_expect(&p, p.worker, PROMP_TYPE_ACK);
    pair_expect_nothing(&p, p.worker);
    assert_int_equal(pair_give(&p, p.manager, &ack), PROMP_OK);
    frame = pair_expect(&p, p.manager, PROMP_TYPE_DATA);
    assert_int_equal(frame.frame.offset, 0);
    assert_int_equal(pair_give(&p, p.worker, &frame), PROMP_OK);
    pair_exchange(&p);
    pair_take(p.worker, PROMP_LANE_MESSAGES, MESSAGE, 900000, 1);
    pair_free(&ack);
    pair_free(&frame);
    pair_end(&p);
}

static void a_probe_finds_what_was_lost_last(void **state)
{
    /* Aim: the loss of the last frame, which no gap shows, is found by PROBE; one answered in time repeats nothing. */
    (void)state;
    pair_t p;
    pair_begin_open(&p);
    pair_send(p.manager, PROMP_LANE_MESSAGES, MESSAGE, 100, 1);
    pair_frame_t frame = pair_expect(&p, p.manager, PROMP_TYPE_DATA);
    pair_free(&frame);
    pair_expect_nothing(&p, p.manager);
    assert_int_equal(promp_session_tick(p.manager, p.now), p.now + PROMP_TIME_PROBE);
    pair_wait(&p, PROMP_TIME_PROBE);
    frame = pair_expect(&p, p.manager, PROMP_TYPE_PROBE);
    assert_false(frame.urgent); /* it must not overtake data */
    assert_int_equal(pair_give(&p, p.worker, &frame), PROMP_OK);
    pair_free(&frame);
    frame = pair_expect(&p, p.worker, PROMP_TYPE_ACK);
    pair_send(p.manager, PROMP_LANE_MESSAGES, MESSAGE, 50, 2); /* sent after the PROBE */
    pair_frame_t later = pair_expect(&p, p.manager, PROMP_TYPE_DATA);
    assert_int_equal(pair_give(&p, p.manager, &frame), PROMP_OK);
    pair_free(&frame);
    pair_free(&later);
    frame = pair_expect(&p, p.manager, PROMP_TYPE_DATA);
    assert_int_equal(frame.frame.offset, 0);
    assert_int_equal(frame.frame.body.size, 108 + 58);
    pair_free(&frame);
    pair_end(&p);
}

static void probes_grow_rare(void **state)
{
    /* Aim: a peer that does not answer is asked ever less often, down to once in PROMP_TIME_PROBE_MAX. */
    (void)state;
    pair_t p;
    pair_begin_open(&p);
    promp_session_urge(p.manager, PROMP_SLOT_STOP, 1, 1);
    int probes = 0, urgent = 0;
    for (int64_t end = p.now + 20000; p.now < end;) {
        pair_frame_t frame;
        while (pair_next(&p, p.manager, PAIR_ROOM, &frame)) {
            probes += frame.frame.type == PROMP_TYPE_PROBE;
            urgent += frame.frame.type == PROMP_TYPE_URGENT;
            pair_free(&frame);
        }
        int64_t next = promp_session_tick(p.manager, p.now);
        p.now = next;
    }
    assert_in_range(probes, 10, 14);
    assert_int_equal(urgent, probes + 1);
    pair_end(&p);
}

static void a_blocked_sender_learns_of_credit(void **state)
{
    /* Aim: when the ACK that returned credit is lost the sender asks, and goes on. */
    (void)state;
    pair_t p;
    pair_begin_open(&p);
    for (int i = 0; i < 3; i++)
        pair_send(p.worker, PROMP_LANE_OUTPUT, PROMP_TYPE_OUTPUT, 600000, (uint8_t)i);
    pair_exchange(&p);
    pair_wait(&p, PROMP_TIME_ACK);
    pair_exchange(&p);
    pair_take(p.manager, PROMP_LANE_OUTPUT, PROMP_TYPE_OUTPUT, 600000, 0);
    pair_frame_t lost = pair_expect(&p, p.manager, PROMP_TYPE_ACK);
    pair_free(&lost);
    pair_exchange(&p);
    assert_false(promp_session_unsent(p.worker, PROMP_LANE_OUTPUT) == 0);
    pair_wait(&p, PROMP_TIME_PROBE);
    pair_exchange(&p);
    pair_take(p.manager, PROMP_LANE_OUTPUT, PROMP_TYPE_OUTPUT, 600000, 1);
    pair_exchange(&p);
    pair_take(p.manager, PROMP_LANE_OUTPUT, PROMP_TYPE_OUTPUT, 600000, 2);
    pair_end(&p);
}

static void congestion_makes_a_pause_that_doubles(void **state)
{
    /* Aim: after CONGESTED the lane goes back to that piece after 5 ms, 10 ms ...; progress ends it; others go on. */
    (void)state;
    pair_t p;
    pair_begin_open(&p);
    pair_send(p.manager, PROMP_LANE_MESSAGES, MESSAGE, 100, 1);
    const promp_message_t message = {.type = PROMP_TYPE_CONGESTED};
    for (int64_t pause = PROMP_TIME_CONGESTED; pause <= 4 * PROMP_TIME_CONGESTED; pause *= 2) {
        pair_frame_t data = pair_expect(&p, p.manager, PROMP_TYPE_DATA);
        assert_int_equal(data.frame.offset, 0);
        pair_frame_t congested = pair_message(&p, 1, &message);
        congested.frame.lane = PROMP_LANE_MESSAGES;
        assert_int_equal(pair_give(&p, p.manager, &congested), PROMP_OK);
        assert_int_equal(pair_give(&p, p.manager, &congested),
                         PROMP_OK); /* nothing is under way: no second pause */
        pair_expect_nothing(&p, p.manager);
        assert_int_equal(promp_session_tick(p.manager, p.now), p.now + pause);
        pair_send(p.manager, PROMP_LANE_CONTROL, PROMP_TYPE_SETUP, 10, 1);
        pair_frame_t other = pair_expect(&p, p.manager, PROMP_TYPE_DATA);
        assert_int_equal(other.frame.lane, PROMP_LANE_CONTROL);
        pair_free(&other);
        p.now += pause;
        pair_free(&data);
        pair_free(&congested);
    }
    pair_exchange(&p);
    pair_take(p.worker, PROMP_LANE_MESSAGES, MESSAGE, 100, 1);
    pair_end(&p);
}

static void over_is_told_and_final(void **state)
{
    /* Aim: RESET ends the other side with the same error; it is told again to a peer that goes on, and no path helps. */
    (void)state;
    pair_t p;
    pair_begin_open(&p);
    pair_send(p.manager, PROMP_LANE_MESSAGES, MESSAGE, 100, 1);
    pair_exchange(&p);
    pair_send(p.worker, PROMP_LANE_MESSAGES, MESSAGE, 100, 1);
    promp_session_over(p.worker, PROMP_ERR_WORKER_STOPPED);
    promp_session_over(p.worker, PROMP_ERR_MEMORY); /* the first word counts */
    pair_frame_t lost = pair_expect(&p, p.worker, PROMP_TYPE_RESET);
    pair_expect_nothing(&p, p.worker);
    assert_int_equal(promp_session_backlog(p.worker, PROMP_LANE_MESSAGES), 0);
    pair_send(p.manager, PROMP_LANE_MESSAGES, MESSAGE, 100, 1);
    assert_int_equal(pair_exchange(&p), 2);
    assert_int_equal(promp_session_state(p.manager), PROMP_SESSION_OVER);
    assert_int_equal(promp_session_error(p.manager), PROMP_ERR_WORKER_STOPPED);
    promp_session_path(p.manager, false, p.now);
    promp_session_path(p.manager, true, p.now);
    assert_int_equal(pair_exchange(&p), 0);
    pair_take(p.worker, PROMP_LANE_MESSAGES, MESSAGE, 100, 1); /* what had come is not lost */
    assert_int_equal(promp_session_tick(p.manager, p.now), PROMP_NEVER);
    pair_free(&lost);
    pair_end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_leaves_before_the_answer),
        cmocka_unit_test(attach_is_repeated_with_back_off),
        cmocka_unit_test(a_late_answer_counts),
        cmocka_unit_test(both_directions_resume),
        cmocka_unit_test(a_worker_asks_to_attach_again),
        cmocka_unit_test(data_ahead_of_the_answer),
        cmocka_unit_test(late_data_counts_and_nothing_else),
        cmocka_unit_test(no_route_leads_to_another_try),
        cmocka_unit_test(a_gap_is_told_once_and_repaired),
        cmocka_unit_test(a_probe_finds_what_was_lost_last),
        cmocka_unit_test(probes_grow_rare),
        cmocka_unit_test(a_blocked_sender_learns_of_credit),
        cmocka_unit_test(congestion_makes_a_pause_that_doubles),
        cmocka_unit_test(over_is_told_and_final),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
