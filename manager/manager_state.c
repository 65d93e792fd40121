/* manager_state.c - what is known of the workers. Each call reads first what has come, so a death is seen
 * without waiting. */
#include "manager_inner.h"

bool promp_manager_is_busy(promp_manager_t *manager)
{
    if (promp_manager_enter(manager))
        return false;
    if (!promp_manager_core_busy(manager->core))
        promp_hub_pump(manager->hub);
    bool busy = promp_manager_core_busy(manager->core);
    promp_manager_leave(manager);
    return busy;
}

static bool ask(promp_manager_t *manager, uint32_t worker,
                bool (*is)(const promp_manager_core_t *core, uint32_t worker))
{
    if (promp_manager_enter(manager))
        return false;
    promp_hub_pump(manager->hub);
    bool yes = is(manager->core, worker);
    promp_manager_leave(manager);
    return yes;
}

bool promp_manager_worker_alive(promp_manager_t *manager, uint32_t worker)
{
    return ask(manager, worker, promp_manager_core_worker_alive);
}

bool promp_manager_worker_busy(promp_manager_t *manager, uint32_t worker)
{
    return ask(manager, worker, promp_manager_core_worker_busy);
}

bool promp_manager_worker_ready(promp_manager_t *manager, uint32_t worker)
{
    return ask(manager, worker, promp_manager_core_worker_ready);
}

static size_t count(promp_manager_t *manager, size_t (*of)(const promp_manager_core_t *core))
{
    if (promp_manager_enter(manager))
        return 0;
    promp_hub_pump(manager->hub);
    size_t n = of(manager->core);
    promp_manager_leave(manager);
    return n;
}

size_t promp_manager_workers_alive(promp_manager_t *manager)
{
    return count(manager, promp_manager_core_alive);
}

size_t promp_manager_workers_busy(promp_manager_t *manager)
{
    return count(manager, promp_manager_core_busy_workers);
}

uint32_t promp_manager_worker_pid(promp_manager_t *manager, uint32_t worker)
{
    if (promp_manager_enter(manager))
        return 0;
    uint32_t pid = promp_manager_core_pid(manager->core, worker);
    promp_manager_leave(manager);
    return pid;
}

bool promp_manager_worker_waits(promp_manager_t *manager, uint32_t worker, char text[256])
{
    *text = '\0';
    if (promp_manager_enter(manager))
        return false;
    bool waits = promp_manager_core_waits(manager->core, worker, promp_clock_ms(), text, 256);
    promp_manager_leave(manager);
    return waits;
}

bool promp_manager_worker_exit(promp_manager_t *manager, uint32_t worker, promp_worker_exit_t *end)
{
    memset(end, 0, sizeof *end);
    if (promp_manager_enter(manager))
        return false;
    promp_hub_pump(manager->hub);
    bool ended = promp_manager_core_exit(manager->core, worker, end);
    promp_manager_leave(manager);
    return ended;
}
