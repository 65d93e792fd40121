/* A whole system on one machine: a node, managers, workers, workers that are managers. Processes are killed and frozen
 * at any moment; then good weather, in which all that lives must come to its end in time and leave nothing behind. */
#include <stdlib.h>

#include "world.h"

#define AGENT_BYTES (256 * 1024) /* of an agent that has nothing left to do: its tables keep their size */

static proc_t *random_proc(world_t *world)
{
    size_t count = 0;
    for (proc_t *proc = world->procs; proc; proc = proc->next)
        count += !proc->dead;
    size_t pick = count ? sim_below(world->sim, count) : 0;
    for (proc_t *proc = world->procs; proc; proc = proc->next)
        if (!proc->dead && pick-- == 0)
            return proc;
    return NULL;
}

static void accident(world_t *world)
{
    sim_t *sim = world->sim;
    proc_t *proc = random_proc(world);
    if (!proc)
        return;
    /* With the keeper everything ends: not in every run. */
    if (proc->kind == PROC_KEEPER && !sim_chance(sim, 150))
        return;
    if (sim_chance(sim, 300) && world->agent)
        proc = world->agent;
    if (sim_below(sim, world->kills + world->freezes) < world->kills)
        proc_kill(proc, 9, 0);
    else if ((world->froze = true))
        proc_freeze(proc, sim_between(sim, 1, sim_chance(sim, 700) ? world->lease / 2 : world->lease * 2));
}

static user_t *random_user(world_t *world)
{
    proc_t *proc = random_proc(world);
    if (proc && proc_runs(proc) && proc->kind == PROC_MANAGER)
        return &((manager_t *)proc->body)->user;
    if (proc && proc_runs(proc) && proc->kind == PROC_WORKER && ((worker_t *)proc->body)->is_manager)
        return &((worker_t *)proc->body)->user;
    return NULL;
}

static void chaos(world_t *world)
{
    sim_t *sim = world->sim;
    user_t *user = random_user(world);
    if (user)
        user_act(user);
    if (sim_chance(sim, world->kills + world->freezes))
        accident(world);
    if (world->keeper && sim_chance(sim, 5))
        manager_start(world);
}

static void step_until(world_t *world, int64_t time)
{
    while (world->sim->count && world->sim->now < time) {
        sim_check(world->sim, sim_step(world->sim));
        proc_reap(world);
    }
}

static int living(const world_t *world, proc_kind_t kind)
{
    int count = 0;
    for (const proc_t *proc = world->procs; proc; proc = proc->next)
        count += !proc->dead && proc->kind == kind;
    return count;
}

static bool users_are_quiet(world_t *world)
{
    for (proc_t *proc = world->procs; proc; proc = proc->next) {
        if (proc->dead)
            continue;
        user_t *user = proc->kind == PROC_MANAGER ? &((manager_t *)proc->body)->user
                       : proc->kind == PROC_WORKER && ((worker_t *)proc->body)->is_manager
                           ? &((worker_t *)proc->body)->user
                           : NULL;
        if (user && user->core && promp_manager_core_busy(user->core))
            return false;
    }
    return true;
}

/* Events go on for ever (beats), so each wait has its end. */
static void wait_for(world_t *world, bool (*done)(world_t *world), int64_t most, const char *what)
{
    int64_t deadline = world->sim->now + most;
    while (!done(world)) {
        if (!sim_step(world->sim) || world->sim->now > deadline)
            sim_fail(world->sim, "not in time: %s", what);
        proc_reap(world);
    }
}

static bool no_orphans(world_t *world)
{
    /* What has left its worker's process group only the keeper finds. */
    return living(world, PROC_WORKER) == 0 && (world->strays == 0 || !world->keeper);
}

static bool no_managers(world_t *world)
{
    return living(world, PROC_MANAGER) == 0;
}

static bool nobody(world_t *world)
{
    return random_proc(world) == NULL;
}

static bool node_is_empty(world_t *world)
{

    return !world->agent ||
           (sim_memory_of(1) <= AGENT_BYTES && ((agent_t *)world->agent->body)->handles == 0);
}

static void begin(world_t *world)
{
    sim_t *sim = world->sim;
    world->lease = (uint32_t)sim_between(sim, 500, 1500);
    world->delay = sim_chance(sim, 500) ? 0 : sim_chance(sim, 700) ? 2 : 20;
    world->large = sim_chance(sim, 100) ? 300 : 0;
    world->kills = sim_chance(sim, 700) ? (unsigned)sim_below(sim, 40) : 0;
    world->freezes = sim_chance(sim, 500) ? (unsigned)sim_below(sim, 40) : 0;
    keeper_t *keeper = sim_alloc(sizeof *keeper);
    keeper_begin(proc_new(world, PROC_KEEPER, keeper));
    for (uint64_t n = 1 + sim_below(sim, 3); n > 0; n--)
        manager_start(world);
}

static void thaw_all(world_t *world)
{
    for (proc_t *proc = world->procs; proc; proc = proc->next)
        if (!proc->dead && proc->frozen_until > world->sim->now) {
            proc->frozen_until = world->sim->now;
            proc_stir(proc);
        }
}

static void destroy(world_t *world)
{
    proc_reap(world);
    while (world->procs) {
        proc_t *proc = world->procs;
        world->procs = proc->next;
        free(proc->body);
        free(proc);
    }
    while (world->pipes) {
        pipe_t *pipe = world->pipes;
        world->pipes = pipe->next;
        for (int end = 0; end < 2; end++)
            pipe_close(pipe, end);
        free(pipe);
    }
    while (world->jobs.workers) {
        job_worker_t *job = world->jobs.workers;
        world->jobs.workers = job->next;
        free(job->tasks);
        free(job->output_ends);
        free(job);
    }
}

void sim_scene_system(sim_t *sim)
{
    world_t world = {.sim = sim, .last_pid = 100};
    begin(&world);
    int64_t ends = sim->now + sim_between(sim, 500, 4000);
    while (sim->now < ends && random_proc(&world)) {
        chaos(&world);
        step_until(&world, sim->now + (sim_chance(sim, 300) ? 0 : sim_between(sim, 1, 30)));
    }

    sim_trace(sim, "good weather");
    world.good = true;
    thaw_all(&world);
    int64_t long_enough = 3 * world.lease + 10000;
    wait_for(&world, users_are_quiet, long_enough, "tasks are over");
    for (proc_t *proc = world.procs; proc; proc = proc->next)
        if (!proc->dead && proc->kind == PROC_MANAGER) {
            user_finish(&((manager_t *)proc->body)->user);
            ((manager_t *)proc->body)->bye = true;
            ((manager_t *)proc->body)->hurries = sim_chance(sim, 300);
        }
    wait_for(&world, no_managers, long_enough, "managers leave");
    wait_for(&world, no_orphans, world.lease + 2000, "workers end with their managers");
    wait_for(&world, node_is_empty, long_enough, "the agent forgets");
    wait_for(&world, nobody, long_enough, "an idle node ends");
    while (sim_step(sim))
        proc_reap(&world);
    destroy(&world);
    sim_check(sim, world.handles == 0);
    sim_check(sim, sim_memory_of(1) == 0);
}
