/* tm_talk.c - messages, output, wait objects, the descriptor for event loops. */
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "text_value.h"
#include "tm.h"

/* Output: shown as events, or counted: numbered lines of each worker must count from 0. */
static struct {
    long long records, bytes, wrong;
    long long next[1024];
} counted;

static void show_output(void *arg, uint32_t worker, int stream, const char *text, size_t size)
{
    (void)arg;
    tm_event("output");
    tm_put_int("worker", worker);
    tm_put_int("stream", stream);
    tm_put_hex("hex", text, size);
    tm_end();
}

static void count_output(void *arg, uint32_t worker, int stream, const char *text, size_t size)
{
    (void)arg;
    (void)stream;
    long long number = -1;
    char head[32] = "";
    memcpy(head, text, size < 31 ? size : 31);
    sscanf(head, "line %lld", &number);
    counted.records++;
    counted.bytes += (long long)size;
    counted.wrong += number != counted.next[worker % 1024]++ || text[size - 1] != '\n';
}

/* output show|count|default */
static void do_output(const tm_line_t *line)
{
    const char *mode = line->words[1];
    promp_output_fn *fn = strcmp(mode, "show") == 0    ? show_output
                          : strcmp(mode, "count") == 0 ? count_output
                                                       : NULL;
    memset(&counted, 0, sizeof counted);
    promp_err_t e = promp_manager_on_output(tm_manager(), fn, NULL);
    tm_answer(line);
    tm_put_error(e);
}

static void do_counted(const tm_line_t *line)
{
    tm_answer(line);
    tm_put_int("records", counted.records);
    tm_put_int("bytes", counted.bytes);
    tm_put_int("wrong", counted.wrong);
}

/* send WORKER ID hex */
static void do_send(const tm_line_t *line)
{
    char *data = strdup(line->count > 3 ? line->words[3] : "");
    size_t size = text_hex(data);
    promp_err_t e =
        promp_manager_send(tm_manager(), (uint32_t)tm_int(line, 1), (uint32_t)tm_int(line, 2), data, size);
    tm_answer(line);
    tm_put_error(e);
    free(data);
}

/* send_big WORKER ID SIZE: the pattern, or zeros when SIZE has no memory behind it (beyond the limit) */
static void do_send_big(const tm_line_t *line)
{
    size_t size = (size_t)tm_int(line, 3);
    uint8_t *data = calloc(1, size ? size : 1);
    promp_err_t e = PROMP_ERR_MEMORY;
    if (data && !tm_option(line, "zeros", NULL))
        pattern_fill(data, size);
    int64_t begin = tm_now();
    if (data)
        e = promp_manager_send(tm_manager(), (uint32_t)tm_int(line, 1), (uint32_t)tm_int(line, 2), data,
                               size);
    tm_answer(line);
    tm_put_error(e);
    tm_put_int("ms", tm_now() - begin);
    free(data);
}

/* flood WORKER ID COUNT SIZE: numbered messages; stops at the first error. */
static void do_flood(const tm_line_t *line)
{
    size_t size = (size_t)tm_int(line, 4);
    uint8_t *data = calloc(1, size < 8 ? 8 : size);
    promp_err_t e = data ? PROMP_OK : PROMP_ERR_MEMORY;
    uint64_t sent = 0;
    int64_t begin = tm_now();
    while (e == PROMP_OK && sent < (uint64_t)tm_int(line, 3)) {
        memcpy(data, &sent, sizeof sent);
        e = promp_manager_send(tm_manager(), (uint32_t)tm_int(line, 1), (uint32_t)tm_int(line, 2), data,
                               size < 8 ? 8 : size);
        sent += e == PROMP_OK;
    }
    tm_answer(line);
    tm_put_error(e);
    tm_put_int("sent", (long long)sent);
    tm_put_int("ms", tm_now() - begin);
    free(data);
}

/* drain WORKER COUNT MS: takes numbered messages, which must count from `from` (0). */
static void do_drain(const tm_line_t *line)
{
    int64_t begin = tm_now(), deadline = begin + tm_int(line, 3);
    uint64_t from = strtoull(tm_option(line, "from", "0"), NULL, 10);
    long long got = 0, wrong = 0, count = tm_int(line, 2);
    promp_err_t e = PROMP_OK;
    while (got < count && e == PROMP_OK) {
        promp_message_user_t m;
        if (!promp_manager_receive(tm_manager(), (uint32_t)tm_int(line, 1), &m)) {
            e = promp_manager_wait_message(tm_manager(), (uint32_t)tm_int(line, 1), tm_left(deadline));
            continue;
        }
        uint64_t number = ~0ULL;
        if (m.size >= sizeof number)
            memcpy(&number, m.data, sizeof number);
        wrong += number != from + (uint64_t)got;
        got++;
        promp_message_user_free(&m);
    }
    tm_answer(line);
    tm_put_error(e);
    tm_put_int("count", got);
    tm_put_int("wrong", wrong);
    tm_put_int("ms", tm_now() - begin);
}

static void do_receive(const tm_line_t *line)
{
    promp_message_user_t m;
    bool had = promp_manager_has_message(tm_manager(), (uint32_t)tm_int(line, 1));
    bool got = promp_manager_receive(tm_manager(), (uint32_t)tm_int(line, 1), &m);
    tm_answer(line);
    tm_put_int("had", had);
    tm_put_int("got", got);
    tm_put_int("id", m.id);
    if (!got)
        return;
    tm_put_int("worker", m.worker);
    tm_put_int("size", (long long)m.size);
    if (m.size <= 100000)
        tm_put_hex("hex", m.data, m.size);
    else
        tm_put_int("right", (long long)pattern_check(m.data, m.size));
    promp_message_user_free(&m);
}

static void do_wait_message(const tm_line_t *line)
{
    int64_t begin = tm_now();
    promp_err_t e = promp_manager_wait_message(tm_manager(), (uint32_t)tm_int(line, 1), (int)tm_int(line, 2));
    tm_answer(line);
    tm_put_error(e);
    tm_put_int("ms", tm_now() - begin);
}

/* One wait object for all; what it heard, and whether it says "aborted". */
static struct {
    long long calls, last, falls, texts;
    char text[256];
    bool aborted;
} heard;

static void heard_progress(void *arg, int value)
{
    (void)arg;
    heard.calls++;
    heard.falls += value < heard.last;
    heard.last = value;
}

static void heard_text(void *arg, const char *text)
{
    (void)arg;
    heard.texts++;
    snprintf(heard.text, sizeof heard.text, "%s", text);
}

static bool is_aborted(void *arg)
{
    (void)arg;
    return heard.aborted;
}

/* wait_object WORKER TIMEOUT [off=1] */
static void do_wait_object(const tm_line_t *line)
{
    promp_wait_object_t w = {.progress = heard_progress,
                             .text = heard_text,
                             .aborted = is_aborted,
                             .abort_timeout = (int)tm_int(line, 2)};
    memset(&heard, 0, sizeof heard);
    promp_err_t e = promp_manager_set_wait_object(tm_manager(), (uint32_t)tm_int(line, 1),
                                                  tm_option(line, "off", NULL) ? NULL : &w);
    tm_answer(line);
    tm_put_error(e);
}

static void do_heard(const tm_line_t *line)
{
    tm_answer(line);
    tm_put_int("calls", heard.calls);
    tm_put_int("last", heard.last);
    tm_put_int("falls", heard.falls);
    tm_put_int("texts", heard.texts);
    tm_put_text("text", heard.text);
}

static void do_say_aborted(const tm_line_t *line)
{
    heard.aborted = tm_int(line, 1) != 0;
    tm_answer(line);
}

/* poll MS: is the manager's descriptor readable? */
static void do_poll(const tm_line_t *line)
{
    struct pollfd p = {.fd = promp_manager_fd(tm_manager()), .events = POLLIN};
    int n = poll(&p, 1, (int)tm_int(line, 1));
    tm_answer(line);
    tm_put_int("fd", p.fd);
    tm_put_int("readable", n > 0 && (p.revents & POLLIN));
}

const tm_command_t tm_talk_commands[] = {{"output", do_output, 1},
                                         {"counted", do_counted, 0},
                                         {"send", do_send, 2},
                                         {"send_big", do_send_big, 3},
                                         {"flood", do_flood, 4},
                                         {"drain", do_drain, 3},
                                         {"receive", do_receive, 1},
                                         {"wait_message", do_wait_message, 2},
                                         {"wait_object", do_wait_object, 2},
                                         {"heard", do_heard, 0},
                                         {"say_aborted", do_say_aborted, 1},
                                         {"poll", do_poll, 1},
                                         {NULL, NULL, 0}};
