/* manager_abort.c - ending what runs. */
#include "manager_inner.h"

typedef struct {
    promp_manager_t *manager;
    uint32_t worker;
} of_t;

/* Inside a call-back nothing can be shown: there it is over when the worker says so. */
static bool is_over(void *arg)
{
    of_t *of = arg;
    return !promp_manager_core_aborting(of->manager->core, of->worker, !of->manager->processing);
}

static bool is_over_or_pending(void *arg)
{
    of_t *of = arg;
    return is_over(arg) || (!of->manager->processing && promp_manager_core_pending(of->manager->core));
}

/* Waits until nothing that was meant runs any more, showing what comes. Lock held. */
static promp_err_t wait_for_end(of_t *of, int64_t deadline)
{
    promp_manager_t *manager = of->manager;
    promp_err_t err = PROMP_OK;
    while (!err && !is_over(of)) {
        err = promp_hub_wait(manager->hub, is_over_or_pending, of, deadline);
        if (!err && promp_clock_ms() >= deadline) /* output that never rests does not make it longer */
            err = PROMP_ERR_TIMEOUT;
        promp_manager_leave(manager);
        promp_manager_process_all(manager);
        promp_hub_lock(manager->hub);
    }
    return is_over(of) ? PROMP_OK : err;
}

promp_err_t promp_manager_abort(promp_manager_t *manager, uint32_t worker, int timeout)
{
    promp_err_t err = promp_manager_enter(manager);
    if (err)
        return err;
    promp_hub_pump(manager->hub);
    of_t of = {manager, promp_manager_core_busy_one(manager->core, worker)};
    promp_manager_core_abort(manager->core, of.worker, timeout, promp_clock_ms());
    /* One that is ended by force needs a little longer to be known as gone. */
    int64_t deadline = timeout < 0 ? PROMP_NEVER : promp_clock_ms() + timeout + PROMP_TIME_LINGER;
    err = wait_for_end(&of, deadline);
    /* It obeyed, and what it had sent before is still on its way. */
    if (err == PROMP_ERR_TIMEOUT && !promp_manager_core_aborting(manager->core, of.worker, false))
        err = PROMP_OK;
    promp_manager_leave(manager);
    if (!err) /* the end itself is shown, so that it is not busy any more */
        promp_manager_process_all(manager);
    return err == PROMP_ERR_TIMEOUT ? promp_manager_fail(manager, err, 0, "the node did not end the worker")
                                    : err;
}

promp_err_t promp_manager_abort_async(promp_manager_t *manager, uint32_t worker, int timeout)
{
    promp_err_t err = promp_manager_enter(manager);
    if (err)
        return err;
    promp_hub_pump(manager->hub);
    promp_manager_core_abort(manager->core, worker, timeout, promp_clock_ms());
    promp_manager_leave(manager);
    return PROMP_OK;
}
