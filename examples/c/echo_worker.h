/* echo_worker.h - what the files of echo-worker share. */
#ifndef ECHO_WORKER_H
#define ECHO_WORKER_H

#include "promp.h"

/* Argument index of the task as an integer; 0 when it is none. */
int64_t echo_int(promp_task_t *task, size_t index);

/* echo_worker_crash.c */
int echo_abort(promp_task_t *task);
int echo_segv(promp_task_t *task);
int echo_exit(promp_task_t *task);
int echo_grandchild(promp_task_t *task);

#endif
