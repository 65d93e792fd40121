/* tw_talk.c - output, messages and progress of the test worker. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tw.h"

static int stopped_by(promp_task_t *task, const char *call, promp_err_t e)
{
    return promp_task_fail(task, "%s: %s", call, promp_error_name(e));
}

/* Arguments: number of lines, stream, bytes of padding in each. */
int task_lines(promp_task_t *task)
{
    char *text = malloc(64 + (size_t)arg_int(task, 2));
    promp_err_t e = text ? PROMP_OK : PROMP_ERR_MEMORY;
    int stream = (int)arg_int(task, 1);
    for (int64_t i = 0; e == PROMP_OK && i < arg_int(task, 0); i++) {
        int n = sprintf(text, "line %lld ", (long long)i);
        memset(text + n, '.', (size_t)arg_int(task, 2));
        text[n + arg_int(task, 2)] = '\n';
        e = promp_worker_print(promp_task_worker(task), stream ? stream : PROMP_STREAM_STDOUT, text,
                               (size_t)(n + arg_int(task, 2) + 1));
    }
    free(text);
    return e == PROMP_OK ? 0 : stopped_by(task, "print", e);
}

/* Each argument from the second on is one write; the first is the stream. Result: the first error. */
int task_print(promp_task_t *task)
{
    const promp_value_t *args = promp_task_args(task);
    promp_err_t e = PROMP_OK;
    for (size_t i = 1; i < promp_value_count(args) && e == PROMP_OK; i++) {
        size_t size;
        const uint8_t *text = promp_value_data(promp_value_at(args, i), &size);
        e = promp_worker_print(promp_task_worker(task), (int)arg_int(task, 0), text, size);
    }
    return result_int(task, e);
}

/* Numbered lines by write(2) to a descriptor. Arguments: number, descriptor. */
int task_native(promp_task_t *task)
{
    for (int64_t i = 0; i < arg_int(task, 0); i++) {
        char line[64];
        size_t n = (size_t)sprintf(line, "native %lld\n", (long long)i), done = 0;
        while (done < n) {
            ssize_t w = write((int)arg_int(task, 1), line + done, n - done);
            if (w < 0 && errno != EINTR)
                return promp_task_fail(task, "write: %s", strerror(errno));
            done += w > 0 ? (size_t)w : 0;
        }
    }
    return 0;
}

/* Takes as many messages as the argument says, whose first 8 bytes count from 0 (not when argument 1 is 1), and sends
 * each back. */
int task_messages(promp_task_t *task)
{
    promp_worker_t *w = promp_task_worker(task);
    for (int64_t i = 0; i < arg_int(task, 0); i++) {
        promp_message_user_t m;
        promp_err_t e = promp_worker_wait_message(w, -1);
        if (e != PROMP_OK)
            return stopped_by(task, "wait_message", e);
        if (!promp_worker_receive(w, &m))
            return promp_task_fail(task, "has no message after waiting");
        uint64_t number = 0;
        if (m.size >= sizeof number)
            memcpy(&number, m.data, sizeof number);
        bool wrong = arg_int(task, 1) == 0 && number != (uint64_t)i;
        e = promp_worker_send(w, m.id, m.data, m.size);
        promp_message_user_free(&m);
        if (wrong)
            return promp_task_fail(task, "message %lld has number %llu", (long long)i,
                                   (unsigned long long)number);
        if (e != PROMP_OK)
            return stopped_by(task, "send", e);
    }
    return result_int(task, arg_int(task, 0));
}

/* Sends numbered messages. Arguments: number, size of each (at least 8). */
int task_flood(promp_task_t *task)
{
    size_t size = (size_t)arg_int(task, 1);
    uint8_t *data = calloc(1, size < 8 ? 8 : size);
    promp_err_t e = data ? PROMP_OK : PROMP_ERR_MEMORY;
    for (uint64_t i = 0; e == PROMP_OK && i < (uint64_t)arg_int(task, 0); i++) {
        memcpy(data, &i, sizeof i);
        e = promp_worker_send(promp_task_worker(task), 5, data, size < 8 ? 8 : size);
    }
    free(data);
    return e == PROMP_OK ? result_int(task, arg_int(task, 0)) : stopped_by(task, "send", e);
}

/* Sends one message with the id given; the result is what the call said. */
int task_send(promp_task_t *task)
{
    const char *text = arg_str(task, 1);
    return result_int(
        task, promp_worker_send(promp_task_worker(task), (uint32_t)arg_int(task, 0), text, strlen(text)));
}

/* Waits for a message for so many ms; the result is what the call said. */
int task_wait_message(promp_task_t *task)
{
    return result_int(task, promp_worker_wait_message(promp_task_worker(task), (int)arg_int(task, 0)));
}

/* Progress from 1 to the argument. */
int task_progress(promp_task_t *task)
{
    promp_err_t e = PROMP_OK;
    for (int64_t i = 1; e == PROMP_OK && i <= arg_int(task, 0); i++)
        e = promp_task_progress(task, (int)i);
    return e == PROMP_OK ? 0 : stopped_by(task, "progress", e);
}

int task_texts(promp_task_t *task)
{
    promp_err_t e = PROMP_OK;
    for (int64_t i = 1; e == PROMP_OK && i <= arg_int(task, 0); i++) {
        char text[64];
        sprintf(text, "step %lld", (long long)i);
        e = promp_task_text(task, text);
    }
    return e == PROMP_OK ? 0 : stopped_by(task, "text", e);
}
