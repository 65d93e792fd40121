/* log.h - lines for the operator; programs log, libraries do not. One line: time, level, program[pid], number, text. */
#ifndef PROMP_BASE_LOG_H
#define PROMP_BASE_LOG_H

#include "base.h"

typedef enum { PROMP_LOG_ERROR, PROMP_LOG_WARNING, PROMP_LOG_INFO, PROMP_LOG_DEBUG } promp_log_level_t;

typedef struct {
    int fd;                  /* where lines go; -1: nowhere */
    promp_log_level_t level; /* what is less important is dropped */
    const char *program;     /* static name */
} promp_log_t;

/* Writes one line with a single write(2), at most 1 KiB; code 0: no number. Never fails. It does not wait either: what a pipe or
 * terminal has no room for, since nobody reads it, is dropped, or strangers who cause lines could stop the program. */
void promp_log(const promp_log_t *log, promp_log_level_t level, promp_err_t code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
