/* auth_read.h - secrets that a user hands over, passphrases and tokens: the first line of a file, a descriptor or standard
 * input; never of the command line or the environment, which others can see. Needs libsodium only. Blocks until the line is
 * there; any thread. */
#ifndef PROMP_AUTH_READ_SECRET_H
#define PROMP_AUTH_READ_SECRET_H

#include "error.h"
#include "limits.h"

/* Reads the first line of source, without its end, into guarded memory: free it with promp_auth_read_free(). source: `-`:
 * standard input; `fd:N`: a descriptor; else the path of a file of mode 0600, or of a pipe. It has at most `most` + 1 bytes: who
 * gets more than `most` knows that it is too long. NOT_FOUND: there is no such file; KEY_READABLE: others can read the
 * file; ARGUMENT: `fd:` without a number; MEMORY, DESCRIPTORS, SYSTEM. */
promp_err_t promp_auth_read(const char *source, size_t most, promp_slice_t *secret, promp_error_t *error);

/* NULL data is fine. */
void promp_auth_read_free(promp_slice_t *secret);

/* Called before each read; false: give up (SYSTEM, EINTR). */
typedef bool promp_auth_read_wait_f(int fd, void *arg);

/* The same from an open descriptor into text, which has room for most + 1 bytes. wait may be NULL. */
promp_err_t promp_auth_read_line(int fd, promp_auth_read_wait_f *wait, void *arg, char *text, size_t most,
                                 size_t *size, promp_error_t *error);

#endif
