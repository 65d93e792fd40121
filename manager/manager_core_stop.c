/* manager_core_stop.c - ending workers: with grace, and by force. */
#include "manager_core_state.h"

void promp_manager_core_stop_kill(promp_manager_core_t *core, worker_t *w, promp_err_t cause)
{
    w->stop_at = w->abort_at = w->limit_at =
        PROMP_NEVER; /* also when it was asked for before: they would stay due */
    if (w->kill_cause || w->state == WORKER_DRAINING || w->state == WORKER_ENDED)
        return;
    w->kill_cause = cause;
    w->say_kill = w->state == WORKER_ALIVE;
    promp_manager_core_touch(core, w);
}

void promp_manager_core_kill(promp_manager_core_t *core, uint32_t worker, promp_err_t cause)
{
    if (worker == PROMP_WORKER_ALL) {
        for (worker_t *w = NULL; (w = promp_manager_core_next_live(core, w));)
            promp_manager_core_stop_kill(core, w, cause);
        return;
    }
    worker_t *w = promp_manager_core_find(core, worker);
    if (w)
        promp_manager_core_stop_kill(core, w, cause);
}

static void stop(promp_manager_core_t *core, worker_t *w, int64_t now)
{
    if (w->state != WORKER_ALIVE || w->stopping)
        return;
    w->stopping = true;
    if (w->queued) { /* nobody is there to be asked */
        promp_manager_core_stop_kill(core, w, PROMP_ERR_WORKER_STOPPED);
        return;
    }
    promp_session_urge(w->session, PROMP_SLOT_STOP, 0, 0);
    w->stop_at = now + PROMP_TIME_ABORT;
    w->due = promp_min64(w->due, w->stop_at);
    core->due = promp_min64(core->due, w->stop_at);
    promp_manager_core_touch(core, w);
}

void promp_manager_core_stop(promp_manager_core_t *core, uint32_t worker, int64_t now)
{
    worker_t *one = promp_manager_core_find(core, worker), *first = NULL;
    if (worker == PROMP_WORKER_ALL) {
        for (worker_t *w = NULL; (w = promp_manager_core_next_live(core, w));)
            stop(core, w, now);
    } else if (worker == PROMP_WORKER_ANY) {
        for (worker_t *w = NULL; !one && (w = promp_manager_core_next_live(core, w));) {
            one = promp_manager_core_idle_is(w) ? w : NULL;
            first = first || w->stopping ? first : w;
        }
        one = one ? one : first;
    }
    if (one)
        stop(core, one, now);
}
