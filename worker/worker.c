/* worker.c - a worker from its first to its last breath: open, next, close; and what it is. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "error.h"
#include "worker_inner.h"
#include "worker_remote.h"
#include "worker_task.h"

static bool is_set_up(void *arg)
{
    promp_worker_t *worker = arg;
    return promp_worker_core_setup(worker->core) || promp_worker_core_state(worker->core);
}

/* Waits for SETUP; the core itself gives up when its lease ends. */
static promp_err_t wait_for_setup(promp_worker_t *worker, promp_error_t *error)
{
    promp_hub_lock(worker->hub);
    while (promp_hub_wait(worker->hub, is_set_up, worker, PROMP_NEVER) == PROMP_ERR_STATE)
        continue;
    worker->setup = promp_worker_core_setup(worker->core);
    promp_err_t err = worker->setup ? PROMP_OK : promp_worker_core_state(worker->core);
    if (!err)
        promp_worker_pipes_watch(worker); /* options are known only now */
    promp_hub_unlock(worker->hub);
    return err ? promp_error_set(error, err, 0, "while waiting for the manager") : PROMP_OK;
}

/* What containers may keep in memory here, as the user's environment says in MiB. */
static uint64_t cache_size(void)
{
    const char *text = getenv("PROMP_CACHE");
    char *rest;
    unsigned long size = text ? strtoul(text, &rest, 10) : 0;
    return text && *text && !*rest && size >= 1 && size <= PROMP_CACHE_MOST / PROMP_MIB ? size * PROMP_MIB
                                                                                        : PROMP_CACHE;
}

static promp_err_t attach(promp_worker_t *worker, promp_error_t *error)
{
    promp_hub_lock(worker->hub);
    worker->core = promp_worker_core_new(promp_hub_session(worker->hub), promp_clock_ms());
    promp_hub_unlock(worker->hub);
    promp_err_t err = PROMP_ERR_MEMORY;
    worker->reads = promp_worker_reads_new(worker);
    if (worker->core)
        promp_worker_core_set_cache(worker->core, cache_size());
    if (worker->core && worker->reads)
        err = promp_hub_attach(worker->hub, (promp_port_t){worker, &promp_worker_port_ops});
    return err ? promp_error_set(error, err, 0, NULL) : PROMP_OK;
}

promp_worker_t *promp_worker_open(promp_error_t *error)
{
    promp_worker_fds_t fds;
    if (promp_worker_inherit(&fds, error))
        goto err0;
    promp_worker_t *worker = calloc(1, sizeof *worker);
    if (!worker) {
        promp_error_set(error, PROMP_ERR_MEMORY, 0, NULL);
        goto err1;
    }
    if (promp_worker_mark_make(worker, error))
        goto err2;
    worker->pid = (uint32_t)getpid();
    setvbuf(stdout, NULL, _IOLBF, 0);
    const promp_hub_config_t config = {.worker = true, .fd = fds.link, .lifeline = fds.lifeline};
    fds.link = fds.lifeline = -1; /* the hub has them, also on failure */
    worker->hub = promp_hub_new(&config, PROMP_TIMEOUT_DEFAULT, error);
    if (!worker->hub)
        goto err3;
    promp_worker_pipes_open(worker, &fds); /* nobody reads them before SETUP */
    if (attach(worker, error) || wait_for_setup(worker, error))
        goto err4;
    return worker;

err4:
    if (worker->core)
        promp_worker_reads_end(&worker->reads);
    promp_hub_detach(worker->hub, worker);
    promp_worker_pipes_close(worker);
    promp_hub_destroy(&worker->hub);
    promp_worker_core_destroy(&worker->core);
err3:
    promp_worker_mark_free(worker);
err2:
    free(worker);
err1:
    promp_worker_fds_close(&fds);
err0:
    return NULL;
}

/* Lock held. */
static bool has_work(void *arg)
{
    promp_worker_t *worker = arg;
    return promp_worker_core_has_task(worker->core) || promp_worker_core_state(worker->core);
}

promp_err_t promp_worker_ready(promp_worker_t *worker)
{
    if (promp_worker_forked(worker))
        return PROMP_ERR_FORKED;
    promp_hub_lock(worker->hub);
    promp_err_t err = promp_worker_core_ready(worker->core, worker->pid);
    promp_hub_unlock(worker->hub);
    return err;
}

/* Lock held. OK: a task can begin. */
static promp_err_t wait_for_work(promp_worker_t *worker, int timeout)
{
    if (promp_worker_core_running(worker->core))
        return PROMP_ERR_STATE;
    promp_err_t err = promp_worker_core_ready(worker->core, worker->pid);
    if (!err && !has_work(worker)) {
        int64_t deadline = timeout < 0 ? PROMP_NEVER : promp_clock_ms() + timeout;
        err = promp_hub_wait(worker->hub, has_work, worker, deadline);
    }
    return promp_worker_core_state(worker->core) ? PROMP_ERR_CLOSED : err;
}

/* There is no memory for the task that has begun. Lock held. */
static promp_err_t refuse_task(promp_worker_t *worker)
{
    (void)promp_worker_core_failure(worker->core, PROMP_ERR_MEMORY, NULL, promp_error_text(PROMP_ERR_MEMORY),
                                    NULL);
    return promp_worker_core_finish(worker->core, PROMP_TASK_FAILURE) ? PROMP_ERR_CLOSED : PROMP_ERR_MEMORY;
}

promp_err_t promp_worker_next(promp_worker_t *worker, int timeout, promp_task_t **task)
{
    if (!worker || !task)
        return PROMP_ERR_ARGUMENT;
    *task = NULL;
    if (promp_worker_forked(worker))
        return PROMP_ERR_FORKED;
    promp_worker_job_t job;
    promp_hub_lock(worker->hub);
    promp_err_t err = wait_for_work(worker, timeout);
    if (!err && promp_worker_core_begin(worker->core, &job)) {
        *task = promp_task_new(worker, &job);
        if (*task)
            promp_hub_busy(worker->hub, true);
        else
            err = refuse_task(worker);
    }
    promp_hub_unlock(worker->hub);
    return err;
}

static bool is_settled(void *arg)
{
    promp_worker_t *worker = arg;
    promp_err_t state = promp_worker_core_state(worker->core);
    return promp_worker_core_settled(worker->core) || (state && state != PROMP_ERR_CLOSED);
}

promp_err_t promp_worker_flush(promp_worker_t *worker)
{
    if (promp_worker_forked(worker))
        return PROMP_ERR_FORKED;
    promp_worker_pipes_drain(worker);
    promp_hub_lock(worker->hub);
    int64_t deadline = promp_clock_ms() + worker->setup->timeout;
    while (promp_hub_wait(worker->hub, is_settled, worker, deadline) == PROMP_ERR_STATE)
        continue;
    promp_worker_pipes_close(worker); /* what is written from now on, the keeper reads */
    promp_hub_unlock(worker->hub);
    return PROMP_OK;
}

void promp_worker_close(promp_worker_t **worker_p)
{
    promp_worker_t *worker = *worker_p;
    if (!worker)
        return;
    *worker_p = NULL;
    if (promp_worker_flush(worker)) { /* in a forked child nothing of it is ours but the descriptors */
        promp_hub_abandon(&worker->hub);
        return;
    }
    promp_worker_reads_end(&worker->reads);
    promp_hub_detach(worker->hub, worker);
    promp_hub_destroy(&worker->hub);
    promp_worker_core_destroy(&worker->core);
    promp_worker_mark_free(worker);
    free(worker);
}

promp_hub_t *promp_worker_hub(promp_worker_t *worker)
{
    return worker->hub;
}

/* --- what it is --- */

uint32_t promp_worker_id(const promp_worker_t *worker)
{
    return worker->setup->worker;
}

uint32_t promp_worker_level(const promp_worker_t *worker)
{
    return worker->setup->level;
}

uint32_t promp_worker_options(const promp_worker_t *worker)
{
    return worker->setup->options;
}

int promp_worker_timeout(const promp_worker_t *worker)
{
    return (int)worker->setup->timeout;
}

const uint8_t *promp_worker_extra(const promp_worker_t *worker, size_t *size)
{
    *size = worker->setup->extra.size;
    return worker->setup->extra.data;
}

const char *promp_worker_address(const promp_worker_t *worker)
{
    return worker->setup->address;
}

bool promp_worker_is_busy(promp_worker_t *worker)
{
    if (promp_worker_forked(worker))
        return false;
    promp_hub_lock(worker->hub);
    bool busy = promp_worker_core_running(worker->core) != 0;
    promp_hub_unlock(worker->hub);
    return busy;
}

/* The two flags take no lock: tasks ask for them in their inner loops. The network thread brings them. */
bool promp_worker_stopped(promp_worker_t *worker)
{
    return promp_worker_core_stopped(worker->core);
}

bool promp_worker_aborted(promp_worker_t *worker)
{
    return promp_worker_core_aborted(worker->core, true);
}

promp_err_t promp_worker_on_interrupt(promp_worker_t *worker, void (*fn)(void *arg, uint64_t task), void *arg)
{
    promp_hub_lock(worker->hub);
    worker->interrupt = fn;
    worker->interrupt_arg = arg;
    promp_hub_unlock(worker->hub);
    return PROMP_OK;
}
