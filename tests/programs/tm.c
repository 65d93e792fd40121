/* tm - the test manager's main loop. Answers go to the descriptor that the first argument names, so that
 * standard output stays what the library makes of it. */
#include "tm.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SLOTS 512

FILE *tm_out;
static promp_manager_t *managers[SLOTS];
static unsigned used;

promp_manager_t **tm_slot(void)
{
    return &managers[used];
}

promp_manager_t *tm_manager(void)
{
    return managers[used];
}

void tm_use(unsigned slot)
{
    used = slot < SLOTS ? slot : 0;
}

int64_t tm_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int tm_left(int64_t deadline)
{
    int64_t left = deadline - tm_now();
    return deadline < 0 ? -1 : left < 0 ? 0 : (int)left;
}

long long tm_int(const tm_line_t *line, int i)
{
    const char *word = i < line->count ? line->words[i] : "0";
    if (strcmp(word, "any") == 0)
        return PROMP_WORKER_ANY;
    if (strcmp(word, "all") == 0)
        return PROMP_WORKER_ALL;
    return strtoll(word, NULL, 10);
}

const char *tm_option(const tm_line_t *line, const char *key, const char *otherwise)
{
    size_t n = strlen(key);
    for (int i = 1; i < line->count; i++)
        if (strncmp(line->words[i], key, n) == 0 && line->words[i][n] == '=')
            return line->words[i] + n + 1;
    return otherwise;
}

char **tm_values(const tm_line_t *line)
{
    for (int i = 1; i < line->count; i++)
        if (strcmp(line->words[i], ":") == 0)
            return line->words + i + 1;
    return line->words + line->count;
}

void tm_put_int(const char *key, long long v)
{
    fprintf(tm_out, ",\"%s\":%lld", key, v);
}

void tm_put_text(const char *key, const char *text)
{
    fprintf(tm_out, ",\"%s\":\"", key);
    for (const unsigned char *p = (const unsigned char *)(text ? text : ""); *p; p++)
        if (*p < 32 || *p == '"' || *p == '\\')
            fprintf(tm_out, "\\u%04x", *p);
        else
            fputc(*p, tm_out);
    fputc('"', tm_out);
}

void tm_put_hex(const char *key, const void *data, size_t size)
{
    const unsigned char *p = data;
    fprintf(tm_out, ",\"%s\":\"", key);
    for (size_t i = 0; i < size; i++)
        fprintf(tm_out, "%02x", p[i]);
    fputc('"', tm_out);
}

void tm_put_particulars(const promp_error_t *error)
{
    tm_put_int("err", error->code);
    tm_put_int("system", error->system);
    tm_put_text("text", error->text);
}

void tm_put_error(promp_err_t e)
{
    if (e != PROMP_OK && tm_manager() && promp_manager_error(tm_manager())->code == e) {
        tm_put_particulars(promp_manager_error(tm_manager()));
        return;
    }
    tm_put_int("err", e);
    if (e != PROMP_OK)
        tm_put_text("text", promp_error_text(e));
}

void tm_event(const char *name)
{
    fprintf(tm_out, "{\"ev\":\"%s\"", name);
}

void tm_end(void)
{
    fputs("}\n", tm_out);
}

static void decode_word(char *word)
{
    char *to = word;
    for (const char *p = word; *p; p++) {
        unsigned byte;
        if (*p == '%' && sscanf(p + 1, "%2x", &byte) == 1) {
            *to++ = (char)byte;
            p += 2;
        } else {
            *to++ = *p;
        }
    }
    *to = 0;
}

static const tm_command_t *find(const char *name)
{
    const tm_command_t *tables[] = {tm_manager_commands, tm_talk_commands, tm_share_commands,
                                    tm_host_commands};
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        for (const tm_command_t *c = tables[i]; c->name; c++)
            if (strcmp(c->name, name) == 0)
                return c;
    return NULL;
}

void tm_answer(const tm_line_t *line)
{
    fprintf(tm_out, "{\"re\":\"%s\"", line->words[0]);
}

static void run(tm_line_t *line)
{
    const tm_command_t *command = find(line->words[0]);
    if (command && line->count > command->least) {
        command->run(line);
    } else {
        tm_answer(line);
        tm_put_text("bad", "no such command, or too few words");
    }
    tm_end();
    fflush(tm_out);
}

int main(int argc, char **argv)
{
    int fd = argc > 1 ? atoi(argv[1]) : 1;
    tm_out = fdopen(fd, "w");
    if (!tm_out || fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
        return 2;
    static char *words[TM_WORDS];
    char *text = NULL;
    size_t room = 0;
    while (getline(&text, &room, stdin) > 0) {
        tm_line_t line = {.words = words};
        for (char *save, *w = strtok_r(text, " \n", &save); w && line.count < TM_WORDS - 1;
             w = strtok_r(NULL, " \n", &save)) {
            decode_word(w);
            words[line.count++] = w;
        }
        words[line.count] = NULL;
        if (line.count)
            run(&line);
    }
    free(text);
    for (unsigned i = 0; i < SLOTS; i++)
        promp_manager_destroy(&managers[i]);
    return 0;
}
