#include "core_rig.h"

#include <stdio.h>
#include <stdlib.h>

#include "buf.h"

rig_t *rig_new(void)
{
    rig_t *rig = calloc(1, sizeof *rig);
    assert_non_null(rig);
    rig->core = promp_manager_core_new(0, 7);
    assert_non_null(rig->core);
    rig->now = 1000;
    rig->node.b[0] = 1;
    rig->room = PROMP_LIMIT_LINK_WINDOW;
    rig_path(rig, true, false);
    return rig;
}

void rig_free(rig_t *rig)
{
    promp_manager_core_destroy(&rig->core);
    for (size_t i = 0; i < rig->count; i++)
        promp_session_destroy(&rig->worker[i].session);
    free(rig);
}

void rig_path(rig_t *rig, bool up, bool lost)
{
    rig->up = up;
    promp_manager_core_ops.path(rig->core, up, lost, &rig->node, rig->now);
    for (size_t i = 0; i < rig->count; i++)
        promp_session_path(rig->worker[i].session, up, rig->now);
}

static promp_slice_t join(const promp_out_t *out, promp_buf_t *body)
{
    for (size_t i = 0; i < out->parts; i++)
        assert_int_equal(promp_buf_append(body, out->part[i].data, out->part[i].size), PROMP_OK);
    assert_int_equal(out->frame.size, PROMP_FRAME_HEADER + body->size);
    return promp_slice(body->data, body->size);
}

static void to_manager(rig_t *rig, const promp_message_t *message, const promp_id_t *key)
{
    promp_buf_t body = {0};
    assert_int_equal(promp_message_encode(message, &body), PROMP_OK);
    promp_frame_t frame = {.size = (uint32_t)(PROMP_FRAME_HEADER + body.size),
                           .type = (uint8_t)message->type,
                           .session = *key,
                           .body = promp_slice(body.data, body.size)};
    bool mine = false;
    assert_int_equal(promp_manager_core_ops.frame(rig->core, &frame, &mine, rig->now), PROMP_OK);
    assert_true(mine);
    promp_buf_free(&body);
}

void rig_answer(rig_t *rig, uint32_t id, const promp_message_t *message)
{
    to_manager(rig, message, &rig->worker[id - 1].key);
    rig_pump(rig);
}

static rig_worker_t *worker_of(rig_t *rig, const promp_id_t *key)
{
    for (size_t i = 0; i < rig->count; i++)
        if (promp_id_equal(&rig->worker[i].key, key))
            return &rig->worker[i];
    fail_msg("a frame for an unknown session");
    return NULL;
}

static void on_start(rig_t *rig, rig_worker_t *w)
{
    w->started++;
    if (rig->mute)
        return;
    promp_message_t answer = {.type = PROMP_TYPE_STARTED};
    if (rig->refuse) {
        answer.type = PROMP_TYPE_START_REFUSED;
        answer.start_refused.error = (uint32_t)rig->refuse;
        answer.start_refused.text = promp_slice_str("as the test wants");
    } else if (rig->queue) {
        answer.type = PROMP_TYPE_QUEUED;
    } else {
        answer.started.pid = 4711;
        answer.started.node = promp_slice_str("rig");
    }
    to_manager(rig, &answer, &w->key);
}

static void from_manager(rig_t *rig, const promp_out_t *out)
{
    promp_buf_t body = {0};
    promp_frame_t frame = out->frame;
    frame.body = join(out, &body);
    rig_worker_t *w = worker_of(rig, &frame.session);
    promp_message_t message;
    if (frame.type < PROMP_TYPE_ATTACH)
        assert_int_equal(promp_message_decode(frame.type, frame.body, PROMP_WHO_MANAGER, PROMP_WHO_NODE,
                                              PROMP_AT_UP, PROMP_VERSION_HIGH, &message),
                         PROMP_OK);
    w->kills += frame.type == PROMP_TYPE_KILL;
    if (frame.type == PROMP_TYPE_START)
        on_start(rig, w);
    else if (frame.type == PROMP_TYPE_KILL)
        w->killed = message.kill.cause;
    else if (frame.type == PROMP_TYPE_GONE_ACK)
        w->acked++;
    else
        assert_int_equal(promp_session_frame(w->session, &frame, PROMP_WHO_MANAGER, rig->now), PROMP_OK);
    promp_buf_free(&body);
}

static void take_tasks(rig_worker_t *w)
{
    promp_record_t record;
    while (promp_session_take(w->session, PROMP_LANE_CONTROL, &record))
        free(record.body);
    while (promp_session_take(w->session, PROMP_LANE_MESSAGES, &record)) {
        promp_message_t message;
        assert_int_equal(promp_message_decode(record.type, promp_slice(record.body, record.size),
                                              PROMP_WHO_MANAGER, PROMP_WHO_WORKER, PROMP_AT_UP,
                                              PROMP_VERSION_HIGH, &message),
                         PROMP_OK);
        if (message.type == PROMP_TYPE_TASK) {
            assert_int_equal(message.task.number, w->last_task + 1);
            w->last_task = message.task.number;
            w->tasks++;
        }
        free(record.body);
    }
}

static bool pump_worker(rig_t *rig, rig_worker_t *w)
{
    bool moved = false;
    promp_out_t out;
    take_tasks(w);
    promp_session_tick(w->session, rig->now);
    while (!rig->hold && promp_session_next(w->session, &out, rig->room, rig->now)) {
        promp_buf_t body = {0};
        promp_frame_t frame = out.frame;
        frame.body = join(&out, &body);
        bool mine = false;
        assert_int_equal(promp_manager_core_ops.frame(rig->core, &frame, &mine, rig->now), PROMP_OK);
        promp_buf_free(&body);
        moved = true;
    }
    return moved;
}

void rig_pump(rig_t *rig)
{
    bool moved = true;
    while (moved) {
        promp_out_t out;
        moved = false;
        promp_manager_core_ops.tick(rig->core, rig->now);
        while (promp_manager_core_ops.next(rig->core, &out, rig->room, rig->now)) {
            from_manager(rig, &out);
            moved = true;
        }
        for (size_t i = 0; i < rig->count; i++)
            moved = (rig->up && pump_worker(rig, &rig->worker[i])) || moved;
    }
}

void rig_sleep(rig_t *rig, int64_t ms)
{
    for (int64_t end = rig->now + ms; rig->now < end;) {
        rig->now += 10;
        rig_pump(rig);
    }
}

uint32_t rig_start(rig_t *rig, uint32_t options, bool ready)
{
    rig_worker_t *w = &rig->worker[rig->count++];
    w->key.b[0] = (uint8_t)rig->count;
    w->key.b[15] = 1;
    w->session = promp_session_new(&w->key, false);
    assert_non_null(w->session);
    promp_session_path(w->session, rig->up, rig->now);
    promp_manager_core_start_t start = {.session = w->key,
                                        .options = options,
                                        .timeout = 2000,
                                        .time_limit = rig->time_limit,
                                        .program = "/bin/worker",
                                        .folder = "/",
                                        .argv = promp_slice("worker", 7)};
    uint32_t id;
    assert_int_equal(promp_manager_core_start(rig->core, &start, &id, rig->now), PROMP_OK);
    assert_int_equal(id, rig->count);
    rig_pump(rig);
    if (ready) {
        promp_message_t message = {.type = PROMP_TYPE_READY};
        message.ready.pid = 4711;
        rig_send(rig, id, PROMP_LANE_CONTROL, &message);
    }
    return id;
}

void rig_send(rig_t *rig, uint32_t id, promp_lane_t lane, const promp_message_t *message)
{
    promp_buf_t body = {0};
    assert_int_equal(promp_message_encode(message, &body), PROMP_OK);
    promp_slice_t part = promp_slice(body.data, body.size);
    assert_int_equal(promp_session_send(rig->worker[id - 1].session, lane, (uint16_t)message->type, &part, 1),
                     PROMP_OK);
    promp_buf_free(&body);
    rig_pump(rig);
}

void rig_output(rig_t *rig, uint32_t id, const char *text)
{
    promp_message_t message = {.type = PROMP_TYPE_OUTPUT};
    message.output.stream = PROMP_STREAM_STDOUT;
    message.output.text = promp_slice_str(text);
    rig_send(rig, id, PROMP_LANE_OUTPUT, &message);
}

void rig_message(rig_t *rig, uint32_t id, uint32_t number, const char *data)
{
    promp_message_t message = {.type = PROMP_TYPE_USER_MESSAGE};
    message.user_message.id = number;
    message.user_message.data = promp_slice_str(data);
    rig_send(rig, id, PROMP_LANE_MESSAGES, &message);
}

void rig_result(rig_t *rig, uint32_t id, uint64_t task)
{
    static const uint8_t seven[] = {0x07};
    promp_message_t message = {.type = PROMP_TYPE_RESULT};
    message.result.task = task;
    message.result.value = promp_slice(seven, sizeof seven);
    rig_send(rig, id, PROMP_LANE_MESSAGES, &message);
}

void rig_done(rig_t *rig, uint32_t id, uint64_t task)
{
    const promp_session_t *session = rig->worker[id - 1].session;
    promp_message_t message = {.type = PROMP_TYPE_DONE};
    message.done.task = task;
    message.done.end_messages = promp_session_sent(session, PROMP_LANE_MESSAGES);
    message.done.end_output = promp_session_sent(session, PROMP_LANE_OUTPUT);
    rig_send(rig, id, PROMP_LANE_CONTROL, &message);
}

void rig_gone(rig_t *rig, uint32_t id, promp_err_t cause, bool ends)
{
    rig_gone_as(rig, id, cause, ends, 0);
}

void rig_side(rig_t *rig, uint32_t id, promp_way_t way)
{
    promp_manager_core_ops.side(rig->core, &rig->worker[id - 1].key, way, rig->room, rig->now);
}

void rig_gone_as(rig_t *rig, uint32_t id, promp_err_t cause, uint32_t lanes, uint64_t output_seen)
{
    const rig_worker_t *w = &rig->worker[id - 1];
    promp_message_t message = {.type = PROMP_TYPE_GONE};
    message.gone.cause = (uint32_t)cause;
    if (cause == PROMP_ERR_WORKER_SIGNALLED)
        message.gone.signal = rig->signal ? (uint32_t)rig->signal : 11;
    message.gone.lanes = lanes;
    message.gone.seen_output = output_seen;
    message.gone.end_control = promp_session_sent(w->session, PROMP_LANE_CONTROL);
    message.gone.end_messages = promp_session_sent(w->session, PROMP_LANE_MESSAGES);
    message.gone.end_output = promp_session_sent(w->session, PROMP_LANE_OUTPUT);
    message.gone.text = promp_slice_str("the worker ended for the test");
    message.gone.tail = promp_slice_str("last words");
    to_manager(rig, &message, &w->key);
    rig_pump(rig);
}

uint64_t rig_task(rig_t *rig, uint32_t id)
{
    promp_manager_core_task_t task = {
        .kind = PROMP_TASK_NATIVE, .result = true, .name = promp_slice_str("t")};
    uint64_t number = 0;
    assert_int_equal(promp_manager_core_task(rig->core, id, &task, &number), PROMP_OK);
    rig_pump(rig);
    return number;
}

void rig_process(rig_t *rig, char *log, size_t size)
{
    uint64_t mark = promp_manager_core_mark(rig->core);
    promp_manager_core_text_t batch[3];
    size_t used = strlen(log);
    for (size_t n; (n = promp_manager_core_output(rig->core, mark, batch, 3)) > 0;) {
        for (size_t i = 0; i < n; i++)
            used += (size_t)snprintf(log + used, size - used, "%u:%.*s|", batch[i].worker, (int)batch[i].size,
                                     batch[i].text);
        promp_manager_core_shown(rig->core, batch, n);
    }
    promp_manager_core_update_t update;
    while (promp_manager_core_update(rig->core, mark, &update)) {
        used += (size_t)snprintf(log + used, size - used, "%u=%d,%s|", update.worker, update.value,
                                 update.text ? update.text : "");
        free(update.text);
    }
    promp_manager_core_seen(rig->core);
    rig_pump(rig);
}

int rig_setup(void **state)
{
    *state = rig_new();
    return 0;
}

int rig_teardown(void **state)
{
    rig_free(*state);
    return 0;
}

void rig_take_failure(rig_t *rig, uint32_t worker, promp_err_t code, uint64_t task)
{
    promp_failure_t failure;
    bool got;
    assert_int_equal(promp_manager_core_take_failure(rig->core, worker, &failure, &got), PROMP_OK);
    assert_true(got);
    assert_int_equal(failure.code, code);
    assert_int_equal(failure.task, task);
    free(failure.kind);
    free(failure.text);
    free(failure.trace);
}

void rig_free_result(promp_result_t *result)
{
    free(result->cbor);
}
