/* worker_core_out.c - what the core sends for the user's code: progress, text, messages, output. */
#include "utf8.h"
#include "worker_core_impl.h"

/* --- progress and text --- */

static promp_err_t flush(promp_worker_core_t *core, promp_worker_latest_t *latest, uint16_t type, bool force)
{
    if (!latest->waiting.data ||
        (!force && promp_session_acked(core->session, PROMP_LANE_CONTROL) < latest->end))
        return PROMP_OK;
    promp_slice_t body = promp_slice(latest->waiting.data, latest->waiting.size);
    promp_err_t err = promp_session_send(core->session, PROMP_LANE_CONTROL, type, &body, 1);
    if (err == PROMP_ERR_MEMORY && !force)
        return err; /* it stays, and is tried again */
    latest->end = promp_session_sent(core->session, PROMP_LANE_CONTROL);
    promp_buf_free(&latest->waiting);
    return err;
}

promp_err_t promp_worker_core_flush_latest(promp_worker_core_t *core, bool force)
{
    promp_err_t err = flush(core, &core->progress, PROMP_TYPE_PROGRESS, force);
    promp_err_t err2 = flush(core, &core->text, PROMP_TYPE_TEXT, force);
    return err ? err : err2;
}

/* Puts a new value in the place of one that waits; on_next sends it when it may. */
static promp_err_t replace(promp_worker_core_t *core, promp_worker_latest_t *latest,
                           const promp_message_t *message)
{
    if (core->over)
        return PROMP_ERR_CLOSED;
    promp_buf_t body = {0};
    promp_err_t err = promp_message_encode(message, &body);
    if (err)
        return err;
    promp_buf_free(&latest->waiting);
    latest->waiting = body;
    return PROMP_OK;
}

promp_err_t promp_worker_core_progress(promp_worker_core_t *core, int value)
{
    if (!core->running)
        return PROMP_ERR_STATE;
    promp_message_t message = {PROMP_TYPE_PROGRESS,
                               .progress = {.task = core->running, .value = (uint32_t)value}};
    return replace(core, &core->progress, &message);
}

promp_err_t promp_worker_core_text(promp_worker_core_t *core, const char *text)
{
    promp_slice_t slice = promp_slice_str(text);
    if (!core->running)
        return PROMP_ERR_STATE;
    if (slice.size > PROMP_LIMIT_TEXT)
        return PROMP_ERR_VALUE_SIZE;
    if (!promp_utf8_valid(slice))
        return PROMP_ERR_ARGUMENT;
    promp_message_t message = {PROMP_TYPE_TEXT, .text = {.task = core->running, .text = slice}};
    return replace(core, &core->text, &message);
}

/* --- messages --- */

static promp_err_t send(promp_worker_core_t *core, uint32_t id, promp_slice_t data, promp_buf_t *moved)
{
    if (id > INT32_MAX)
        return PROMP_ERR_MESSAGE_ID;
    if (data.size > PROMP_LIMIT_VALUE)
        return PROMP_ERR_VALUE_SIZE;
    uint64_t backlog = promp_session_backlog(core->session, PROMP_LANE_MESSAGES);
    if (backlog && backlog + data.size > PROMP_LIMIT_UNSENT)
        return PROMP_ERR_QUEUE_FULL;
    promp_message_t message = {PROMP_TYPE_USER_MESSAGE, .user_message = {.id = id, .data = data}};
    return promp_worker_core_post(core, &message, moved);
}

promp_err_t promp_worker_core_send(promp_worker_core_t *core, uint32_t id, promp_slice_t data)
{
    return send(core, id, data, NULL);
}

promp_err_t promp_worker_core_send_moved(promp_worker_core_t *core, uint32_t id, promp_buf_t *data)
{
    return send(core, id, promp_slice(data->data, data->size), data);
}

bool promp_worker_core_has_message(const promp_worker_core_t *core)
{
    return core->inbox.count > 0;
}

bool promp_worker_core_receive(promp_worker_core_t *core, promp_worker_job_t *message)
{
    if (!promp_worker_core_shift(core, &core->inbox, message))
        return false;
    promp_worker_core_refill(core);
    return true;
}

/* --- output --- */

bool promp_worker_core_output_sent(const promp_worker_core_t *core)
{
    return promp_session_unsent(core->session, PROMP_LANE_OUTPUT) == 0;
}

bool promp_worker_core_connected(const promp_worker_core_t *core)
{
    return core->path_up && promp_session_state(core->session) == PROMP_SESSION_OPEN;
}

bool promp_worker_core_output_room(const promp_worker_core_t *core)
{
    return promp_session_backlog(core->session, PROMP_LANE_OUTPUT) <
           PROMP_WINDOW_OUTPUT + PROMP_LIMIT_OUTPUT_QUEUE;
}

static promp_err_t output(promp_worker_core_t *core, int stream, promp_slice_t text, promp_buf_t *moved)
{
    if (stream < 1 || stream > 4)
        return PROMP_ERR_ARGUMENT;
    if (text.size > PROMP_LIMIT_VALUE)
        return PROMP_ERR_VALUE_SIZE;
    promp_message_t message = {PROMP_TYPE_OUTPUT, .output = {.stream = (uint8_t)stream, .text = text}};
    return promp_worker_core_post(core, &message, moved);
}

promp_err_t promp_worker_core_output(promp_worker_core_t *core, int stream, promp_slice_t text)
{
    return output(core, stream, text, NULL);
}

uint8_t *promp_worker_core_output_last(promp_worker_core_t *core, size_t size)
{
    return promp_session_last(core->session, PROMP_LANE_OUTPUT, size);
}

promp_err_t promp_worker_core_output_moved(promp_worker_core_t *core, int stream, promp_buf_t *text)
{
    return output(core, stream, promp_slice(text->data, text->size), text);
}
