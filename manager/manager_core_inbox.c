/* manager_core_inbox.c - what the user takes: messages, results, failures. */
#include "manager_core_state.h"

#include <stdlib.h>

static void free_entry(entry_t *entry)
{
    free(entry->body);
    free(entry);
}

static void count(promp_manager_core_t *core, const entry_t *entry, bool add)
{
    uint64_t *bytes = entry->inbox == INBOX_FAILURE ? &core->failure_bytes : &core->inbox_bytes;
    uint64_t change = add ? entry->cost : -entry->cost;
    *bytes += change;
    if (entry->inbox != INBOX_FAILURE)
        entry->worker->inbox_bytes += change;
}

static void unlink_entry(promp_manager_core_t *core, entry_t *entry)
{
    promp_list_remove(&core->inbox[entry->inbox], &entry->all);
    if (entry->worker)
        promp_list_remove(&entry->worker->inbox[entry->inbox], &entry->own);
    count(core, entry, false);
}

void promp_manager_core_inbox_put(promp_manager_core_t *core, entry_t *entry, inbox_t inbox)
{
    entry->inbox = (uint8_t)inbox;
    promp_list_append(&core->inbox[inbox], &entry->all);
    if (entry->worker)
        promp_list_append(&entry->worker->inbox[inbox], &entry->own);
    count(core, entry, true);
    core->fresh = true;
    promp_list_t *failures = &core->inbox[INBOX_FAILURE];
    while (failures->count > PROMP_LIMIT_FAILURES ||
           (failures->count > 1 && core->failure_bytes > PROMP_LIMIT_FAILURE_TEXT)) {
        entry_t *oldest = PROMP_CONTAINER(promp_list_first(failures), entry_t, all);
        unlink_entry(core, oldest);
        free_entry(oldest);
    }
}

/* A failure that is told here: text lives as long as the worker's record, or for ever. */
void promp_manager_core_inbox_fail(promp_manager_core_t *core, worker_t *w, uint64_t task, promp_err_t code,
                                   const char *text)
{
    entry_t *entry = calloc(1, sizeof *entry);
    if (!entry)
        return;
    entry->worker = w;
    entry->number = task;
    entry->code = code;
    entry->data = promp_slice_str(text);
    entry->cost = sizeof *entry;
    promp_manager_core_inbox_put(core, entry, INBOX_FAILURE);
}

void promp_manager_core_inbox_clear(promp_manager_core_t *core)
{
    promp_node_t *node;
    for (int i = 0; i < INBOXES; i++) {
        while ((node = promp_list_first(&core->inbox[i]))) {
            entry_t *entry = PROMP_CONTAINER(node, entry_t, all);
            unlink_entry(core, entry);
            free_entry(entry);
        }
    }
    while ((node = promp_list_first(&core->output))) {
        promp_list_remove(&core->output, node);
        free_entry(PROMP_CONTAINER(node, entry_t, all));
    }
}

/* --- what the user takes --- */

static entry_t *oldest(const promp_manager_core_t *core, uint32_t worker, inbox_t inbox)
{
    promp_node_t *node;
    if (worker == PROMP_WORKER_ANY || worker == PROMP_WORKER_ALL) {
        node = promp_list_first(&core->inbox[inbox]);
        return node ? PROMP_CONTAINER(node, entry_t, all) : NULL;
    }
    const worker_t *w = promp_manager_core_find(core, worker);
    node = w ? promp_list_first(&w->inbox[inbox]) : NULL;
    return node ? PROMP_CONTAINER(node, entry_t, own) : NULL;
}

bool promp_manager_core_has_message(const promp_manager_core_t *core, uint32_t worker)
{
    return oldest(core, worker, INBOX_MESSAGE) != NULL;
}

bool promp_manager_core_has_result(const promp_manager_core_t *core, uint32_t worker)
{
    return oldest(core, worker, INBOX_RESULT) != NULL;
}

bool promp_manager_core_has_failure(const promp_manager_core_t *core, uint32_t worker)
{
    return oldest(core, worker, INBOX_FAILURE) != NULL;
}

/* The record's own memory goes to the user, whose bytes are its last field. */
static uint8_t *take_body(promp_manager_core_t *core, entry_t *entry, const uint8_t **data)
{
    uint8_t *body = entry->body;
    *data = entry->data.size ? entry->data.data : body;
    unlink_entry(core, entry);
    free(entry);
    if (core->blocked.count)
        promp_manager_core_take_blocked(core);
    return body;
}

bool promp_manager_core_receive_raw(promp_manager_core_t *core, uint32_t worker,
                                    promp_message_user_t *message, const uint8_t **data)
{
    *message = (promp_message_user_t){.id = PROMP_MESSAGE_INVALID};
    entry_t *entry = oldest(core, worker, INBOX_MESSAGE);
    if (!entry)
        return false;
    message->id = (uint32_t)entry->number;
    message->worker = entry->worker->id;
    message->size = entry->data.size;
    message->data = take_body(core, entry, data);
    return true;
}

bool promp_manager_core_take_result_raw(promp_manager_core_t *core, uint32_t worker, promp_result_t *result,
                                        const uint8_t **data)
{
    memset(result, 0, sizeof *result);
    entry_t *entry = oldest(core, worker, INBOX_RESULT);
    if (!entry)
        return false;
    result->worker = entry->worker->id;
    result->task = entry->number;
    result->size = entry->data.size;
    result->cbor = take_body(core, entry, data);
    return true;
}

bool promp_manager_core_receive(promp_manager_core_t *core, uint32_t worker, promp_message_user_t *message)
{
    const uint8_t *data;
    bool got = promp_manager_core_receive_raw(core, worker, message, &data);
    if (got && message->size)
        memmove(message->data, data, message->size);
    return got;
}

bool promp_manager_core_take_result(promp_manager_core_t *core, uint32_t worker, promp_result_t *result)
{
    const uint8_t *data;
    bool got = promp_manager_core_take_result_raw(core, worker, result, &data);
    if (got && result->size)
        memmove(result->cbor, data, result->size);
    return got;
}

static char *text_of(promp_slice_t text)
{
    char *copy = malloc(text.size + 1);
    if (!copy)
        return NULL;
    if (text.size)
        memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    return copy;
}

promp_err_t promp_manager_core_take_failure(promp_manager_core_t *core, uint32_t worker,
                                            promp_failure_t *failure, bool *got)
{
    memset(failure, 0, sizeof *failure);
    entry_t *entry = oldest(core, worker, INBOX_FAILURE);
    *got = entry != NULL;
    if (!entry)
        return PROMP_OK;
    char *kind = text_of(entry->kind), *text = text_of(entry->data), *trace = text_of(entry->trace);
    if (!kind || !text || !trace) {
        free(kind);
        free(text);
        free(trace);
        *got = false;
        return PROMP_ERR_MEMORY;
    }
    failure->worker = entry->worker ? entry->worker->id : PROMP_WORKER_INVALID;
    failure->task = entry->number;
    failure->code = entry->code;
    failure->kind = kind;
    failure->text = text;
    failure->trace = trace;
    unlink_entry(core, entry);
    free_entry(entry);
    return PROMP_OK;
}
