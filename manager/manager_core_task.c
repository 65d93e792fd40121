#include "manager_core_state.h"

#include <stdlib.h>

#include "buf.h"

/* --- counts --- */

void promp_manager_core_task_count(promp_manager_core_t *core, worker_t *w)
{
    bool busy = w->over < w->given;
    core->busy += busy;
    core->busy -= w->busy;
    w->busy = busy;
}

void promp_manager_core_task_backlog(promp_manager_core_t *core, worker_t *w)
{
    if (!w->session)
        return;
    uint64_t backlog = promp_session_backlog(w->session, PROMP_LANE_MESSAGES);
    core->unsent += backlog;
    core->unsent -= w->backlog;
    w->backlog = backlog;
}

uint64_t promp_manager_core_unsent(const promp_manager_core_t *core)
{
    return core->unsent + core->queue_bytes;
}

static promp_err_t check_room(const promp_manager_core_t *core, uint64_t size)
{
    uint64_t unsent = promp_manager_core_unsent(core);
    if (!unsent || (unsent <= core->unsent_limit && size <= core->unsent_limit - unsent))
        return PROMP_OK;
    return PROMP_ERR_QUEUE_FULL;
}

/* --- who is idle: a heap of ids; what has become busy is found when it comes out --- */

static bool takes_tasks(const worker_t *w)
{
    return w->state == WORKER_ALIVE && !w->abandoned && !w->stopping && !w->kill_cause;
}

static bool is_idle(const worker_t *w)
{
    return takes_tasks(w) && w->ready && w->done == w->given;
}

static void swap(uint32_t *a, uint32_t *b)
{
    uint32_t c = *a;
    *a = *b;
    *b = c;
}

static void sift_down(uint32_t *heap, size_t count, size_t at)
{
    for (size_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && heap[child + 1] < heap[child])
            child++;
        if (heap[at] <= heap[child])
            return;
        swap(&heap[at], &heap[child]);
    }
}

static void push_idle(promp_manager_core_t *core, worker_t *w)
{
    size_t at = core->idle_count++; /* promp_manager_core_start made room */
    core->idle[at] = w->id;
    w->idling = true;
    for (; at && core->idle[at] < core->idle[(at - 1) / 2]; at = (at - 1) / 2)
        swap(&core->idle[at], &core->idle[(at - 1) / 2]);
}

static worker_t *first_idle(promp_manager_core_t *core)
{
    while (core->idle_count) {
        worker_t *w = core->table[core->idle[0] - 1];
        if (is_idle(w))
            return w;
        w->idling = false;
        core->idle[0] = core->idle[--core->idle_count];
        sift_down(core->idle, core->idle_count, 0);
    }
    return NULL;
}

void promp_manager_core_task_leave(promp_manager_core_t *core, worker_t *w)
{
    if (!w->idling)
        return;
    w->idling = false;
    size_t at = 0;
    while (core->idle[at] != w->id)
        at++;
    core->idle[at] = core->idle[--core->idle_count];
    for (size_t i = core->idle_count / 2; i-- > 0;)
        sift_down(core->idle, core->idle_count, i);
}

/* --- giving tasks --- */

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

/* moved: NULL, or what rest stands in; it moves into the session. */
static promp_err_t post(worker_t *w, uint16_t type, promp_slice_t head, promp_slice_t rest,
                        promp_buf_t *moved)
{
    const promp_slice_t parts[2] = {head, rest};
    return moved ? promp_session_send_moved(w->session, PROMP_LANE_MESSAGES, type, head, moved)
                 : promp_session_send(w->session, PROMP_LANE_MESSAGES, type, parts, rest.size ? 2 : 1);
}

/* head begins with the task's number, which is known only here. */
static promp_err_t give(promp_manager_core_t *core, worker_t *w, uint8_t *head, size_t size,
                        promp_slice_t rest, promp_buf_t *moved)
{
    promp_put64(head, w->given + 1);
    promp_err_t err = post(w, PROMP_TYPE_TASK, promp_slice(head, size), rest, moved);
    if (err)
        return err == PROMP_ERR_CLOSED ? PROMP_OK
                                       : err; /* it is about to be known as dead: nothing happens */
    w->given++;
    promp_manager_core_task_count(core, w);
    promp_manager_core_task_backlog(core, w);
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
    while (core->queue.count && (w = first_idle(core))) {
        queued_t *task = PROMP_CONTAINER(promp_list_first(&core->queue), queued_t, node);
        uint64_t before = w->given;
        if (give(core, w, task->body, task->size, promp_slice(NULL, 0), NULL))
            return; /* no memory: it stays, and goes with the next end of a task */
        if (w->given > before)
            free_queued(core, task);
        else
            promp_manager_core_task_leave(core, w);
    }
}

void promp_manager_core_task_idle(promp_manager_core_t *core, worker_t *w)
{
    if (is_idle(w) && !w->idling)
        push_idle(core, w);
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
    worker_t *w = core->queue.count ? NULL : first_idle(core);
    return w ? give(core, w, head->data, head->size, rest, moved) : queue(core, head, rest);
}

promp_err_t promp_manager_core_task(promp_manager_core_t *core, uint32_t worker,
                                    const promp_manager_core_task_t *task, uint64_t *number)
{
    promp_buf_t head = {0};
    promp_slice_t rest = {0};
    promp_err_t err = encode(task, &head, &rest);
    if (!err)
        err = check_room(core, head.size + rest.size);
    if (number)
        *number = 0;
    if (err)
        goto out;
    if (worker == PROMP_WORKER_ANY) {
        err = give_any(core, &head, rest, task->moved);
    } else if (worker == PROMP_WORKER_ALL) {
        for (worker_t *w = NULL; !err && (w = promp_manager_core_next_live(core, w));)
            if (takes_tasks(w) && !(err = check_room(core, head.size + rest.size)))
                err = give(core, w, head.data, head.size, rest, NULL);
    } else {
        worker_t *w = promp_manager_core_find(core, worker);
        if (w && takes_tasks(w)) {
            err = give(core, w, head.data, head.size, rest, task->moved);
            if (number && !err)
                *number = w->given;
        }
    }
out:
    promp_buf_free(&head);
    return err;
}

/* --- messages to workers --- */

static promp_err_t send_one(promp_manager_core_t *core, worker_t *w, promp_slice_t head, promp_slice_t rest,
                            promp_buf_t *moved)
{
    promp_err_t err = check_room(core, head.size + rest.size);
    if (!err)
        err = post(w, PROMP_TYPE_USER_MESSAGE, head, rest, moved);
    if (err)
        return err == PROMP_ERR_CLOSED ? PROMP_ERR_NO_WORKER : err;
    promp_manager_core_task_backlog(core, w);
    promp_manager_core_touch(core, w);
    return PROMP_OK;
}

static promp_err_t send_all(promp_manager_core_t *core, promp_slice_t head, promp_slice_t rest)
{
    promp_err_t err = PROMP_OK;
    worker_t *w = promp_manager_core_next_live(core, NULL);
    if (!w)
        return PROMP_ERR_NO_WORKER;
    for (; w; w = promp_manager_core_next_live(core, w)) {
        promp_err_t one = send_one(core, w, head, rest, NULL);
        err = err ? err : one;
    }
    return err;
}

static promp_err_t send(promp_manager_core_t *core, uint32_t worker, uint32_t id, promp_slice_t data,
                        promp_buf_t *moved)
{
    if (id > PROMP_MESSAGE_MAX)
        return PROMP_ERR_MESSAGE_ID;
    if (data.size > PROMP_LIMIT_VALUE)
        return PROMP_ERR_VALUE_SIZE;
    promp_message_t message = {.type = PROMP_TYPE_USER_MESSAGE};
    message.user_message.id = id;
    message.user_message.data = data;
    promp_buf_t buf = {0};
    promp_slice_t rest = {0};
    promp_err_t err = promp_message_encode_head(&message, &buf, &rest);
    if (err)
        goto out;
    const promp_slice_t head = {buf.data, buf.size};
    if (worker == PROMP_WORKER_ALL) {
        err = send_all(core, head, rest);
        goto out;
    }
    worker_t *w = promp_manager_core_find(core, worker);
    if (worker == PROMP_WORKER_ANY) {
        w = first_idle(core);
        w = w ? w : promp_manager_core_next_live(core, NULL);
    }
    err = w && w->state == WORKER_ALIVE ? send_one(core, w, head, rest, moved) : PROMP_ERR_NO_WORKER;
out:
    promp_buf_free(&buf);
    return err;
}

promp_err_t promp_manager_core_send(promp_manager_core_t *core, uint32_t worker, uint32_t id,
                                    promp_slice_t data)
{
    return send(core, worker, id, data, NULL);
}

promp_err_t promp_manager_core_send_moved(promp_manager_core_t *core, uint32_t worker, uint32_t id,
                                          promp_buf_t *data)
{
    return send(core, worker, id, promp_slice(data->data, data->size), data);
}

/* --- abort --- */

static void abort_one(promp_manager_core_t *core, worker_t *w, int timeout, int64_t now)
{
    if (w->state != WORKER_ALIVE || w->done == w->given)
        return;
    if (timeout == 0) {
        w->aborting = w->given;
        promp_manager_core_start_kill(core, w, PROMP_ERR_WORKER_ABORTED);
        return;
    }
    int64_t at = timeout < 0 ? PROMP_NEVER : now + timeout;
    if (w->aborting == w->given && w->abort_at <= at)
        return; /* asked already, and sooner */
    w->aborting = w->given;
    w->abort_at = promp_min64(w->abort_at, at);
    uint64_t grace = timeout < 0 ? PROMP_TIMEOUT_MAX : (uint64_t)timeout;
    promp_session_urge(w->session, PROMP_SLOT_ABORT, w->given, grace);
    w->due = promp_min64(w->due, w->abort_at);
    core->due = promp_min64(core->due, w->abort_at);
    promp_manager_core_touch(core, w);
}

uint32_t promp_manager_core_busy_one(promp_manager_core_t *core, uint32_t worker)
{
    if (worker != PROMP_WORKER_ANY)
        return worker;
    for (worker_t *w = NULL; (w = promp_manager_core_next_live(core, w));)
        if (w->busy)
            return w->id;
    return PROMP_WORKER_INVALID;
}

/* An end that waits for the user to make room in his inbox is as good as shown: he is here, waiting for it. */
static bool is_aborting(const worker_t *w, bool shown)
{
    return (shown && !w->blocked.next ? w->over : w->done) < w->aborting;
}

bool promp_manager_core_aborting(const promp_manager_core_t *core, uint32_t worker, bool shown)
{
    if (worker != PROMP_WORKER_ALL) {
        const worker_t *w = promp_manager_core_find(core, worker);
        return w && is_aborting(w, shown);
    }
    for (promp_node_t *at = promp_list_first(&core->live); at; at = promp_list_after(&core->live, at))
        if (is_aborting(WORKER_OF(at, member), shown))
            return true;
    return false;
}

void promp_manager_core_abort(promp_manager_core_t *core, uint32_t worker, int timeout, int64_t now)
{
    if (worker == PROMP_WORKER_ALL) {
        promp_manager_core_task_drop(core, false);
        for (worker_t *w = NULL; (w = promp_manager_core_next_live(core, w));)
            abort_one(core, w, timeout, now);
        return;
    }
    worker_t *w = promp_manager_core_find(core, promp_manager_core_busy_one(core, worker));
    if (w)
        abort_one(core, w, timeout, now);
}
