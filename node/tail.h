/* tail.h - the last bytes of output pipes whose writers are gone. */
#ifndef PROMP_NODE_TAIL_H
#define PROMP_NODE_TAIL_H

#include "buf.h"

/* Reads both pipes empty, without waiting, and appends their bytes to tail, which keeps the last PROMP_LIMIT_TAIL of
 * them. Without memory it keeps less. */
void promp_tail_read(const int pipes[2], promp_buf_t *tail);

#endif
