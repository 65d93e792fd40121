/* promp.h - libpromp: run work in other processes, on this machine or on many.
 *
 * A manager starts workers and gives them tasks; a worker is a process that runs tasks one after the other in its main
 * thread. Two halves: promp_manager_* for the side that gives work, promp_worker_* / promp_task_* for the side that does.
 *
 * Threads: a manager belongs to the thread that made it; every call from another thread gives PROMP_ERR_THREAD (but
 * promp_manager_fd's descriptor may be polled anywhere). A process may have many managers in many threads. The library
 * makes one network thread per root manager (one per process in a worker); it blocks all signals; in a cluster libzmq has
 * two more. It installs no signal handler and no atexit hook, prints nothing, and never ends the process (a worker whose
 * manager is gone does end: that is its purpose).
 * Fork: in the child of a fork the parent's managers are dead: calls give PROMP_ERR_FORKED, destroy only closes (a
 * connection to a broker stays open there until the child ends or executes). So is its worker, but promp_worker_print
 * writes to descriptor 1 or 2 there.
 * Containers: the first promp_manager_share starts a thread for that manager, which serves what its workers read.
 * Ownership: what a function returns as `T *` and has a _free or _destroy is the caller's; `const T *` is not.
 * Times are milliseconds; a negative time-out waits without end. Strings are UTF-8, paths are bytes.
 */
#ifndef PROMP_H
#define PROMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "promp_container.h"
#include "promp_error.h"
#include "promp_value.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifndef PROMP_EXPORT
#define PROMP_EXPORT __attribute__((visibility("default")))
#endif

#define PROMP_VERSION "0.1.0"

PROMP_EXPORT const char *promp_version(void);                 /* PROMP_VERSION of the library; static */
PROMP_EXPORT const char *promp_error_name(promp_err_t error); /* "NO_WORKER"; static */
PROMP_EXPORT const char *promp_error_text(promp_err_t error); /* a short sentence; static */

/* Worker ids count from 1 per manager and are never used again. */
#define PROMP_WORKER_INVALID 0u
#define PROMP_WORKER_ANY     0xFFFFFFFEu /* the first available one */
#define PROMP_WORKER_ALL     0xFFFFFFFFu /* every one that lives now */

#define PROMP_MESSAGE_INVALID 0xFFFFFFFFu
#define PROMP_MESSAGE_MAX     0x7FFFFFFFu /* highest id for users */

#define PROMP_OPT_REDIRECT 1u /* workers' output comes to the manager */
#define PROMP_OPT_ATOMIC   2u /* each write a line of its own; implies REDIRECT */

#define PROMP_STREAM_STDOUT        1 /* written by the task's language (print, promp_worker_print) */
#define PROMP_STREAM_STDERR        2
#define PROMP_STREAM_NATIVE_STDOUT 3 /* written to descriptor 1 by native code or subprocesses */
#define PROMP_STREAM_NATIVE_STDERR 4

/* ---------------------------------------------------------------- manager */

typedef struct promp_manager promp_manager_t;
typedef struct promp_worker promp_worker_t;
typedef struct {
    const char *node_program; /* path of promp-node; NULL: found by itself */
    /* in a worker: the manager is a child of this one, uses its node, and is destroyed before
     * promp_worker_close (with promp_worker_run: before its task returns for the last time); NULL: a root
     * manager */
    promp_worker_t *parent;
    bool no_start; /* do not start a local node where none runs */
    /* root: "tcp://HOST:PORT" in place of the configured address, or "local": this host's node; NULL: PROMP_BROKER, else
     * the configuration */
    const char *broker;
    /* root: folder with the manager's key and the broker's address; NULL: PROMP_CONFIG, else ~/.config/promp */
    const char *config;
} promp_manager_config_t; /* all zero: the default */

/* Makes a manager and connects it, in at most 5 s: to the broker of the configuration (`promp join` writes it); where there
 * is none, to this user's local node, which is started where none runs. config NULL: defaults. NULL on failure, with *error
 * (may be NULL) filled. */
PROMP_EXPORT promp_manager_t *promp_manager_new(const promp_manager_config_t *config, promp_error_t *error);

/* Asks all workers to stop, waits up to 1 s, ends what is left, and frees everything; *manager is NULL afterwards. Output
 * that has arrived is handed to the output function first. Callable from any thread, as the only call then, but not from a
 * call-back of this manager. Child managers before promp_worker_close. */
PROMP_EXPORT void promp_manager_destroy(promp_manager_t **manager);

/* Particulars of the last call of this manager that failed; valid until the next call. code PROMP_OK: none
 * did. */
PROMP_EXPORT const promp_error_t *promp_manager_error(const promp_manager_t *manager);

/* OK when this thread may call: else THREAD or FORKED. What gives no error number gives its zero then. */
PROMP_EXPORT promp_err_t promp_manager_check(const promp_manager_t *manager);

/* For workers started from now on. */
PROMP_EXPORT promp_err_t promp_manager_set_options(promp_manager_t *manager, uint32_t options);
PROMP_EXPORT uint32_t promp_manager_options(const promp_manager_t *manager);
/* Manager time-out in ms, 500..86,400,000 (clamped), default 10,000: a worker ends when its manager was
 * not heard for so long. */
PROMP_EXPORT promp_err_t promp_manager_set_timeout(promp_manager_t *manager, int timeout);
PROMP_EXPORT int promp_manager_timeout(const promp_manager_t *manager);
/* 0 in a root process, else the level of the worker that made this manager. */
PROMP_EXPORT uint32_t promp_manager_level(const promp_manager_t *manager);
/* Whether its workers are started by nodes of a cluster: on other machines, as other users. */
PROMP_EXPORT bool promp_manager_remote(const promp_manager_t *manager);
/* Limit in bytes on what is queued and unsent, all workers together; default 1 GiB. */
PROMP_EXPORT promp_err_t promp_manager_set_unsent_limit(promp_manager_t *manager, uint64_t bytes);

typedef struct {
    /* worker program; with a slash a path (relative: to the manager's folder), else looked for in $PATH. In a cluster a path
     * is absolute and means the node's files, and a name is looked for there: in the folder of promp-node, then in its $PATH */
    const char *program;
    const char *const *argv; /* NULL-ended, argv[0] included; NULL: {program} */
    /* NULL-ended NAME=value; NULL: the manager's environment. In a cluster what is added to the node's; NULL: nothing */
    const char *const *env;
    /* working directory; NULL: the manager's. In a cluster the node's; NULL: a private one, removed after the worker */
    const char *folder;
    const void *extra; /* encoded value for the worker's language (promp_task_extra), at most 64 KiB */
    size_t extra_size;
    int time_limit; /* ms from its start until it is ended with WORKER_TIME_LIMIT; 0: none */
    /* NULL, or asked in this thread while the call waits, at least every 200 ms and when a signal handler has
     * run: true gives up. Calls of this manager are allowed in it, but for destroy. */
    bool (*interrupted)(void *arg);
    void *interrupted_arg;
    /* What it asks of its node; a local node does not look at it. Zero and NULL: nothing. As limits: docs/operations.md. */
    const char *labels; /* words with single spaces; the node has them all */
    uint32_t cpus;      /* thousandths of a processor */
    uint64_t memory;    /* bytes */
    uint32_t gpus;
    const char *node;   /* name of the node's key: this one and no other */
    bool spread;        /* rather on a node that has few workers of this manager's key */
    const char *python; /* "3.11": the node has this interpreter */
} promp_start_t;

/* Starts a worker; returns when the node has said yes or no, at most 5 s. The worker may not be ready then: what is sent
 * meanwhile waits for it. OK and *worker, else PROMP_WORKER_INVALID there. Errors: 12xx, 13xx, STATE (interrupted). */
PROMP_EXPORT promp_err_t promp_manager_start(promp_manager_t *manager, const promp_start_t *start,
                                             uint32_t *worker);
/* count workers at once, in parallel; workers has room for count ids. After a refusal no more are asked for, after STATE no
 * more are waited for (they are ended should they start); those that started are the first *started (may be NULL) of
 * workers, the rest is PROMP_WORKER_INVALID. Returns the first error. */
PROMP_EXPORT promp_err_t promp_manager_start_many(promp_manager_t *manager, const promp_start_t *start,
                                                  size_t count, uint32_t *workers, size_t *started);

/* No new task for it; it ends after the one it runs, after 1 s it is ended. Returns at once. Unknown id:
 * OK, nothing happens. ALL: each; ANY: the first idle, else the lowest living. */
PROMP_EXPORT promp_err_t promp_manager_stop(promp_manager_t *manager, uint32_t worker);

typedef enum {
    PROMP_TASK_NATIVE = 0,   /* name: one of the worker's table */
    PROMP_TASK_CODE = 1,     /* code: text to execute; file: its path, or NULL */
    PROMP_TASK_FUNCTION = 2, /* code as above, then call name with args */
    PROMP_TASK_TEST = 3,     /* prints "Test message.\n" */
    PROMP_TASK_TEST_BOX = 4  /* shows a message box */
} promp_task_kind_t;

typedef struct {
    promp_task_kind_t kind;
    const char *name;
    const char *file;
    const void *code;
    size_t code_size;
    const promp_value_t *args; /* a LIST, copied; NULL: none */
    const void *args_cbor;     /* instead of args: an encoded list */
    size_t args_size;
    bool result; /* the value it returns comes back */
} promp_task_spec_t;

/* Gives a task to a worker (ALL: one each; ANY: to the first that is idle and ready, else it waits in the manager for one).
 * *number (may be NULL) is the task's number at its worker, 0 for ANY and ALL. Unknown id or no worker: OK, nothing
 * happens. QUEUE_FULL, VALUE_*, MEMORY. */
PROMP_EXPORT promp_err_t promp_manager_task(promp_manager_t *manager, uint32_t worker,
                                            const promp_task_spec_t *task, uint64_t *number);

/* Aborts what the worker runs and has waiting, and waits up to timeout ms until it is idle, doing promp_manager_process's
 * work meanwhile; a worker that does not obey in time is ended. 0 ends it at once; negative: it is never ended. ALL (with
 * what waits for ANY); ANY: the lowest busy one. OK; STATE: a signal handler ran, the abort goes on by itself; TIMEOUT: the
 * node did not end it. */
PROMP_EXPORT promp_err_t promp_manager_abort(promp_manager_t *manager, uint32_t worker, int timeout);
/* Likewise, but returns at once. */
PROMP_EXPORT promp_err_t promp_manager_abort_async(promp_manager_t *manager, uint32_t worker, int timeout);

typedef struct {
    uint32_t id;     /* 0..PROMP_MESSAGE_MAX; PROMP_MESSAGE_INVALID: none */
    uint32_t worker; /* manager's side: who sent it */
    uint8_t *data;   /* promp_message_user_free frees it */
    size_t size;
} promp_message_user_t;

/* OK; NO_WORKER, MESSAGE_ID, QUEUE_FULL, VALUE_SIZE, MEMORY. ALL: each living one (an error when one
 * failed); ANY: one. */
PROMP_EXPORT promp_err_t promp_manager_send(promp_manager_t *manager, uint32_t worker, uint32_t id,
                                            const void *data, size_t size);
/* The oldest message of a worker (ANY, ALL: of all). False: none, message->id is PROMP_MESSAGE_INVALID. */
PROMP_EXPORT bool promp_manager_receive(promp_manager_t *manager, uint32_t worker,
                                        promp_message_user_t *message);
PROMP_EXPORT bool promp_manager_has_message(promp_manager_t *manager, uint32_t worker);
/* Waits for one; OK, TIMEOUT, NO_WORKER (it died and none is left), STATE (a signal handler ran). Calls no
 * call-back. */
PROMP_EXPORT promp_err_t promp_manager_wait_message(promp_manager_t *manager, uint32_t worker, int timeout);
PROMP_EXPORT void promp_message_user_free(promp_message_user_t *message);

/* Results of tasks that were asked for one, in order of arrival. */
typedef struct {
    uint32_t worker;
    uint64_t task;
    promp_value_t *value; /* decoded; NULL from _take_result_cbor */
    uint8_t *cbor;        /* encoded; NULL from _take_result */
    size_t size;
} promp_result_t;
PROMP_EXPORT bool promp_manager_has_results(promp_manager_t *manager);
/* OK and true in *got; a value that cannot be decoded gives CBOR or VALUE_* and is gone. */
PROMP_EXPORT promp_err_t promp_manager_take_result(promp_manager_t *manager, uint32_t worker,
                                                   promp_result_t *result, bool *got);
PROMP_EXPORT bool promp_manager_take_result_cbor(promp_manager_t *manager, uint32_t worker,
                                                 promp_result_t *result);
PROMP_EXPORT void promp_result_free(promp_result_t *result);

/* Failures of tasks; the death of a worker is the failure of the tasks it had. At most the latest 10,000
 * are kept. */
typedef struct {
    uint32_t worker;
    uint64_t task;
    promp_err_t code; /* NO_TASK, TASK_FAILED, TASK_ABORTED is none, OUTCOME_UNKNOWN, 15xx */
    char *kind;       /* type of the exception, or "" */
    char *text;
    char *trace; /* traceback as text, or "" */
} promp_failure_t;
PROMP_EXPORT bool promp_manager_has_errors(promp_manager_t *manager);
PROMP_EXPORT bool promp_manager_take_error(promp_manager_t *manager, uint32_t worker,
                                           promp_failure_t *failure);
PROMP_EXPORT void promp_failure_free(promp_failure_t *failure);

/* State. ANY: at least one; ALL: every one, and at least one. Busy: a task is not over, as seen after promp_manager_process. */
/* A worker is busy, a task waits for ANY, or there is something to process. */
PROMP_EXPORT bool promp_manager_is_busy(promp_manager_t *manager);
PROMP_EXPORT bool promp_manager_worker_alive(promp_manager_t *manager, uint32_t worker);
PROMP_EXPORT bool promp_manager_worker_busy(promp_manager_t *manager, uint32_t worker);
PROMP_EXPORT bool promp_manager_worker_ready(promp_manager_t *manager, uint32_t worker);
PROMP_EXPORT size_t promp_manager_workers_alive(promp_manager_t *manager);
PROMP_EXPORT size_t promp_manager_workers_busy(promp_manager_t *manager);
PROMP_EXPORT uint32_t promp_manager_worker_pid(promp_manager_t *manager, uint32_t worker); /* 0: unknown */
/* Whether it waits for a place in a cluster; text says why, in a line: places are in use, or no node could serve it (1307). */
PROMP_EXPORT bool promp_manager_worker_waits(promp_manager_t *manager, uint32_t worker, char text[256]);

typedef struct {
    uint32_t worker;
    promp_err_t cause;   /* 15xx */
    int code;            /* exit code, when signal is 0 */
    int signal;          /* 0: none */
    uint64_t memory;     /* largest resident memory, bytes */
    const char *text;    /* the cause in words */
    const char *node;    /* in a cluster the name of its node; "" where that is not known */
    const uint8_t *tail; /* last output that had not been delivered, at most 64 KiB */
    size_t tail_size;
    uint64_t lost_output; /* bytes of output known to be lost */
    /* output and messages may be missing beyond that, nobody knows: a way to it broke, or its node was lost or replaced */
    bool unsure;
} promp_worker_exit_t;
/* How a worker ended. False: unknown id, it lives, or what it sent last has not all come. The latest 1,024
 * are kept; what *end points to is borrowed until the next promp_manager_start. */
PROMP_EXPORT bool promp_manager_worker_exit(promp_manager_t *manager, uint32_t worker,
                                            promp_worker_exit_t *end);

/* Output of workers, handed over inside promp_manager_process: one call for each write, in order; under ATOMIC the
 * transformed text. Without a function it is written to this process's stdout and stderr; in a worker it is passed on to
 * the worker's own manager. A dead worker's last words, which only its node could read, come last as NATIVE_STDERR. */
typedef void promp_output_fn(void *arg, uint32_t worker, int stream, const char *text, size_t size);
PROMP_EXPORT promp_err_t promp_manager_on_output(promp_manager_t *manager, promp_output_fn *fn, void *arg);

/* A wait object mirrors one worker's progress here; any function may be NULL. aborted is asked in promp_manager_process:
 * true starts promp_manager_abort_async with abort_timeout. wait NULL: no more mirroring. The struct is copied. */
typedef struct {
    void *arg;
    void (*progress)(void *arg, int value);
    void (*text)(void *arg, const char *text);
    bool (*aborted)(void *arg);
    int abort_timeout; /* ms; 0: 1000 */
} promp_wait_object_t;
PROMP_EXPORT promp_err_t promp_manager_set_wait_object(promp_manager_t *manager, uint32_t worker,
                                                       const promp_wait_object_t *wait);

/* Does what is to be done in this thread: output, wait objects, ends of tasks, as far as it has come when the call begins.
 * Never blocks (the output of a child manager may, as promp_worker_print does). Inside a call-back: does nothing. */
PROMP_EXPORT promp_err_t promp_manager_process(promp_manager_t *manager);
/* Waits until promp_manager_process has something to do, or a message, result or error came or a worker became ready since
 * the last call of it: OK, TIMEOUT, STATE (a signal handler ran). Call promp_manager_process between two waits. */
PROMP_EXPORT promp_err_t promp_manager_wait(promp_manager_t *manager, int timeout);
/* A descriptor for event loops: readable while promp_manager_wait would return at once (level-triggered).
 * The manager's; do not read or close it. -1 without descriptors. */
PROMP_EXPORT int promp_manager_fd(promp_manager_t *manager);

/* Workers find the container under name (UTF-8, 1..1024 bytes) from now on, also those that run; one that was shared under
 * it before stays with those who have it. Costs the same for any size. The manager keeps the container. OK, ARGUMENT,
 * CONTAINER_LIMIT, MEMORY, SYSTEM. */
PROMP_EXPORT promp_err_t promp_manager_share(promp_manager_t *manager, const char *name,
                                             promp_container_t *container);
/* Not found any more; workers that have it keep it. OK, CONTAINER_NAME. */
PROMP_EXPORT promp_err_t promp_manager_unshare(promp_manager_t *manager, const char *name);
PROMP_EXPORT bool promp_manager_shares(promp_manager_t *manager, const char *name);

/* ---------------------------------------------------------------- worker */

typedef struct promp_task promp_task_t;

/* A native task: 0 for success, else a failure (promp_task_fail tells more). Runs in the main thread. */
typedef int promp_task_fn(promp_task_t *task);

typedef struct {
    const char *name;
    promp_task_fn *run;
} promp_task_def_t;

/* Makes this process a worker: takes over the link that it inherited, runs tasks of the table (ended by {NULL, NULL}) until
 * it is stopped, and returns the exit code for main (0; 3 when this process was not started as a worker, said on stderr).
 * Call it first in main, from the main thread, before other threads exist. */
PROMP_EXPORT int promp_worker_run(const promp_task_def_t *tasks);

/* The same in parts, for hosts with a loop of their own. open: NULL when this is no worker process (NOT_A_WORKER) or the
 * link fails. next: waits up to timeout for a task; OK and *task, TIMEOUT, CLOSED (stopped: leave), STATE (a signal handler
 * ran). The task is over with promp_task_finish, which frees it. close: sends what is queued (up to the lease), ends the
 * link; no other call may be under way. flush: what close does before it frees anything, for a process that ends while
 * other threads are still in calls; the worker is left to the end of the process. */
PROMP_EXPORT promp_worker_t *promp_worker_open(promp_error_t *error);
PROMP_EXPORT promp_err_t promp_worker_next(promp_worker_t *worker, int timeout, promp_task_t **task);
PROMP_EXPORT void promp_worker_close(promp_worker_t **worker);
PROMP_EXPORT promp_err_t promp_worker_flush(promp_worker_t *worker); /* OK, FORKED */
/* Tells the manager that tasks are taken from now on; promp_worker_next does it when it was not called
 * before. */
PROMP_EXPORT promp_err_t promp_worker_ready(promp_worker_t *worker);

/* Any thread from here on, unless said otherwise. */
PROMP_EXPORT uint32_t promp_worker_id(const promp_worker_t *worker);
PROMP_EXPORT uint32_t promp_worker_level(const promp_worker_t *worker);
PROMP_EXPORT uint32_t promp_worker_options(const promp_worker_t *worker);
PROMP_EXPORT int promp_worker_timeout(const promp_worker_t *worker);
PROMP_EXPORT bool promp_worker_is_busy(promp_worker_t *worker);
PROMP_EXPORT bool promp_worker_stopped(promp_worker_t *worker); /* the manager wants this worker to end */
PROMP_EXPORT bool promp_worker_aborted(promp_worker_t *worker); /* the task shall end (abort or stop) */
PROMP_EXPORT const uint8_t *promp_worker_extra(const promp_worker_t *worker, size_t *size);
/* The node's address as the worker reaches it: "ipc://PATH" on one host. */
PROMP_EXPORT const char *promp_worker_address(const promp_worker_t *worker);

/* One record of output; size 0: nothing. Not shown when the manager did not ask for output (then only the last 64 KiB are
 * kept for the exit record, and it never waits). Waits while the queue is full because the manager takes nothing; then,
 * nothing sent: CLOSED (stop), TASK_ABORTED, STATE (a signal handler ran: call again). Also ARGUMENT, VALUE_SIZE, MEMORY.
 * */
PROMP_EXPORT promp_err_t promp_worker_print(promp_worker_t *worker, int stream, const void *text,
                                            size_t size);
PROMP_EXPORT promp_err_t promp_worker_send(promp_worker_t *worker, uint32_t id, const void *data,
                                           size_t size);
PROMP_EXPORT bool promp_worker_receive(promp_worker_t *worker, promp_message_user_t *message);
PROMP_EXPORT bool promp_worker_has_message(promp_worker_t *worker);
/* OK, TIMEOUT, TASK_ABORTED (abort or stop came), STATE (a signal handler ran). */
PROMP_EXPORT promp_err_t promp_worker_wait_message(promp_worker_t *worker, int timeout);
PROMP_EXPORT promp_err_t promp_worker_progress(promp_worker_t *worker, int value);
PROMP_EXPORT promp_err_t promp_worker_text(promp_worker_t *worker, const char *text);

/* For hosts that embed a language: called by the driving thread when an abort of the running task is at T/2 and the task
 * has not looked at the flag since, i.e. called promp_worker_aborted or promp_task_aborted (interrupt it, e.g. pthread_kill
 * of the main thread). The library's lock is held, so the task does not end meanwhile: no promp_* call in it, no waiting.
 * NULL: nothing happens at T/2 (native workers). */
PROMP_EXPORT promp_err_t promp_worker_on_interrupt(promp_worker_t *worker,
                                                   void (*fn)(void *arg, uint64_t task), void *arg);

/* The running task; main thread. */
PROMP_EXPORT promp_worker_t *promp_task_worker(const promp_task_t *task);
PROMP_EXPORT uint64_t promp_task_number(const promp_task_t *task);
PROMP_EXPORT promp_task_kind_t promp_task_kind(const promp_task_t *task);
PROMP_EXPORT const char *promp_task_name(const promp_task_t *task);
PROMP_EXPORT const char *promp_task_file(const promp_task_t *task);
PROMP_EXPORT const uint8_t *promp_task_code(const promp_task_t *task, size_t *size);
PROMP_EXPORT const uint8_t *promp_task_args_cbor(const promp_task_t *task, size_t *size);
PROMP_EXPORT const promp_value_t *promp_task_args(promp_task_t *task); /* the LIST; NULL: malformed */
PROMP_EXPORT bool promp_task_wants_result(const promp_task_t *task);
PROMP_EXPORT bool promp_task_aborted(promp_task_t *task);
PROMP_EXPORT promp_err_t promp_task_progress(promp_task_t *task, int value);
PROMP_EXPORT promp_err_t promp_task_text(promp_task_t *task, const char *text);
/* The value it returns (moved in; *value NULL afterwards). The last one set counts. */
PROMP_EXPORT promp_err_t promp_task_result(promp_task_t *task, promp_value_t **value);
PROMP_EXPORT promp_err_t promp_task_result_cbor(promp_task_t *task, const void *cbor, size_t size);
/* Why it failed; printf-like. Returns 1, so a task can `return promp_task_fail(...)`. */
PROMP_EXPORT int promp_task_fail(promp_task_t *task, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
PROMP_EXPORT promp_err_t promp_task_failure(promp_task_t *task, promp_err_t code, const char *kind,
                                            const char *text, const char *trace);
/* The container that the worker's manager shares under name; the caller drops it. Waits for the manager's answer. It is
 * read in any thread, with or without a task; what is mapped outlives the worker, everything else fails with CONTAINER_GONE
 * after promp_worker_close. OK; CONTAINER_NAME: there is none; CONTAINER_LIMIT, CONTAINER_CHANGED, CONTAINER_FILE,
 * CONTAINER_GONE, STATE (a signal handler ran: call again), MEMORY, DESCRIPTORS, SYSTEM, FORKED. */
PROMP_EXPORT promp_err_t promp_worker_container(promp_worker_t *worker, const char *name,
                                                promp_container_t **container, promp_error_t *error);
typedef enum { PROMP_TASK_DONE, PROMP_TASK_FAILURE, PROMP_TASK_ABORT } promp_task_outcome_t;
/* Ends a task of promp_worker_next: sends result or failure and DONE; frees it, *task is NULL afterwards. */
PROMP_EXPORT promp_err_t promp_task_finish(promp_task_t **task, promp_task_outcome_t outcome);

#ifdef __cplusplus
}
#endif
#endif
