/* A worker's process: it sends every number back, and may be a manager itself. Its hub has one link, to the agent, and gets
 * another one over its lifeline. */
#include <stdlib.h>

#include "buf.h"
#include "cluster.h"

static sim_t *sim_of(const copy_t *copy)
{
    return copy->node->end->cluster->sim;
}

/* --- the hub --- */

static void say(copy_t *copy, const promp_message_t *message)
{
    promp_out_t out;

    sim_check(sim_of(copy), promp_message_out(message, NULL, 0, &out) == PROMP_OK);
    cluster_wire_send(copy->node, copy->wire, true, &out, 0);
    copy->sent = sim_of(copy)->now;
}

static uint32_t lease_of(const copy_t *copy)
{
    uint32_t own = promp_worker_core_ops.lease(copy->core),
             managed = copy->manages ? promp_manager_core_ops.lease(copy->user.core) : 0;

    return own && (!managed || own < managed) ? own : managed;
}

static void hello(copy_t *copy)
{
    promp_message_t m = {
        .type = PROMP_TYPE_HELLO,
        .hello = {
            .version_low = 1, .version_high = PROMP_VERSION_HIGH, .role = 2, .lease_ms = lease_of(copy)}};

    say(copy, &m);
}

static void path(copy_t *copy, bool up)
{
    sim_t *sim = sim_of(copy);

    copy->up = up;
    promp_worker_core_ops.path(copy->core, up, false, &copy->node->identity, sim->now);
    if (copy->manages)
        cluster_user_path(&copy->user, up);
}

static void frame_came(copy_t *copy, const promp_frame_t *frame)
{
    sim_t *sim = sim_of(copy);
    bool mine = false;

    sim_check(sim, frame->type != PROMP_TYPE_REFUSED);
    if (frame->type == PROMP_TYPE_WELCOME)
        path(copy, true);
    if (frame->type == PROMP_TYPE_WELCOME || frame->type == PROMP_TYPE_BEAT)
        return;
    sim_check(sim, promp_worker_core_ops.frame(copy->core, frame, &mine, sim->now) == PROMP_OK);
    if (!mine && copy->manages)
        cluster_user_frame(&copy->user, frame, &mine);
}

/* False: it has ended. */
static bool read_wire(copy_t *copy)
{
    cluster_t *cluster = copy->node->end->cluster;
    parcel_t *parcel;

    while ((parcel = cluster_take(cluster, &copy->wire->to_worker))) {
        promp_frame_t frame = sim_frame_read(cluster->sim, parcel->frame);

        sim_trace_frame(cluster->sim, "worker <-", &frame);
        frame_came(copy, &frame);
        cluster_done(cluster, parcel);
    }
    return copy->wire->agent || copy->wire->to_worker.first;
}

static void look_at_link(copy_t *copy)
{
    if (copy->given) { /* the new one is better */
        if (copy->wire && copy->up)
            path(copy, false);
        cluster_wire_close(copy->node, &copy->wire, false);
        copy->wire = copy->given;
        copy->given = NULL;
        hello(copy);
    }
    if (!copy->wire || read_wire(copy))
        return;
    if (copy->up)
        path(copy, false);
    cluster_wire_close(copy->node, &copy->wire, false);
}

static void send_all(copy_t *copy)
{
    sim_t *sim = sim_of(copy);
    promp_message_t beat = {.type = PROMP_TYPE_BEAT, .beat = {.lease_ms = lease_of(copy)}};
    int64_t lease = beat.beat.lease_ms ? beat.beat.lease_ms : PROMP_TIMEOUT_MIN;
    promp_out_t out;

    while (promp_worker_core_ops.next(copy->core, &out, UINT64_MAX, sim->now)) {
        cluster_wire_send(copy->node, copy->wire, true, &out, 0);
        copy->sent = sim->now;
    }
    while (copy->manages && promp_manager_core_ops.next(copy->user.core, &out, UINT64_MAX, sim->now)) {
        cluster_wire_send(copy->node, copy->wire, true, &out, 0);
        copy->sent = sim->now;
    }
    if (sim->now - copy->sent >= lease / 5)
        say(copy, &beat);
}

/* --- what it does --- */

void cluster_worker_begin(copy_t *copy)
{
    copy->core = promp_worker_core_new(&copy->id, sim_of(copy)->now);
    sim_check(sim_of(copy), copy->core);
    hello(copy);
}

static void get_ready(copy_t *copy)
{
    sim_t *sim = sim_of(copy);

    copy->ready = true;
    sim_check(sim, promp_worker_core_ready(copy->core, copy->pid) == PROMP_OK);
    copy->manages = promp_worker_core_setup(copy->core)->level == 1 && sim_chance(sim, 400);
    if (!copy->manages)
        return;
    cluster_user_begin(&copy->user, copy->node->end->cluster, 1);
    cluster_user_path(&copy->user, copy->up);
}

static void work(copy_t *copy)
{
    sim_t *sim = sim_of(copy);
    promp_worker_job_t m;

    promp_worker_core_ops.tick(copy->core, sim->now);
    if (promp_worker_core_setup(copy->core) && !copy->ready)
        get_ready(copy);
    while (copy->ready && promp_worker_core_has_message(copy->core)) {
        sim_check(sim, promp_worker_core_receive(copy->core, &m));
        sim_check(sim, m.number == 1 && promp_get64(m.args.data) == copy->seen);
        copy->seen++;
        promp_err_t error = promp_worker_core_send(copy->core, 2, promp_slice(m.args.data, 8));

        sim_check(sim, error == PROMP_OK || error == PROMP_ERR_CLOSED);
        promp_worker_job_free(&m);
    }
}

static void manage(copy_t *copy)
{
    const cluster_t *cluster = copy->node->end->cluster;

    if (!cluster->good && !cluster->calm && sim_chance(cluster->sim, 100))
        cluster_user_act(&copy->user);
    if (cluster->good)
        copy->user.ending = true;
    cluster_user_turn(&copy->user);
}

/* The library lets no worker go before its children have ended, or a moment is over; this one has no such patience. */
static bool is_over(copy_t *copy)
{
    uint64_t task;

    if (promp_worker_core_act(copy->core, &task) == PROMP_WORKER_ACT_DIE) {
        cluster_keeper_kill(copy, 0, 1);
        return true;
    }
    if (!promp_worker_core_stopped(copy->core) || !promp_worker_core_settled(copy->core))
        return false;
    cluster_keeper_kill(copy, 0, 0);
    return true;
}

void cluster_worker_turn(copy_t *copy)
{
    look_at_link(copy);
    work(copy);
    if (copy->manages)
        manage(copy);
    if (copy->wire && copy->up)
        send_all(copy);
    if (is_over(copy))
        return;
}
