/* scratch.h - private folders of workers: made by the worker's own process, removed by one that does nothing else, since a full
 * folder can take its time. One thread, which may fork. */
#ifndef PROMP_NODE_SCRATCH_H
#define PROMP_NODE_SCRATCH_H

#include <sys/types.h>

#include "error.h"
#include "limits.h"

#define PROMP_SCRATCH_PATH (PROMP_LIMIT_PATH + 1)

/* The path of the folder of the worker with this mark, below $TMPDIR or /tmp; returns path. Nobody can guess it, and its maker
 * refuses what is there already. */
char *promp_scratch_path(const char *mark, char path[PROMP_SCRATCH_PATH]);

/* Makes a process that removes folders: 0 in it, where it holds nothing of ours open but *keep, under another number (-1: nothing),
 * calls promp_scratch_clear() and ends by _exit(); else its number, -1 with errno: none could be made. */
pid_t promp_scratch_fork(int *keep);

/* Removes the folder with all that is in it, here and now. No link is followed, no mount is entered, and no depth is too much.
 * False: something is left. */
bool promp_scratch_clear(const char *path);

#endif
