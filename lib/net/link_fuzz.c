/* link_fuzz.c - bytes of a stranger through a socket into promp_link_next(). The first byte says how they are
 * cut. */
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "link.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Takes all frames; false when the link is spoilt. */
static bool take(promp_link_t *link)
{
    promp_frame_t frame;
    int fds[PROMP_LIMIT_FRAME_FDS];
    bool got;

    for (;;) {
        if (promp_link_next(link, &frame, fds, &got))
            return false;
        if (!got)
            return true;
        if (frame.body.size != frame.size - PROMP_FRAME_HEADER || frame.fds != 0)
            abort();
        uint8_t sum = 0;
        for (size_t i = 0; i < frame.body.size; i++) /* every byte must be readable */
            sum = (uint8_t)(sum + frame.body.data[i]);
        if (promp_link_windowed(&frame))
            promp_link_release(link, sum & 1 ? frame.size : 2 * (uint64_t)frame.size);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int ends[2];

    if (size < 1 || socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0)
        return 0;
    promp_link_t *link = promp_link_new(ends[1]);
    if (!link)
        abort();
    size_t step = (size_t)data[0] * data[0] + 1;
    bool sound = true;
    for (size_t at = 1; at < size && sound; at += step) {
        size_t part = step < size - at ? step : size - at;
        bool again = true;
        if (write(ends[0], data + at, part) != (ssize_t)part)
            abort();
        while (again && sound) {
            if (promp_link_read(link, &again))
                abort();
            sound = take(link);
        }
    }
    close(ends[0]);
    promp_err_t err = promp_link_read(link, NULL);
    while (err == PROMP_OK)
        err = promp_link_read(link, NULL);
    if (err != PROMP_ERR_CLOSED && err != PROMP_ERR_FRAME_TRUNCATED)
        abort();
    promp_link_destroy(&link);
    return 0;
}
