/* echo-worker - a native worker with small tasks to try things out with; the benchmarks use it too.
 *
 *   echo VALUE          the value            add A B             the sum of two integers
 *   nothing             no value             values SIZE         bytes of that size
 *   sleep MS            obeys an abort       spin MS             computes and obeys nothing
 *   hang                deaf to everything   lines COUNT TEXT    prints so many numbered lines
 *   native COUNT TEXT   the same by printf   mirror COUNT        sends so many messages back as they come
 *   flood COUNT SIZE    sends messages       sink COUNT          takes messages; value: the bytes they held
 *   abort, segv, exit CODE, grandchild MS: see echo_worker_crash.c
 */
#include "echo_worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int64_t echo_int(promp_task_t *task, size_t index)
{
    const promp_value_t *value = promp_value_at(promp_task_args(task), index);
    return value ? promp_value_as_int(value) : 0;
}

static const char *echo_text(promp_task_t *task, size_t index)
{
    const promp_value_t *value = promp_value_at(promp_task_args(task), index);
    size_t size;
    return value && promp_value_type(value) == PROMP_VALUE_STR ? (const char *)promp_value_data(value, &size)
                                                               : "";
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int return_value(promp_task_t *task, promp_value_t *value)
{
    return promp_task_result(task, &value) ? promp_task_fail(task, "no memory for the value") : 0;
}

/* The arguments are an encoded list of one value; behind its head stands that value as it goes back. */
static int task_echo(promp_task_t *task)
{
    size_t size;
    const uint8_t *cbor = promp_task_args_cbor(task, &size);
    if (size < 2 || cbor[0] != 0x81) /* a list of one */
        return promp_task_fail(task, "echo wants one value");
    return promp_task_result_cbor(task, cbor + 1, size - 1) ? promp_task_fail(task, "no memory") : 0;
}

static int task_add(promp_task_t *task)
{
    int64_t sum;
    if (__builtin_add_overflow(echo_int(task, 0), echo_int(task, 1), &sum))
        return promp_task_fail(task, "the sum is too large");
    return return_value(task, promp_value_int(sum));
}

static int task_nothing(promp_task_t *task)
{
    (void)task;
    return 0;
}

static int task_values(promp_task_t *task)
{
    size_t size = (size_t)echo_int(task, 0);
    uint8_t *bytes = calloc(1, size ? size : 1);
    if (!bytes)
        return promp_task_fail(task, "no memory for %zu bytes", size);
    promp_value_t *value = promp_value_bytes(bytes, size);
    free(bytes);
    return return_value(task, value);
}

/* --- time --- */

static int task_sleep(promp_task_t *task)
{
    for (int64_t end = now_ms() + echo_int(task, 0); now_ms() < end;) {
        if (promp_task_aborted(task))
            return 1;
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    return 0;
}

static int task_spin(promp_task_t *task)
{
    for (int64_t end = now_ms() + echo_int(task, 0); now_ms() < end;)
        continue;
    return 0;
}

static int task_hang(promp_task_t *task)
{
    (void)task;
    while (pause() < 0)
        continue;
    return 0;
}

/* --- output --- */

static int task_lines(promp_task_t *task)
{
    char line[256];
    for (int64_t i = 0, count = echo_int(task, 0); i < count; i++) {
        int size = snprintf(line, sizeof line, "%lld %s\n", (long long)i, echo_text(task, 1));
        size = size < (int)sizeof line ? size : (int)sizeof line - 1;
        if (promp_worker_print(promp_task_worker(task), PROMP_STREAM_STDOUT, line, (size_t)size))
            return promp_task_fail(task, "line %lld could not be printed", (long long)i);
    }
    return 0;
}

static int task_native(promp_task_t *task)
{
    for (int64_t i = 0, count = echo_int(task, 0); i < count; i++)
        printf("%lld %s\n", (long long)i, echo_text(task, 1));
    return 0;
}

/* --- messages --- */

/* The next message; false: abort or stop. */
static bool next_message(promp_task_t *task, promp_message_user_t *message)
{
    while (!promp_worker_receive(promp_task_worker(task), message)) {
        promp_err_t err = promp_worker_wait_message(promp_task_worker(task), -1);
        if (err && err != PROMP_ERR_STATE)
            return false;
    }
    return true;
}

static int task_mirror(promp_task_t *task)
{
    promp_message_user_t message;
    for (int64_t i = 0, count = echo_int(task, 0); i < count; i++) {
        if (!next_message(task, &message))
            return 1;
        promp_err_t err = promp_worker_send(promp_task_worker(task), message.id, message.data, message.size);
        promp_message_user_free(&message);
        if (err)
            return promp_task_fail(task, "message %lld: %s", (long long)i, promp_error_text(err));
    }
    return 0;
}

static int task_flood(promp_task_t *task)
{
    size_t size = (size_t)echo_int(task, 1);
    void *data = calloc(1, size ? size : 1);
    int code = data ? 0 : promp_task_fail(task, "no memory");
    for (int64_t i = 0, count = echo_int(task, 0); !code && i < count; i++) {
        promp_err_t err =
            promp_worker_send(promp_task_worker(task), (uint32_t)i & PROMP_MESSAGE_MAX, data, size);
        if (err)
            code = promp_task_fail(task, "message %lld: %s", (long long)i, promp_error_text(err));
    }
    free(data);
    return code;
}

static int task_sink(promp_task_t *task)
{
    int64_t bytes = 0;
    promp_message_user_t message;
    for (int64_t i = 0, count = echo_int(task, 0); i < count; i++) {
        if (!next_message(task, &message))
            return 1;
        bytes += (int64_t)message.size;
        promp_message_user_free(&message);
    }
    return return_value(task, promp_value_int(bytes));
}

int main(void)
{
    static const promp_task_def_t tasks[] = {{"echo", task_echo},
                                             {"add", task_add},
                                             {"nothing", task_nothing},
                                             {"values", task_values},
                                             {"sleep", task_sleep},
                                             {"spin", task_spin},
                                             {"hang", task_hang},
                                             {"lines", task_lines},
                                             {"native", task_native},
                                             {"mirror", task_mirror},
                                             {"flood", task_flood},
                                             {"sink", task_sink},
                                             {"abort", echo_abort},
                                             {"segv", echo_segv},
                                             {"exit", echo_exit},
                                             {"grandchild", echo_grandchild},
                                             {NULL, NULL}};
    return promp_worker_run(tasks);
}
