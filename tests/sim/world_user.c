/* A user of a manager core: starts workers, gives tasks, aborts, stops, and holds what it is told against the book. */
#include <stdio.h>
#include <stdlib.h>

#include "buf.h"
#include "world.h"

void user_begin(user_t *user, proc_t *proc, hub_t *hub, uint32_t level)
{
    world_t *world = proc->world;
    *user = (user_t){.world = world, .proc = proc, .hub = hub, .level = level};
    user->core = promp_manager_core_new(level, world->sim->seed);
    sim_check(world->sim, user->core);
    if (sim_chance(world->sim, 100))
        promp_manager_core_set_limits(user->core, 0, 4096, 4096);
    hub_attach(hub, (promp_port_t){user->core, &promp_manager_core_ops});
}

void user_end(user_t *user)
{
    promp_manager_core_destroy(&user->core);
}

/* --- giving work --- */

static void start_worker(user_t *user)
{
    world_t *world = user->world;
    sim_t *sim = world->sim;
    job_worker_t *job = sim_alloc(sizeof *job);
    promp_put64(job->session.b, ++world->last_session);
    promp_put64(job->session.b + 8, sim_random(sim));
    job->user = user;
    job->redirect = sim_chance(sim, 800);
    job->next = world->jobs.workers;
    world->jobs.workers = job;
    const promp_manager_core_start_t start = {.session = job->session,
                                              .options = job->redirect ? PROMP_OPT_REDIRECT : 0,
                                              .timeout = world->lease,
                                              .program = "/bin/worker",
                                              .folder = "/"};
    promp_err_t error = promp_manager_core_start(user->core, &start, &job->id, sim->now);
    if (error) {
        sim_check(sim, error == PROMP_ERR_NODE_GONE);
        job->refused = true;
        return;
    }
    job->next_of_user = user->workers;
    user->workers = job;
}

static job_worker_t *any_worker(user_t *user)
{
    size_t count = 0;
    for (job_worker_t *job = user->workers; job; job = job->next_of_user)
        count += job->answered && !job->refused;
    size_t pick = count ? sim_below(user->world->sim, count) : 0;
    for (job_worker_t *job = user->workers; job; job = job->next_of_user)
        if (job->answered && !job->refused && pick-- == 0)
            return job;
    return NULL;
}

static void give_task(user_t *user, job_worker_t *job)
{
    world_t *world = user->world;
    sim_t *sim = world->sim;
    if (job->count == job->capacity) {
        job->capacity = JOB_TASKS;
        if (!job->tasks)
            job->tasks = sim_alloc(job->capacity * sizeof *job->tasks);
        if (job->count == job->capacity)
            return;
    }
    bool large = sim_chance(sim, world->large);
    job_task_t task = {.number = job->count + 1,
                       .result = sim_chance(sim, 600),
                       .outputs = (unsigned)sim_below(sim, large ? 40 : 6),
                       .messages = (unsigned)sim_below(sim, 4),
                       .large = large ? (size_t)sim_below(sim, 200000) : 0,
                       .outcome = sim_chance(sim, 150),
                       .deaf = sim_chance(sim, 100),
                       .crash = sim_chance(sim, 20),
                       .strays = sim_chance(sim, 50),
                       .time = sim_chance(sim, 500) ? 0 : sim_between(sim, 1, 200)};
    uint8_t args[8];
    promp_put64(args, task.number);
    const promp_manager_core_task_t given = {
        .result = task.result, .name = promp_slice_str("t"), .args = promp_slice(args, sizeof args)};
    uint64_t number;
    sim_check(sim, promp_manager_core_task(user->core, job->id, &given, &number) == PROMP_OK);
    if (number == 0) /* it is dead, or about to be */
        return;
    sim_check(sim, number == task.number);
    job->tasks[job->count++] = task;
}

static void send_message(user_t *user, job_worker_t *job)
{
    sim_t *sim = user->world->sim;
    uint8_t bytes[64];
    promp_put64(bytes, job->messages_down);
    size_t size = 8 + job->messages_down % 50;
    memset(bytes + 8, (int)(job->messages_down * 7), size - 8);
    promp_err_t error = promp_manager_core_send(user->core, job->id, 3, promp_slice(bytes, size));
    sim_check(sim, error == PROMP_OK || error == PROMP_ERR_NO_WORKER);
    job->messages_down += error == PROMP_OK;
}

static void abort_worker(user_t *user, job_worker_t *job)
{
    sim_t *sim = user->world->sim;
    int timeout = sim_chance(sim, 100) ? 0 : sim_chance(sim, 800) ? (int)sim_between(sim, 1, 400) : -1;
    promp_manager_core_abort(user->core, job->id, timeout, sim->now);
    job->aborted = job->count;
}

void user_act(user_t *user)
{
    sim_t *sim = user->world->sim;
    if (!user->core || user->ending)
        return;
    job_worker_t *job = any_worker(user);
    uint64_t dice = sim_below(sim, 1000);
    unsigned most = user->level ? 2 : 4;
    size_t workers = promp_manager_core_unsettled(user->core);
    if (!job || (dice < 80 && workers < most)) {
        if (workers < most)
            start_worker(user);
    } else if (dice < 600) {
        give_task(user, job);
    } else if (dice < 860) {
        send_message(user, job);
    } else if (dice < 920) {
        abort_worker(user, job);
    } else if (dice < 945) {
        promp_manager_core_stop(user->core, job->id, sim->now);
        job->stopped = true;
    } else if (dice < 955) {
        promp_manager_core_kill(user->core, job->id, PROMP_ERR_WORKER_STOPPED);
        job->killed = true;
    }
    proc_stir(user->proc);
}

void user_finish(user_t *user)
{
    user->ending = true;
    if (!user->core)
        return;
    for (job_worker_t *job = user->workers; job; job = job->next_of_user)
        job->stopped = true;
    proc_stir(user->proc);
}

/* --- a manager's process --- */

proc_t *manager_start(world_t *world)
{
    manager_t *manager = sim_alloc(sizeof *manager);
    proc_t *proc = proc_new(world, PROC_MANAGER, manager);
    manager->hub = (hub_t){.proc = proc, .handshake_at = PROMP_NEVER, .dial_at = world->sim->now};
    user_begin(&manager->user, proc, &manager->hub, 0);
    return proc;
}

void manager_turn(proc_t *proc)
{
    manager_t *manager = proc->body;
    sim_t *sim = proc->world->sim;
    hub_read(&manager->hub);
    if (sim_chance(sim, 800) || proc->world->good || manager->user.ending)
        user_process(&manager->user);
    else
        proc_wake_at(proc, sim->now + 20); /* a user who comes back later */
    if (manager->bye && (manager->hurries || !promp_manager_core_unsettled(manager->user.core))) {
        if (manager->hub.state == HUB_UP) {
            const promp_message_t bye = {.type = PROMP_TYPE_BYE};
            const promp_id_t none = {0};
            promp_out_t out;
            sim_check(sim, promp_message_out(&bye, &none, 0, &out) == PROMP_OK);
            hub_settle(&manager->hub);
            if (manager->hub.pipe)
                pipe_send(manager->hub.pipe, 1, (packet_t){.frame = sim_frame_of(sim, &out)});
        }
        proc_kill(proc, 0, 0);
        return;
    }
    proc_wake_at(proc, hub_settle(&manager->hub));
    if (manager->hub.state == HUB_LOST && manager->bye)
        proc_stir(proc);
}

void manager_died(proc_t *proc)
{
    manager_t *manager = proc->body;
    manager->hub.pipe = NULL;
    manager->hub.state = HUB_LOST;
    if (proc->world->agent)
        proc_stir(proc->world->agent);
}
