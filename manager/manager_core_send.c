/* manager_core_send.c - what goes down the messages lanes: how much it may be, and users' messages. */
#include "manager_core_state.h"

void promp_manager_core_send_backlog(promp_manager_core_t *core, worker_t *w)
{
    if (!w->session)
        return;
    uint64_t backlog = promp_session_backlog(w->session, PROMP_LANE_MESSAGES);
    core->unsent += backlog;
    core->unsent -= w->backlog;
    w->backlog = backlog;
    promp_manager_core_share_check(core, w);
}

uint64_t promp_manager_core_unsent(const promp_manager_core_t *core)
{
    return core->unsent + core->queue_bytes;
}

promp_err_t promp_manager_core_send_room(const promp_manager_core_t *core, uint64_t size)
{
    uint64_t unsent = promp_manager_core_unsent(core);
    if (!unsent || (unsent <= core->unsent_limit && size <= core->unsent_limit - unsent))
        return PROMP_OK;
    return PROMP_ERR_QUEUE_FULL;
}

/* moved: NULL, or what rest stands in; it moves into the session. */
promp_err_t promp_manager_core_send_post(worker_t *w, uint16_t type, promp_slice_t head, promp_slice_t rest,
                                         promp_buf_t *moved)
{
    const promp_slice_t parts[2] = {head, rest};
    return moved ? promp_session_send_moved(w->session, PROMP_LANE_MESSAGES, type, head, moved)
                 : promp_session_send(w->session, PROMP_LANE_MESSAGES, type, parts, rest.size ? 2 : 1);
}

/* --- messages to workers --- */

static promp_err_t send_one(promp_manager_core_t *core, worker_t *w, promp_slice_t head, promp_slice_t rest,
                            promp_buf_t *moved)
{
    promp_err_t err = promp_manager_core_send_room(core, head.size + rest.size);
    if (!err)
        err = promp_manager_core_send_post(w, PROMP_TYPE_USER_MESSAGE, head, rest, moved);
    if (err)
        return err == PROMP_ERR_CLOSED ? PROMP_ERR_NO_WORKER : err;
    promp_manager_core_send_backlog(core, w);
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
        w = promp_manager_core_idle_first(core);
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
