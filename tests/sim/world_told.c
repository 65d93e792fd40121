/* What a user is told, held against the book: in order, whole, once. */
#include <stdlib.h>

#include "buf.h"
#include "world.h"

#define BATCH 16

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

/* No worker is lost for nothing: neither to the death of an agent or two nor to a slow link. */
static void check_cause(const world_t *world, promp_err_t cause)
{
    sim_check(world->sim, cause >= PROMP_ERR_WORKER_EXITED && cause < PROMP_ERR_WORKER_PROTOCOL);
    bool lost = cause == PROMP_ERR_WORKER_NODE_LOST || cause == PROMP_ERR_WORKER_LEASE ||
                cause == PROMP_ERR_WORKER_UNRESPONSIVE;
    if (lost && !world->froze && !world->lost && world->agents <= 2 && world->lease >= 1000)
        sim_fail(world->sim, "a worker was lost for nothing: %s", promp_error_name(cause));
}

/* What it had said, in whatever socket, is here, or not certain. Only what found no room is missing for certain. */
static void check_loss(user_t *user, const job_worker_t *job)
{
    promp_worker_exit_t end;
    if (!job->redirect || !promp_manager_core_exit(user->core, job->id, &end) || end.unsure)
        return;
    if (job->outputs_seen < job->outputs_said && !(job->congested && end.lost_output))
        sim_fail(user->world->sim,
                 "worker %u had sent %llu records of output, %llu came, %llu bytes are said to be lost",
                 job->id, (unsigned long long)job->outputs_said, (unsigned long long)job->outputs_seen,
                 (unsigned long long)end.lost_output);
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
        check_cause(user->world, end.cause);
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
    if (promp_manager_core_pending(user->core)) /* more has come meanwhile: the user comes back */
        proc_wake_at(user->proc, user->world->sim->now + 5);
    else
        for (job_worker_t *job = user->workers; job; job = job->next_of_user)
            check_loss(user, job);
    if (user->ending) /* also those that have started only now */
        promp_manager_core_stop(user->core, PROMP_WORKER_ALL, user->world->sim->now);
}
