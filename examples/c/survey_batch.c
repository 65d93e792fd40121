#include "survey_batch.h"

#include <stdlib.h>
#include <string.h>

void batch_free(batch_t **batch)
{
    if (!*batch)
        return;
    for (size_t i = 0; i < (*batch)->count; i++)
        free((*batch)->file[i].path);
    free(*batch);
    *batch = NULL;
}

batch_t *batch_fill(survey_walk_t *walk, survey_report_t *report)
{
    batch_t *batch = calloc(1, sizeof *batch);
    survey_file_t file;
    while (batch && batch->count < BATCH_FILES && batch->bytes < BATCH_BYTES &&
           survey_walk_next(walk, &file)) {
        if (file.error) {
            survey_report_fail(report, file.path, strerror(file.error));
            free(file.path);
            continue;
        }
        batch->file[batch->count++] = file;
        batch->bytes += file.size;
    }
    if (batch && !batch->count)
        batch_free(&batch);
    return batch;
}

batch_t *batch_split(batch_t *batch)
{
    batch_t *one = calloc(1, sizeof *one);
    if (!one)
        return NULL;
    one->file[one->count++] = batch->file[--batch->count];
    one->bytes = one->file[0].size;
    return one;
}

/* Names of files are bytes; those that are UTF-8 travel as text. */
static promp_value_t *path_value(const char *path)
{
    promp_value_t *value = promp_value_str(path, strlen(path));
    return value ? value : promp_value_bytes(path, strlen(path));
}

promp_err_t batch_send(batch_t *batch, promp_manager_t *manager, uint32_t worker)
{
    promp_value_t *paths = promp_value_list(), *args = promp_value_list();
    promp_err_t err = paths && args ? PROMP_OK : PROMP_ERR_MEMORY;
    for (size_t i = 0; !err && i < batch->count; i++) {
        promp_value_t *path = path_value(batch->file[i].path);
        err = promp_value_append(paths, &path);
    }
    if (!err)
        err = promp_value_append(args, &paths);
    promp_task_spec_t task = {.kind = PROMP_TASK_NATIVE, .name = "examine", .args = args, .result = true};
    if (!err)
        err = promp_manager_task(manager, worker, &task, &batch->task);
    promp_value_free(&paths);
    promp_value_free(&args);
    return err;
}

static const char *text_of(const promp_value_t *dict, const char *key)
{
    size_t size;
    const promp_value_t *value = promp_value_find(dict, key);
    bool text = promp_value_type(value) == PROMP_VALUE_STR;
    return text ? (const char *)promp_value_data(value, &size) : NULL;
}

/* What is known of one file. The name is ours: the worker's copy of it may be bytes. */
static bool report_one(const survey_file_t *file, const promp_value_t *dict, survey_report_t *report)
{
    const char *why = text_of(dict, "error"), *kind = text_of(dict, "kind");
    if (why)
        return survey_report_fail(report, file->path, why);
    if (!kind)
        return false;
    size_t size;
    const uint8_t *hash = promp_value_data(promp_value_find(dict, "hash"), &size);
    uint64_t bytes = (uint64_t)promp_value_as_int(promp_value_find(dict, "size"));
    return survey_report_add(report, file, kind, bytes, size == SURVEY_HASH ? hash : NULL);
}

bool batch_report(const batch_t *batch, const promp_value_t *found, survey_report_t *report)
{
    if (promp_value_count(found) != batch->count)
        return false;
    for (size_t i = 0; i < batch->count; i++)
        if (!report_one(&batch->file[i], promp_value_at(found, i), report))
            survey_report_fail(report, batch->file[i].path, "the worker's answer was not understood");
    return true;
}
