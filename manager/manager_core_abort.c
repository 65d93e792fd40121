/* manager_core_abort.c - aborts: asked for, and known to be over. */
#include "manager_core_state.h"

static void abort_one(promp_manager_core_t *core, worker_t *w, int timeout, int64_t now)
{
    if (w->state != WORKER_ALIVE || w->done == w->given)
        return;
    if (timeout == 0) {
        w->aborting = w->given;
        promp_manager_core_stop_kill(core, w, PROMP_ERR_WORKER_ABORTED);
        return;
    }
    int64_t at = timeout < 0 ? PROMP_NEVER : now + timeout;
    if (w->aborting == w->given && w->abort_at <= at)
        return; /* asked already, and sooner */
    w->aborting = w->given;
    w->abort_at = promp_min64(w->abort_at, at);
    uint64_t grace = timeout < 0 ? PROMP_TIMEOUT_MAX : (uint64_t)timeout;
    promp_session_urge(w->session, PROMP_SLOT_ABORT, w->given, grace);
    w->due = promp_min64(w->due, w->abort_at);
    core->due = promp_min64(core->due, w->abort_at);
    promp_manager_core_touch(core, w);
}

uint32_t promp_manager_core_busy_one(promp_manager_core_t *core, uint32_t worker)
{
    if (worker != PROMP_WORKER_ANY)
        return worker;
    for (worker_t *w = NULL; (w = promp_manager_core_next_live(core, w));)
        if (w->busy)
            return w->id;
    return PROMP_WORKER_INVALID;
}

/* An end that waits for the user to make room in his inbox is as good as shown: he is here, waiting for
 * it. A dead worker runs nothing any more, though what it had sent may still wait. */
static bool is_aborting(const worker_t *w, bool shown)
{
    if (w->state == WORKER_DRAINING && (!shown || w->blocked.next))
        return false;
    return (shown && !w->blocked.next ? w->over : w->done) < w->aborting;
}

bool promp_manager_core_aborting(const promp_manager_core_t *core, uint32_t worker, bool shown)
{
    if (worker != PROMP_WORKER_ALL) {
        const worker_t *w = promp_manager_core_find(core, worker);
        return w && is_aborting(w, shown);
    }
    for (promp_node_t *at = promp_list_first(&core->live); at; at = promp_list_after(&core->live, at))
        if (is_aborting(WORKER_OF(at, member), shown))
            return true;
    return false;
}

void promp_manager_core_abort(promp_manager_core_t *core, uint32_t worker, int timeout, int64_t now)
{
    if (worker == PROMP_WORKER_ALL) {
        promp_manager_core_task_drop(core, false);
        for (worker_t *w = NULL; (w = promp_manager_core_next_live(core, w));)
            abort_one(core, w, timeout, now);
        return;
    }
    worker_t *w = promp_manager_core_find(core, promp_manager_core_busy_one(core, worker));
    if (w)
        abort_one(core, w, timeout, now);
}
