/* line.h - what a hub moves its frames over: a Unix link, or a connection to a broker. Every operation is that of link.h
 * (zlink.h) with the same name. Lock held. */
#ifndef PROMP_NET_LINE_H
#define PROMP_NET_LINE_H

#include "error.h"
#include "link.h"

typedef struct {
    promp_err_t (*read)(void *line, bool *again);
    uint64_t (*received)(const void *line);
    promp_err_t (*next)(void *line, promp_frame_t *frame, int *fds, bool *got);
    void (*release)(void *line, uint64_t bytes);
    promp_err_t (*send)(void *line, const promp_out_t *out, const int *fds, size_t count);
    void (*cork)(void *line);
    promp_err_t (*uncork)(void *line);
    promp_err_t (*flush)(void *line);
    bool (*wants_write)(const void *line);
    size_t (*queued)(const void *line);
    uint64_t (*room)(const void *line);
    int (*fd)(const void *line); /* the same as long as the line lives */
    /* wait: what was sent last may take a moment to leave. */
    void (*destroy)(void *line, bool wait);
    /* NULL where fd tells everything: when to read, and for how long there is no room. Else: read before polling; do what time
     * demands, and when it wants to be asked next; the line is over, and why (PROMP_OK: it is not). */
    bool (*ready)(const void *line);
    int64_t (*tick)(void *line, int64_t now);
    promp_err_t (*why)(const void *line, promp_error_t *error);
} promp_line_ops_t;

typedef struct {
    void *self; /* NULL: no line */
    const promp_line_ops_t *ops;
} promp_line_t;

/* Over a Unix socket, which is taken over also on failure. Without memory: no line. */
promp_line_t promp_line_of(int fd);

static inline bool promp_line_ready(const promp_line_t *line)
{
    return line->self && line->ops->ready && line->ops->ready(line->self);
}

/* Poll for room, too. */
static inline bool promp_line_polls_room(const promp_line_t *line)
{
    return line->self && !line->ops->ready && line->ops->wants_write(line->self);
}

#endif
