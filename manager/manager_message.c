/* manager_message.c - users' messages. */
#include "manager_inner.h"

#include <stdlib.h>

promp_err_t promp_manager_send(promp_manager_t *manager, uint32_t worker, uint32_t id, const void *data,
                               size_t size)
{
    promp_err_t err = promp_manager_usable(manager);
    if (err)
        return err;
    if (!data && size)
        return promp_manager_fail(manager, PROMP_ERR_ARGUMENT, 0, "bytes without an address");
    promp_buf_t copy = {0};
    if (size >= PROMP_MANAGER_LARGE && (err = promp_buf_append(&copy, data, size)))
        return promp_manager_fail(manager, err, 0, NULL);
    promp_hub_lock(manager->hub);
    err = copy.data ? promp_manager_core_send_moved(manager->core, worker, id, &copy)
                    : promp_manager_core_send(manager->core, worker, id, promp_slice(data, size));
    promp_manager_leave(manager);
    promp_buf_free(&copy);
    return err ? promp_manager_fail(manager, err, 0, NULL) : PROMP_OK;
}

bool promp_manager_has_message(promp_manager_t *manager, uint32_t worker)
{
    if (promp_manager_enter(manager))
        return false;
    if (!promp_manager_core_has_message(manager->core, worker))
        promp_hub_pump(manager->hub);
    bool has = promp_manager_core_has_message(manager->core, worker);
    promp_manager_leave(manager);
    return has;
}

bool promp_manager_receive(promp_manager_t *manager, uint32_t worker, promp_message_user_t *message)
{
    *message = (promp_message_user_t){.id = PROMP_MESSAGE_INVALID};
    if (promp_manager_enter(manager))
        return false;
    if (!promp_manager_core_has_message(manager->core, worker))
        promp_hub_pump(manager->hub);
    const uint8_t *data;
    bool got = promp_manager_core_receive_raw(manager->core, worker, message, &data);
    promp_manager_leave(manager);
    if (got && message->size)
        memmove(message->data, data, message->size);
    return got;
}

typedef struct {
    promp_manager_t *manager;
    uint32_t worker;
} of_t;

static bool has_or_never(void *arg)
{
    of_t *of = arg;
    return promp_manager_core_has_message(of->manager->core, of->worker) ||
           promp_manager_core_silent(of->manager->core, of->worker);
}

promp_err_t promp_manager_wait_message(promp_manager_t *manager, uint32_t worker, int timeout)
{
    promp_err_t err = promp_manager_enter(manager);
    if (err)
        return err;
    of_t of = {manager, worker};
    err = promp_hub_wait(manager->hub, has_or_never, &of, promp_manager_deadline(timeout));
    if (promp_manager_core_has_message(manager->core, worker))
        err = PROMP_OK;
    else if (!err)
        err = promp_manager_fail(manager, PROMP_ERR_NO_WORKER, 0, NULL);
    promp_manager_leave(manager);
    return err;
}

void promp_message_user_free(promp_message_user_t *message)
{
    if (!message)
        return;
    free(message->data);
    *message = (promp_message_user_t){.id = PROMP_MESSAGE_INVALID};
}
