/* manager_task.c - tasks, and what comes of them: results and failures. */
#include "manager_inner.h"

#include <stdlib.h>

#include "value.h"

static bool is_list(const void *cbor, size_t size)
{
    return size && (*(const uint8_t *)cbor >> 5) == 4; /* major type of an array */
}

/* What is wrong with a task as such; NULL: nothing. */
static const char *fault(const promp_task_spec_t *task)
{
    if (!task)
        return "no task";
    if (task->kind < PROMP_TASK_NATIVE || task->kind > PROMP_TASK_TEST_BOX)
        return "unknown kind of task";
    bool named = task->kind == PROMP_TASK_NATIVE || task->kind == PROMP_TASK_FUNCTION;
    if (named && (!task->name || !*task->name))
        return "the task has no name";
    if ((!task->code && task->code_size) || (!task->args_cbor && task->args_size))
        return "bytes without an address";
    if (task->args && task->args_cbor)
        return "arguments given twice";
    return NULL;
}

/* The arguments as they travel; borrowed from the task or from *own. */
static promp_err_t encode_args(const promp_task_spec_t *task, promp_buf_t *own, promp_slice_t *args)
{
    promp_err_t err;
    *args = promp_slice(task->args_cbor, task->args_size);
    if (task->args_cbor) {
        if (!is_list(task->args_cbor, task->args_size))
            return PROMP_ERR_VALUE_TYPE;
        if (task->args_size < PROMP_MANAGER_LARGE)
            return PROMP_OK;
        err = promp_buf_append(own, task->args_cbor, task->args_size);
    } else if (!task->args) {
        return PROMP_OK;
    } else if (promp_value_type(task->args) != PROMP_VALUE_LIST) {
        return PROMP_ERR_VALUE_TYPE;
    } else {
        err = promp_value_encode(task->args, own);
    }
    *args = promp_slice(own->data, own->size);
    return err;
}

promp_err_t promp_manager_task(promp_manager_t *manager, uint32_t worker, const promp_task_spec_t *task,
                               uint64_t *number)
{
    promp_err_t err = promp_manager_usable(manager);
    if (number)
        *number = 0;
    if (err)
        return err;
    const char *why = fault(task);
    if (why)
        return promp_manager_fail(manager, PROMP_ERR_ARGUMENT, 0, "%s", why);
    promp_buf_t own = {0};
    promp_manager_core_task_t core = {.kind = (uint32_t)task->kind,
                                      .result = task->result,
                                      .name = promp_slice_str(task->name),
                                      .file = promp_slice_str(task->file),
                                      .code = promp_slice(task->code, task->code_size)};
    err = encode_args(task, &own, &core.args);
    if (!err) {
        core.moved = own.size ? &own : NULL;
        promp_hub_lock(manager->hub);
        err = promp_manager_core_task(manager->core, worker, &core, number);
        promp_manager_leave(manager);
    }
    promp_buf_free(&own);
    return err ? promp_manager_fail(manager, err, 0, NULL) : PROMP_OK;
}

/* --- results --- */

bool promp_manager_has_results(promp_manager_t *manager)
{
    if (promp_manager_enter(manager))
        return false;
    if (!promp_manager_core_has_result(manager->core, PROMP_WORKER_ANY))
        promp_hub_pump(manager->hub);
    bool has = promp_manager_core_has_result(manager->core, PROMP_WORKER_ANY);
    promp_manager_leave(manager);
    return has;
}

/* The bytes are at *data, inside result->cbor. */
static bool take_raw(promp_manager_t *manager, uint32_t worker, promp_result_t *result, const uint8_t **data)
{
    memset(result, 0, sizeof *result);
    if (promp_manager_enter(manager))
        return false;
    if (!promp_manager_core_has_result(manager->core, worker))
        promp_hub_pump(manager->hub);
    bool got = promp_manager_core_take_result_raw(manager->core, worker, result, data);
    promp_manager_leave(manager);
    return got;
}

bool promp_manager_take_result_cbor(promp_manager_t *manager, uint32_t worker, promp_result_t *result)
{
    const uint8_t *data;
    bool got = take_raw(manager, worker, result, &data);
    if (got && result->size)
        memmove(result->cbor, data, result->size);
    return got;
}

promp_err_t promp_manager_take_result(promp_manager_t *manager, uint32_t worker, promp_result_t *result,
                                      bool *got)
{
    const uint8_t *data;
    *got = false;
    memset(result, 0, sizeof *result);
    promp_err_t err = promp_manager_usable(manager);
    if (err || !take_raw(manager, worker, result, &data))
        return err;
    err = promp_value_decode(promp_slice(data, result->size), &result->value);
    free(result->cbor);
    result->cbor = NULL;
    result->size = 0;
    *got = err == PROMP_OK;
    return err ? promp_manager_fail(manager, err, 0, "the result of task %llu of worker %u",
                                    (unsigned long long)result->task, (unsigned)result->worker)
               : PROMP_OK;
}

void promp_result_free(promp_result_t *result)
{
    if (!result)
        return;
    promp_value_free(&result->value);
    free(result->cbor);
    memset(result, 0, sizeof *result);
}

/* --- failures --- */

bool promp_manager_has_errors(promp_manager_t *manager)
{
    if (promp_manager_enter(manager))
        return false;
    if (!promp_manager_core_has_failure(manager->core, PROMP_WORKER_ANY))
        promp_hub_pump(manager->hub);
    bool has = promp_manager_core_has_failure(manager->core, PROMP_WORKER_ANY);
    promp_manager_leave(manager);
    return has;
}

bool promp_manager_take_error(promp_manager_t *manager, uint32_t worker, promp_failure_t *failure)
{
    bool got = false;
    memset(failure, 0, sizeof *failure);
    if (promp_manager_enter(manager))
        return false;
    if (!promp_manager_core_has_failure(manager->core, worker))
        promp_hub_pump(manager->hub);
    promp_err_t err = promp_manager_core_take_failure(manager->core, worker, failure, &got);
    promp_manager_leave(manager);
    if (err)
        promp_manager_fail(manager, err, 0, NULL);
    return got;
}

void promp_failure_free(promp_failure_t *failure)
{
    if (!failure)
        return;
    free(failure->kind);
    free(failure->text);
    free(failure->trace);
    memset(failure, 0, sizeof *failure);
}
