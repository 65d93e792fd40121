/* A node as a broker sees it: it starts and ends workers, tells what it has, keeps exit records, relays what is its own, and
 * gives up when the broker is silent for too long. Its workers send every number back, and some are managers themselves. */
#include <stdlib.h>

#include "buf.h"
#include "cluster.h"

static const promp_id_t none;

static sim_t *sim_of(const cluster_node_t *node)
{
    return node->end->cluster->sim;
}

copy_t *cluster_node_find(const cluster_node_t *node, const promp_id_t *id)
{
    for (copy_t *copy = node->copies; copy; copy = copy->next)
        if (promp_id_equal(&copy->id, id))
            return copy;
    return NULL;
}

uint32_t cluster_node_lease(const cluster_node_t *node)
{
    uint32_t lease = 0;

    for (const copy_t *copy = node->copies; copy; copy = copy->next)
        if (!lease || copy->lease < lease)
            lease = copy->lease;
    return lease;
}

/* The worker here whose manager core has this session. */
static copy_t *manager_of(const cluster_node_t *node, const promp_id_t *id)
{
    for (copy_t *copy = node->copies; copy; copy = copy->next)
        for (const job_t *job = copy->core && copy->manages ? copy->user.jobs : NULL; job; job = job->next)
            if (promp_id_equal(&job->session, id))
                return copy;
    return NULL;
}

static void to_user(copy_t *copy, promp_type_t type, const promp_id_t *session,
                    const promp_message_t *message)
{
    promp_buf_t body = {0};
    promp_frame_t frame = {.type = (uint8_t)type, .session = *session};
    bool mine;

    sim_check(copy->user.cluster->sim, promp_message_encode(message, &body) == PROMP_OK);
    frame.size = promp_frame_size(body.size);
    frame.body = promp_slice(body.data, body.size);
    cluster_user_frame(&copy->user, &frame, &mine);
    promp_buf_free(&body);
}

/* To whoever manages the copy: a worker here, or somebody behind the broker. */
static void tell_manager(cluster_node_t *node, copy_t *copy, const promp_message_t *m)
{
    copy_t *manager = copy->local ? manager_of(node, &copy->id) : NULL;

    if (manager)
        to_user(manager, m->type, &copy->id, m);
    else if (!copy->local && node->end->up)
        cluster_end_say(node->end, m, &copy->id, 0);
}

static void tell_broker(cluster_node_t *node, promp_type_t type, const promp_id_t *id)
{
    promp_message_t m = {.type = type};

    if (node->end->up)
        cluster_end_say(node->end, &m, id, 0);
}

/* --- ends --- */

static void tell_gone(cluster_node_t *node, copy_t *copy)
{
    promp_message_t m = {.type = PROMP_TYPE_GONE, .gone = {.cause = copy->cause}};

    copy->told = sim_of(node)->now + copy->lease / 5;
    tell_manager(node, copy, &m);
}

static void forget(cluster_node_t *node, copy_t *copy)
{
    for (copy_t **at = &node->copies; *at; at = &(*at)->next)
        if (*at == copy) {
            *at = copy->next;
            break;
        }
    promp_worker_core_destroy(&copy->core);
    if (copy->manages)
        cluster_user_end(&copy->user);
    tell_broker(node, PROMP_TYPE_OVER, &copy->id);
    free(copy);
}

static void end_copy(cluster_node_t *node, copy_t *copy, promp_err_t cause)
{
    if (!copy->core)
        return;
    promp_worker_core_destroy(&copy->core);
    copy->cause = cause;
    copy->keep = sim_of(node)->now + copy->lease;
    tell_gone(node, copy);
}

/* --- starts --- */

static void hear_start(cluster_node_t *node, const promp_frame_t *frame)
{
    sim_t *sim = sim_of(node);
    copy_t *copy = cluster_node_find(node, &frame->session);
    promp_message_t m,
        refused = {.type = PROMP_TYPE_START_REFUSED, .start_refused = {.error = PROMP_ERR_PROCESSES}};

    sim_check(sim, promp_message_decode(frame->type, frame->body, PROMP_WHO_BROKER, PROMP_WHO_NODE,
                                        PROMP_AT_UP, 1, &m) == PROMP_OK);
    sim_check(sim, !promp_id_is_none(&m.start.owner));
    size_t count = 0;

    for (const copy_t *c = node->copies; c; c = c->next)
        count += c->core != NULL;
    if (!copy && sim_chance(sim, node->end->cluster->refusals)) {
        cluster_end_say(node->end, &refused, &frame->session, 0);
        return;
    }
    if (!copy) {
        sim_check(sim, count < node->places || node->end->cluster->accidents);
        copy = sim_alloc(sizeof *copy);
        *copy = (copy_t){.next = node->copies,
                         .id = frame->session,
                         .owner = m.start.owner,
                         .parent = m.start.parent,
                         .lease = m.start.lease_ms,
                         .pid = 100};
        node->copies = copy;
        copy->core = promp_worker_core_new(&copy->id, sim->now);
        sim_check(sim, copy->core);
        promp_worker_core_ops.path(copy->core, true, false, &node->identity, sim->now);
        copy->local = manager_of(node, &copy->id) != NULL;
    }
    if (!copy->core) {
        tell_gone(node, copy);
        return;
    }
    m = (promp_message_t){.type = PROMP_TYPE_STARTED, .started = {.pid = copy->pid}};
    cluster_end_say(node->end, &m, &copy->id, 0);
    if (copy->local)
        tell_manager(node, copy, &m);
}

/* --- the link to the broker --- */

void cluster_node_hello(cluster_node_t *node)
{
    promp_message_t m = {.type = PROMP_TYPE_OFFER,
                         .offer = {.node = node->identity, .places = node->places, .cpus = 8000}};

    cluster_end_say(node->end, &m, &none, 0);
    for (const copy_t *copy = node->copies; copy; copy = copy->next) {
        m = (promp_message_t){.type = PROMP_TYPE_HELD,
                              .held = {.owner = copy->owner,
                                       .parent = copy->parent,
                                       .lease_ms = copy->lease,
                                       .pid = copy->pid,
                                       .state = copy->core ? 2 : 3}};
        if (copy->core || !copy->local)
            cluster_end_say(node->end, &m, &copy->id, 0);
    }
    m = (promp_message_t){.type = PROMP_TYPE_HELD_END};
    cluster_end_say(node->end, &m, &none, 0);
    /* What was asked for while there was no way: asked again, as a manager's own link would. */
    for (copy_t *copy = node->copies; copy; copy = copy->next)
        if (copy->core && copy->manages) {
            cluster_user_path(&copy->user, false);
            cluster_user_path(&copy->user, true);
        }
}

/* A frame of a session for the worker here. */
static void to_worker(cluster_node_t *node, copy_t *copy, const promp_frame_t *frame)
{
    sim_t *sim = sim_of(node);
    bool mine;

    if (copy->core)
        sim_check(sim, promp_worker_core_ops.frame(copy->core, frame, &mine, sim->now) == PROMP_OK);
    else
        tell_gone(node, copy);
}

static void no_route(cluster_node_t *node, const promp_frame_t *frame)
{
    promp_message_t m = {.type = PROMP_TYPE_NO_ROUTE};

    if (frame->type != PROMP_TYPE_NO_ROUTE)
        cluster_end_say(node->end, &m, &frame->session, frame->epoch);
}

void cluster_node_frame(cluster_node_t *node, const promp_frame_t *frame)
{
    copy_t *copy = cluster_node_find(node, &frame->session), *manager = manager_of(node, &frame->session);
    promp_message_t m;
    bool mine;

    node->heard = sim_of(node)->now;
    if (frame->type == PROMP_TYPE_START) {
        hear_start(node, frame);
    } else if (frame->type == PROMP_TYPE_KILL) {
        sim_check(sim_of(node), promp_message_decode(frame->type, frame->body, PROMP_WHO_BROKER,
                                                     PROMP_WHO_NODE, PROMP_AT_UP, 1, &m) == PROMP_OK);
        if (copy && copy->core)
            end_copy(node, copy, (promp_err_t)m.kill.cause);
        else if (copy)
            tell_gone(node, copy);
    } else if (frame->type == PROMP_TYPE_GONE_ACK) {
        if (copy && !copy->core)
            forget(node, copy);
    } else if (frame->type == PROMP_TYPE_QUEUED) {
        return;
    } else if (manager) { /* its worker is elsewhere */
        cluster_user_frame(&manager->user, frame, &mine);
    } else if (copy) {
        to_worker(node, copy, frame);
    } else {
        no_route(node, frame);
    }
}

/* --- what workers and their managers send --- */

static void give(cluster_node_t *node, const promp_out_t *out,
                 void (*how)(cluster_node_t *, copy_t *, const promp_frame_t *), copy_t *to)
{
    sim_frame_t *copy = sim_frame_of(sim_of(node), out);
    promp_frame_t frame = sim_frame_read(sim_of(node), copy);

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
    node->end->sent = sim_of(node)->now;
}

/* A START of a worker: the node says whose it is. */
static void ask_broker(cluster_node_t *node, const copy_t *parent, const promp_out_t *out)
{
    sim_frame_t *copy = sim_frame_of(sim_of(node), out);
    promp_frame_t frame = sim_frame_read(sim_of(node), copy);
    promp_message_t m;

    sim_check(sim_of(node), promp_message_decode(frame.type, frame.body, PROMP_WHO_MANAGER, PROMP_WHO_NODE,
                                                 PROMP_AT_UP, 1, &m) == PROMP_OK);
    m.start.parent = parent->id;
    if (node->end->up)
        cluster_end_say(node->end, &m, &frame.session, 0);
    free(copy);
}

static void of_user(cluster_node_t *node, copy_t *copy)
{
    sim_t *sim = sim_of(node);
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
            to_user(copy, PROMP_TYPE_NO_ROUTE, &out.frame.session, &m);
        } else if (!child) {
            up_to_broker(node, &out);
        } else if (out.frame.type == PROMP_TYPE_START) {
            m = (promp_message_t){.type = PROMP_TYPE_STARTED, .started = {.pid = child->pid}};
            tell_manager(node, child, &m);
        } else if (out.frame.type == PROMP_TYPE_KILL) {
            end_copy(node, child, PROMP_ERR_WORKER_STOPPED);
        } else if (out.frame.type == PROMP_TYPE_GONE_ACK) {
            if (!child->core)
                forget(node, child);
        } else {
            give(node, &out, to_worker, child);
        }
    }
}

static void of_worker(cluster_node_t *node, copy_t *copy)
{
    sim_t *sim = sim_of(node);
    promp_out_t out;

    while (copy->core && promp_worker_core_ops.next(copy->core, &out, UINT64_MAX, sim->now)) {
        copy_t *manager = copy->local ? manager_of(node, &copy->id) : NULL;

        if (manager)
            give(node, &out, to_manager, manager);
        else if (!copy->local)
            up_to_broker(node, &out);
    }
}

/* --- time --- */

static void work(cluster_node_t *node, copy_t *copy)
{
    sim_t *sim = sim_of(node);
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
        end_copy(node, copy, PROMP_ERR_WORKER_EXITED);
        return;
    }
    if (promp_worker_core_stopped(copy->core) && promp_worker_core_settled(copy->core))
        end_copy(node, copy, PROMP_ERR_WORKER_STOPPED);
}

static void of_time(cluster_node_t *node, copy_t *copy)
{
    sim_t *sim = sim_of(node);

    if (copy->core && !copy->local && sim->now - node->heard >= copy->lease)
        end_copy(node, copy, PROMP_ERR_WORKER_LEASE);
    if (copy->core && copy->local && !manager_of(node, &copy->id))
        end_copy(node, copy, PROMP_ERR_WORKER_MANAGER_GONE);
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

void cluster_node_turn(cluster_node_t *node)
{
    sim_t *sim = sim_of(node);
    copy_t *copy, *next;

    if (node->end->conn && node->end->heard > node->heard)
        node->heard = node->end->heard;
    for (copy = node->copies; copy; copy = copy->next)
        of_time(node, copy);
    for (copy = node->copies; copy; copy = next) {
        next = copy->next;
        if (copy->core)
            continue;
        if (sim->now >= copy->told)
            tell_gone(node, copy);
        if (sim->now >= copy->keep || (copy->local && !manager_of(node, &copy->id)))
            forget(node, copy);
    }
}

void cluster_node_restart(cluster_node_t *node)
{
    cluster_end_close(node->end);
    while (node->copies)
        forget(node, node->copies);
    promp_put64(node->identity.b, sim_random(sim_of(node)) | 1);
}
