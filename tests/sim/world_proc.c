/* Processes: turns, kills, freezes. */
#include <stdio.h>
#include <stdlib.h>

#include "world.h"

static void turn(proc_t *proc)
{
    switch (proc->kind) {
    case PROC_KEEPER:
        keeper_turn(proc);
        break;
    case PROC_AGENT:
        agent_turn(proc);
        break;
    case PROC_MANAGER:
        manager_turn(proc);
        break;
    case PROC_WORKER:
        worker_turn(proc);
        break;
    }
}

static void on_wake(sim_t *sim, void *arg)
{
    proc_t *proc = arg;
    if (proc->dead || proc->wake != sim->now)
        return;
    proc->wake = PROMP_NEVER;
    if (proc_runs(proc))
        turn(proc);
    else
        proc_wake_at(proc, proc->frozen_until);
}

proc_t *proc_new(world_t *world, proc_kind_t kind, void *body)
{
    static const char *const names[] = {"keeper", "agent", "manager", "worker"};
    proc_t *proc = sim_alloc(sizeof *proc);
    *proc =
        (proc_t){.world = world, .kind = kind, .pid = ++world->last_pid, .body = body, .wake = PROMP_NEVER};
    proc->start = (uint64_t)world->sim->now * 7 + proc->pid;
    snprintf(proc->name, sizeof proc->name, "%s %u", names[kind], proc->pid);
    proc->next = world->procs;
    world->procs = proc;
    sim_trace(world->sim, "%s begins", proc->name);
    proc_stir(proc);
    return proc;
}

bool proc_runs(const proc_t *proc)
{
    return !proc->dead && proc->frozen_until <= proc->world->sim->now;
}

void proc_wake_at(proc_t *proc, int64_t time)
{
    if (proc->dead || time == PROMP_NEVER)
        return;
    if (time < proc->frozen_until)
        time = proc->frozen_until;
    if (time < proc->world->sim->now)
        time = proc->world->sim->now;
    if (time >= proc->wake)
        return;
    proc->wake = time;
    sim_at(proc->world->sim, time, on_wake, proc);
}

void proc_stir(proc_t *proc)
{
    proc_wake_at(proc, proc->world->sim->now);
}

void proc_freeze(proc_t *proc, int64_t ms)
{
    if (proc->dead)
        return;
    sim_trace(proc->world->sim, "%s is frozen for %lld ms", proc->name, (long long)ms);
    int64_t until = proc->world->sim->now + ms;
    if (until > proc->frozen_until)
        proc->frozen_until = until;
    proc_wake_at(proc, until);
}

proc_t *proc_by_pid(world_t *world, uint32_t pid)
{
    for (proc_t *proc = world->procs; proc; proc = proc->next)
        if (proc->pid == pid)
            return proc;
    return NULL;
}

static void close_pipes(proc_t *proc)
{
    for (pipe_t *pipe = proc->world->pipes; pipe; pipe = pipe->next)
        for (int end = 0; end < 2; end++)
            if (pipe->end[end].proc == proc)
                pipe_close(pipe, end);
}

void proc_kill(proc_t *proc, int signal, int code)
{
    if (proc->dead)
        return;
    proc->dead = true;
    proc->signal = signal;
    proc->code = code;
    proc->died = proc->world->sim->now;
    sim_trace(proc->world->sim, "%s is dead, signal %d, code %d", proc->name, signal, code);
    switch (proc->kind) {
    case PROC_KEEPER:
        keeper_died(proc);
        break;
    case PROC_AGENT:
        agent_died(proc);
        break;
    case PROC_MANAGER:
        manager_died(proc);
        break;
    case PROC_WORKER:
        worker_died(proc);
        break;
    }
    close_pipes(proc);
}

void proc_reap(world_t *world)
{
    for (proc_t *proc = world->procs; proc; proc = proc->next) {
        if (!proc->dead || proc->reaped)
            continue;
        proc->reaped = true;
        if (proc->kind == PROC_KEEPER) {
            promp_keeper_core_destroy(&((keeper_t *)proc->body)->core);
        } else if (proc->kind == PROC_AGENT) {
            promp_agent_core_destroy(&((agent_t *)proc->body)->core);
        } else if (proc->kind == PROC_MANAGER) {
            user_end(&((manager_t *)proc->body)->user);
        } else {
            worker_t *worker = proc->body;
            promp_worker_core_destroy(&worker->core);
            user_end(&worker->user);
        }
    }
}
