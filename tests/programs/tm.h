/* tm.h - the test manager: reads commands, one a line, does each with promp.h, and answers each with one line
 * of JSON. */
#ifndef PROMP_TESTS_TM_H
#define PROMP_TESTS_TM_H

#include <stdio.h>

#include "promp.h"

#define TM_WORDS 70000

/* One command: its words, percent-decoded, ended by NULL; words[0] is its name. */
typedef struct {
    char **words;
    int count;
} tm_line_t;

typedef void tm_command_fn(const tm_line_t *line);

typedef struct {
    const char *name;
    tm_command_fn *run;
    int least; /* words after the name */
} tm_command_t;

/* Ended by {NULL}. */
extern const tm_command_t tm_manager_commands[], tm_talk_commands[], tm_share_commands[], tm_host_commands[];

/* The manager in use; NULL is an answer of its own. */
promp_manager_t *tm_manager(void);
promp_manager_t **tm_slot(void);
void tm_use(unsigned slot);

/* Words of a command: number i, key=value, the words behind ":" */
long long tm_int(const tm_line_t *line, int i);
const char *tm_option(const tm_line_t *line, const char *key, const char *otherwise);
char **tm_values(const tm_line_t *line);

/* The answer: a command begins it when its events are out, adds fields, and the main loop ends it. */
extern FILE *tm_out;
void tm_answer(const tm_line_t *line);
void tm_put_int(const char *key, long long v);
void tm_put_text(const char *key, const char *text);
void tm_put_hex(const char *key, const void *data, size_t size);
void tm_put_error(promp_err_t e); /* err, and text when it is one */
void tm_put_particulars(const promp_error_t *error);
/* A line between answers: {"ev": name, ... */
void tm_event(const char *name);
void tm_end(void);

int64_t tm_now(void);
/* Milliseconds that are left until a deadline of tm_now; -1 when deadline is negative. */
int tm_left(int64_t deadline);

#endif
