/* tw - the test worker: every task the tests need. */
#include "tw.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "text_value.h"

int64_t arg_int(promp_task_t *task, size_t i)
{
    const promp_value_t *v = promp_value_at(promp_task_args(task), i);
    return v ? promp_value_as_int(v) : 0;
}

const char *arg_str(promp_task_t *task, size_t i)
{
    const promp_value_t *v = promp_value_at(promp_task_args(task), i);
    size_t size;
    return v && promp_value_type(v) == PROMP_VALUE_STR ? (const char *)promp_value_data(v, &size) : "";
}

int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
}

int result_int(promp_task_t *task, int64_t v)
{
    promp_value_t *value = promp_value_int(v);
    return promp_task_result(task, &value) != PROMP_OK;
}

static int task_nothing(promp_task_t *task)
{
    (void)task;
    return 0;
}

/* The first argument, taken apart and made anew. */
static int task_echo(promp_task_t *task)
{
    const promp_value_t *v = promp_value_at(promp_task_args(task), 0);
    promp_value_t *copy = v ? text_value_copy(v) : NULL;
    return promp_task_result(task, &copy) != PROMP_OK;
}

/* All arguments as they came. */
static int task_echo_cbor(promp_task_t *task)
{
    size_t size;
    const uint8_t *cbor = promp_task_args_cbor(task, &size);
    return promp_task_result_cbor(task, cbor, size) != PROMP_OK;
}

static int task_add(promp_task_t *task)
{
    return result_int(task, arg_int(task, 0) + arg_int(task, 1));
}

static int task_fail(promp_task_t *task)
{
    return promp_task_fail(task, "%s", arg_str(task, 0));
}

static int task_failure(promp_task_t *task)
{
    return promp_task_failure(task, PROMP_ERR_TASK_FAILED, arg_str(task, 0), arg_str(task, 1),
                              arg_str(task, 2)) == PROMP_OK
               ? 1
               : 7;
}

static int task_nonzero(promp_task_t *task)
{
    return (int)arg_int(task, 0);
}

/* Result first, failure afterwards: the failure counts. */
static int task_result_then_fail(promp_task_t *task)
{
    result_int(task, 1);
    return promp_task_fail(task, "after the result");
}

/* Where argument 1 is 1: tells that the task runs now. */
static void announce(promp_task_t *task)
{
    if (arg_int(task, 1) == 1)
        promp_worker_send(promp_task_worker(task), 77, NULL, 0);
}

static int task_sleep(promp_task_t *task)
{
    announce(task);
    int64_t end = now_ms() + arg_int(task, 0);
    while (now_ms() < end && !promp_task_aborted(task))
        nap();
    return result_int(task, promp_task_aborted(task));
}

static int task_deaf(promp_task_t *task)
{
    announce(task);
    int64_t end = now_ms() + arg_int(task, 0);
    while (now_ms() < end)
        nap();
    return result_int(task, 0);
}

static int task_big(promp_task_t *task)
{
    size_t size = (size_t)arg_int(task, 0);
    uint8_t *data = malloc(size + 9);
    if (!data)
        return promp_task_fail(task, "no memory");
    data[0] = 0x5b; /* CBOR: byte string with a length of 8 bytes */
    for (int i = 0; i < 8; i++)
        data[1 + i] = (uint8_t)((uint64_t)size >> (56 - 8 * i));
    pattern_fill(data + 9, size);
    promp_err_t e = promp_task_result_cbor(task, data, size + 9);
    free(data);
    return e == PROMP_OK ? 0 : promp_task_fail(task, "%s", promp_error_text(e));
}

/* Size of the bytes in the first argument, negative when they are not the pattern. */
static int task_check(promp_task_t *task)
{
    size_t size = 0;
    const promp_value_t *v = promp_value_at(promp_task_args(task), 0);
    const uint8_t *data = v ? promp_value_data(v, &size) : NULL;
    if (!data)
        return promp_task_fail(task, "no bytes");
    return result_int(task, pattern_check(data, size) == size ? (int64_t)size : -1);
}

static void put(promp_value_t *dict, const char *name, promp_value_t *value)
{
    promp_value_t *key = promp_value_str(name, strlen(name));
    promp_value_insert(dict, &key, &value);
}

static void put_text(promp_value_t *dict, const char *name, const char *text)
{
    put(dict, name, text ? promp_value_bytes(text, strlen(text)) : promp_value_none());
}

/* What this worker knows of itself; the argument names an environment variable. */
static int task_info(promp_task_t *task)
{
    promp_worker_t *w = promp_task_worker(task);
    promp_value_t *dict = promp_value_dict();
    char folder[4096];
    size_t size;
    mode_t mask = umask(0);
    umask(mask);
    put(dict, "id", promp_value_int(promp_worker_id(w)));
    put(dict, "level", promp_value_int(promp_worker_level(w)));
    put(dict, "options", promp_value_int(promp_worker_options(w)));
    put(dict, "timeout", promp_value_int(promp_worker_timeout(w)));
    put(dict, "pid", promp_value_int(getpid()));
    put(dict, "group", promp_value_int(getpgrp()));
    put(dict, "session", promp_value_int(getsid(0)));
    put(dict, "umask", promp_value_int(mask));
    put(dict, "busy", promp_value_bool(promp_worker_is_busy(w)));
    put(dict, "number", promp_value_int((int64_t)promp_task_number(task)));
    put(dict, "wants", promp_value_bool(promp_task_wants_result(task)));
    put_text(dict, "address", promp_worker_address(w));
    put_text(dict, "folder", getcwd(folder, sizeof folder));
    put_text(dict, "env", getenv(arg_str(task, 0)));
    put_text(dict, "name", promp_task_name(task));
    const uint8_t *extra = promp_worker_extra(w, &size);
    put(dict, "extra", promp_value_bytes(extra, size));
    return promp_task_result(task, &dict) != PROMP_OK;
}

static const promp_task_def_t tasks[] = {{"nothing", task_nothing},
                                         {"echo", task_echo},
                                         {"echo_cbor", task_echo_cbor},
                                         {"add", task_add},
                                         {"fail", task_fail},
                                         {"failure", task_failure},
                                         {"nonzero", task_nonzero},
                                         {"result_then_fail", task_result_then_fail},
                                         {"sleep", task_sleep},
                                         {"deaf", task_deaf},
                                         {"big", task_big},
                                         {"check", task_check},
                                         {"info", task_info},
                                         {"signal", task_signal},
                                         {"exit", task_exit},
                                         {"oom", task_oom},
                                         {"words", task_words},
                                         {"family", task_family},
                                         {"shut", task_shut},
                                         {"lines", task_lines},
                                         {"print", task_print},
                                         {"native", task_native},
                                         {"messages", task_messages},
                                         {"flood", task_flood},
                                         {"send", task_send},
                                         {"wait_message", task_wait_message},
                                         {"progress", task_progress},
                                         {"texts", task_texts},
                                         {"size", task_size},
                                         {"read", task_read},
                                         {"find", task_find},
                                         {"reopen", task_reopen},
                                         {"keep", task_keep},
                                         {"zeros", task_zeros},
                                         {"pass_on", task_pass_on},
                                         {"nest", task_nest},
                                         {NULL, NULL}};

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "exit-at-once") == 0)
        return argc > 2 ? atoi(argv[2]) : 0;
    if (argc > 1 && strcmp(argv[1], "never-ready") == 0)
        for (;;)
            pause();
    return promp_worker_run(tasks);
}
