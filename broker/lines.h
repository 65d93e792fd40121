/* lines.h - how many lines a log takes of things that strangers cause: some at once, then so many a second. One thread. */
#ifndef PROMP_BROKER_LINES_H
#define PROMP_BROKER_LINES_H

#include "base.h"

#define PROMP_LINES_BURST  20
#define PROMP_LINES_SECOND 5

typedef struct {
    int64_t at;        /* ms; when room was last made */
    int64_t room;      /* thousandths of a line */
    uint64_t left_out; /* since the last line that was let through */
} promp_lines_t;       /* all zero: nothing was written yet */

/* Whether one more line may be written at time now (ms); *left_out: how many were not since the last one. */
bool promp_lines_take(promp_lines_t *lines, int64_t now, uint64_t *left_out);

#endif
