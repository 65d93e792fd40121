/* worker_message.c - users' messages, and the progress and text of the running task. */
#include "worker_inner.h"

promp_err_t promp_worker_send(promp_worker_t *worker, uint32_t id, const void *data, size_t size)
{
    if (!worker || (!data && size))
        return PROMP_ERR_ARGUMENT;
    if (promp_worker_forked(worker))
        return PROMP_ERR_FORKED;
    promp_buf_t copy = {0};
    promp_err_t err = size < PROMP_WORKER_LARGE ? PROMP_OK : promp_buf_append(&copy, data, size);
    if (err)
        return err;
    promp_hub_lock(worker->hub);
    err = copy.data ? promp_worker_core_send_moved(worker->core, id, &copy)
                    : promp_worker_core_send(worker->core, id, promp_slice(data, size));
    promp_hub_unlock(worker->hub);
    promp_buf_free(&copy);
    return err;
}

bool promp_worker_receive(promp_worker_t *worker, promp_message_user_t *message)
{
    *message = (promp_message_user_t){.id = PROMP_MESSAGE_INVALID};
    if (promp_worker_forked(worker))
        return false;
    promp_worker_job_t job;
    promp_hub_lock(worker->hub);
    if (!promp_worker_core_has_message(worker->core))
        promp_hub_pump(worker->hub);
    bool got = promp_worker_core_receive(worker->core, &job);
    promp_hub_unlock(worker->hub);
    if (!got)
        return false;
    /* The data end the record; moved to its front the memory is the user's to free. */
    if (job.args.size)
        memmove(job.body, job.args.data, job.args.size);
    message->id = (uint32_t)job.number;
    message->data = job.body;
    message->size = job.args.size;
    return true;
}

bool promp_worker_has_message(promp_worker_t *worker)
{
    if (promp_worker_forked(worker))
        return false;
    promp_hub_lock(worker->hub);
    if (!promp_worker_core_has_message(worker->core))
        promp_hub_pump(worker->hub);
    bool has = promp_worker_core_has_message(worker->core);
    promp_hub_unlock(worker->hub);
    return has;
}

/* Lock held. */
static bool message_or_end(void *arg)
{
    promp_worker_t *worker = arg;
    return promp_worker_core_has_message(worker->core) || promp_worker_core_aborted(worker->core, false) ||
           promp_worker_core_state(worker->core);
}

promp_err_t promp_worker_wait_message(promp_worker_t *worker, int timeout)
{
    if (promp_worker_forked(worker))
        return PROMP_ERR_FORKED;
    promp_hub_lock(worker->hub);
    int64_t deadline = timeout < 0 ? PROMP_NEVER : promp_clock_ms() + timeout;
    promp_err_t err = PROMP_OK;
    if (!message_or_end(worker))
        err = promp_hub_wait(worker->hub, message_or_end, worker, deadline);
    if (promp_worker_core_has_message(worker->core))
        err = PROMP_OK;
    else if (message_or_end(worker))
        err = PROMP_ERR_TASK_ABORTED;
    promp_hub_unlock(worker->hub);
    return err;
}

promp_err_t promp_worker_progress(promp_worker_t *worker, int value)
{
    if (promp_worker_forked(worker))
        return PROMP_ERR_FORKED;
    promp_hub_lock(worker->hub);
    promp_err_t err = promp_worker_core_progress(worker->core, value);
    promp_hub_unlock(worker->hub);
    return err;
}

promp_err_t promp_worker_text(promp_worker_t *worker, const char *text)
{
    if (promp_worker_forked(worker))
        return PROMP_ERR_FORKED;
    promp_hub_lock(worker->hub);
    promp_err_t err = promp_worker_core_text(worker->core, text);
    promp_hub_unlock(worker->hub);
    return err;
}
