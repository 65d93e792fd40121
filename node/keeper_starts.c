/* Starts that are under way, and what is held of a worker until all is gone. */
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "keeper_inside.h"
#include "limits.h"
#include "scratch.h"
#include "tree.h"

static bool has_room(promp_keeper_t *k, uint32_t number)
{
    size_t workers = k->workers ? k->workers : 16;
    struct pollfd *polls;
    promp_spawn_t *grown;

    while (workers <= number)
        workers *= 2;
    if (workers == k->workers)
        return true;
    grown = reallocarray(k->worker, workers, sizeof *grown);
    if (!grown)
        return false;
    k->worker = grown;
    polls = reallocarray(k->polls, PROMP_KEEPER_POLLS + workers, sizeof *polls);
    if (!polls)
        return false;
    k->polls = polls;
    memset(grown + k->workers, 0, (workers - k->workers) * sizeof *grown);
    k->workers = workers;
    return true;
}

/* --- limits --- */

void promp_keeper_starts_limits(const promp_keeper_t *k)
{
    const promp_cgroup_t *group = &k->cgroup;
    promp_err_t code = group->why ? PROMP_ERR_NO_LIMITS : PROMP_OK;

    if (group->memory || group->cpus || group->processes)
        promp_log(k->config.log, PROMP_LOG_INFO, code, "workers have limits:%s%s%s%s%s",
                  group->memory ? " memory" : "", group->cpus ? " processors" : "",
                  group->processes ? " processes" : "", group->why ? "; " : "", group->why ? group->why : "");
    else
        promp_log(k->config.log, PROMP_LOG_INFO, code, "workers have no limits: %s", group->why);
}

/* Once, and only where somebody counts on it. */
static void warn(promp_keeper_t *k, const promp_msg_spawn_t *what)
{
    if (k->limits_said || ((!what->memory || k->cgroup.memory) && (!what->cpus || k->cgroup.cpus)))
        return;
    k->limits_said = true;
    promp_log(k->config.log, PROMP_LOG_WARNING, PROMP_ERR_NO_LIMITS,
              "what workers ask for is no limit here: %s", k->cgroup.why);
}

/* --- beginning --- */

static promp_err_t begin(promp_keeper_t *k, const promp_keeper_effect_t *e, promp_spawn_t *worker,
                         promp_error_t *error)
{
    char mark[PROMP_TREE_SIZE], scratch[PROMP_SCRATCH_PATH];
    const promp_cgroup_limits_t limits = {.memory = e->spawn->memory,
                                          .cpus = e->spawn->cpus,
                                          .cpus_hard = k->config.cpus_hard,
                                          .processes = k->config.processes ? k->config.processes
                                                                           : PROMP_LIMIT_PROCESSES};
    promp_spawn_order_t order = {
        .what = e->spawn, .link = k->given, .files = &k->files, .mark = mark, .pythons = k->config.pythons};
    promp_err_t failed;

    if (!has_room(k, e->worker))
        return promp_error_set(error, PROMP_ERR_MEMORY, 0, NULL);
    if (k->given < 0)
        return promp_error_set(error, PROMP_ERR_DESCRIPTORS, 0, "in the node"); /* it was lost on its way */
    warn(k, e->spawn);
    if (promp_cgroup_make(&k->cgroup, worker->serial, &limits, &order.group, error))
        return error->code;
    promp_tree_mark(&k->node, worker->serial, mark);
    order.scratch = promp_scratch_path(mark, scratch);
    failed = promp_spawn_worker(&order, worker, error);
    if (order.group >= 0)
        close(order.group);
    if (failed) {
        promp_cgroup_remove(&k->cgroup, worker->serial);
        return failed;
    }
    k->worker[e->worker] = *worker;
    k->starting++;
    return PROMP_OK;
}

void promp_keeper_starts_begin(promp_keeper_t *k, const promp_keeper_effect_t *e, int64_t now)
{
    promp_spawn_t worker = {.serial = ++k->serial};
    promp_error_t error;

    if (begin(k, e, &worker, &error))
        promp_keeper_core_failed(k->core, e->worker, &error, now);
    else
        promp_keeper_core_forked(k->core, e->worker, (uint32_t)worker.pid, now);
}

/* --- how it goes on --- */

size_t promp_keeper_starts_poll(const promp_keeper_t *k, struct pollfd *polls)
{
    size_t count = 0;

    for (size_t i = 0; i < k->workers && count < k->starting; i++)
        if (k->worker[i].report >= 0 && k->worker[i].pid)
            polls[count++] = (struct pollfd){k->worker[i].report, POLLIN, 0};
    return count;
}

static promp_spawn_state_t look(promp_keeper_t *k, promp_spawn_t *worker)
{
    bool open = worker->report >= 0;
    promp_spawn_state_t state = promp_spawn_look(worker);

    if (open && worker->report < 0)
        k->starting--;
    return state;
}

void promp_keeper_starts_ready(promp_keeper_t *k, int64_t now)
{
    for (uint32_t i = 0; i < k->workers && k->starting; i++) {
        promp_spawn_t *worker = &k->worker[i];

        if (worker->pid && worker->report >= 0 && look(k, worker) == PROMP_SPAWN_RUNS)
            promp_keeper_core_spawned(k->core, i, (uint32_t)worker->pid, now);
    }
    promp_keeper_effects_do(k, now);
}

bool promp_keeper_starts_ran(promp_keeper_t *k, uint32_t number, int64_t now)
{
    if (look(k, &k->worker[number]) == PROMP_SPAWN_FAILS)
        return false;
    promp_keeper_core_spawned(k->core, number, (uint32_t)k->worker[number].pid, now);
    promp_keeper_effects_do(k, now); /* while its number is its own */
    return true;
}

void promp_keeper_starts_failed(promp_keeper_t *k, uint32_t number, int64_t now)
{
    promp_spawn_t *worker = &k->worker[number];
    promp_error_t error;

    if (worker->why)
        error = *worker->why;
    else
        promp_error_set(&error, PROMP_ERR_MEMORY, 0, NULL);
    promp_keeper_starts_clean(k, worker);
    promp_keeper_core_failed(k->core, number, &error, now);
}

/* --- the end --- */

void promp_keeper_starts_clean(promp_keeper_t *k, promp_spawn_t *worker)
{
    if (!worker->pid)
        return;
    k->starting -= worker->report >= 0;
    promp_spawn_close(worker);
    promp_cgroup_remove(&k->cgroup, worker->serial);
    if (worker->scratch)
        promp_keeper_scratch_add(k, worker->serial);
    worker->pid = 0;
}
