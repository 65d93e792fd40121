/* worker_core_task.c - the core's tasks: one after the other, their ends, and what an abort does to them. */
#include "worker_core_impl.h"

#include "mutant.h"
#include "worker_text.h"

bool promp_worker_core_aborted(promp_worker_core_t *core, bool looks)
{
    if (!atomic_load(&core->aborted))
        return false;
    if (looks)
        atomic_store(&core->looked, true);
    return true;
}

bool promp_worker_core_stopped(const promp_worker_core_t *core)
{
    return atomic_load(&core->stopped);
}

uint64_t promp_worker_core_running(const promp_worker_core_t *core)
{
    return core->running;
}

bool promp_worker_core_has_task(const promp_worker_core_t *core)
{
    return !core->running && core->jobs.count && !promp_worker_core_stopped(core);
}

bool promp_worker_core_begin(promp_worker_core_t *core, promp_worker_job_t *job)
{
    if (!promp_worker_core_has_task(core) || !promp_worker_core_shift(core, &core->jobs, job))
        return false;
    core->running = job->number;
    promp_worker_core_refill(core);
    atomic_store(&core->aborted, promp_worker_core_stopped(core));
    return true;
}

void promp_worker_core_drop(promp_worker_core_t *core, uint64_t last)
{
    promp_node_t *node;
    promp_worker_job_t job;
    while ((node = promp_list_first(&core->jobs)) &&
           PROMP_CONTAINER(node, promp_worker_item_t, node)->job.number <= last) {
        promp_worker_core_shift(core, &core->jobs, &job);
        promp_worker_job_free(&job);
    }
}

/* --- the end of a task --- */

promp_err_t promp_worker_core_result(promp_worker_core_t *core, promp_buf_t *cbor)
{
    if (!core->running)
        return PROMP_ERR_STATE;
    if (cbor->size > PROMP_LIMIT_VALUE)
        return PROMP_ERR_VALUE_SIZE;
    promp_message_t result = {
        PROMP_TYPE_RESULT, .result = {.task = core->running, .value = promp_slice(cbor->data, cbor->size)}};
    return promp_worker_core_post(core, &result, cbor);
}

promp_err_t promp_worker_core_failure(promp_worker_core_t *core, promp_err_t code, const char *kind,
                                      const char *text, const char *trace)
{
    if (!core->running)
        return PROMP_ERR_STATE;
    promp_buf_t kinds = {0}, texts = {0}, traces = {0};
    promp_err_t err = promp_worker_text_clean(kind, PROMP_LIMIT_NAME, &kinds);
    if (!err)
        err = promp_worker_text_clean(text, PROMP_LIMIT_TEXT, &texts);
    if (!err)
        err = promp_worker_text_clean(trace, PROMP_LIMIT_TRACE, &traces);
    if (!err) {
        promp_message_t failure = {PROMP_TYPE_FAILURE,
                                   .failure = {.task = core->running,
                                               .error = (uint32_t)code,
                                               .kind = promp_slice(kinds.data, kinds.size),
                                               .text = promp_slice(texts.data, texts.size),
                                               .trace = promp_slice(traces.data, traces.size)}};
        err = promp_worker_core_post(core, &failure, NULL);
    }
    promp_buf_free(&kinds);
    promp_buf_free(&texts);
    promp_buf_free(&traces);
    return err;
}

/* Tells that all tasks up to this one are over. */
static promp_err_t tell_done(promp_worker_core_t *core, uint64_t task, uint8_t outcome)
{
    core->done = task;
    promp_message_t done = {
        PROMP_TYPE_DONE,
        .done = {.task = task,
                 .outcome = outcome,
                 .end_messages = PROMP_MUTANT(9) ? 0 : promp_session_sent(core->session, PROMP_LANE_MESSAGES),
                 .end_output = promp_session_sent(core->session, PROMP_LANE_OUTPUT)}};
    return promp_worker_core_post(core, &done, NULL);
}

promp_err_t promp_worker_core_finish(promp_worker_core_t *core, uint8_t outcome)
{
    if (!core->running)
        return PROMP_ERR_STATE;
    uint64_t task = core->running;
    promp_err_t err = promp_worker_core_flush_latest(core, true);
    core->running = 0;
    core->interrupt_at = core->terminate_at = PROMP_NEVER;
    core->acts &= 1u << PROMP_WORKER_ACT_DIE;
    if (!err)
        err = tell_done(core, task, outcome);
    if (!err && core->floor > task)
        err = tell_done(core, core->floor, 2);
    /* Without its end the manager would wait for the task for ever: better no session. */
    if (err && err != PROMP_ERR_CLOSED)
        promp_worker_core_break(core, err);
    return err;
}

promp_err_t promp_worker_core_on_abort(promp_worker_core_t *core, uint64_t last, uint64_t timeout,
                                       int64_t now)
{
    if (last > core->floor)
        core->floor = last;
    promp_worker_core_drop(core, core->floor);
    if (!core->running)
        return core->done < core->floor ? tell_done(core, core->floor, 2) : PROMP_OK;
    if (core->running > last)
        return PROMP_OK; /* an old one: what it meant is over */
    if (timeout > PROMP_TIMEOUT_MAX)
        timeout = PROMP_TIMEOUT_MAX;
    atomic_store(&core->looked, false);
    atomic_store(&core->aborted, true);
    if (timeout > 0) { /* 0: the node ends us at once */
        core->interrupt_at = promp_min64(core->interrupt_at, now + (int64_t)timeout / 2);
        core->terminate_at = promp_min64(core->terminate_at, now + (int64_t)timeout * 9 / 10);
    }
    return PROMP_OK;
}
