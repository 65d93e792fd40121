/* manager_core_output.c - output of workers, from their lanes to the user. */
#include "manager_core_state.h"

#include <stdlib.h>

/* --- out of the lane --- */

/* Nobody asked for it: the last bytes are kept for the exit record. */
static void keep_tail(worker_t *w, promp_slice_t text)
{
    if (text.size > PROMP_LIMIT_TAIL) {
        text.data += text.size - PROMP_LIMIT_TAIL;
        text.size = PROMP_LIMIT_TAIL;
    }
    promp_buf_append(&w->tail, text.data, text.size);
    if (w->tail.size >= 2 * PROMP_LIMIT_TAIL) /* seldom, so that it costs little */
        promp_buf_consume(&w->tail, w->tail.size - PROMP_LIMIT_TAIL);
}

static bool is_newline(promp_slice_t text)
{
    return (text.size == 1 && text.data[0] == '\n') || (text.size == 2 && memcmp(text.data, "\r\n", 2) == 0);
}

/* ATOMIC: drops new-lines that stand alone, ends the others with one. The text lies behind stream and size
 * in its record, so it has room to move. */
static promp_slice_t as_line(uint8_t *body, promp_slice_t text)
{
    if (!text.size || is_newline(text))
        return promp_slice(body, 0);
    if (text.data[text.size - 1] == '\n')
        return text;
    memmove(body, text.data, text.size);
    body[text.size] = '\n';
    return promp_slice(body, text.size + 1);
}

static promp_err_t take_output_one(worker_t *w, entry_t *entry, promp_record_t *record)
{
    promp_message_t message;
    promp_err_t err = promp_manager_core_take_decode(record, &message);
    if (err)
        return err;
    if (message.type != PROMP_TYPE_OUTPUT || message.output.stream < PROMP_STREAM_STDOUT ||
        message.output.stream > PROMP_STREAM_NATIVE_STDERR)
        return PROMP_ERR_MESSAGE_FIELD;
    entry->data = message.output.text;
    if (w->options & PROMP_OPT_ATOMIC)
        entry->data = as_line(record->body, entry->data);
    else if (!(w->options & PROMP_OPT_REDIRECT))
        keep_tail(w, entry->data);
    entry->stream = message.output.stream;
    return PROMP_OK;
}

static bool more_output(promp_manager_core_t *core, worker_t *w)
{
    if (!promp_session_has_record(w->session, PROMP_LANE_OUTPUT))
        return false;
    if (core->output_bytes < core->output_limit)
        return true;
    promp_manager_core_enlist(&core->blocked, &w->blocked);
    return false;
}

promp_err_t promp_manager_core_output_take(promp_manager_core_t *core, worker_t *w)
{
    promp_err_t err = PROMP_OK;
    bool redirect = (w->options & (PROMP_OPT_REDIRECT | PROMP_OPT_ATOMIC)) != 0;
    while (!err && more_output(core, w)) {
        entry_t *entry = calloc(1, sizeof *entry);
        promp_record_t record;
        if (!entry || !promp_session_take(w->session, PROMP_LANE_OUTPUT, &record)) {
            free(entry);
            promp_manager_core_enlist(&core->blocked, &w->blocked);
            break;
        }
        entry->worker = w;
        entry->body = record.body;
        entry->number = record.end;
        entry->cost = sizeof *entry + record.size;
        err = take_output_one(w, entry, &record);
        if (!err && redirect && entry->data.size) {
            promp_manager_core_output_show(core, entry);
            continue;
        }
        free(entry->body);
        free(entry);
    }
    return err;
}

/* --- to the user --- */

void promp_manager_core_output_show(promp_manager_core_t *core, entry_t *entry)
{
    entry->mark = ++core->mark;
    promp_list_append(&core->output, &entry->all);
    core->output_bytes += entry->cost;
    entry->worker->outputs++;
}

size_t promp_manager_core_output(promp_manager_core_t *core, uint64_t mark, promp_manager_core_text_t *batch,
                                 size_t room)
{
    size_t count = 0;
    promp_node_t *node = promp_list_first(&core->output);
    for (; node && count < room; node = promp_list_after(&core->output, node)) {
        entry_t *entry = PROMP_CONTAINER(node, entry_t, all);
        if (entry->mark > mark)
            break;
        batch[count++] = (promp_manager_core_text_t){.worker = entry->worker->id,
                                                     .stream = entry->stream,
                                                     .text = (const char *)entry->data.data,
                                                     .size = entry->data.size,
                                                     .entry = entry};
    }
    return count;
}

void promp_manager_core_shown(promp_manager_core_t *core, const promp_manager_core_text_t *batch,
                              size_t count)
{
    for (size_t i = 0; i < count; i++) {
        entry_t *entry = batch[i].entry;
        worker_t *w = entry->worker;
        promp_list_remove(&core->output, &entry->all);
        core->output_bytes -= entry->cost;
        w->outputs--;
        if (entry->number > w->shown)
            w->shown = entry->number;
        promp_manager_core_show_event(core, w, NULL);
        free(entry->body);
        free(entry);
    }
    if (count && core->blocked.count)
        promp_manager_core_take_blocked(core);
}
