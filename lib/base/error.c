#include "error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "text.h"

/* Puts printf's result behind *used bytes of text; false when it had to be cut. */
static bool add(char *text, size_t room, size_t *used, const char *format, va_list args)
{
    int n = vsnprintf(text + *used, room - *used, format, args);
    if (n < 0) {
        text[*used] = '\0';
        return true;
    }
    if ((size_t)n >= room - *used) {
        *used = room - 1;
        return false;
    }
    *used += (size_t)n;
    return true;
}

static bool addf(char *text, size_t room, size_t *used, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static bool addf(char *text, size_t room, size_t *used, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    bool whole = add(text, room, used, format, args);
    va_end(args);
    return whole;
}

/* Particulars that say nothing more: peers send the sentence of the table where they have no other. */
static bool is_idle(const char *particulars, promp_err_t code)
{
    return strcmp(particulars, ": ") == 0 ||
           (strncmp(particulars, ": ", 2) == 0 && strcmp(particulars + 2, promp_error_text(code)) == 0);
}

promp_err_t promp_error_set(promp_error_t *error, promp_err_t code, int system, const char *format, ...)
{
    if (!error)
        return code;

    promp_error_t e = {.code = code, .system = system}; /* an argument may point into *error */
    size_t used = 0;
    bool whole = addf(e.text, sizeof e.text, &used, "%s", promp_error_text(code));

    if (whole && format) {
        size_t plain = used;
        va_list args;
        va_start(args, format);
        whole = addf(e.text, sizeof e.text, &used, ": ") && add(e.text, sizeof e.text, &used, format, args);
        va_end(args);
        if (is_idle(e.text + plain, code)) {
            e.text[plain] = '\0';
            used = plain;
        }
    }
    if (whole && system) {
        char buffer[128];
        whole = addf(e.text, sizeof e.text, &used, ": %s", strerror_r(system, buffer, sizeof buffer));
    }
    promp_text_tidy(e.text, !whole);
    *error = e;
    return code;
}

promp_err_t promp_error_from_errno(int system)
{
    switch (system) {
    case ENOMEM:
        return PROMP_ERR_MEMORY;
    case EMFILE:
    case ENFILE:
        return PROMP_ERR_DESCRIPTORS;
    case ENOSPC:
    case EDQUOT:
        return PROMP_ERR_DISK_FULL;
    default:
        return PROMP_ERR_SYSTEM;
    }
}
