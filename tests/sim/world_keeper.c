/* The keeper's shell, and the kernel's part of it: children, orphans, descriptors. */
#include <stdlib.h>

#include "buf.h"
#include "message.h"
#include "world.h"

void keeper_begin(proc_t *proc)
{
    world_t *world = proc->world;
    keeper_t *keeper = proc->body;
    promp_put64(world->node.b, sim_random(world->sim) | 1);
    world->keeper = proc;
    keeper->core = promp_keeper_core_new(world->sim->seed, &world->node, world->sim->now);
    sim_check(world->sim, keeper->core);
}

static void start_agent(proc_t *proc)
{
    keeper_t *keeper = proc->body;
    world_t *world = proc->world;
    if (keeper->link)
        pipe_close(keeper->link, 0);
    keeper->link = NULL;
    if (!world->good && sim_chance(world->sim, 50)) {
        promp_keeper_core_agent_down(keeper->core, world->sim->now);
        return;
    }
    keeper->link = pipe_new(world, proc, NULL);
    keeper->agent = agent_start(world, keeper->link);
    promp_keeper_core_agent_up(keeper->core, world->sim->now);
}

/* Whose the session of the frame at hand is goes along as the process's identity. */
static void spawn(proc_t *proc, uint32_t number)
{
    keeper_t *keeper = proc->body;
    world_t *world = proc->world;
    if (!keeper->event->carried || (!world->good && sim_chance(world->sim, 50))) {
        promp_error_t error = {.code = PROMP_ERR_PROGRAM_MISSING, .text = "not today"};
        promp_keeper_core_failed(keeper->core, number, &error, world->sim->now);
        return;
    }
    promp_frame_t frame = sim_frame_read(world->sim, keeper->event->frame);
    sim_check(world->sim, number < 256 && !keeper->workers[number]);
    proc_t *worker = worker_start(world, keeper->event->carried, &frame.session);
    keeper->event->carried = NULL;
    keeper->workers[number] = worker;
    promp_keeper_core_spawned(keeper->core, number, worker->pid, world->sim->now);
}

static void relink(keeper_t *keeper, uint32_t number)
{
    proc_t *proc = keeper->workers[number];
    if (!proc || proc->dead || !keeper->event->carried)
        return;
    worker_t *worker = proc->body;
    if (worker->lifeline)
        pipe_close(worker->lifeline, 1);
    worker->lifeline = keeper->event->carried;
    keeper->event->carried = NULL;
    proc_stir(proc);
}

static void sweep(proc_t *proc)
{
    keeper_t *keeper = proc->body;
    world_t *world = proc->world;
    size_t left = 0;
    /* Orphans of workers that are not LIVE are killed; they are seen once more until they have been waited for. */
    for (proc_t *p = world->procs; p; p = p->next) {
        worker_t *worker = p->body;
        if (p->kind != PROC_WORKER || !p->dead || !worker->strays ||
            promp_keeper_core_by_pid(keeper->core, p->pid) != PROMP_KEEPER_NONE)
            continue;
        left += (size_t)worker->strays;
        world->strays -= worker->strays;
        worker->strays = 0;
    }
    promp_keeper_core_swept(keeper->core, left, world->sim->now);
}

static void to_agent(proc_t *proc, const promp_keeper_effect_t *e)
{
    keeper_t *keeper = proc->body;
    world_t *world = proc->world;
    if (!keeper->link)
        return;
    packet_t packet = {.frame = sim_frame_of(world->sim, e->out)};
    if (e->worker != PROMP_KEEPER_NONE && keeper->workers[e->worker]) {
        packet.handle = keeper->workers[e->worker]->pid;
        world->handles++;
    }
    pipe_send(keeper->link, 0, packet);
}

static job_worker_t *job_of(world_t *world, const promp_id_t *session)
{
    job_worker_t *job = world->jobs.workers;
    while (job && !promp_id_equal(&job->session, session))
        job = job->next;
    sim_check(world->sim, job);
    return job;
}

static void collect(proc_t *proc, uint32_t number)
{
    static const char tail[] = "last words\n";
    keeper_t *keeper = proc->body;
    ((worker_t *)keeper->workers[number]->body)->job->collected = true;
    keeper->workers[number] = NULL;
    promp_slice_t words = promp_slice(tail, sim_chance(proc->world->sim, 300) ? sizeof tail - 1 : 0);
    promp_keeper_core_collected(keeper->core, number, words);
}

/* A node that ends by itself has no exit record left. */
static void check_records(world_t *world)
{
    for (const job_worker_t *job = world->jobs.workers; job && world->good; job = job->next)
        sim_check(world->sim, !job->collected || job->exit_seen);
}

static void do_effect(proc_t *proc, const promp_keeper_effect_t *e)
{
    keeper_t *keeper = proc->body;
    switch (e->kind) {
    case PROMP_KEEPER_START_AGENT:
        start_agent(proc);
        break;
    case PROMP_KEEPER_KILL_AGENT:
        proc_kill(keeper->agent, 9, 0);
        break;
    case PROMP_KEEPER_STOP_AGENT:
        ((agent_t *)keeper->agent->body)->stop = true;
        proc_stir(keeper->agent);
        break;
    case PROMP_KEEPER_SPAWN:
        spawn(proc, e->worker);
        break;
    case PROMP_KEEPER_RELINK:
        relink(keeper, e->worker);
        break;
    case PROMP_KEEPER_SLAY:
        if (keeper->workers[e->worker])
            proc_kill(keeper->workers[e->worker], 9, 0);
        break;
    case PROMP_KEEPER_SWEEP:
        sweep(proc);
        break;
    case PROMP_KEEPER_COLLECT:
        collect(proc, e->worker);
        break;
    case PROMP_KEEPER_TO_AGENT:
        to_agent(proc, e);
        break;
    case PROMP_KEEPER_END:
        check_records(proc->world);
        proc_kill(proc, 0, 0);
        break;
    }
}

/* True when there were any. */
static bool do_effects(proc_t *proc)
{
    keeper_t *keeper = proc->body;
    promp_keeper_effect_t effect;
    bool any = false;
    for (; !proc->dead && promp_keeper_core_next(keeper->core, &effect); any = true)
        do_effect(proc, &effect);
    return any;
}

static void read_agent(proc_t *proc)
{
    keeper_t *keeper = proc->body;
    sim_t *sim = proc->world->sim;
    packet_t *packet;
    while (keeper->link && (packet = pipe_receive(keeper->link, 0))) {
        promp_frame_t frame = sim_frame_read(sim, packet->frame);
        sim_trace_frame(sim, "  keeper <-", &frame);
        if (frame.type == PROMP_TYPE_EXIT_SEEN)
            job_of(proc->world, &frame.session)->exit_seen = true;
        keeper->event = packet;
        promp_keeper_core_frame(keeper->core, &frame, sim->now);
        do_effects(proc);
        keeper->event = NULL;
        packet_free(proc->world, packet);
        if (proc->dead)
            return;
    }
}

/* SIGCHLD: what the agent sent before is read first. */
static void wait_children(proc_t *proc)
{
    keeper_t *keeper = proc->body;
    sim_t *sim = proc->world->sim;
    for (uint32_t i = 0; i < 256 && !proc->dead; i++) {
        const proc_t *worker = keeper->workers[i];
        if (!worker || !worker->dead || !promp_keeper_core_lives(keeper->core, i))
            continue;
        const promp_keeper_exit_t how = {.code = worker->code, .signal = worker->signal, .memory = 1};
        promp_keeper_core_exited(keeper->core, i, &how, sim->now);
        do_effects(proc);
    }
    if (!proc->dead && keeper->agent && keeper->agent->dead) {
        keeper->agent = NULL;
        promp_keeper_core_agent_down(keeper->core, sim->now);
        do_effects(proc);
    }
}

void keeper_turn(proc_t *proc)
{
    keeper_t *keeper = proc->body;
    sim_t *sim = proc->world->sim;
    read_agent(proc);
    if (!proc->dead)
        wait_children(proc);
    int64_t next = sim->now;
    for (int rounds = 0; !proc->dead; rounds++) {
        next = promp_keeper_core_tick(keeper->core, sim->now);
        if (!do_effects(proc) && next > sim->now)
            break;
        sim_check(sim, rounds < 20);
    }
    proc_wake_at(proc, next);
}

void keeper_died(proc_t *proc)
{
    world_t *world = proc->world;
    sim_trace(world->sim, "the node is lost");
    world->keeper = NULL;
    world->lost = true;
    for (proc_t *p = world->procs; p; p = p->next)
        if (p->kind == PROC_WORKER && !p->dead) { /* the lifeline ends */
            ((worker_t *)p->body)->orphan = true;
            proc_stir(p);
        }
    /* Nobody listens any more unless the agent lives; it ends too. */
    if (world->agent)
        proc_stir(world->agent);
}
