/* manager_core_take.c - records out of the sessions. */
#include "manager_core_state.h"

#include <stdlib.h>

promp_err_t promp_manager_core_take_decode(const promp_record_t *record, promp_message_t *message)
{
    return promp_message_decode(record->type, promp_slice(record->body, record->size), PROMP_WHO_WORKER,
                                PROMP_WHO_MANAGER, PROMP_AT_UP, PROMP_VERSION_HIGH, message);
}

/* --- control lane --- */

static void take_ready(promp_manager_core_t *core, worker_t *w, const promp_msg_ready_t *ready)
{
    w->ready = true;
    w->pid = ready->pid ? ready->pid : w->pid;
    core->fresh = true;
    promp_manager_core_side_ask(core, w);
    promp_manager_core_task_idle(core, w);
}

/* Gives the event in reserve away and tries to have another one. */
static event_t *use_spare(worker_t *w)
{
    event_t *event = w->spare;
    w->spare = calloc(1, sizeof *w->spare);
    return event;
}

static promp_err_t take_done(promp_manager_core_t *core, worker_t *w, const promp_msg_done_t *done)
{
    if (done->task > w->given)
        return PROMP_ERR_MESSAGE_STATE;
    if (done->task <= w->done)
        return PROMP_OK; /* an abort's DONE after that of its last task */
    w->done = done->task;
    if (w->done >= w->aborting)
        w->abort_at = PROMP_NEVER;
    event_t *event = w->last;
    /* Nothing was to be seen between two; but where what they wait for differs, only one of them may come true. */
    bool merge = event && event->kind == EVENT_DONE &&
                 (event->end_messages == done->end_messages ||
                  promp_session_taken(w->session, PROMP_LANE_MESSAGES) >= done->end_messages);
    if (!merge)
        event = use_spare(w);
    event->kind = EVENT_DONE;
    event->task = done->task;
    event->end_messages = done->end_messages;
    event->end_output = done->end_output;
    promp_manager_core_show_event(core, w, merge ? NULL : event);
    promp_manager_core_task_idle(core, w);
    return PROMP_OK;
}

/* The event that the next value or text goes into: the last one as long as no task ended since. */
static event_t *update_of(promp_manager_core_t *core, worker_t *w)
{
    if (!w->has_wait)
        return NULL;
    if (w->last && w->last->kind == EVENT_UPDATE)
        return w->last;
    event_t *event = use_spare(w);
    event->kind = EVENT_UPDATE;
    promp_manager_core_show_event(core, w, event);
    return event;
}

/* The record's body becomes the text. */
static void take_text(event_t *event, promp_record_t *record, promp_slice_t text)
{
    if (text.size) /* there is room for the NUL: number and size went before */
        memmove(record->body, text.data, text.size);
    record->body[text.size] = '\0';
    free(event->text);
    event->text = (char *)record->body;
    record->body = NULL;
}

static promp_err_t take_control_one(promp_manager_core_t *core, worker_t *w, promp_record_t *record)
{
    promp_message_t message;
    promp_err_t err = promp_manager_core_take_decode(record, &message);
    if (err)
        return err;
    event_t *event;
    switch (message.type) {
    case PROMP_TYPE_READY:
        take_ready(core, w, &message.ready);
        return PROMP_OK;
    case PROMP_TYPE_DONE:
        return take_done(core, w, &message.done);
    case PROMP_TYPE_PROGRESS:
        if ((event = update_of(core, w))) {
            event->has_value = true;
            event->value = (int)message.progress.value;
        }
        return PROMP_OK;
    case PROMP_TYPE_TEXT:
        if ((event = update_of(core, w)))
            take_text(event, record, message.text.text);
        return PROMP_OK;
    default:
        return PROMP_ERR_MESSAGE_STATE;
    }
}

static promp_err_t take_control(promp_manager_core_t *core, worker_t *w)
{
    promp_err_t err = PROMP_OK;
    promp_record_t record;
    while (!err) {
        if (!w->spare && !(w->spare = calloc(1, sizeof *w->spare))) {
            promp_manager_core_enlist(&core->blocked, &w->blocked); /* the records stay where they are */
            break;
        }
        if (!promp_session_take(w->session, PROMP_LANE_CONTROL, &record))
            break;
        err = take_control_one(core, w, &record);
        free(record.body);
    }
    return err;
}

/* --- messages lane --- */

static promp_err_t fill_entry(entry_t *entry, const promp_message_t *message, inbox_t *inbox)
{
    switch (message->type) {
    case PROMP_TYPE_USER_MESSAGE:
        *inbox = INBOX_MESSAGE;
        entry->number = message->user_message.id;
        entry->data = message->user_message.data;
        return entry->number <= PROMP_MESSAGE_MAX ? PROMP_OK : PROMP_ERR_MESSAGE_FIELD;
    case PROMP_TYPE_RESULT:
        *inbox = INBOX_RESULT;
        entry->number = message->result.task;
        entry->data = message->result.value;
        return PROMP_OK;
    case PROMP_TYPE_FAILURE:
        *inbox = INBOX_FAILURE;
        entry->number = message->failure.task;
        entry->code = message->failure.error ? (promp_err_t)message->failure.error : PROMP_ERR_TASK_FAILED;
        entry->kind = message->failure.kind;
        entry->data = message->failure.text;
        entry->trace = message->failure.trace;
        return PROMP_OK;
    default:
        return PROMP_ERR_MESSAGE_STATE;
    }
}

static promp_err_t note_answer(worker_t *w, uint64_t task)
{
    if (task > w->given)
        return PROMP_ERR_MESSAGE_STATE;
    if (task > w->answered)
        w->answered = task;
    return PROMP_OK;
}

/* What the user leaves unread of one worker does not keep out what he wants to have of another. */
static bool has_room(const promp_manager_core_t *core, const worker_t *w)
{
    return core->inbox_bytes < core->inbox_limit || !w->inbox_bytes ||
           w->inbox_bytes < core->inbox_limit / PROMP_LIMIT_INBOX_PARTS;
}

static bool more_messages(promp_manager_core_t *core, worker_t *w)
{
    if (!promp_session_has_record(w->session, PROMP_LANE_MESSAGES))
        return false;
    if (has_room(core, w))
        return true;
    promp_manager_core_enlist(&core->blocked, &w->blocked);
    return false;
}

static promp_err_t take_messages(promp_manager_core_t *core, worker_t *w)
{
    promp_err_t err = PROMP_OK;
    while (!err && more_messages(core, w)) {
        entry_t *entry = calloc(1, sizeof *entry);
        promp_record_t record;
        if (!entry || !promp_session_take(w->session, PROMP_LANE_MESSAGES, &record)) {
            free(entry);
            promp_manager_core_enlist(&core->blocked, &w->blocked); /* no memory: again when the user takes */
            break;
        }
        promp_message_t message;
        inbox_t inbox = INBOX_MESSAGE;
        entry->body = record.body;
        entry->cost = sizeof *entry + record.size;
        entry->worker = w;
        err = promp_manager_core_take_decode(&record, &message);
        if (!err)
            err = fill_entry(entry, &message, &inbox);
        if (!err && inbox != INBOX_MESSAGE)
            err = note_answer(w, entry->number);
        if (!err) {
            promp_manager_core_inbox_put(core, entry, inbox);
        } else {
            free(entry->body);
            free(entry);
        }
    }
    return err;
}

/* --- all of them --- */

void promp_manager_core_take(promp_manager_core_t *core, worker_t *w, int64_t now)
{
    promp_err_t err = take_messages(core, w);
    if (!err)
        err = promp_manager_core_output_take(core, w);
    if (!err)
        err = take_control(core, w); /* last: what an end of a task waits for is there then */
    if (!err)
        err = promp_manager_core_share_take(core, w);
    promp_manager_core_send_backlog(core, w);
    promp_manager_core_show_event(core, w, NULL);
    if (err)
        promp_manager_core_end_broken(core, w, err, now);
    else
        promp_manager_core_end_check(core, w);
}

void promp_manager_core_take_blocked(promp_manager_core_t *core)
{
    for (size_t n = core->blocked.count; n > 0; n--) {
        worker_t *w = WORKER_OF(promp_list_first(&core->blocked), blocked);
        promp_list_remove(&core->blocked, &w->blocked);
        if (!has_room(core, w) && core->output_bytes >= core->output_limit) {
            promp_list_append(&core->blocked, &w->blocked);
            continue;
        }
        promp_manager_core_touch(core, w); /* credit returns */
        promp_manager_core_take(core, w, core->now);
    }
}
