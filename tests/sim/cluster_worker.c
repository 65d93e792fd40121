/* A worker on a node: it sends every number back, and may be a manager itself. What it sends goes where the node relays it. */
#include <stdlib.h>

#include "buf.h"
#include "cluster.h"

static void give(cluster_node_t *node, const promp_out_t *out,
                 void (*how)(cluster_node_t *, copy_t *, const promp_frame_t *), copy_t *to)
{
    sim_frame_t *copy = sim_frame_of(cluster_node_sim(node), out);
    promp_frame_t frame = sim_frame_read(cluster_node_sim(node), copy);

    how(node, to, &frame);
    free(copy);
}

static void to_manager(cluster_node_t *node, copy_t *manager, const promp_frame_t *frame)
{
    bool mine;

    (void)node;
    cluster_user_frame(&manager->user, frame, &mine);
}

static void up_to_broker(cluster_node_t *node, const promp_out_t *out)
{
    if (!node->end->up || !node->end->conn)
        return;
    cluster_send(node->end->conn, out);
    node->end->sent = cluster_node_sim(node)->now;
}

/* A START of a worker: the node says whose it is. */
static void ask_broker(cluster_node_t *node, const copy_t *parent, const promp_out_t *out)
{
    sim_frame_t *copy = sim_frame_of(cluster_node_sim(node), out);
    promp_frame_t frame = sim_frame_read(cluster_node_sim(node), copy);
    promp_message_t m;

    sim_check(cluster_node_sim(node), promp_message_decode(frame.type, frame.body, PROMP_WHO_MANAGER,
                                                           PROMP_WHO_NODE, PROMP_AT_UP, 1, &m) == PROMP_OK);
    m.start.parent = parent->id;
    if (node->end->up)
        cluster_end_say(node->end, &m, &frame.session, 0);
    free(copy);
}

static void of_user(cluster_node_t *node, copy_t *copy)
{
    sim_t *sim = cluster_node_sim(node);
    promp_message_t m;
    promp_out_t out;

    while (copy->core && promp_manager_core_ops.next(copy->user.core, &out, UINT64_MAX, sim->now)) {
        copy_t *child = cluster_node_find(node, &out.frame.session);

        if (child && !child->local)
            child = NULL;
        if (out.frame.type == PROMP_TYPE_START && !child) {
            ask_broker(node, copy, &out);
        } else if (!child && out.frame.type >= PROMP_TYPE_ATTACH && !node->end->up) {
            m = (promp_message_t){.type = PROMP_TYPE_NO_ROUTE};
            cluster_node_to_user(copy, PROMP_TYPE_NO_ROUTE, &out.frame.session, &m);
        } else if (!child) {
            up_to_broker(node, &out);
        } else if (out.frame.type == PROMP_TYPE_START) {
            m = (promp_message_t){.type = PROMP_TYPE_STARTED, .started = {.pid = child->pid}};
            cluster_node_tell(node, child, &m);
        } else if (out.frame.type == PROMP_TYPE_KILL) {
            cluster_node_end(node, child, PROMP_ERR_WORKER_STOPPED);
        } else if (out.frame.type == PROMP_TYPE_GONE_ACK) {
            if (!child->core)
                cluster_node_forget(node, child);
        } else {
            give(node, &out, cluster_node_to_worker, child);
        }
    }
}

static void of_worker(cluster_node_t *node, copy_t *copy)
{
    sim_t *sim = cluster_node_sim(node);
    promp_out_t out;

    while (copy->core && promp_worker_core_ops.next(copy->core, &out, UINT64_MAX, sim->now)) {
        copy_t *manager = copy->local ? cluster_node_manager(node, &copy->id) : NULL;

        if (manager)
            give(node, &out, to_manager, manager);
        else if (!copy->local)
            up_to_broker(node, &out);
    }
}

/* --- time --- */

static void work(cluster_node_t *node, copy_t *copy)
{
    sim_t *sim = cluster_node_sim(node);
    promp_worker_job_t m;
    uint64_t task;

    promp_worker_core_ops.tick(copy->core, sim->now);
    if (promp_worker_core_setup(copy->core) && !copy->ready) {
        copy->ready = true;
        sim_check(sim, promp_worker_core_ready(copy->core, copy->pid) == PROMP_OK);
        copy->manages = promp_worker_core_setup(copy->core)->level == 1 && sim_chance(sim, 400);
        if (copy->manages) {
            cluster_user_begin(&copy->user, node->end->cluster, 1);
            cluster_user_path(&copy->user, true);
        }
    }
    while (copy->ready && promp_worker_core_has_message(copy->core)) {
        sim_check(sim, promp_worker_core_receive(copy->core, &m));
        sim_check(sim, m.number == 1 && promp_get64(m.args.data) == copy->seen);
        copy->seen++;
        promp_err_t error = promp_worker_core_send(copy->core, 2, promp_slice(m.args.data, 8));

        sim_check(sim, error == PROMP_OK || error == PROMP_ERR_CLOSED);
        promp_worker_job_free(&m);
    }
    while (promp_worker_core_act(copy->core, &task) == PROMP_WORKER_ACT_DIE) {
        cluster_node_end(node, copy, PROMP_ERR_WORKER_EXITED);
        return;
    }
    if (promp_worker_core_stopped(copy->core) && promp_worker_core_settled(copy->core))
        cluster_node_end(node, copy, PROMP_ERR_WORKER_STOPPED);
}

void cluster_worker_turn(cluster_node_t *node, copy_t *copy)
{
    sim_t *sim = cluster_node_sim(node);

    if (copy->core && !copy->local && sim->now - node->heard >= copy->lease)
        cluster_node_end(node, copy, PROMP_ERR_WORKER_LEASE);
    if (copy->core && copy->local && !cluster_node_manager(node, &copy->id))
        cluster_node_end(node, copy, PROMP_ERR_WORKER_MANAGER_GONE);
    if (copy->core)
        work(node, copy);
    if (copy->core && copy->manages) {
        if (!node->end->cluster->good && sim_chance(sim, 100))
            cluster_user_act(&copy->user);
        if (node->end->cluster->good)
            copy->user.ending = true;
        cluster_user_turn(&copy->user);
        of_user(node, copy);
    }
    of_worker(node, copy);
}
