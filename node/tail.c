#include "tail.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "limits.h"

static void read_pipe(int pipe, promp_buf_t *tail)
{
    uint8_t chunk[16 * 1024];
    ssize_t n;

    if (fcntl(pipe, F_SETFL, O_NONBLOCK) < 0)
        return;
    /* A process that escaped us and still writes must not keep us here. */
    for (size_t total = 0; total < 64 * PROMP_MIB; total += (size_t)n) {
        do
            n = read(pipe, chunk, sizeof chunk);
        while (n < 0 && errno == EINTR);
        if (n <= 0 || promp_buf_append(tail, chunk, (size_t)n))
            return;
        if (tail->size > 2 * PROMP_LIMIT_TAIL)
            promp_buf_consume(tail, tail->size - PROMP_LIMIT_TAIL);
    }
}

void promp_tail_read(const int pipes[2], promp_buf_t *tail)
{
    read_pipe(pipes[0], tail);
    read_pipe(pipes[1], tail);
    if (tail->size > PROMP_LIMIT_TAIL)
        promp_buf_consume(tail, tail->size - PROMP_LIMIT_TAIL);
}
