/* ask.h - passphrases: asked for at the terminal without echo, or read from a file or descriptor; never from the command line
 * or the environment, which others can see. One thread. */
#ifndef PROMP_AUTH_ASK_H
#define PROMP_AUTH_ASK_H

#include "error.h"

/* Reads a passphrase. source: NULL: the terminal; else the first line of what promp_auth_read() takes. twice: at the terminal
 * it has to be typed two times. *passphrase lies in guarded memory, free it with promp_ask_free(). KEY_LOCKED: there is no
 * terminal; KEY_READABLE; KEY_PASSPHRASE: empty, too long, or the two are not the same; NOT_FOUND, ARGUMENT, SYSTEM. */
promp_err_t promp_ask(const char *prompt, const char *source, bool twice, promp_slice_t *passphrase,
                      promp_error_t *error);

void promp_ask_free(promp_slice_t *passphrase);

#endif
