/* worker_core_take.c - the records that come: SETUP, TASK, USER_MESSAGE; every other one breaks the protocol.
 */
#include <stdlib.h>

#include "worker_core_impl.h"

static promp_err_t on_setup(promp_worker_core_t *core, const promp_msg_setup_t *setup, promp_record_t *record)
{
    if (core->set_up)
        return PROMP_ERR_MESSAGE_STATE;
    if (setup->timeout_ms < PROMP_TIMEOUT_MIN || setup->timeout_ms > PROMP_TIMEOUT_MAX)
        return PROMP_ERR_MESSAGE_FIELD;
    core->address = strndup((const char *)(setup->address.size ? setup->address.data : (const uint8_t *)""),
                            setup->address.size);
    if (!core->address)
        return PROMP_ERR_MEMORY;
    core->setup = (promp_worker_setup_t){setup->worker,     setup->level, setup->options,
                                         setup->timeout_ms, setup->extra, core->address};
    core->setup_body = record->body;
    record->body = NULL; /* setup.extra borrows it from now on */
    core->set_up = true;
    return PROMP_OK;
}

/* Appends a record to a list; its body moves. */
static promp_err_t keep(promp_worker_core_t *core, promp_list_t *list, promp_worker_job_t job,
                        promp_record_t *record)
{
    promp_worker_item_t *item = calloc(1, sizeof *item);
    if (!item)
        return PROMP_ERR_MEMORY;
    item->job = job;
    item->job.body = record->body;
    item->size = record->size + sizeof *item;
    record->body = NULL;
    core->held += item->size;
    promp_list_append(list, &item->node);
    return PROMP_OK;
}

static promp_err_t on_task(promp_worker_core_t *core, const promp_msg_task_t *task, promp_record_t *record)
{
    if (task->number != core->seen + 1)
        return PROMP_ERR_MESSAGE_FIELD;
    core->seen = task->number;
    if (task->number <= core->floor || promp_worker_core_stopped(core))
        return PROMP_OK; /* aborted while it was on its way */
    promp_worker_job_t job = {.number = task->number,
                              .kind = task->kind,
                              .flags = task->flags,
                              .name = task->name,
                              .file = task->file,
                              .code = task->code,
                              .args = task->args};
    return keep(core, &core->jobs, job, record);
}

static promp_err_t on_user_message(promp_worker_core_t *core, const promp_msg_user_message_t *message,
                                   promp_record_t *record)
{
    if (message->id > INT32_MAX)
        return PROMP_ERR_MESSAGE_FIELD;
    return keep(core, &core->inbox, (promp_worker_job_t){.number = message->id, .args = message->data},
                record);
}

static promp_err_t on_record(promp_worker_core_t *core, promp_lane_t lane, promp_record_t *record)
{
    const promp_message_row_t *row = promp_message_row(record->type);
    if (row && row->on != PROMP_ON_CONTROL + lane)
        return PROMP_ERR_MESSAGE_STATE;
    promp_message_t message;
    promp_err_t err =
        promp_message_decode(record->type, promp_slice(record->body, record->size), PROMP_WHO_MANAGER,
                             PROMP_WHO_WORKER, PROMP_AT_UP, PROMP_VERSION_HIGH, &message);
    if (err)
        return err;
    switch (message.type) {
    case PROMP_TYPE_SETUP:
        return on_setup(core, &message.setup, record);
    case PROMP_TYPE_TASK:
        return on_task(core, &message.task, record);
    case PROMP_TYPE_USER_MESSAGE:
        return on_user_message(core, &message.user_message, record);
    case PROMP_TYPE_OPENED:
        return promp_worker_core_on_opened(core, &message.opened, record);
    case PROMP_TYPE_CHUNK:
        return promp_worker_core_on_chunk(core, &message.chunk, record);
    default:
        return PROMP_ERR_MESSAGE_UNKNOWN;
    }
}

/* Lanes are ordered in themselves only: what comes on the others before SETUP waits in the session, as does
 * what is beyond the limit. */
static bool may_take(const promp_worker_core_t *core, promp_lane_t lane)
{
    if (core->over)
        return false;
    return lane == PROMP_LANE_CONTROL ||
           (core->set_up && (lane == PROMP_LANE_BULK || core->held < PROMP_LIMIT_INBOX));
}

promp_err_t promp_worker_core_take(promp_worker_core_t *core)
{
    promp_err_t err = PROMP_OK;
    for (int lane = 0; lane < PROMP_LANES && !err; lane++) {
        promp_record_t record;
        while (!err && may_take(core, lane) && promp_session_take(core->session, lane, &record)) {
            err = on_record(core, lane, &record);
            free(record.body);
        }
    }
    return err;
}

void promp_worker_core_refill(promp_worker_core_t *core)
{
    promp_err_t err = promp_worker_core_take(core);
    if (err)
        promp_worker_core_break(core, err);
}

bool promp_worker_core_shift(promp_worker_core_t *core, promp_list_t *list, promp_worker_job_t *job)
{
    promp_node_t *node = promp_list_first(list);
    if (!node)
        return false;
    promp_worker_item_t *item = PROMP_CONTAINER(node, promp_worker_item_t, node);
    promp_list_remove(list, node);
    core->held -= item->size;
    *job = item->job;
    free(item);
    return true;
}

void promp_worker_job_free(promp_worker_job_t *job)
{
    free(job->body);
    *job = (promp_worker_job_t){0};
}
