/* gone_text.h - how a worker ended, in words for its manager. Pure. */
#ifndef PROMP_NODE_GONE_TEXT_H
#define PROMP_NODE_GONE_TEXT_H

#include "message.h"

/* Writes "the worker exited with code 3" or the like from gone's cause, code and signal. limit: of its memory, where it reached
 * that, bytes; lease: ms. */
void promp_gone_text(const promp_msg_gone_t *gone, uint64_t limit, uint32_t lease, char *text, size_t size);

#endif
