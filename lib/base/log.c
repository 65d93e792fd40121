#include "log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "text.h"

#define LINE 1024 /* bytes of one line, newline included */

static const char *const level_names[] = {"error", "warning", "info", "debug"};

/* "2025-01-31T12:00:00.123Z error promp-node[42] 1205 " into line; returns its length. */
static size_t start_line(char *line, size_t size, const promp_log_t *log, promp_log_level_t level,
                         promp_err_t code)
{
    struct timespec now = {0, 0};
    struct tm utc = {0};
    char number[16] = "";

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    if (code)
        snprintf(number, sizeof number, "%d ", (int)code);
    int n = snprintf(line, size, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ %s %.64s[%ld] %s", utc.tm_year + 1900,
                     utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                     (int)(now.tv_nsec / 1000000), level_names[level], log->program ? log->program : "promp",
                     (long)getpid(), number);
    return n < 0 ? 0 : promp_min64(n, (int64_t)size - 1);
}

/* A pipe that has room for anything has it for a line. */
static void put(int fd, const char *line, size_t size)
{
    struct pollfd room = {.fd = fd, .events = POLLOUT};
    ssize_t written;

    if (poll(&room, 1, 0) != 1 || !(room.revents & POLLOUT))
        return;
    do
        written = write(fd, line, size);
    while (written < 0 && errno == EINTR);
}

void promp_log(const promp_log_t *log, promp_log_level_t level, promp_err_t code, const char *format, ...)
{
    if (!log || log->fd < 0 || level > log->level || level > PROMP_LOG_DEBUG)
        return;

    int saved = errno; /* the caller may still want it, and %m needs it */
    char line[LINE + 1];
    size_t size = start_line(line, LINE, log, level, code);

    va_list args;
    va_start(args, format);
    errno = saved;
    int n = vsnprintf(line + size, LINE - size, format, args);
    va_end(args);
    if (n < 0)
        line[size] = '\0';
    promp_text_tidy(line + size, n >= 0 && (size_t)n >= LINE - size);
    size += strlen(line + size);
    line[size++] = '\n';

    put(log->fd, line, size);
    errno = saved;
}
