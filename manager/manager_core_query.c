/* manager_core_query.c - predicates. */
#include <stdio.h>

#include "manager_core_state.h"

bool promp_manager_core_pending(const promp_manager_core_t *core)
{
    return core->output.count || core->ready.count || core->askers[PROMP_ASK_PROCESS].count;
}

bool promp_manager_core_fresh(const promp_manager_core_t *core)
{
    return core->fresh;
}

void promp_manager_core_seen(promp_manager_core_t *core)
{
    core->fresh = false;
}

uint64_t promp_manager_core_mark(const promp_manager_core_t *core)
{
    return core->mark;
}

bool promp_manager_core_lost(const promp_manager_core_t *core)
{
    return core->lost;
}

size_t promp_manager_core_alive(const promp_manager_core_t *core)
{
    return core->alive;
}

size_t promp_manager_core_busy_workers(const promp_manager_core_t *core)
{
    return core->busy;
}

size_t promp_manager_core_unsettled(const promp_manager_core_t *core)
{
    return core->live.count;
}

bool promp_manager_core_busy(const promp_manager_core_t *core)
{
    return core->busy || core->queue.count || promp_manager_core_pending(core);
}

static bool is_alive(const worker_t *w)
{
    return w->state == WORKER_ALIVE;
}

static bool is_busy(const worker_t *w)
{
    return w->busy;
}

static bool is_ready(const worker_t *w)
{
    return w->state == WORKER_ALIVE && w->ready;
}

/* ANY: at least one; ALL: every living one, and at least one. */
static bool ask(const promp_manager_core_t *core, uint32_t worker, bool (*is)(const worker_t *w))
{
    if (worker != PROMP_WORKER_ANY && worker != PROMP_WORKER_ALL) {
        const worker_t *w = promp_manager_core_find(core, worker);
        return w && is(w);
    }
    const worker_t *w = promp_manager_core_next_live(core, NULL);
    bool all = w != NULL;
    for (; w; w = promp_manager_core_next_live(core, w)) {
        if (is(w) && worker == PROMP_WORKER_ANY)
            return true;
        all = all && is(w);
    }
    return all && worker == PROMP_WORKER_ALL;
}

bool promp_manager_core_worker_alive(const promp_manager_core_t *core, uint32_t worker)
{
    return ask(core, worker, is_alive);
}

bool promp_manager_core_worker_busy(const promp_manager_core_t *core, uint32_t worker)
{
    if (worker == PROMP_WORKER_ANY) /* a dead one that has output to be shown is busy too */
        return core->busy > 0;
    return ask(core, worker, is_busy);
}

bool promp_manager_core_worker_ready(const promp_manager_core_t *core, uint32_t worker)
{
    return ask(core, worker, is_ready);
}

uint32_t promp_manager_core_pid(const promp_manager_core_t *core, uint32_t worker)
{
    const worker_t *w = promp_manager_core_find(core, worker);
    return w ? w->pid : 0;
}

bool promp_manager_core_waits(const promp_manager_core_t *core, uint32_t worker, int64_t now, char *text,
                              size_t size)
{
    const worker_t *w = promp_manager_core_find(core, worker);
    if (!w || !w->queued)
        return false;
    if (w->queue.reason)
        snprintf(text, size, "%u %s: %s; one may come in the next %lld s", (unsigned)w->queue.reason,
                 promp_error_name(w->queue.reason), promp_error_text(w->queue.reason),
                 (long long)(promp_max64(0, w->queue.until - now) + 999) / 1000);
    else if (w->queue.ahead)
        snprintf(text, size, "all places are in use, and starts of the same key wait before it: %u",
                 (unsigned)w->queue.ahead);
    else
        snprintf(text, size, "all places are in use");
    return true;
}

bool promp_manager_core_silent(const promp_manager_core_t *core, uint32_t worker)
{
    if (worker == PROMP_WORKER_ANY || worker == PROMP_WORKER_ALL)
        return !core->live.count;
    const worker_t *w = promp_manager_core_find(core, worker);
    return !w || w->state == WORKER_ENDED;
}
