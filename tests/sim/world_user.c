/* A user of a manager core: starts workers, gives tasks, aborts, stops, and holds what it is told against the book. */
#include <stdio.h>
#include <stdlib.h>

#include "buf.h"
#include "world.h"

#define BATCH 16

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
        job->capacity = 64;
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

/* --- what it is told --- */

static job_worker_t *worker_of(user_t *user, uint32_t id)
{
    for (job_worker_t *job = user->workers; job; job = job->next_of_user)
        if (job->id == id)
            return job;
    sim_fail(user->world->sim, "%s is told of a worker it does not have: %u", user->proc->name, id);
}

static job_task_t *task_of(user_t *user, uint32_t worker, uint64_t number)
{
    job_worker_t *job = worker_of(user, worker);
    sim_check(user->world->sim, number >= 1 && number <= job->count);
    return &job->tasks[number - 1];
}

static void take_output(user_t *user, uint64_t mark)
{
    sim_t *sim = user->world->sim;
    promp_manager_core_text_t batch[BATCH];
    size_t count;
    while ((count = promp_manager_core_output(user->core, mark, batch, BATCH)) > 0) {
        for (size_t i = 0; i < count; i++) {
            job_worker_t *job = worker_of(user, batch[i].worker);
            sim_check(sim, job->redirect);
            if (batch[i].stream == PROMP_STREAM_NATIVE_STDERR)
                continue; /* last words */
            sim_check(sim, batch[i].size >= 8 && job->outputs_seen < job->outputs);
            sim_check(sim, promp_get64((const uint8_t *)batch[i].text) == job->outputs_seen);
            job->outputs_seen++;
        }
        promp_manager_core_shown(user->core, batch, count);
    }
}

static void take_results(user_t *user)
{
    sim_t *sim = user->world->sim;
    promp_result_t result;
    while (promp_manager_core_take_result(user->core, PROMP_WORKER_ANY, &result)) {
        job_task_t *task = task_of(user, result.worker, result.task);
        sim_check(sim, task->result && ++task->results == 1);
        sim_check(sim, result.size == 9 && promp_get64(result.cbor + 1) == result.task);
        free(result.cbor);
    }
}

static void take_failures(user_t *user)
{
    sim_t *sim = user->world->sim;
    promp_failure_t failure;
    bool got;
    while (!promp_manager_core_take_failure(user->core, PROMP_WORKER_ANY, &failure, &got) && got) {
        job_task_t *task = task_of(user, failure.worker, failure.task);
        sim_trace(sim, "%s: task %llu failed: %s", user->proc->name, (unsigned long long)failure.task,
                  promp_error_name(failure.code));
        sim_check(sim, ++task->failures == 1);
        task->unknown = failure.code != PROMP_ERR_TASK_FAILED;
        free(failure.kind);
        free(failure.text);
        free(failure.trace);
    }
}

static void take_messages(user_t *user)
{
    sim_t *sim = user->world->sim;
    promp_message_user_t message;
    while (promp_manager_core_receive(user->core, PROMP_WORKER_ANY, &message)) {
        job_worker_t *job = worker_of(user, message.worker);
        sim_check(sim, message.id == 5 && job->messages_up_seen < job->messages_up);
        sim_check(sim, message.size >= 8 && promp_get64(message.data) == job->messages_up_seen);
        job->messages_up_seen++;
        free(message.data);
    }
}

/* Everything given to it is over: each task ended in exactly one way, and what it said before is here. */
static void check_over(user_t *user, const job_worker_t *job, bool dead)
{
    sim_t *sim = user->world->sim;
    for (size_t i = 0; i < job->count; i++) {
        const job_task_t *task = &job->tasks[i];
        bool aborted = task->number <= job->aborted;
        bool done = task->finished && task->ended == 0 && !(dead && aborted);
        if (task->failures && task->unknown) { /* lost with its worker */
            sim_check(sim, dead && !task->results);
            continue;
        }
        if (task->failures) {
            sim_check(sim, task->finished || dead);
            sim_check(sim, task->outcome == 1 && !task->results);
        } else if (done) {
            sim_check(sim, task->results == task->result);
        } else {
            if (!aborted && !job->stopped)
                sim_fail(sim, "task %llu of worker %u vanished", (unsigned long long)task->number, job->id);
            sim_check(sim, !task->results || dead);
        }
        if (!dead && task->finished && job->redirect)
            sim_check(sim, job->outputs_seen >= task->outputs_then);
    }
}

static void look_at_worker(user_t *user, job_worker_t *job)
{
    sim_t *sim = user->world->sim;
    promp_error_t error;
    if (!job->answered && promp_manager_core_answer(user->core, job->id, &error)) {
        job->answered = true;
        job->refused = error.code != PROMP_OK;
    }
    if (!job->answered || job->refused)
        return;
    bool alive = promp_manager_core_worker_alive(user->core, job->id);
    sim_check(sim, !(alive && job->was_dead));
    promp_worker_exit_t end;
    bool told = promp_manager_core_exit(user->core, job->id, &end);
    sim_check(sim, !(told && alive));
    if (told && !job->was_dead) {
        sim_trace(sim, "%s: worker %u is gone: %s", user->proc->name, job->id, promp_error_name(end.cause));
        sim_check(sim, end.cause >= PROMP_ERR_WORKER_EXITED && end.cause < PROMP_ERR_WORKER_PROTOCOL);
    }
    sim_check(sim, told || !job->was_dead);
    job->was_alive |= alive;
    job->was_dead |= told;
    if (!promp_manager_core_worker_busy(user->core, job->id))
        check_over(user, job, !alive);
}

void user_process(user_t *user)
{
    if (!user->core)
        return;
    uint64_t mark = promp_manager_core_mark(user->core);
    promp_manager_core_update_t update;
    take_output(user, mark);
    while (promp_manager_core_update(user->core, mark, &update))
        free(update.text);
    take_results(user);
    take_failures(user);
    take_messages(user);
    promp_manager_core_seen(user->core);
    for (job_worker_t *job = user->workers; job; job = job->next_of_user)
        look_at_worker(user, job);
    if (user->ending) /* also those that have started only now */
        promp_manager_core_stop(user->core, PROMP_WORKER_ALL, user->world->sim->now);
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
    if (manager->bye && !promp_manager_core_unsettled(manager->user.core)) {
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
