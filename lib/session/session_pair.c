#include "session_pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static const promp_id_t pair_id = {{7, 7, 7}};

void pair_begin(pair_t *pair)
{
    *pair = (pair_t){promp_session_new(&pair_id, true), promp_session_new(&pair_id, false), 1000};
    assert_non_null(pair->manager);
    assert_non_null(pair->worker);
}

void pair_begin_open(pair_t *pair)
{
    pair_begin(pair);
    promp_session_path(pair->worker, true, pair->now);
    promp_session_path(pair->manager, true, pair->now);
    assert_int_equal(pair_exchange(pair), 2);
    assert_int_equal(promp_session_state(pair->manager), PROMP_SESSION_OPEN);
    assert_int_equal(promp_session_state(pair->worker), PROMP_SESSION_OPEN);
}

void pair_end(pair_t *pair)
{
    promp_session_destroy(&pair->manager);
    promp_session_destroy(&pair->worker);
    assert_null(pair->manager);
}

static pair_frame_t copy_of(const promp_frame_t *frame, const promp_slice_t *part, size_t parts, bool urgent)
{
    pair_frame_t copy = {.frame = *frame, .urgent = urgent, .bytes = malloc(frame->size)};
    assert_non_null(copy.bytes);
    size_t size = 0;
    for (size_t i = 0; i < parts; i++) {
        memcpy(copy.bytes + size, part[i].data, part[i].size);
        size += part[i].size;
    }
    assert_int_equal(size, frame->size - PROMP_FRAME_HEADER);
    copy.frame.body = promp_slice(copy.bytes, size);
    return copy;
}

bool pair_next(pair_t *pair, promp_session_t *session, uint64_t room, pair_frame_t *frame)
{
    promp_out_t out;
    if (!promp_session_next(session, &out, room, pair->now))
        return false;
    assert_memory_equal(&out.frame.session, &pair_id, sizeof pair_id);
    *frame = copy_of(&out.frame, out.part, out.parts, out.urgent);
    return true;
}

void pair_free(pair_frame_t *frame)
{
    free(frame->bytes);
    frame->bytes = NULL;
}

pair_frame_t pair_expect(pair_t *pair, promp_session_t *session, promp_type_t type)
{
    pair_frame_t frame;
    assert_true(pair_next(pair, session, PAIR_ROOM, &frame));
    assert_int_equal(frame.frame.type, type);
    return frame;
}

void pair_expect_nothing(pair_t *pair, promp_session_t *session)
{
    promp_out_t out;
    if (promp_session_next(session, &out, PAIR_ROOM, pair->now))
        fail_msg("a frame of type %u, nothing expected", out.frame.type);
}

promp_err_t pair_give(pair_t *pair, promp_session_t *session, const pair_frame_t *frame)
{
    promp_who_t peer = session == pair->manager ? PROMP_WHO_WORKER : PROMP_WHO_MANAGER;
    return promp_session_frame(session, &frame->frame, PROMP_WHO_NODE | peer, pair->now);
}

int pair_exchange(pair_t *pair)
{
    int count = 0;
    for (bool more = true; more;) {
        more = false;
        promp_session_t *const from[] = {pair->manager, pair->worker};
        promp_session_t *const to[] = {pair->worker, pair->manager};
        for (int i = 0; i < 2; i++) {
            pair_frame_t frame;
            while (pair_next(pair, from[i], PAIR_ROOM, &frame)) {
                assert_int_equal(pair_give(pair, to[i], &frame), PROMP_OK);
                pair_free(&frame);
                assert_in_range(++count, 1, 100000);
                more = true;
            }
        }
    }
    return count;
}

void pair_wait(pair_t *pair, int64_t ms)
{
    pair->now += ms;
    promp_session_tick(pair->manager, pair->now);
    promp_session_tick(pair->worker, pair->now);
}

static uint8_t *pattern(size_t size, uint8_t seed)
{
    uint8_t *bytes = malloc(size + 1);
    assert_non_null(bytes);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(seed + i * 7 + (i >> 8));
    return bytes;
}

void pair_send(promp_session_t *session, promp_lane_t lane, uint16_t type, size_t size, uint8_t seed)
{
    uint8_t *bytes = pattern(size, seed);
    const promp_slice_t parts[] = {promp_slice(bytes, size / 3),
                                   promp_slice(bytes + size / 3, size - size / 3)};
    assert_int_equal(promp_session_send(session, lane, type, parts, 2), PROMP_OK);
    free(bytes);
}

void pair_take(promp_session_t *session, promp_lane_t lane, uint16_t type, size_t size, uint8_t seed)
{
    promp_record_t record;
    assert_true(promp_session_take(session, lane, &record));
    assert_int_equal(record.type, type);
    assert_int_equal(record.size, size);
    assert_int_equal(record.end, promp_session_taken(session, lane));
    uint8_t *bytes = pattern(size, seed);
    if (size)
        assert_int_equal(memcmp(record.body, bytes, size), 0);
    else
        assert_null(record.body);
    free(bytes);
    free(record.body);
}

pair_frame_t pair_data(const pair_t *pair, uint32_t epoch, promp_lane_t lane, uint64_t offset,
                       const void *bytes, size_t size)
{
    (void)pair;
    promp_frame_t frame = {.size = (uint32_t)(PROMP_FRAME_HEADER + size),
                           .type = PROMP_TYPE_DATA,
                           .lane = (uint8_t)lane,
                           .epoch = epoch,
                           .session = pair_id,
                           .offset = offset};
    promp_slice_t part = promp_slice(bytes, size);
    return copy_of(&frame, &part, size ? 1 : 0, lane == PROMP_LANE_CONTROL);
}

pair_frame_t pair_message(const pair_t *pair, uint32_t epoch, const promp_message_t *message)
{
    (void)pair;
    promp_out_t out;
    assert_int_equal(promp_message_out(message, &pair_id, epoch, &out), PROMP_OK);
    return copy_of(&out.frame, out.part, out.parts, out.urgent);
}
