/* What manager cores are used for: workers are started, sent numbers, stopped and killed; the numbers come back in order. */
#include <stdlib.h>

#include "buf.h"
#include "cluster.h"

void cluster_user_begin(cluster_user_t *user, cluster_t *cluster, uint32_t level)
{
    *user = (cluster_user_t){.cluster = cluster};
    user->core = promp_manager_core_new(level, cluster->sim->seed);
    sim_check(cluster->sim, user->core);
    promp_manager_core_set_remote(user->core, true);
}

void cluster_user_end(cluster_user_t *user)
{
    promp_manager_core_destroy(&user->core);
    while (user->jobs) {
        job_t *job = user->jobs;

        user->jobs = job->next;
        free(job);
    }
}

void cluster_user_path(cluster_user_t *user, bool up)
{
    promp_id_t broker = {{42}};

    user->up = up;
    promp_manager_core_ops.path(user->core, up, false, &broker, user->cluster->sim->now);
}

void cluster_user_frame(cluster_user_t *user, const promp_frame_t *frame, bool *mine)
{
    sim_t *sim = user->cluster->sim;

    sim_check(sim, promp_manager_core_ops.frame(user->core, frame, mine, sim->now) == PROMP_OK);
}

static void start_worker(cluster_user_t *user)
{
    cluster_t *cluster = user->cluster;
    sim_t *sim = cluster->sim;
    job_t *job = sim_alloc(sizeof *job);
    promp_manager_core_start_t start = {.timeout = cluster->lease, .program = "/bin/worker", .folder = "/"};

    promp_put64(job->session.b, ++cluster->last_session);
    promp_put64(job->session.b + 8, sim_random(sim));
    start.session = job->session;
    sim_check(sim, promp_manager_core_start(user->core, &start, &job->id, sim->now) == PROMP_OK);
    job->next = user->jobs;
    user->jobs = job;
}

static void send_number(cluster_user_t *user, job_t *job)
{
    sim_t *sim = user->cluster->sim;
    static uint8_t bytes[20000];
    size_t size = sim_chance(sim, 100) ? sizeof bytes : 8;

    promp_put64(bytes, job->sent);
    promp_err_t error = promp_manager_core_send(user->core, job->id, 1, promp_slice(bytes, size));

    sim_check(sim, error == PROMP_OK || error == PROMP_ERR_NO_WORKER);
    job->sent += error == PROMP_OK;
}

void cluster_user_act(cluster_user_t *user)
{
    sim_t *sim = user->cluster->sim;
    size_t count = promp_manager_core_unsettled(user->core), pick;
    job_t *job = user->jobs;

    if (user->ending)
        return;
    if (!count || (count < 4 && sim_chance(sim, 50))) {
        start_worker(user);
        return;
    }
    for (pick = sim_below(sim, 4); job && pick; pick--)
        job = job->next;
    if (!job || !job->answered || job->refused)
        return;
    if (sim_chance(sim, 950)) {
        send_number(user, job);
        return;
    }
    job->left = true;
    if (sim_chance(sim, 500))
        promp_manager_core_stop(user->core, job->id, sim->now);
    else
        promp_manager_core_kill(user->core, job->id, PROMP_ERR_WORKER_STOPPED);
}

static job_t *job_of(cluster_user_t *user, uint32_t id)
{
    for (job_t *job = user->jobs; job; job = job->next)
        if (job->id == id)
            return job;
    sim_fail(user->cluster->sim, "a message of an unknown worker");
}

/* In a world where nothing takes long, who is not stopped lives; who was queued may be refused as others are. */
static void check_ends(const cluster_user_t *user)
{
    bool refusals = user->cluster->accidents || user->cluster->refusals;
    promp_worker_exit_t end;

    for (const job_t *job = user->jobs; job; job = job->next)
        if (job->answered && !job->refused && promp_manager_core_exit(user->core, job->id, &end) &&
            end.cause != PROMP_ERR_WORKER_STOPPED && end.cause != PROMP_ERR_WORKER_EXITED &&
            !(refusals && end.cause == PROMP_ERR_WORKER_START))
            sim_fail(user->cluster->sim, "worker %u was lost for nothing: %s", job->session.b[0],
                     promp_error_name(end.cause));
}

void cluster_user_turn(cluster_user_t *user)
{
    sim_t *sim = user->cluster->sim;
    promp_manager_core_update_t update;
    promp_message_user_t message;
    promp_error_t error;

    promp_manager_core_ops.tick(user->core, sim->now);
    uint64_t mark = promp_manager_core_mark(user->core);

    while (promp_manager_core_update(user->core, mark, &update))
        free(update.text);
    while (promp_manager_core_receive(user->core, PROMP_WORKER_ANY, &message)) {
        job_t *job = job_of(user, message.worker);

        sim_check(sim, message.size == 8 && promp_get64(message.data) == job->back && job->back < job->sent);
        job->back++;
        user->cluster->echoes++;
        free(message.data);
    }
    for (job_t *job = user->jobs; job; job = job->next)
        if (!job->answered && promp_manager_core_answer(user->core, job->id, &error)) {
            job->answered = true;
            job->refused = error.code != PROMP_OK;
            if (user->cluster->accidents == 0 && user->cluster->refusals == 0)
                sim_check(sim, !job->refused);
        }
    if (user->ending)
        promp_manager_core_stop(user->core, PROMP_WORKER_ALL, sim->now);
    if (user->cluster->gentle || !user->cluster->accidents)
        check_ends(user);
}

bool cluster_user_quiet(const cluster_user_t *user)
{
    /* Who waits for a place has no process yet. */
    for (const job_t *job = user->jobs; job; job = job->next)
        if (job->answered && !job->refused && promp_manager_core_worker_alive(user->core, job->id) &&
            promp_manager_core_pid(user->core, job->id) && job->back != job->sent)
            return false;
    return true;
}
