#include "worker_core_pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

const promp_port_ops_t *const pair_ops = &promp_worker_core_ops;
static uint8_t wire[PROMP_LIMIT_FRAME];

/* Makes a whole frame out of its parts, as a link does. */
static promp_frame_t flatten(const promp_out_t *out)
{
    size_t size = 0;
    for (size_t i = 0; i < out->parts; i++) {
        memcpy(wire + size, out->part[i].data, out->part[i].size);
        size += out->part[i].size;
    }
    promp_frame_t frame = out->frame;
    frame.body = promp_slice(wire, size);
    return frame;
}

bool pair_step(pair_t *p)
{
    promp_out_t out;
    bool moved = false, mine;
    while (promp_session_next(p->manager, &out, PROMP_LIMIT_FRAME, p->now)) {
        promp_frame_t frame = flatten(&out);
        moved = true;
        if (p->deaf || (frame.type == PROMP_TYPE_DATA && p->lane_off[frame.lane]))
            continue;
        assert_int_equal(pair_ops->frame(p->core, &frame, &mine, p->now), PROMP_OK);
        assert_true(mine);
    }
    while (pair_ops->next(p->core, &out, PROMP_LIMIT_FRAME, p->now)) {
        promp_frame_t frame = flatten(&out);
        moved = true;
        if (!p->mute)
            assert_int_equal(promp_session_frame(p->manager, &frame, PROMP_WHO_WORKER, p->now), PROMP_OK);
    }
    return moved;
}

static void tick(pair_t *p)
{
    pair_ops->tick(p->core, p->now);
    promp_session_tick(p->manager, p->now);
}

/* Lets ms pass, in small steps, and all frames arrive. */
void pair_run(pair_t *p, int64_t ms)
{
    for (int64_t end = p->now + ms;; p->now += promp_min64(5, end - p->now)) {
        tick(p);
        while (pair_step(p))
            continue;
        if (p->now >= end)
            break;
    }
}

void pair_post(pair_t *p, const promp_message_t *message)
{
    promp_buf_t body = {0};
    assert_int_equal(promp_message_encode(message, &body), PROMP_OK);
    promp_slice_t part = promp_slice(body.data, body.size);
    promp_lane_t lane = promp_message_row(message->type)->on - PROMP_ON_CONTROL;
    assert_int_equal(promp_session_send(p->manager, lane, message->type, &part, 1), PROMP_OK);
    promp_buf_free(&body);
}

const promp_message_t pair_setup = {PROMP_TYPE_SETUP,
                                    .setup = {.worker = 7, .level = 2, .options = 1, .timeout_ms = 1000}};

void pair_give(pair_t *p)
{
    pair_post(p, &(promp_message_t){PROMP_TYPE_TASK,
                                    .task = {.number = ++p->task, .name = {(const uint8_t *)"t", 1}}});
}

void pair_abort(pair_t *p, uint64_t last, uint64_t timeout)
{
    promp_session_urge(p->manager, PROMP_SLOT_ABORT, last, timeout);
    pair_run(p, 0);
}

/* Next record of a lane at the manager, decoded; type 0: none. body is freed by the next call. */
promp_message_t pair_take(pair_t *p, promp_lane_t lane)
{
    static uint8_t *body;
    promp_record_t record;
    promp_message_t message = {0};
    free(body);
    body = NULL;
    if (!promp_session_take(p->manager, lane, &record))
        return message;
    body = record.body;
    assert_int_equal(promp_message_decode(record.type, promp_slice(record.body, record.size),
                                          PROMP_WHO_WORKER, PROMP_WHO_MANAGER, PROMP_AT_UP,
                                          PROMP_VERSION_HIGH, &message),
                     PROMP_OK);
    return message;
}

void pair_assert_done(pair_t *p, uint64_t task, int outcome)
{
    promp_message_t m = pair_take(p, PROMP_LANE_CONTROL);
    assert_int_equal(m.type, PROMP_TYPE_DONE);
    assert_int_equal(m.done.task, task);
    assert_int_equal(m.done.outcome, outcome);
}

uint64_t pair_begin(pair_t *p)
{
    promp_worker_job_t job;
    if (!promp_worker_core_begin(p->core, &job))
        return 0;
    uint64_t number = job.number;
    promp_worker_job_free(&job);
    return number;
}

void pair_return(pair_t *p, const void *cbor, size_t size)
{
    promp_buf_t value = {0};
    assert_int_equal(promp_buf_append(&value, cbor, size), PROMP_OK);
    assert_int_equal(promp_worker_core_result(p->core, &value), PROMP_OK);
    assert_null(value.data);
}

promp_worker_act_t pair_act(pair_t *p)
{
    uint64_t task;
    return promp_worker_core_act(p->core, &task);
}

void pair_connect(pair_t *p)
{
    static const promp_id_t id = {{1, 2, 3}};
    *p = (pair_t){.now = 1000};
    p->manager = promp_session_new(&id, true);
    p->core = promp_worker_core_new(&id, p->now);
    promp_session_path(p->manager, true, p->now);
    pair_ops->path(p->core, true, false, &id, p->now);
    pair_run(p, 0);
}

/* A connected pair after SETUP and READY. */
pair_t *pair_open(void)
{
    static pair_t p;
    pair_connect(&p);
    pair_post(&p, &pair_setup);
    pair_run(&p, 0);
    assert_int_equal(promp_worker_core_ready(p.core, 42), PROMP_OK);
    pair_run(&p, 0);
    promp_message_t ready = pair_take(&p, PROMP_LANE_CONTROL);
    assert_int_equal(ready.type, PROMP_TYPE_READY);
    assert_int_equal(ready.ready.pid, 42);
    return &p;
}

void pair_close(pair_t *p)
{
    pair_take(p, PROMP_LANE_BULK); /* frees the last body */
    promp_session_destroy(&p->manager);
    promp_worker_core_destroy(&p->core);
    assert_null(p->core);
}
