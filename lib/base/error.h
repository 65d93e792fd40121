/* error.h - how libraries tell what went wrong: a number, and a sentence with the particulars. Libraries never log. */
#ifndef PROMP_BASE_ERROR_H
#define PROMP_BASE_ERROR_H

#include "base.h"

/* Fills error (may be NULL) and returns code. The text is promp_error_text(code), then ": " and the formatted
 * particulars where format is not NULL and they say more, then ": " and strerror(system) where system is not 0; cut to fit. */
promp_err_t promp_error_set(promp_error_t *error, promp_err_t code, int system, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The error number for errno after a failed system call: ENOMEM -> MEMORY, EMFILE/ENFILE -> DESCRIPTORS,
 * ENOSPC/EDQUOT -> DISK_FULL, EAGAIN of a process start is the caller's to map; everything else SYSTEM. */
promp_err_t promp_error_from_errno(int system);

#endif
