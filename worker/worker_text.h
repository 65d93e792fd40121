/* worker_text.h - makes any C string fit for a STR field. Pure; any thread. */
#ifndef PROMP_WORKER_TEXT_H
#define PROMP_WORKER_TEXT_H

#include "buf.h"

/* Appends text (NULL: nothing) to out: bytes that are not UTF-8 become '?', what is beyond limit bytes is cut
 * off between two characters. OK or MEMORY. */
promp_err_t promp_worker_text_clean(const char *text, size_t limit, promp_buf_t *out);

#endif
