/* tw.h - the tasks of the test worker, by subject. */
#ifndef PROMP_TESTS_TW_H
#define PROMP_TESTS_TW_H

#include "promp.h"

/* Argument i of a task, the zero of its type when there is none. */
int64_t arg_int(promp_task_t *task, size_t i);
const char *arg_str(promp_task_t *task, size_t i);

int64_t now_ms(void);
void nap(void); /* 2 ms */

int result_int(promp_task_t *task, int64_t v);

/* tw_end.c: ways to end */
int task_signal(promp_task_t *task);
int task_exit(promp_task_t *task);
int task_oom(promp_task_t *task);
int task_words(promp_task_t *task);
int task_family(promp_task_t *task);
int task_shut(promp_task_t *task);

/* tw_talk.c: output, messages, progress */
int task_lines(promp_task_t *task);
int task_print(promp_task_t *task);
int task_native(promp_task_t *task);
int task_messages(promp_task_t *task);
int task_flood(promp_task_t *task);
int task_send(promp_task_t *task);
int task_wait_message(promp_task_t *task);
int task_progress(promp_task_t *task);
int task_texts(promp_task_t *task);

/* tw_container.c: containers of the manager */
int task_size(promp_task_t *task);
int task_read(promp_task_t *task);
int task_find(promp_task_t *task);
int task_reopen(promp_task_t *task);
int task_keep(promp_task_t *task);
int task_zeros(promp_task_t *task);
int task_pass_on(promp_task_t *task);

/* tw_nest.c: a worker that is a manager */
int task_nest(promp_task_t *task);

#endif
