/* tm_manager.c - managers, workers, tasks, results. */
#include <stdlib.h>
#include <string.h>

#include "text_value.h"
#include "tm.h"

static void do_use(const tm_line_t *line)
{
    tm_use((unsigned)tm_int(line, 1));
    tm_answer(line);
}

static void do_new(const tm_line_t *line)
{
    promp_error_t error = {0};
    promp_manager_config_t config = {.node_program = tm_option(line, "node", NULL),
                                     .no_start = tm_option(line, "no_start", NULL) != NULL,
                                     .broker = tm_option(line, "broker", NULL),
                                     .config = tm_option(line, "config", NULL)};
    int64_t begin = tm_now();
    *tm_slot() = promp_manager_new(&config, &error);
    tm_answer(line);
    tm_put_int("made", *tm_slot() != NULL);
    tm_put_int("ms", tm_now() - begin);
    tm_put_particulars(&error);
}

static void do_destroy(const tm_line_t *line)
{
    int64_t begin = tm_now();
    promp_manager_destroy(tm_slot());
    tm_answer(line);
    tm_put_int("ms", tm_now() - begin);
}

/* What a manager's settings are after setting those named: options=, timeout=, unsent= */
static void do_set(const tm_line_t *line)
{
    promp_manager_t *m = tm_manager();
    promp_err_t e = PROMP_OK;
    const char *text;
    if ((text = tm_option(line, "options", NULL)))
        e = promp_manager_set_options(m, (uint32_t)strtoul(text, NULL, 10));
    if (e == PROMP_OK && (text = tm_option(line, "timeout", NULL)))
        e = promp_manager_set_timeout(m, atoi(text));
    if (e == PROMP_OK && (text = tm_option(line, "unsent", NULL)))
        e = promp_manager_set_unsent_limit(m, strtoull(text, NULL, 10));
    tm_answer(line);
    tm_put_error(e);
    tm_put_int("options", promp_manager_options(m));
    tm_put_int("timeout", promp_manager_timeout(m));
    tm_put_int("level", promp_manager_level(m));
}

/* Words key=value, as a list ended by NULL; NULL when there is none. */
static const char **gather(const tm_line_t *line, const char *key, bool always)
{
    size_t n = strlen(key), count = 0;
    const char **list = calloc((size_t)line->count + 1, sizeof *list);
    for (int i = 1; list && i < line->count; i++)
        if (strncmp(line->words[i], key, n) == 0 && line->words[i][n] == '=')
            list[count++] = line->words[i] + n + 1;
    if (count == 0 && !always) {
        free(list);
        list = NULL;
    }
    return list;
}

/* start PROGRAM [count=N] [argv=..]... [env=..]... [noenv=1] [folder=..] [extra=hex] [extra_size=N]
 * [labels=..] [cpus=N] [memory=N] [gpus=N] [on=NODE] [spread=1] [python=V] */
static void do_start(const tm_line_t *line)
{
    static char zeros[1 << 20];
    const char *extra_size = tm_option(line, "extra_size", NULL);
    char *extra = strdup(tm_option(line, "extra", ""));
    size_t count = (size_t)atoi(tm_option(line, "count", "1")), started = 0;
    uint32_t *ids = calloc(count ? count : 1, sizeof *ids);
    promp_start_t start = {.program = line->words[1],
                           .argv = gather(line, "argv", false),
                           .env = gather(line, "env", tm_option(line, "noenv", NULL) != NULL),
                           .folder = tm_option(line, "folder", NULL),
                           .extra = extra_size ? zeros : extra,
                           .extra_size = extra_size ? strtoull(extra_size, NULL, 10) : text_hex(extra),
                           .labels = tm_option(line, "labels", NULL),
                           .cpus = (uint32_t)atoi(tm_option(line, "cpus", "0")),
                           .memory = strtoull(tm_option(line, "memory", "0"), NULL, 10),
                           .gpus = (uint32_t)atoi(tm_option(line, "gpus", "0")),
                           .node = tm_option(line, "on", NULL),
                           .spread = tm_option(line, "spread", NULL) != NULL,
                           .python = tm_option(line, "python", NULL)};
    int64_t begin = tm_now();
    promp_err_t e;
    if (count == 1) {
        e = promp_manager_start(tm_manager(), &start, ids);
        started = e == PROMP_OK;
    } else {
        e = promp_manager_start_many(tm_manager(), &start, count, ids, &started);
    }
    tm_answer(line);
    tm_put_error(e);
    tm_put_int("ms", tm_now() - begin);
    tm_put_int("started", (long long)started);
    tm_put_int("worker", ids[0]);
    fputs(",\"workers\":[", tm_out);
    for (size_t i = 0; i < started; i++)
        fprintf(tm_out, "%s%u", i ? "," : "", ids[i]);
    fputs("]", tm_out);
    free(start.argv ? (void *)start.argv : NULL);
    free(start.env ? (void *)start.env : NULL);
    free(extra);
    free(ids);
}

static void do_stop(const tm_line_t *line)
{
    promp_err_t e = promp_manager_stop(tm_manager(), (uint32_t)tm_int(line, 1));
    tm_answer(line);
    tm_put_error(e);
}

/* task WORKER NAME [kind=N] [result=0] [cbor=hex] [size=N: one argument of so many bytes] [many=N] : VALUES
 */
static void do_task(const tm_line_t *line)
{
    char *cbor = strdup(tm_option(line, "cbor", ""));
    const char *size = tm_option(line, "size", NULL);
    promp_task_spec_t task = {.name = line->words[2],
                              .kind = (promp_task_kind_t)atoi(tm_option(line, "kind", "0")),
                              .result = atoi(tm_option(line, "result", "1")) != 0};
    promp_value_t *args = NULL;
    char **words = tm_values(line);
    if (*cbor) {
        task.args_size = text_hex(cbor);
        task.args_cbor = cbor;
    } else if (size || *words) {
        args = promp_value_list();
        while (*words) {
            promp_value_t *v = text_value_read(&words);
            if (promp_value_append(args, &v) != PROMP_OK)
                break;
        }
    }
    if (size) {
        size_t n = strtoull(size, NULL, 10);
        uint8_t *data = malloc(n ? n : 1);
        if (data)
            pattern_fill(data, n);
        promp_value_t *v = data ? promp_value_bytes(data, n) : NULL;
        promp_value_append(args, &v);
        free(data);
    }
    task.args = args;
    uint64_t number = 0;
    int64_t begin = tm_now();
    promp_err_t e = PROMP_OK;
    for (int i = atoi(tm_option(line, "many", "1")); i > 0 && e == PROMP_OK; i--)
        e = promp_manager_task(tm_manager(), (uint32_t)tm_int(line, 1), &task, &number);
    tm_answer(line);
    tm_put_error(e);
    tm_put_int("number", (long long)number);
    tm_put_int("ms", tm_now() - begin);
    promp_value_free(&args);
    free(cbor);
}

/* deep WORKER NAME DEPTH: a task whose arguments are so many lists inside one another */
static void do_deep(const tm_line_t *line)
{
    promp_value_t *value = promp_value_list();
    promp_err_t e = PROMP_OK;
    for (long long i = 1; i < tm_int(line, 3) && e == PROMP_OK; i++) {
        promp_value_t *outer = promp_value_list();
        e = promp_value_append(outer, &value);
        value = outer;
    }
    promp_task_spec_t task = {.name = line->words[2], .args = value, .result = true};
    if (e == PROMP_OK)
        e = promp_manager_task(tm_manager(), (uint32_t)tm_int(line, 1), &task, NULL);
    tm_answer(line);
    tm_put_error(e);
    promp_value_free(&value);
}

static void do_abort(const tm_line_t *line)
{
    int64_t begin = tm_now();
    promp_err_t e = promp_manager_abort(tm_manager(), (uint32_t)tm_int(line, 1), (int)tm_int(line, 2));
    tm_answer(line);
    tm_put_error(e);
    tm_put_int("ms", tm_now() - begin);
}

static void do_abort_async(const tm_line_t *line)
{
    promp_err_t e = promp_manager_abort_async(tm_manager(), (uint32_t)tm_int(line, 1), (int)tm_int(line, 2));
    tm_answer(line);
    tm_put_error(e);
}

/* Results up to the number given: value as words; a pattern (big bytes) as its size, checked. */
static void do_result(const tm_line_t *line)
{
    promp_result_t r = {0};
    bool got = false;
    promp_err_t e = promp_manager_take_result(tm_manager(), (uint32_t)tm_int(line, 1), &r, &got);
    tm_answer(line);
    tm_put_error(e);
    tm_put_int("got", got);
    if (!got)
        return;
    tm_put_int("worker", r.worker);
    tm_put_int("task", (long long)r.task);
    size_t size;
    const uint8_t *data = promp_value_data(r.value, &size);
    if (promp_value_type(r.value) == PROMP_VALUE_BYTES && size > 100000) {
        tm_put_int("size", (long long)size);
        tm_put_int("right", (long long)pattern_check(data, size));
    } else {
        fputs(",\"value\":\"", tm_out);
        text_value_write(tm_out, r.value);
        fputs("\"", tm_out);
    }
    promp_result_free(&r);
}

static void do_result_cbor(const tm_line_t *line)
{
    promp_result_t r = {0};
    bool got = promp_manager_take_result_cbor(tm_manager(), (uint32_t)tm_int(line, 1), &r);
    tm_answer(line);
    tm_put_int("got", got);
    if (!got)
        return;
    tm_put_int("worker", r.worker);
    tm_put_int("task", (long long)r.task);
    tm_put_hex("cbor", r.cbor, r.size);
    promp_result_free(&r);
}

static void do_error(const tm_line_t *line)
{
    promp_failure_t f = {0};
    bool had = promp_manager_has_errors(tm_manager());
    bool got = promp_manager_take_error(tm_manager(), (uint32_t)tm_int(line, 1), &f);
    tm_answer(line);
    tm_put_int("had", had);
    tm_put_int("got", got);
    if (!got)
        return;
    tm_put_int("worker", f.worker);
    tm_put_int("task", (long long)f.task);
    tm_put_int("code", f.code);
    tm_put_text("kind", f.kind);
    tm_put_text("text", f.text);
    tm_put_text("trace", f.trace);
    promp_failure_free(&f);
}

static void do_state(const tm_line_t *line)
{
    promp_manager_t *m = tm_manager();
    uint32_t w = (uint32_t)tm_int(line, 1);
    tm_answer(line);
    tm_put_int("alive", promp_manager_worker_alive(m, w));
    tm_put_int("busy", promp_manager_worker_busy(m, w));
    tm_put_int("ready", promp_manager_worker_ready(m, w));
    tm_put_int("pid", promp_manager_worker_pid(m, w));
    tm_put_int("is_busy", promp_manager_is_busy(m));
    tm_put_int("all_alive", (long long)promp_manager_workers_alive(m));
    tm_put_int("all_busy", (long long)promp_manager_workers_busy(m));
    tm_put_int("results", promp_manager_has_results(m));
    tm_put_int("errors", promp_manager_has_errors(m));
    tm_put_int("messages", promp_manager_has_message(m, PROMP_WORKER_ANY));
}

static void do_exit(const tm_line_t *line)
{
    promp_worker_exit_t x = {0};
    bool ended = promp_manager_worker_exit(tm_manager(), (uint32_t)tm_int(line, 1), &x);
    tm_answer(line);
    tm_put_int("ended", ended);
    if (!ended)
        return;
    tm_put_int("cause", x.cause);
    tm_put_int("code", x.code);
    tm_put_int("signal", x.signal);
    tm_put_int("memory", (long long)x.memory);
    tm_put_text("text", x.text);
    tm_put_hex("tail", x.tail, x.tail_size);
    tm_put_int("lost", (long long)x.lost_output);
    tm_put_int("unsure", x.unsure);
}

static bool reached(promp_manager_t *m, const char *what, uint32_t w)
{
    if (strcmp(what, "idle") == 0)
        return !promp_manager_is_busy(m);
    if (strcmp(what, "ready") == 0)
        return promp_manager_worker_ready(m, w);
    if (strcmp(what, "busy") == 0)
        return promp_manager_worker_busy(m, w);
    if (strcmp(what, "dead") == 0)
        return !promp_manager_worker_alive(m, w);
    if (strcmp(what, "result") == 0)
        return promp_manager_has_results(m);
    if (strcmp(what, "error") == 0)
        return promp_manager_has_errors(m);
    if (strcmp(what, "message") == 0)
        return promp_manager_has_message(m, w);
    return strcmp(what, "time") != 0;
}

/* until idle|ready|busy|dead|result|error|message|time WORKER MS: processes until it is so or the time is
 * over. */
static void do_until(const tm_line_t *line)
{
    promp_manager_t *m = tm_manager();
    uint32_t w = (uint32_t)tm_int(line, 2);
    int64_t begin = tm_now(), deadline = begin + tm_int(line, 3);
    promp_err_t e = promp_manager_process(m);
    while (e == PROMP_OK && !reached(m, line->words[1], w) && tm_now() < deadline) {
        e = promp_manager_wait(m, tm_left(deadline));
        if (e == PROMP_OK || e == PROMP_ERR_TIMEOUT || e == PROMP_ERR_STATE)
            e = promp_manager_process(m);
    }
    tm_answer(line);
    tm_put_error(e);
    tm_put_int("reached", reached(m, line->words[1], w));
    tm_put_int("ms", tm_now() - begin);
}

static void do_process(const tm_line_t *line)
{
    promp_err_t e = promp_manager_process(tm_manager());
    tm_answer(line);
    tm_put_error(e);
}

static void do_wait(const tm_line_t *line)
{
    int64_t begin = tm_now();
    promp_err_t e = promp_manager_wait(tm_manager(), (int)tm_int(line, 1));
    tm_answer(line);
    tm_put_error(e);
    tm_put_int("ms", tm_now() - begin);
}

const tm_command_t tm_manager_commands[] = {{"use", do_use, 1},
                                            {"new", do_new, 0},
                                            {"destroy", do_destroy, 0},
                                            {"set", do_set, 0},
                                            {"start", do_start, 1},
                                            {"stop", do_stop, 1},
                                            {"task", do_task, 2},
                                            {"deep", do_deep, 3},
                                            {"abort", do_abort, 2},
                                            {"abort_async", do_abort_async, 2},
                                            {"result", do_result, 1},
                                            {"result_cbor", do_result_cbor, 1},
                                            {"error", do_error, 1},
                                            {"state", do_state, 1},
                                            {"exit", do_exit, 1},
                                            {"until", do_until, 3},
                                            {"process", do_process, 0},
                                            {"wait", do_wait, 1},
                                            {NULL, NULL, 0}};
