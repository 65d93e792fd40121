/* A worker's process: its hub, its core, and a program that does what the tasks say. */
#include <stdlib.h>

#include "buf.h"
#include "world.h"

proc_t *worker_start(world_t *world, pipe_t *pipe, const promp_id_t *session)
{
    worker_t *worker = sim_alloc(sizeof *worker);
    proc_t *proc = proc_new(world, PROC_WORKER, worker);
    worker->hub = (hub_t){.proc = proc, .worker = true, .dial_at = PROMP_NEVER, .handshake_at = PROMP_NEVER};
    for (job_worker_t *job = world->jobs.workers; job; job = job->next)
        if (promp_id_equal(&job->session, session))
            worker->job = job;
    sim_check(world->sim, worker->job);
    worker->task_end = worker->linger = PROMP_NEVER;
    pipe->end[1].proc = proc;
    hub_begin(&worker->hub, pipe);
    if (sim_chance(world->sim, 200)) /* a slow start */
        proc_freeze(proc, sim_between(world->sim, 1, 300));
    return proc;
}

void worker_died(proc_t *proc)
{
    worker_t *worker = proc->body;
    worker->hub.state = HUB_LOST;
    worker->hub.pipe = NULL;
    if (worker->lifeline)
        pipe_close(worker->lifeline, 1);
    worker->lifeline = NULL;
    if (proc->world->keeper)
        proc_stir(proc->world->keeper);
}

void worker_said(hub_t *hub, const promp_frame_t *frame)
{
    job_worker_t *job = ((worker_t *)hub->proc->body)->job;
    uint64_t end = frame->offset + frame->size - PROMP_FRAME_HEADER;
    if (frame->lane == PROMP_LANE_OUTPUT && promp_id_equal(&frame->session, &job->session))
        while (job->outputs_said < job->outputs && job->output_ends[job->outputs_said] <= end)
            job->outputs_said++;
}

/* --- the program --- */

static size_t fill(uint8_t bytes[64], uint64_t n)
{
    promp_put64(bytes, n);
    size_t size = 8 + n % 50;
    memset(bytes + 8, (int)(n * 7), size - 8);
    return size;
}

static bool matches(const uint8_t *bytes, size_t size, uint64_t n)
{
    uint8_t wanted[64];
    return size >= 8 && fill(wanted, n) <= size && memcmp(bytes, wanted, fill(wanted, n)) == 0;
}

static void begin_task(worker_t *worker)
{
    sim_t *sim = worker->hub.proc->world->sim;
    promp_worker_job_t job;
    sim_check(sim, promp_worker_core_begin(worker->core, &job));
    sim_check(sim, job.number >= 1 && job.number <= worker->job->count);
    job_task_t *task = &worker->job->tasks[job.number - 1];
    sim_check(sim, task->begun == 0);
    task->begun++;
    sim_check(sim, job.args.size == 8 && promp_get64(job.args.data) == job.number);
    sim_check(sim, (job.flags & 1) == (uint32_t)task->result);
    promp_worker_job_free(&job);
    worker->task = task;
    worker->task_end = sim->now + task->time;
    sim_trace(sim, "%s begins task %llu", worker->hub.proc->name, (unsigned long long)task->number);
}

static void work(worker_t *worker)
{
    job_worker_t *job = worker->job;
    job_task_t *task = worker->task;
    uint8_t small[64];
    uint8_t *large = task->large ? sim_alloc(task->large + 64) : NULL;
    for (unsigned i = 0; i < task->outputs; i++) {
        uint8_t *bytes = large && i % 2 ? large : small;
        size_t size = fill(bytes, job->outputs) + (bytes == large ? task->large : 0);
        promp_err_t error = promp_worker_core_output(worker->core, 1, promp_slice(bytes, size));
        if (error)
            break;
        if (!job->output_ends)
            job->output_ends = sim_alloc(JOB_OUTPUTS * sizeof *job->output_ends);
        uint64_t before = job->outputs ? job->output_ends[job->outputs - 1] : 0;
        job->output_ends[job->outputs++] = before + PROMP_RECORD_HEAD + 1 + 4 + size;
    }
    for (unsigned i = 0; i < task->messages; i++) {
        size_t size = fill(small, job->messages_up);
        if (promp_worker_core_send(worker->core, 5, promp_slice(small, size)))
            break;
        job->messages_up++;
    }
    promp_worker_core_progress(worker->core, (int)task->number);
    if (task->strays) {
        worker->strays++;
        worker->hub.proc->world->strays++;
    }
    worker->crash = task->crash;
    task->outputs = task->messages = 0;
    task->strays = false;
    free(large);
}

static void end_task(worker_t *worker, uint8_t outcome)
{
    sim_t *sim = worker->hub.proc->world->sim;
    job_task_t *task = worker->task;
    uint8_t value[9] = {0x1b};
    promp_put64(value + 1, task->number);
    promp_err_t error = PROMP_OK;
    if (outcome == 0 && task->result) {
        promp_buf_t cbor = {0};
        error = promp_buf_append(&cbor, value, sizeof value);
        if (!error)
            error = promp_worker_core_result(worker->core, &cbor);
        promp_buf_free(&cbor);
    }
    if (outcome == 1)
        error = promp_worker_core_failure(worker->core, PROMP_ERR_TASK_FAILED, NULL, "as it was told", NULL);
    if (error != PROMP_ERR_CLOSED)
        sim_check(sim, error == PROMP_OK);
    task->ended = outcome;
    task->outputs_then = worker->job->outputs;
    task->finished = promp_worker_core_finish(worker->core, outcome) == PROMP_OK;
    sim_trace(sim, "%s ends task %llu: %u", worker->hub.proc->name, (unsigned long long)task->number,
              outcome);
    worker->task = NULL;
    worker->task_end = PROMP_NEVER;
}

static void read_messages(worker_t *worker)
{
    sim_t *sim = worker->hub.proc->world->sim;
    while (promp_worker_core_has_message(worker->core)) {
        promp_worker_job_t m;
        sim_check(sim, promp_worker_core_receive(worker->core, &m));
        sim_check(sim, worker->job->messages_down_seen < worker->job->messages_down);
        sim_check(sim, m.number == 3 && matches(m.args.data, m.args.size, worker->job->messages_down_seen));
        worker->job->messages_down_seen++;
        promp_worker_job_free(&m);
    }
}

/* Ends in good order: what it said is waited for, but not for long. */
static void leave(proc_t *proc)
{
    worker_t *worker = proc->body;
    int64_t now = proc->world->sim->now;
    if (worker->linger == PROMP_NEVER)
        worker->linger = now + PROMP_TIME_LINGER;
    if (promp_worker_core_settled(worker->core) || now >= worker->linger)
        proc_kill(proc, 0, promp_worker_core_state(worker->core) == PROMP_ERR_CLOSED ? 0 : 1);
    else
        proc_wake_at(proc, worker->linger);
}

static void acts(proc_t *proc)
{
    worker_t *worker = proc->body;
    uint64_t task;
    for (;;) {
        switch (promp_worker_core_act(worker->core, &task)) {
        case PROMP_WORKER_ACT_NONE:
            return;
        case PROMP_WORKER_ACT_INTERRUPT:
            sim_check(proc->world->sim, worker->task && worker->task->number == task);
            if (!worker->task->deaf)
                end_task(worker, 2);
            break;
        case PROMP_WORKER_ACT_TERMINATE:
            proc_kill(proc, 15, 0);
            return;
        case PROMP_WORKER_ACT_DIE:
            proc_kill(proc, 9, 0);
            return;
        }
    }
}

static void program(proc_t *proc)
{
    worker_t *worker = proc->body;
    sim_t *sim = proc->world->sim;
    promp_worker_core_t *core = worker->core;
    if (!promp_worker_core_setup(core))
        return;
    sim_check(sim, promp_worker_core_setup(core)->worker == worker->job->id);
    if (!worker->running) {
        worker->running = 1;
        promp_worker_core_ready(core, proc->pid);
        worker->is_manager = sim_chance(sim, 200);
        if (worker->is_manager)
            user_begin(&worker->user, proc, &worker->hub, promp_worker_core_setup(core)->level);
    }
    read_messages(worker);
    if (worker->task && !worker->task->deaf && promp_worker_core_aborted(core, true))
        end_task(worker, 2);
    if (worker->task && sim->now >= worker->task_end)
        end_task(worker, worker->task->outcome);
    if (!worker->task && promp_worker_core_has_task(core)) {
        begin_task(worker);
        work(worker);
    }
    proc_wake_at(proc, worker->task_end);
    if (!worker->task && promp_worker_core_state(core) != PROMP_OK)
        leave(proc);
}

void worker_turn(proc_t *proc)
{
    worker_t *worker = proc->body;
    hub_t *hub = &worker->hub;
    sim_t *sim = proc->world->sim;
    if (worker->orphan) {
        proc_kill(proc, 9, 0);
        return;
    }
    if (worker->lifeline) {
        pipe_t *pipe = worker->lifeline;
        worker->lifeline = NULL;
        if (hub->pipe) {
            hub_close(hub);
            if (hub->state == HUB_UP)
                for (size_t i = 0; i < hub->count; i++)
                    hub->ports[i].ops->path(hub->ports[i].core, false, false, &hub->node, sim->now);
        }
        hub_begin(hub, pipe);
    }
    hub_read(hub);
    if (!worker->core && hub->state == HUB_UP) {
        sim_check(sim, promp_id_equal(&hub->session, &worker->job->session));
        worker->core = promp_worker_core_new(&hub->session, sim->now);
        sim_check(sim, worker->core);
        hub_attach(hub, (promp_port_t){worker->core, &promp_worker_core_ops});
        hub_read(hub);
    }
    for (int rounds = 0; worker->core && rounds < 3 && !proc->dead; rounds++) {
        program(proc);
        if (proc->dead)
            return;
        if (worker->is_manager)
            user_process(&worker->user);
        proc_wake_at(proc, hub_settle(hub));
        if (worker->crash)
            proc_kill(proc, 11, 0);
        if (!proc->dead)
            acts(proc);
    }
    if (!proc->dead && hub->state == HUB_LOST)
        proc_kill(proc, 9, 0);
    if (!worker->core && !proc->dead)
        proc_wake_at(proc, hub_settle(hub));
}
