/* line.c - a Unix link as a hub's line. */
#include "line.h"

static promp_err_t line_read(void *line, bool *again)
{
    return promp_link_read(line, again);
}

static uint64_t line_received(const void *line)
{
    return promp_link_received(line);
}

static promp_err_t line_next(void *line, promp_frame_t *frame, int *fds, bool *got)
{
    return promp_link_next(line, frame, fds, got);
}

static void line_release(void *line, uint64_t bytes)
{
    promp_link_release(line, bytes);
}

static promp_err_t line_send(void *line, const promp_out_t *out, const int *fds, size_t count)
{
    return promp_link_send(line, out, fds, count, 0);
}

static void line_cork(void *line)
{
    promp_link_cork(line);
}

static promp_err_t line_uncork(void *line)
{
    return promp_link_uncork(line);
}

static promp_err_t line_flush(void *line)
{
    return promp_link_flush(line);
}

static bool line_wants_write(const void *line)
{
    return promp_link_wants_write(line);
}

static size_t line_queued(const void *line)
{
    return promp_link_queued(line);
}

static uint64_t line_room(const void *line)
{
    return promp_link_room(line);
}

static int line_fd(const void *line)
{
    return promp_link_fd(line);
}

static void line_destroy(void *line, bool wait)
{
    promp_link_t *link = line;

    (void)wait;
    promp_link_destroy(&link);
}

static const promp_line_ops_t ops = {.read = line_read,
                                     .received = line_received,
                                     .next = line_next,
                                     .release = line_release,
                                     .send = line_send,
                                     .cork = line_cork,
                                     .uncork = line_uncork,
                                     .flush = line_flush,
                                     .wants_write = line_wants_write,
                                     .queued = line_queued,
                                     .room = line_room,
                                     .fd = line_fd,
                                     .destroy = line_destroy};

promp_line_t promp_line_of(int fd)
{
    return (promp_line_t){promp_link_new(fd), &ops};
}
