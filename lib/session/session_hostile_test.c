#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "buf.h"
#include "session_pair.h"

static promp_err_t give_data(pair_t *p, promp_lane_t lane, uint64_t offset, const void *bytes, size_t size)
{
    pair_frame_t frame = pair_data(p, 1, lane, offset, bytes, size);
    promp_err_t error = pair_give(p, p->worker, &frame);
    pair_free(&frame);
    return error;
}

static promp_err_t give_head(pair_t *p, promp_lane_t lane, uint16_t type, uint64_t size)
{
    uint8_t head[PROMP_RECORD_HEAD];
    promp_put64(head, promp_record_head(type, size));
    return give_data(p, lane, 0, head, sizeof head);
}

static promp_err_t give_message(pair_t *p, promp_session_t *to, uint32_t epoch,
                                const promp_message_t *message)
{
    pair_frame_t frame = pair_message(p, epoch, message);
    promp_err_t error = pair_give(p, to, &frame);
    pair_free(&frame);
    return error;
}

/* An honest message goes through: nothing was disturbed. */
static void still_works(pair_t *p)
{
    pair_exchange(p);
    pair_send(p->manager, PROMP_LANE_MESSAGES, PROMP_TYPE_USER_MESSAGE, 100, 1);
    pair_exchange(p);
    pair_take(p->worker, PROMP_LANE_MESSAGES, PROMP_TYPE_USER_MESSAGE, 100, 1);
}

static void heads_of_records_are_checked(void **state)
{
    /* Aim: a record of an unknown type, from the wrong side, on the wrong lane or too large is refused at its head. */
    (void)state;
    pair_t p;
    pair_begin_open(&p);
    assert_int_equal(give_head(&p, PROMP_LANE_MESSAGES, 9999, 10), PROMP_ERR_MESSAGE_UNKNOWN);
    assert_int_equal(give_head(&p, PROMP_LANE_MESSAGES, PROMP_TYPE_ACK, 77), PROMP_ERR_MESSAGE_UNKNOWN);
    assert_int_equal(give_head(&p, PROMP_LANE_MESSAGES, PROMP_TYPE_RESULT, 10), PROMP_ERR_MESSAGE_SENDER);
    assert_int_equal(give_head(&p, PROMP_LANE_OUTPUT, PROMP_TYPE_TASK, 10), PROMP_ERR_MESSAGE_STATE);
    assert_int_equal(give_head(&p, PROMP_LANE_MESSAGES, PROMP_TYPE_TASK, PROMP_LIMIT_RECORD + 1),
                     PROMP_ERR_MESSAGE_SIZE);
    assert_int_equal(give_head(&p, PROMP_LANE_CONTROL, PROMP_TYPE_SETUP, PROMP_GIB), PROMP_ERR_MESSAGE_SIZE);
    for (int i = 0; i < PROMP_LANES; i++)
        assert_int_equal(promp_session_received(p.worker, i), 0);
    still_works(&p);
    pair_end(&p);
}

static void a_head_split_over_frames_is_checked_too(void **state)
{
    /* Aim: the head may come byte by byte; what it says is judged when it is complete. */
    (void)state;
    pair_t p;
    pair_begin_open(&p);
    uint8_t head[PROMP_RECORD_HEAD];
    promp_put64(head, promp_record_head(9999, 1));
    for (size_t i = 0; i < 7; i++)
        assert_int_equal(give_data(&p, PROMP_LANE_MESSAGES, i, head + i, 1), PROMP_OK);
    assert_int_equal(give_data(&p, PROMP_LANE_MESSAGES, 7, head + 7, 1), PROMP_ERR_MESSAGE_UNKNOWN);
    assert_int_equal(promp_session_received(p.worker, PROMP_LANE_MESSAGES), 7);
    pair_end(&p);
}

static void more_than_granted_is_refused(void **state)
{
    /* Aim: a piece beyond the credit is an error, also where its end wraps around. */
    (void)state;
    pair_t p;
    pair_begin_open(&p);
    static const uint8_t bytes[100];
    assert_int_equal(give_data(&p, PROMP_LANE_MESSAGES, PROMP_WINDOW_MESSAGES - 50, bytes, 100),
                     PROMP_ERR_CREDIT);
    assert_int_equal(give_data(&p, PROMP_LANE_MESSAGES, PROMP_WINDOW_MESSAGES, bytes, 1), PROMP_ERR_CREDIT);
    assert_int_equal(give_data(&p, PROMP_LANE_MESSAGES, UINT64_MAX - 10, bytes, 100), PROMP_ERR_CREDIT);
    assert_int_equal(give_data(&p, PROMP_LANE_MESSAGES, PROMP_WINDOW_MESSAGES - 100, bytes, 100),
                     PROMP_OK); /* a gap */
    still_works(&p);
    pair_end(&p);
}

static void what_was_never_sent_cannot_be_acknowledged(void **state)
{
    /* Aim: ACK, ATTACH, ATTACHED, urgent versions and CONGESTED beyond what was sent are errors and change nothing. */
    (void)state;
    pair_t p;
    pair_begin_open(&p);
    promp_message_t m = {.type = PROMP_TYPE_ACK};
    m.ack.recv2 = 1;
    assert_int_equal(give_message(&p, p.worker, 1, &m), PROMP_ERR_OFFSET);
    m = (promp_message_t){.type = PROMP_TYPE_ACK};
    m.ack.urgent1 = 1;
    assert_int_equal(give_message(&p, p.worker, 1, &m), PROMP_ERR_OFFSET);
    m = (promp_message_t){.type = PROMP_TYPE_ACK};
    m.ack.gaps = 16;
    assert_int_equal(give_message(&p, p.worker, 1, &m), PROMP_ERR_MESSAGE_FIELD);
    m = (promp_message_t){.type = PROMP_TYPE_ATTACH};
    m.attach.recv0 = 1;
    assert_int_equal(give_message(&p, p.worker, 5, &m), PROMP_ERR_OFFSET);
    m = (promp_message_t){.type = PROMP_TYPE_ATTACHED};
    m.attached.recv1 = UINT64_MAX;
    assert_int_equal(give_message(&p, p.manager, 1, &m), PROMP_ERR_OFFSET);
    m = (promp_message_t){.type = PROMP_TYPE_CONGESTED};
    pair_frame_t frame = pair_message(&p, 1, &m);
    frame.frame.offset = 1;
    assert_int_equal(pair_give(&p, p.manager, &frame), PROMP_ERR_OFFSET);
    pair_free(&frame);
    m = (promp_message_t){.type = PROMP_TYPE_URGENT};
    m.urgent.slot = PROMP_SLOTS;
    assert_int_equal(give_message(&p, p.worker, 1, &m), PROMP_ERR_MESSAGE_FIELD);
    still_works(&p);
    pair_end(&p);
}

static void a_new_path_cannot_know_less(void **state)
{
    /* Aim: an ATTACH of a new epoch that takes back an acknowledgement is an error: those bytes are gone. */
    (void)state;
    pair_t p;
    pair_begin_open(&p);
    pair_send(p.worker, PROMP_LANE_MESSAGES, PROMP_TYPE_USER_MESSAGE, 100, 1);
    pair_exchange(&p);
    pair_wait(&p, PROMP_TIME_ACK);
    pair_exchange(&p);
    const promp_message_t m = {.type = PROMP_TYPE_ATTACH};
    assert_int_equal(give_message(&p, p.worker, 2, &m), PROMP_ERR_OFFSET);
    assert_int_equal(give_message(&p, p.worker, 1, &m), PROMP_OK); /* an old copy is only late */
    still_works(&p);
    pair_end(&p);
}

static void each_side_has_its_own_frames(void **state)
{
    /* Aim: frames of the wrong side, of the future, of no epoch, empty data and foreign types are refused. */
    (void)state;
    pair_t p;
    pair_begin_open(&p);
    promp_message_t m = {.type = PROMP_TYPE_ATTACH};
    assert_int_equal(give_message(&p, p.manager, 2, &m), PROMP_ERR_MESSAGE_SENDER);
    assert_int_equal(give_message(&p, p.worker, 0, &m), PROMP_ERR_FRAME_HEADER);
    m.type = PROMP_TYPE_ATTACHED;
    assert_int_equal(give_message(&p, p.worker, 1, &m), PROMP_ERR_MESSAGE_SENDER);
    m.type = PROMP_TYPE_REATTACH;
    assert_int_equal(give_message(&p, p.worker, 1, &m), PROMP_ERR_MESSAGE_SENDER);
    m.type = PROMP_TYPE_ACK;
    assert_int_equal(give_message(&p, p.worker, 2, &m), PROMP_ERR_MESSAGE_STATE);
    m.type = PROMP_TYPE_BEAT;
    assert_int_equal(give_message(&p, p.worker, 1, &m), PROMP_ERR_MESSAGE_STATE);
    assert_int_equal(give_data(&p, PROMP_LANE_MESSAGES, 0, NULL, 0), PROMP_ERR_MESSAGE_SIZE);
    pair_frame_t data = pair_data(&p, 1, PROMP_LANE_MESSAGES, 0, "x", 1);
    assert_int_equal(promp_session_frame(p.worker, &data.frame, PROMP_WHO_NODE, p.now),
                     PROMP_ERR_MESSAGE_SENDER);
    data.frame.lane = PROMP_LANES;
    assert_int_equal(pair_give(&p, p.worker, &data), PROMP_ERR_FRAME_HEADER);
    pair_free(&data);
    still_works(&p);
    pair_end(&p);
}

static void a_claim_of_two_gigabytes_costs_nothing(void **state)
{
    /* Aim: a head that claims the largest record is taken, and with it come only the credit's bytes at a time. */
    (void)state;
    pair_t p;
    pair_begin_open(&p);
    assert_int_equal(give_head(&p, PROMP_LANE_MESSAGES, PROMP_TYPE_USER_MESSAGE, PROMP_LIMIT_VALUE),
                     PROMP_OK);
    static const uint8_t bytes[100000];
    uint64_t offset = PROMP_RECORD_HEAD;
    for (int i = 0; i < 30; i++, offset += sizeof bytes) {
        assert_int_equal(give_data(&p, PROMP_LANE_MESSAGES, offset, bytes, sizeof bytes), PROMP_OK);
        pair_frame_t ack;
        while (pair_next(&p, p.worker, PAIR_ROOM, &ack))
            pair_free(&ack);
    }
    promp_session_over(p.worker, PROMP_ERR_WORKER_PROTOCOL);
    pair_end(&p);
}

static void garbage_never_harms(void **state)
{
    /* Aim: random bodies, headers and orders of all frame types neither crash nor leak (run under the sanitizers). */
    (void)state;
    uint32_t random = 12345;
    for (int round = 0; round < 300; round++) {
        pair_t p;
        pair_begin_open(&p);
        for (int i = 0; i < 60; i++) {
            uint8_t bytes[128];
            for (size_t k = 0; k < sizeof bytes; k++)
                bytes[k] = (uint8_t)((random = random * 1664525 + 1013904223) >> 24);
            size_t size = bytes[0] % 5 == 0 ? bytes[1] % sizeof bytes : 77;
            if (bytes[2] % 2)
                memset(bytes, 0, 64);
            pair_frame_t frame = pair_data(&p, bytes[65] % 4, bytes[66] % 5, bytes[67] % 16, bytes, size);
            frame.frame.type = (uint8_t)(PROMP_TYPE_ATTACH + bytes[68] % 12);
            pair_give(&p, bytes[69] % 2 ? p.manager : p.worker, &frame);
            pair_free(&frame);
            while (bytes[70] % 2 && pair_next(&p, p.worker, PAIR_ROOM, &frame))
                pair_free(&frame);
            pair_wait(&p, bytes[71]);
        }
        pair_end(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_of_records_are_checked),
        cmocka_unit_test(a_head_split_over_frames_is_checked_too),
        cmocka_unit_test(more_than_granted_is_refused),
        cmocka_unit_test(what_was_never_sent_cannot_be_acknowledged),
        cmocka_unit_test(a_new_path_cannot_know_less),
        cmocka_unit_test(each_side_has_its_own_frames),
        cmocka_unit_test(a_claim_of_two_gigabytes_costs_nothing),
        cmocka_unit_test(garbage_never_harms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
