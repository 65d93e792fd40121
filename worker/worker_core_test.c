/* A manager's session beside the worker's core: frames go from one to the other, time is ours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "message.h"
#include "session.h"
#include "worker_core.h"

typedef struct {
    promp_session_t *manager;
    promp_worker_core_t *core;
    int64_t now;
    uint64_t task;              /* number of the last one sent */
    bool deaf;                  /* the manager's frames do not arrive */
    bool mute;                  /* nor do the worker's */
    bool out_closed;            /* the manager takes no output */
    bool lane_off[PROMP_LANES]; /* data of the manager's lane does not arrive */
} pair_t;

static const promp_port_ops_t *ops = &promp_worker_core_ops;
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

static bool step(pair_t *p)
{
    promp_out_t out;
    bool moved = false, mine;
    while (promp_session_next(p->manager, &out, PROMP_LIMIT_FRAME, p->now)) {
        promp_frame_t frame = flatten(&out);
        moved = true;
        if (p->deaf || (frame.type == PROMP_TYPE_DATA && p->lane_off[frame.lane]))
            continue;
        assert_int_equal(ops->frame(p->core, &frame, &mine, p->now), PROMP_OK);
        assert_true(mine);
    }
    while (ops->next(p->core, &out, PROMP_LIMIT_FRAME, p->now)) {
        promp_frame_t frame = flatten(&out);
        moved = true;
        if (!p->mute)
            assert_int_equal(promp_session_frame(p->manager, &frame, PROMP_WHO_WORKER, p->now), PROMP_OK);
    }
    return moved;
}

static void tick(pair_t *p)
{
    ops->tick(p->core, p->now);
    promp_session_tick(p->manager, p->now);
}

/* Lets ms pass, in small steps, and all frames arrive. */
static void run(pair_t *p, int64_t ms)
{
    for (int64_t end = p->now + ms;; p->now += promp_min64(5, end - p->now)) {
        tick(p);
        while (step(p))
            continue;
        if (p->now >= end)
            break;
    }
}

static void post(pair_t *p, const promp_message_t *message)
{
    promp_buf_t body = {0};
    assert_int_equal(promp_message_encode(message, &body), PROMP_OK);
    promp_slice_t part = promp_slice(body.data, body.size);
    promp_lane_t lane = promp_message_row(message->type)->on - PROMP_ON_CONTROL;
    assert_int_equal(promp_session_send(p->manager, lane, message->type, &part, 1), PROMP_OK);
    promp_buf_free(&body);
}

static const promp_message_t setup = {PROMP_TYPE_SETUP,
                                      .setup = {.worker = 7, .level = 2, .options = 1, .timeout_ms = 1000}};

static void give(pair_t *p)
{
    post(p, &(promp_message_t){PROMP_TYPE_TASK,
                               .task = {.number = ++p->task, .name = {(const uint8_t *)"t", 1}}});
}

static void abort_tasks(pair_t *p, uint64_t last, uint64_t timeout)
{
    promp_session_urge(p->manager, PROMP_SLOT_ABORT, last, timeout);
    run(p, 0);
}

/* Next record of a lane at the manager, decoded; type 0: none. body is freed by the next call. */
static promp_message_t take(pair_t *p, promp_lane_t lane)
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

static void assert_done(pair_t *p, uint64_t task, int outcome)
{
    promp_message_t m = take(p, PROMP_LANE_CONTROL);
    assert_int_equal(m.type, PROMP_TYPE_DONE);
    assert_int_equal(m.done.task, task);
    assert_int_equal(m.done.outcome, outcome);
}

static uint64_t begin(pair_t *p)
{
    promp_worker_job_t job;
    if (!promp_worker_core_begin(p->core, &job))
        return 0;
    uint64_t number = job.number;
    promp_worker_job_free(&job);
    return number;
}

static void return_value(pair_t *p, const void *cbor, size_t size)
{
    promp_buf_t value = {0};
    assert_int_equal(promp_buf_append(&value, cbor, size), PROMP_OK);
    assert_int_equal(promp_worker_core_result(p->core, &value), PROMP_OK);
    assert_null(value.data);
}

static promp_worker_act_t act(pair_t *p)
{
    uint64_t task;
    return promp_worker_core_act(p->core, &task);
}

static void connect_pair(pair_t *p)
{
    static const promp_id_t id = {{1, 2, 3}};
    *p = (pair_t){.now = 1000};
    p->manager = promp_session_new(&id, true);
    p->core = promp_worker_core_new(&id, p->now);
    promp_session_path(p->manager, true, p->now);
    ops->path(p->core, true, false, &id, p->now);
    run(p, 0);
}

/* A connected pair after SETUP and READY. */
static pair_t *pair(void)
{
    static pair_t p;
    connect_pair(&p);
    post(&p, &setup);
    run(&p, 0);
    assert_int_equal(promp_worker_core_ready(p.core, 42), PROMP_OK);
    run(&p, 0);
    promp_message_t ready = take(&p, PROMP_LANE_CONTROL);
    assert_int_equal(ready.type, PROMP_TYPE_READY);
    assert_int_equal(ready.ready.pid, 42);
    return &p;
}

static void close_pair(pair_t *p)
{
    take(p, PROMP_LANE_BULK); /* frees the last body */
    promp_session_destroy(&p->manager);
    promp_worker_core_destroy(&p->core);
    assert_null(p->core);
}

/* --- tasks --- */

static void test_setup(void **state)
{
    /* Aim: what SETUP says is there, and only from then on. */
    (void)state;
    pair_t p;
    connect_pair(&p);
    assert_null(promp_worker_core_setup(p.core));
    assert_int_equal(ops->lease(p.core), PROMP_TIMEOUT_DEFAULT);
    promp_message_t full = setup;
    full.setup.extra = promp_slice("\xa0", 1);
    full.setup.address = promp_slice("ipc:///x", 8);
    post(&p, &full);
    run(&p, 0);
    const promp_worker_setup_t *s = promp_worker_core_setup(p.core);
    assert_non_null(s);
    assert_int_equal(s->worker, 7);
    assert_int_equal(s->level, 2);
    assert_int_equal(s->options, 1);
    assert_int_equal(s->extra.size, 1);
    assert_string_equal(s->address, "ipc:///x");
    assert_int_equal(ops->lease(p.core), 1000);
    close_pair(&p);
}

static void test_tasks_in_order(void **state)
{
    /* Aim: tasks run one after the other in the order given, also those that came before READY; each end is told. */
    (void)state;
    pair_t *p = pair();
    for (int i = 0; i < 3; i++)
        give(p);
    run(p, 0);
    for (uint64_t i = 1; i <= 3; i++) {
        assert_true(promp_worker_core_has_task(p->core));
        assert_int_equal(begin(p), i);
        assert_int_equal(promp_worker_core_running(p->core), i);
        assert_false(promp_worker_core_has_task(p->core)); /* one at a time */
        assert_int_equal(begin(p), 0);
        assert_int_equal(promp_worker_core_finish(p->core, 0), PROMP_OK);
        run(p, 0);
        assert_done(p, i, 0);
    }
    assert_int_equal(begin(p), 0);
    assert_int_equal(promp_worker_core_finish(p->core, 0), PROMP_ERR_STATE);
    close_pair(p);
}

static void test_task_before_setup(void **state)
{
    /* Aim: a task whose lane was faster than SETUP's waits for it. */
    (void)state;
    pair_t p;
    connect_pair(&p);
    p.lane_off[PROMP_LANE_CONTROL] = true;
    post(&p, &setup);
    give(&p);
    run(&p, 0);
    assert_false(promp_worker_core_has_task(p.core));
    p.lane_off[PROMP_LANE_CONTROL] = false;
    run(&p, 2000); /* the lost piece is found and repeated */
    assert_int_equal(begin(&p), 1);
    close_pair(&p);
}

static void test_end_names_lanes(void **state)
{
    /* Aim: DONE names the ends of messages and output at that moment; result, output and DONE are all queued. */
    (void)state;
    pair_t *p = pair();
    give(p);
    run(p, 0);
    begin(p);
    assert_int_equal(promp_worker_core_output(p->core, 1, promp_slice("hello", 5)), PROMP_OK);
    return_value(p, "\x2a", 1);
    assert_int_equal(promp_worker_core_finish(p->core, 0), PROMP_OK);
    run(p, 0);
    promp_message_t m = take(p, PROMP_LANE_CONTROL);
    assert_int_equal(m.type, PROMP_TYPE_DONE);
    uint64_t end_messages = m.done.end_messages, end_output = m.done.end_output;
    m = take(p, PROMP_LANE_MESSAGES);
    assert_int_equal(m.type, PROMP_TYPE_RESULT);
    assert_int_equal(m.result.task, 1);
    assert_memory_equal(m.result.value.data, "\x2a", 1);
    assert_int_equal(promp_session_taken(p->manager, PROMP_LANE_MESSAGES), end_messages);
    m = take(p, PROMP_LANE_OUTPUT);
    assert_int_equal(m.type, PROMP_TYPE_OUTPUT);
    assert_memory_equal(m.output.text.data, "hello", 5);
    assert_int_equal(promp_session_taken(p->manager, PROMP_LANE_OUTPUT), end_output);
    close_pair(p);
}

static void test_large_value(void **state)
{
    /* Aim: a value that moves in instead of being copied arrives whole, also over a path that breaks, and what follows it too. */
    (void)state;
    static const promp_id_t node;
    pair_t *p = pair();
    give(p);
    run(p, 0);
    begin(p);
    const size_t size = 3 * PROMP_WINDOW_MESSAGES + 12345;
    uint8_t *bytes = malloc(size);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(i * 7 + i / 1000);
    return_value(p, bytes, size);
    promp_worker_core_send(p->core, 9, promp_slice("after", 5));
    assert_int_equal(promp_worker_core_finish(p->core, 0), PROMP_OK);
    for (int i = 0; i < 3; i++) {
        while (step(p))
            continue;
        p->mute = true; /* pieces are lost */
        run(p, 30);
        p->mute = false;
        ops->path(p->core, false, false, &node, p->now);
        promp_session_path(p->manager, false, p->now);
        ops->path(p->core, true, false, &node, p->now);
        promp_session_path(p->manager, true, p->now);
        run(p, 100);
    }
    run(p, 3000);
    promp_message_t m = take(p, PROMP_LANE_MESSAGES);
    assert_int_equal(m.type, PROMP_TYPE_RESULT);
    assert_int_equal(m.result.value.size, size);
    assert_memory_equal(m.result.value.data, bytes, size);
    m = take(p, PROMP_LANE_MESSAGES);
    assert_int_equal(m.type, PROMP_TYPE_USER_MESSAGE);
    assert_memory_equal(m.user_message.data.data, "after", 5);
    run(p, 100);
    assert_true(promp_worker_core_settled(p->core));
    free(bytes);
    close_pair(p);
}

static void test_failure_texts(void **state)
{
    /* Aim: a failure arrives whatever its texts hold: bytes that are no UTF-8, too much of them, none. */
    (void)state;
    pair_t *p = pair();
    give(p);
    run(p, 0);
    begin(p);
    char *trace = malloc(PROMP_LIMIT_TRACE + 100);
    memset(trace, 'x', PROMP_LIMIT_TRACE + 99);
    trace[PROMP_LIMIT_TRACE + 99] = 0;
    assert_int_equal(promp_worker_core_failure(p->core, PROMP_ERR_TASK_FAILED, NULL, "a\xff b", trace),
                     PROMP_OK);
    free(trace);
    run(p, 0);
    for (int i = 0; i < 20; i++)
        run(p, 5); /* larger than the window: acknowledgements are needed */
    promp_message_t m = take(p, PROMP_LANE_MESSAGES);
    assert_int_equal(m.type, PROMP_TYPE_FAILURE);
    assert_int_equal(m.failure.error, PROMP_ERR_TASK_FAILED);
    assert_int_equal(m.failure.kind.size, 0);
    assert_memory_equal(m.failure.text.data, "a? b", 4);
    assert_int_equal(m.failure.trace.size, PROMP_LIMIT_TRACE);
    close_pair(p);
}

/* --- abort and stop --- */

static void test_abort_drops_waiting(void **state)
{
    /* Aim: an abort drops what has not begun; the running one ends by itself and then all of it is told as over. */
    (void)state;
    pair_t *p = pair();
    for (int i = 0; i < 4; i++)
        give(p);
    run(p, 0);
    begin(p);
    assert_false(promp_worker_core_aborted(p->core, false));
    abort_tasks(p, 3, 1000);
    assert_true(promp_worker_core_aborted(p->core, false));
    assert_int_equal(promp_worker_core_finish(p->core, 2), PROMP_OK);
    run(p, 0);
    assert_done(p, 1, 2);
    assert_done(p, 3, 2);
    assert_int_equal(begin(p), 4); /* was not meant */
    assert_false(promp_worker_core_aborted(p->core, false));
    close_pair(p);
}

static void test_abort_before_record(void **state)
{
    /* Aim: an abort that overtakes the record of a task ends it; the record is dropped when it comes. */
    (void)state;
    pair_t *p = pair();
    p->lane_off[PROMP_LANE_MESSAGES] = true;
    give(p);
    give(p);
    run(p, 0);
    abort_tasks(p, 2, 1000);
    assert_done(p, 2, 2);
    p->lane_off[PROMP_LANE_MESSAGES] = false;
    give(p);
    run(p, 3000);
    assert_int_equal(begin(p), 3);
    assert_false(promp_worker_core_aborted(p->core, false));
    close_pair(p);
}

static void test_abort_idle(void **state)
{
    /* Aim: an abort that finds everything done leaves no flag and tells nothing; an old one spares a newer task. */
    (void)state;
    pair_t *p = pair();
    give(p);
    run(p, 0);
    begin(p);
    promp_worker_core_finish(p->core, 0);
    run(p, 0);
    assert_done(p, 1, 0);
    abort_tasks(p, 1, 1000);
    assert_false(promp_worker_core_aborted(p->core, false));
    assert_int_equal(take(p, PROMP_LANE_CONTROL).type, 0);
    give(p);
    run(p, 0);
    assert_int_equal(begin(p), 2);
    abort_tasks(p, 1, 1000);
    assert_false(promp_worker_core_aborted(p->core, false));
    run(p, 2000);
    assert_int_equal(act(p), PROMP_WORKER_ACT_NONE);
    close_pair(p);
}

static void test_abort_escalates(void **state)
{
    /* Aim: interrupt at T/2, terminate at 0.9 T, each once and naming the task. */
    (void)state;
    pair_t *p = pair();
    give(p);
    run(p, 0);
    begin(p);
    assert_false(promp_worker_core_aborted(p->core, true)); /* a look before it came does not count */
    abort_tasks(p, 1, 1000);
    assert_true(promp_worker_core_aborted(p->core, false)); /* nor does one of ours */
    int64_t start = p->now;
    uint64_t task = 0;
    run(p, 495);
    assert_int_equal(act(p), PROMP_WORKER_ACT_NONE);
    run(p, start + 500 - p->now);
    assert_int_equal(promp_worker_core_act(p->core, &task), PROMP_WORKER_ACT_INTERRUPT);
    assert_int_equal(task, 1);
    run(p, start + 895 - p->now);
    assert_int_equal(act(p), PROMP_WORKER_ACT_NONE);
    run(p, start + 900 - p->now);
    assert_int_equal(act(p), PROMP_WORKER_ACT_TERMINATE);
    run(p, 2000);
    assert_int_equal(act(p), PROMP_WORKER_ACT_NONE);
    close_pair(p);
}

static void test_abort_looked_at(void **state)
{
    /* Aim: a task that has asked for the flag is not interrupted, but terminated when it does not end all the same. */
    (void)state;
    pair_t *p = pair();
    give(p);
    run(p, 0);
    begin(p);
    abort_tasks(p, 1, 1000);
    assert_true(promp_worker_core_aborted(p->core, true));
    run(p, 890);
    assert_int_equal(act(p), PROMP_WORKER_ACT_NONE);
    run(p, 20);
    assert_int_equal(act(p), PROMP_WORKER_ACT_TERMINATE);
    close_pair(p);
}

static void test_abort_obeyed(void **state)
{
    /* Aim: the steps of an abort end with its task, those not yet taken by the shell too; T = 0 has none. */
    (void)state;
    pair_t *p = pair();
    give(p);
    give(p);
    run(p, 0);
    begin(p);
    abort_tasks(p, 1, 100);
    run(p, 60); /* INTERRUPT is pending */
    promp_worker_core_finish(p->core, 2);
    assert_int_equal(begin(p), 2);
    run(p, 1000);
    assert_int_equal(act(p), PROMP_WORKER_ACT_NONE);
    abort_tasks(p, 2, 0);
    assert_true(promp_worker_core_aborted(p->core, false));
    run(p, 1000);
    assert_int_equal(act(p), PROMP_WORKER_ACT_NONE);
    close_pair(p);
}

static void test_abort_again_sooner(void **state)
{
    /* Aim: a second abort with less patience counts, one with more does not prolong the first. */
    (void)state;
    pair_t *p = pair();
    give(p);
    run(p, 0);
    begin(p);
    abort_tasks(p, 1, 100000);
    abort_tasks(p, 1, 100);
    abort_tasks(p, 1, UINT64_MAX);
    run(p, 55);
    assert_int_equal(act(p), PROMP_WORKER_ACT_INTERRUPT);
    run(p, 50);
    assert_int_equal(act(p), PROMP_WORKER_ACT_TERMINATE);
    close_pair(p);
}

static void test_stop(void **state)
{
    /* Aim: stop sets both flags, drops what waits and what comes, lets the running task end in good order. */
    (void)state;
    pair_t *p = pair();
    give(p);
    give(p);
    run(p, 0);
    begin(p);
    assert_int_equal(promp_worker_core_state(p->core), PROMP_OK);
    promp_session_urge(p->manager, PROMP_SLOT_STOP, 0, 0);
    run(p, 0);
    assert_true(promp_worker_core_stopped(p->core));
    assert_true(promp_worker_core_aborted(p->core, false));
    assert_int_equal(promp_worker_core_state(p->core), PROMP_ERR_CLOSED);
    return_value(p, "\x01", 1);
    assert_int_equal(promp_worker_core_finish(p->core, 0), PROMP_OK);
    assert_false(promp_worker_core_settled(p->core));
    give(p);
    run(p, 100);
    assert_false(promp_worker_core_has_task(p->core));
    assert_int_equal(take(p, PROMP_LANE_MESSAGES).type, PROMP_TYPE_RESULT);
    assert_done(p, 1, 0);
    run(p, 100);
    assert_true(promp_worker_core_settled(p->core));
    assert_int_equal(act(p), PROMP_WORKER_ACT_NONE);
    close_pair(p);
}

/* --- progress, messages, output --- */

static void test_progress_newest(void **state)
{
    /* Aim: while one is on its way only the newest of the rest follows; the last one precedes DONE. */
    (void)state;
    pair_t *p = pair();
    give(p);
    run(p, 0);
    assert_int_equal(promp_worker_core_progress(p->core, 1), PROMP_ERR_STATE);
    begin(p);
    promp_worker_core_progress(p->core, 1);
    run(p, 0); /* on its way: not acknowledged */
    for (int i = 2; i <= 50; i++)
        promp_worker_core_progress(p->core, i);
    promp_worker_core_text(p->core, "old");
    promp_worker_core_text(p->core, "new");
    run(p, 0);
    assert_int_equal(take(p, PROMP_LANE_CONTROL).progress.value, 1);
    promp_message_t m = take(p, PROMP_LANE_CONTROL);
    assert_int_equal(m.type, PROMP_TYPE_TEXT);
    assert_memory_equal(m.text.text.data, "new", 3);
    assert_int_equal(take(p, PROMP_LANE_CONTROL).type, 0);
    run(p, 100); /* acknowledged meanwhile */
    m = take(p, PROMP_LANE_CONTROL);
    assert_int_equal(m.type, PROMP_TYPE_PROGRESS);
    assert_int_equal(m.progress.value, 50);
    promp_worker_core_progress(p->core, 51);
    run(p, 0);
    promp_worker_core_progress(p->core, -100);
    promp_worker_core_finish(p->core, 0);
    run(p, 0);
    assert_int_equal(take(p, PROMP_LANE_CONTROL).progress.value, 51);
    assert_int_equal((int32_t)take(p, PROMP_LANE_CONTROL).progress.value, -100);
    assert_done(p, 1, 0);
    close_pair(p);
}

static void test_text_refused(void **state)
{
    /* Aim: a text that cannot travel is the caller's error and leaves the one before. */
    (void)state;
    pair_t *p = pair();
    give(p);
    run(p, 0);
    begin(p);
    static char large[PROMP_LIMIT_TEXT + 2];
    memset(large, 'a', PROMP_LIMIT_TEXT + 1);
    assert_int_equal(promp_worker_core_text(p->core, "good"), PROMP_OK);
    assert_int_equal(promp_worker_core_text(p->core, large), PROMP_ERR_VALUE_SIZE);
    assert_int_equal(promp_worker_core_text(p->core, "\xff"), PROMP_ERR_ARGUMENT);
    run(p, 0);
    assert_memory_equal(take(p, PROMP_LANE_CONTROL).text.text.data, "good", 4);
    close_pair(p);
}

static void test_messages(void **state)
{
    /* Aim: messages keep their order both ways, those that come while no task runs are kept for the next. */
    (void)state;
    pair_t *p = pair();
    for (uint32_t i = 0; i < 3; i++)
        post(p, &(promp_message_t){PROMP_TYPE_USER_MESSAGE,
                                   .user_message = {.id = i, .data = promp_slice("abc", i)}});
    give(p);
    run(p, 0);
    assert_int_equal(begin(p), 1);
    uint32_t id;
    uint8_t *data;
    size_t size;
    for (uint32_t i = 0; i < 3; i++) {
        assert_true(promp_worker_core_has_message(p->core));
        assert_int_equal(promp_worker_core_receive(p->core, &id, &data, &size), PROMP_OK);
        assert_int_equal(id, i);
        assert_int_equal(size, i);
        if (size)
            assert_memory_equal(data, "abc", size);
        free(data);
    }
    assert_false(promp_worker_core_has_message(p->core));
    assert_int_equal(promp_worker_core_receive(p->core, &id, &data, &size), PROMP_ERR_NOT_FOUND);
    assert_int_equal(promp_worker_core_send(p->core, 0x80000000u, promp_slice(NULL, 0)),
                     PROMP_ERR_MESSAGE_ID);
    assert_int_equal(promp_worker_core_send(p->core, 0x7FFFFFFFu, promp_slice(NULL, 0)), PROMP_OK);
    run(p, 0);
    assert_int_equal(take(p, PROMP_LANE_MESSAGES).user_message.id, 0x7FFFFFFFu);
    close_pair(p);
}

static void test_output_bound(void **state)
{
    /* Aim: a manager that takes no output fills the queue up to its bound; room comes back when it does. */
    (void)state;
    pair_t *p = pair();
    static char block[64 * 1024];
    size_t records = 0;
    while (promp_worker_core_output_room(p->core)) {
        assert_int_equal(promp_worker_core_output(p->core, 3, promp_slice(block, sizeof block)), PROMP_OK);
        run(p, 30);
        assert_true(++records < 1000);
    }
    assert_true(records * sizeof block >= PROMP_WINDOW_OUTPUT + PROMP_LIMIT_OUTPUT_QUEUE);
    assert_true(records * sizeof block <
                PROMP_WINDOW_OUTPUT + PROMP_LIMIT_OUTPUT_QUEUE + PROMP_WINDOW_OUTPUT + 3 * sizeof block);
    /* The other lanes go on. */
    promp_worker_core_send(p->core, 5, promp_slice(NULL, 0));
    run(p, 0);
    assert_int_equal(take(p, PROMP_LANE_MESSAGES).user_message.id, 5);
    for (size_t i = 0; i < records; i++) {
        assert_int_equal(take(p, PROMP_LANE_OUTPUT).type, PROMP_TYPE_OUTPUT);
        run(p, 30);
    }
    assert_int_equal(take(p, PROMP_LANE_OUTPUT).type, 0);
    assert_true(promp_worker_core_output_room(p->core));
    assert_int_equal(promp_worker_core_output(p->core, 0, promp_slice(block, 1)), PROMP_ERR_ARGUMENT);
    assert_int_equal(promp_worker_core_output(p->core, 5, promp_slice(block, 1)), PROMP_ERR_ARGUMENT);
    close_pair(p);
}

/* --- what ends it --- */

static void test_lease(void **state)
{
    /* Aim: without a path to the manager for the lease the process is to end; a path that comes back in time saves it. */
    (void)state;
    static const promp_id_t node;
    pair_t *p = pair();
    give(p);
    run(p, 0);
    begin(p);
    ops->path(p->core, false, false, &node, p->now);
    promp_session_path(p->manager, false, p->now);
    run(p, 900);
    assert_int_equal(act(p), PROMP_WORKER_ACT_NONE);
    ops->path(p->core, true, false, &node, p->now);
    promp_session_path(p->manager, true, p->now);
    run(p, 5000);
    assert_int_equal(act(p), PROMP_WORKER_ACT_NONE);
    assert_int_equal(promp_worker_core_state(p->core), PROMP_OK);
    ops->path(p->core, false, false, &node, p->now);
    int64_t start = p->now;
    run(p, 995);
    assert_int_equal(act(p), PROMP_WORKER_ACT_NONE);
    run(p, start + 1000 - p->now);
    assert_int_equal(act(p), PROMP_WORKER_ACT_DIE);
    assert_int_equal(promp_worker_core_state(p->core), PROMP_ERR_WORKER_LEASE);
    assert_true(promp_worker_core_aborted(p->core, false));
    close_pair(p);
}

static void test_slept(void **state)
{
    /* Aim: a worker that was not running itself does not blame the manager for the silence. */
    (void)state;
    static const promp_id_t node;
    pair_t *p = pair();
    ops->path(p->core, false, false, &node, p->now);
    p->now += 5;
    ops->tick(p->core, p->now);
    p->now += 100000; /* nobody ticked */
    ops->tick(p->core, p->now);
    assert_int_equal(act(p), PROMP_WORKER_ACT_NONE);
    run(p, 1000);
    assert_int_equal(act(p), PROMP_WORKER_ACT_DIE);
    close_pair(p);
}

static void test_never_attached(void **state)
{
    /* Aim: a worker to which no manager ever speaks ends after the default lease. */
    (void)state;
    static const promp_id_t id = {{9}};
    pair_t p = {
        .now = 1000, .core = promp_worker_core_new(&id, 1000), .manager = promp_session_new(&id, true)};
    ops->path(p.core, true, false, &id, p.now);
    p.deaf = p.mute = true;
    run(&p, PROMP_TIMEOUT_DEFAULT - 5);
    assert_int_equal(act(&p), PROMP_WORKER_ACT_NONE);
    run(&p, 5);
    assert_int_equal(act(&p), PROMP_WORKER_ACT_DIE);
    close_pair(&p);
}

static void test_reset(void **state)
{
    /* Aim: RESET stops the worker; a task that goes on all the same is ended a second later. */
    (void)state;
    pair_t *p = pair();
    give(p);
    give(p);
    run(p, 0);
    begin(p);
    promp_session_over(p->manager, PROMP_ERR_WORKER_STOPPED);
    run(p, 0);
    assert_int_equal(promp_worker_core_state(p->core), PROMP_ERR_WORKER_STOPPED);
    assert_true(promp_worker_core_stopped(p->core));
    assert_true(promp_worker_core_aborted(p->core, false));
    assert_int_equal(promp_worker_core_output(p->core, 1, promp_slice("x", 1)), PROMP_ERR_CLOSED);
    assert_int_equal(promp_worker_core_progress(p->core, 1), PROMP_ERR_CLOSED);
    run(p, PROMP_TIME_ABORT - 5);
    assert_int_equal(act(p), PROMP_WORKER_ACT_NONE);
    assert_int_equal(promp_worker_core_finish(p->core, 0), PROMP_ERR_CLOSED);
    assert_int_equal(begin(p), 0);
    run(p, 10);
    assert_int_equal(act(p), PROMP_WORKER_ACT_DIE);
    close_pair(p);
}

static void test_node_lost(void **state)
{
    /* Aim: when the node is gone for good the process ends at once. */
    (void)state;
    static const promp_id_t node;
    pair_t *p = pair();
    ops->path(p->core, false, true, &node, p->now);
    run(p, 0);
    assert_int_equal(act(p), PROMP_WORKER_ACT_DIE);
    close_pair(p);
}

/* --- hostile managers --- */

/* The record ends the session with this error, at both ends; the honest pair beside it lives. */
static void assert_breaks(promp_lane_t lane, uint16_t type, const void *body, size_t size, promp_err_t error)
{
    pair_t *p = pair();
    promp_slice_t part = promp_slice(body, size);
    assert_int_equal(promp_session_send(p->manager, lane, type, &part, 1), PROMP_OK);
    run(p, 10);
    assert_int_equal(promp_worker_core_state(p->core), error);
    assert_int_equal(promp_session_state(p->manager), PROMP_SESSION_OVER);
    assert_int_equal(promp_session_error(p->manager), error);
    close_pair(p);
}

static void assert_message_breaks(const promp_message_t *message, promp_err_t error)
{
    promp_buf_t body = {0};
    assert_int_equal(promp_message_encode(message, &body), PROMP_OK);
    promp_lane_t lane = promp_message_row(message->type)->on - PROMP_ON_CONTROL;
    assert_breaks(lane, message->type, body.data, body.size, error);
    promp_buf_free(&body);
}

static void test_hostile_records(void **state)
{
    /* Aim: each record that a manager may not send ends the session with its number and no crash. */
    (void)state;
    assert_message_breaks(&setup, PROMP_ERR_MESSAGE_STATE); /* a second one */
    assert_breaks(PROMP_LANE_CONTROL, PROMP_TYPE_SETUP, "abc", 3, PROMP_ERR_MESSAGE_FIELD);
    assert_breaks(PROMP_LANE_MESSAGES, PROMP_TYPE_TASK, "abc", 3, PROMP_ERR_MESSAGE_FIELD);
    assert_breaks(PROMP_LANE_MESSAGES, PROMP_TYPE_USER_MESSAGE, "", 0, PROMP_ERR_MESSAGE_FIELD);
    static const uint64_t numbers[] = {0, 2, UINT64_MAX};
    for (size_t i = 0; i < 3; i++)
        assert_message_breaks(&(promp_message_t){PROMP_TYPE_TASK, .task = {.number = numbers[i]}},
                              PROMP_ERR_MESSAGE_FIELD);
    assert_message_breaks(&(promp_message_t){PROMP_TYPE_USER_MESSAGE, .user_message = {.id = 0x80000000u}},
                          PROMP_ERR_MESSAGE_FIELD);
}

static void test_hostile_setup(void **state)
{
    /* Aim: a SETUP with a lease outside its limits is refused. */
    (void)state;
    static const uint32_t leases[] = {0, PROMP_TIMEOUT_MIN - 1, PROMP_TIMEOUT_MAX + 1u, UINT32_MAX};
    for (size_t i = 0; i < sizeof leases / sizeof *leases; i++) {
        pair_t p;
        connect_pair(&p);
        promp_message_t bad = setup;
        bad.setup.timeout_ms = leases[i];
        post(&p, &bad);
        run(&p, 0);
        assert_null(promp_worker_core_setup(p.core));
        assert_int_equal(promp_worker_core_state(p.core), PROMP_ERR_MESSAGE_FIELD);
        close_pair(&p);
    }
}

static void test_hostile_abort(void **state)
{
    /* Aim: an abort of all numbers there are leaves a core that works by its rules: later tasks are dropped. */
    (void)state;
    pair_t *p = pair();
    abort_tasks(p, UINT64_MAX, UINT64_MAX);
    assert_done(p, UINT64_MAX, 2);
    give(p);
    run(p, 0);
    assert_int_equal(begin(p), 0);
    assert_int_equal(promp_worker_core_state(p->core), PROMP_OK);
    close_pair(p);
}

static void test_foreign_frame(void **state)
{
    /* Aim: a frame of another session is not ours and changes nothing. */
    (void)state;
    pair_t *p = pair();
    promp_frame_t frame = {.size = PROMP_FRAME_HEADER, .type = PROMP_TYPE_REATTACH, .session = {{5}}};
    bool mine = true;
    assert_int_equal(ops->frame(p->core, &frame, &mine, p->now), PROMP_OK);
    assert_false(mine);
    assert_int_equal(promp_worker_core_state(p->core), PROMP_OK);
    close_pair(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_setup),
        cmocka_unit_test(test_tasks_in_order),
        cmocka_unit_test(test_task_before_setup),
        cmocka_unit_test(test_end_names_lanes),
        cmocka_unit_test(test_large_value),
        cmocka_unit_test(test_failure_texts),
        cmocka_unit_test(test_abort_drops_waiting),
        cmocka_unit_test(test_abort_before_record),
        cmocka_unit_test(test_abort_idle),
        cmocka_unit_test(test_abort_escalates),
        cmocka_unit_test(test_abort_looked_at),
        cmocka_unit_test(test_abort_obeyed),
        cmocka_unit_test(test_abort_again_sooner),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_progress_newest),
        cmocka_unit_test(test_text_refused),
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_output_bound),
        cmocka_unit_test(test_lease),
        cmocka_unit_test(test_slept),
        cmocka_unit_test(test_never_attached),
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_node_lost),
        cmocka_unit_test(test_hostile_records),
        cmocka_unit_test(test_hostile_setup),
        cmocka_unit_test(test_hostile_abort),
        cmocka_unit_test(test_foreign_frame),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
