/* worker_task.c - one task: what it was given, what it returns, and its end. The main thread's, but for what
 * goes through to the worker. */
#include "worker_task.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "value.h"

struct promp_task {
    promp_worker_t *worker;
    promp_worker_job_t job;
    char *file;          /* behind name */
    promp_value_t *args; /* decoded; NULL: not yet, or malformed */
    bool decoded;
    promp_buf_t result; /* encoded; empty: none was set */
    promp_err_t code;   /* of the failure that was set; OK: none */
    char *kind, *text, *trace;
    char name[];
};

promp_task_t *promp_task_new(promp_worker_t *worker, promp_worker_job_t *job)
{
    promp_task_t *task = calloc(1, sizeof *task + job->name.size + job->file.size + 2);
    if (!task) {
        promp_worker_job_free(job);
        return NULL;
    }
    task->worker = worker;
    task->job = *job;
    task->file = task->name + job->name.size + 1;
    if (job->name.size)
        memcpy(task->name, job->name.data, job->name.size);
    if (job->file.size)
        memcpy(task->file, job->file.data, job->file.size);
    return task;
}

static void forget_failure(promp_task_t *task)
{
    free(task->kind);
    free(task->text);
    free(task->trace);
    task->kind = task->text = task->trace = NULL;
    task->code = PROMP_OK;
}

static void destroy(promp_task_t **task)
{
    forget_failure(*task);
    promp_value_free(&(*task)->args);
    promp_buf_free(&(*task)->result);
    promp_worker_job_free(&(*task)->job);
    free(*task);
    *task = NULL;
}

promp_worker_t *promp_task_worker(const promp_task_t *task)
{
    return task->worker;
}

uint64_t promp_task_number(const promp_task_t *task)
{
    return task->job.number;
}

promp_task_kind_t promp_task_kind(const promp_task_t *task)
{
    return (promp_task_kind_t)task->job.kind;
}

const char *promp_task_name(const promp_task_t *task)
{
    return task->name;
}

const char *promp_task_file(const promp_task_t *task)
{
    return task->file;
}

const uint8_t *promp_task_code(const promp_task_t *task, size_t *size)
{
    *size = task->job.code.size;
    return task->job.code.data;
}

const uint8_t *promp_task_args_cbor(const promp_task_t *task, size_t *size)
{
    *size = task->job.args.size;
    return task->job.args.data;
}

const promp_value_t *promp_task_args(promp_task_t *task)
{
    if (task->decoded)
        return task->args;
    task->decoded = true;
    if (task->job.args.size == 0)
        task->args = promp_value_list();
    else if (promp_value_decode(task->job.args, &task->args))
        task->args = NULL;
    if (task->args && promp_value_type(task->args) != PROMP_VALUE_LIST)
        promp_value_free(&task->args);
    return task->args;
}

bool promp_task_wants_result(const promp_task_t *task)
{
    return task->job.flags & 1;
}

bool promp_task_aborted(promp_task_t *task)
{
    return promp_worker_aborted(task->worker);
}

promp_err_t promp_task_progress(promp_task_t *task, int value)
{
    return promp_worker_progress(task->worker, value);
}

promp_err_t promp_task_text(promp_task_t *task, const char *text)
{
    return promp_worker_text(task->worker, text);
}

promp_err_t promp_task_result(promp_task_t *task, promp_value_t **value)
{
    if (!*value)
        return PROMP_ERR_ARGUMENT;
    task->result.size = 0;
    promp_err_t err = promp_value_encode(*value, &task->result);
    promp_value_free(value);
    return err;
}

promp_err_t promp_task_result_cbor(promp_task_t *task, const void *cbor, size_t size)
{
    if (!cbor || size == 0)
        return PROMP_ERR_ARGUMENT;
    if (size > PROMP_LIMIT_VALUE)
        return PROMP_ERR_VALUE_SIZE;
    task->result.size = 0;
    return promp_buf_append(&task->result, cbor, size);
}

promp_err_t promp_task_failed(const promp_task_t *task)
{
    return task->code;
}

promp_err_t promp_task_failure(promp_task_t *task, promp_err_t code, const char *kind, const char *text,
                               const char *trace)
{
    forget_failure(task);
    task->code = code ? code : PROMP_ERR_TASK_FAILED;
    task->kind = kind ? strdup(kind) : NULL;
    task->text = text ? strdup(text) : NULL;
    task->trace = trace ? strdup(trace) : NULL;
    bool whole = (!kind || task->kind) && (!text || task->text) && (!trace || task->trace);
    return whole ? PROMP_OK : PROMP_ERR_MEMORY;
}

int promp_task_fail(promp_task_t *task, const char *format, ...)
{
    forget_failure(task);
    task->code = PROMP_ERR_TASK_FAILED;
    va_list args;
    va_start(args, format);
    if (vasprintf(&task->text, format, args) < 0)
        task->text = NULL;
    va_end(args);
    return 1;
}

/* --- the end; lock held --- */

static promp_err_t send_result(promp_task_t *task)
{
    static const uint8_t none = 0xf6; /* CBOR null: a task that returned nothing */
    if (!promp_task_wants_result(task))
        return PROMP_OK;
    promp_err_t err = task->result.size ? PROMP_OK : promp_buf_append(&task->result, &none, 1);
    return err ? err : promp_worker_core_result(task->worker->core, &task->result);
}

static promp_err_t send_failure(promp_task_t *task)
{
    promp_err_t code = task->code ? task->code : PROMP_ERR_TASK_FAILED;
    const char *text = task->text && *task->text ? task->text : promp_error_text(code);
    promp_worker_core_t *core = task->worker->core;
    promp_err_t err = promp_worker_core_failure(core, code, task->kind, text, task->trace);
    /* Where there is no memory for all of it, that it failed is what matters. */
    return err == PROMP_ERR_MEMORY ? promp_worker_core_failure(core, code, NULL, promp_error_text(code), NULL)
                                   : err;
}

promp_err_t promp_task_finish(promp_task_t **task_p, promp_task_outcome_t outcome)
{
    promp_task_t *task = *task_p;
    if (!task)
        return PROMP_ERR_ARGUMENT;
    promp_worker_t *worker = task->worker;
    if (promp_worker_forked(worker)) {
        destroy(task_p);
        return PROMP_ERR_FORKED;
    }
    promp_worker_pipes_drain(worker);
    promp_hub_lock(worker->hub);
    promp_err_t err = PROMP_OK;
    if (outcome == PROMP_TASK_DONE && (err = send_result(task)) && err != PROMP_ERR_CLOSED) {
        promp_task_failure(task, err, NULL, NULL, NULL);
        outcome = PROMP_TASK_FAILURE;
    }
    if (outcome == PROMP_TASK_FAILURE)
        err = send_failure(task);
    promp_err_t err2 = promp_worker_core_finish(worker->core, (uint8_t)outcome);
    promp_hub_busy(worker->hub, false);
    promp_hub_unlock(worker->hub);
    destroy(task_p);
    return err ? err : err2;
}
