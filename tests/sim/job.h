/* job.h - the book of a run: what was given to whom, what happened to it, and what each user was told. Both sides write
 * here, so each can be held against the other. */
#ifndef PROMP_TESTS_JOB_H
#define PROMP_TESTS_JOB_H

#include "base.h"

typedef struct job_worker job_worker_t;

typedef struct {
    uint64_t number;
    /* what it shall do */
    bool result;       /* its value is wanted */
    unsigned outputs;  /* records */
    unsigned messages; /* to its manager */
    size_t large;      /* bytes of each of them beyond the first few */
    uint8_t outcome;   /* 0 done, 1 failed */
    bool deaf;         /* ignores aborts */
    bool crash;        /* its worker dies of it, with its output just sent */
    bool strays;       /* leaves a process behind */
    int64_t time;      /* ms that it takes */
    /* what it did */
    unsigned begun;
    bool finished;
    uint8_t ended;         /* its outcome then */
    uint64_t outputs_then; /* of its worker, when it ended */
    /* what the user was told */
    unsigned results, failures;
    bool unknown;
} job_task_t;

#define JOB_TASKS   64
#define JOB_OUTPUTS (JOB_TASKS * 40)

struct job_worker {
    promp_id_t session;
    void *user; /* user_t */
    uint32_t id;
    job_worker_t *next, *next_of_user;
    bool refused, answered;
    job_task_t *tasks;
    size_t count, capacity;
    uint64_t aborted; /* highest task that an abort meant */
    bool stopped, killed;
    uint64_t messages_down, messages_down_seen; /* manager to worker */
    uint64_t messages_up, messages_up_seen;
    uint64_t outputs, outputs_seen;
    bool congested;        /* something it said was dropped for want of room: it was told to say it again */
    uint64_t *output_ends; /* where the records of the output lane end */
    uint64_t outputs_said; /* so many of them a link or a direct way was given */
    bool was_alive, was_dead;
    bool redirect;
    bool collected, exit_seen; /* the keeper has its exit record; it may forget it */
};

typedef struct {
    job_worker_t *workers;
} job_t;

#endif
