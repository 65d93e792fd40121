/* worker_task.h - the object behind promp_task_t, for the files of the worker's shell only. */
#ifndef PROMP_WORKER_TASK_H
#define PROMP_WORKER_TASK_H

#include "worker_inner.h"

/* Makes the task of a job; job->body moves into it, also on failure (then it is freed). NULL without memory.
 */
promp_task_t *promp_task_new(promp_worker_t *worker, promp_worker_job_t *job);

/* The code of the failure that the task has set; OK: none. */
promp_err_t promp_task_failed(const promp_task_t *task);

#endif
