/* manager_core_task.c - tasks, and the queue of those for ANY. */
#include "manager_core_state.h"

#include <stdlib.h>

#include "buf.h"

void promp_manager_core_task_count(promp_manager_core_t *core, worker_t *w)
{
    bool busy = w->over < w->given;
    core->busy += busy;
    core->busy -= w->busy;
    w->busy = busy;
}

static promp_err_t encode(const promp_manager_core_task_t *task, promp_buf_t *head, promp_slice_t *rest)
{
    if (task->name.size > PROMP_LIMIT_NAME || task->file.size > PROMP_LIMIT_PATH)
        return PROMP_ERR_ARGUMENT;
    if (task->code.size > PROMP_LIMIT_CODE || task->args.size > PROMP_LIMIT_VALUE)
        return PROMP_ERR_VALUE_SIZE;
    promp_message_t message = {.type = PROMP_TYPE_TASK};
    message.task.kind = task->kind;
    message.task.flags = task->result ? 1 : 0;
    message.task.name = task->name;
    message.task.file = task->file;
    message.task.code = task->code;
    message.task.args = task->args;
    promp_err_t err = promp_message_encode_head(&message, head, rest);
    if (err == PROMP_ERR_MESSAGE_FIELD)
        return PROMP_ERR_ARGUMENT;
    return err == PROMP_ERR_MESSAGE_SIZE ? PROMP_ERR_VALUE_SIZE : err;
}

/* head begins with the task's number, which is known only here. */
static promp_err_t give(promp_manager_core_t *core, worker_t *w, uint8_t *head, size_t size,
                        promp_slice_t rest, promp_buf_t *moved)
{
    promp_put64(head, w->given + 1);
    promp_err_t err = promp_manager_core_send_post(w, PROMP_TYPE_TASK, promp_slice(head, size), rest, moved);
    if (err)
        return err == PROMP_ERR_CLOSED ? PROMP_OK
                                       : err; /* it is about to be known as dead: nothing happens */
    w->given++;
    promp_manager_core_task_count(core, w);
    promp_manager_core_send_backlog(core, w);
    promp_manager_core_touch(core, w);
    return PROMP_OK;
}

static promp_err_t queue(promp_manager_core_t *core, const promp_buf_t *head, promp_slice_t rest)
{
    if (!promp_manager_core_next_live(core, NULL))
        return PROMP_OK;
    queued_t *task = calloc(1, sizeof *task);
    uint8_t *body = malloc(head->size + rest.size);
    if (!task || !body) {
        free(task);
        free(body);
        return PROMP_ERR_MEMORY;
    }
    memcpy(body, head->data, head->size);
    if (rest.size)
        memcpy(body + head->size, rest.data, rest.size);
    task->body = body;
    task->size = head->size + rest.size;
    core->queue_bytes += task->size;
    promp_list_append(&core->queue, &task->node);
    return PROMP_OK;
}

static void free_queued(promp_manager_core_t *core, queued_t *task)
{
    core->queue_bytes -= task->size;
    promp_list_remove(&core->queue, &task->node);
    free(task->body);
    free(task);
}

/* Tasks that wait for ANY go to those that are idle, oldest task first, lowest id first. */
static void give_queued(promp_manager_core_t *core)
{
    worker_t *w;
    while (core->queue.count && (w = promp_manager_core_idle_first(core))) {
        queued_t *task = PROMP_CONTAINER(promp_list_first(&core->queue), queued_t, node);
        uint64_t before = w->given;
        if (give(core, w, task->body, task->size, promp_slice(NULL, 0), NULL))
            return; /* no memory: it stays, and goes with the next end of a task */
        if (w->given > before)
            free_queued(core, task);
        else
            promp_manager_core_idle_leave(core, w);
    }
}

void promp_manager_core_task_idle(promp_manager_core_t *core, worker_t *w)
{
    if (promp_manager_core_idle_is(w) && !w->idling)
        promp_manager_core_idle_push(core, w);
    if (core->queue.count)
        give_queued(core);
}

void promp_manager_core_task_drop(promp_manager_core_t *core, bool fail)
{
    while (core->queue.count) {
        free_queued(core, PROMP_CONTAINER(promp_list_first(&core->queue), queued_t, node));
        if (fail)
            promp_manager_core_inbox_fail(core, NULL, 0, PROMP_ERR_NO_WORKER,
                                          "no worker is left to run the task");
    }
}

static promp_err_t give_any(promp_manager_core_t *core, promp_buf_t *head, promp_slice_t rest,
                            promp_buf_t *moved)
{
    worker_t *w = core->queue.count ? NULL : promp_manager_core_idle_first(core);
    return w ? give(core, w, head->data, head->size, rest, moved) : queue(core, head, rest);
}

promp_err_t promp_manager_core_task(promp_manager_core_t *core, uint32_t worker,
                                    const promp_manager_core_task_t *task, uint64_t *number)
{
    promp_buf_t head = {0};
    promp_slice_t rest = {0};
    promp_err_t err = encode(task, &head, &rest);
    if (!err)
        err = promp_manager_core_send_room(core, head.size + rest.size);
    if (number)
        *number = 0;
    if (err)
        goto out;
    if (worker == PROMP_WORKER_ANY) {
        err = give_any(core, &head, rest, task->moved);
    } else if (worker == PROMP_WORKER_ALL) {
        for (worker_t *w = NULL; !err && (w = promp_manager_core_next_live(core, w));)
            if (promp_manager_core_idle_takes(w) &&
                !(err = promp_manager_core_send_room(core, head.size + rest.size)))
                err = give(core, w, head.data, head.size, rest, NULL);
    } else {
        worker_t *w = promp_manager_core_find(core, worker);
        if (w && promp_manager_core_idle_takes(w)) {
            err = give(core, w, head.data, head.size, rest, task->moved);
            if (number && !err)
                *number = w->given;
        }
    }
out:
    promp_buf_free(&head);
    return err;
}
