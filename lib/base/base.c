#include "base.h"

#include <errno.h>
#include <sys/random.h>
#include <time.h>

promp_err_t promp_id_make(promp_id_t *id)
{
    size_t have = 0;

    while (have < sizeof id->b) {
        ssize_t n = getrandom(id->b + have, sizeof id->b - have, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return PROMP_ERR_SYSTEM;
        have += (size_t)n;
    }
    return PROMP_OK;
}

char *promp_id_text(const promp_id_t *id, char text[33])
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < sizeof id->b; i++) {
        text[2 * i] = digits[id->b[i] >> 4];
        text[2 * i + 1] = digits[id->b[i] & 15];
    }
    text[32] = '\0';
    return text;
}

/* CLOCK_MONOTONIC cannot fail on Linux once the vDSO is there, so its result needs no check. */
static struct timespec monotonic(void)
{
    struct timespec now = {0, 0};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now;
}

int64_t promp_clock_ms(void)
{
    struct timespec now = monotonic();
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t promp_clock_us(void)
{
    struct timespec now = monotonic();
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* The number is taken as int: peers send numbers that are in no enum. */
const char *promp_error_name(promp_err_t error)
{
#define NAME(name, number, text)                                                                             \
    case number:                                                                                             \
        return #name;
    switch ((int)error) {
    case PROMP_OK:
        return "OK";
        PROMP_ERRORS(NAME)
    default:
        return "UNKNOWN";
    }
#undef NAME
}

const char *promp_error_text(promp_err_t error)
{
#define TEXT(name, number, text)                                                                             \
    case number:                                                                                             \
        return text;
    switch ((int)error) {
    case PROMP_OK:
        return "no error";
        PROMP_ERRORS(TEXT)
    default:
        return "an unknown error";
    }
#undef TEXT
}
