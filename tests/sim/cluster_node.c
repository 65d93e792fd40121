/* A node as a broker sees it: it starts and ends workers, tells what it has, keeps exit records, relays what is its own, and
 * gives up when the broker is silent for too long. Its workers send every number back, and some are managers themselves. */
#include <stdlib.h>

#include "buf.h"
#include "cluster.h"

static const promp_id_t none;

sim_t *cluster_node_sim(const cluster_node_t *node)
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
copy_t *cluster_node_manager(const cluster_node_t *node, const promp_id_t *id)
{
    for (copy_t *copy = node->copies; copy; copy = copy->next)
        for (const job_t *job = copy->core && copy->manages ? copy->user.jobs : NULL; job; job = job->next)
            if (promp_id_equal(&job->session, id))
                return copy;
    return NULL;
}

void cluster_node_to_user(copy_t *copy, promp_type_t type, const promp_id_t *session,
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
void cluster_node_tell(cluster_node_t *node, copy_t *copy, const promp_message_t *m)
{
    copy_t *manager = copy->local ? cluster_node_manager(node, &copy->id) : NULL;

    if (manager)
        cluster_node_to_user(manager, m->type, &copy->id, m);
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

    copy->told = cluster_node_sim(node)->now + copy->lease / 5;
    cluster_node_tell(node, copy, &m);
}

void cluster_node_forget(cluster_node_t *node, copy_t *copy)
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

void cluster_node_end(cluster_node_t *node, copy_t *copy, promp_err_t cause)
{
    if (!copy->core)
        return;
    promp_worker_core_destroy(&copy->core);
    copy->cause = cause;
    copy->keep = cluster_node_sim(node)->now + copy->lease;
    tell_gone(node, copy);
}

/* --- starts --- */

static void hear_start(cluster_node_t *node, const promp_frame_t *frame)
{
    sim_t *sim = cluster_node_sim(node);
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
        copy->local = cluster_node_manager(node, &copy->id) != NULL;
    }
    if (!copy->core) {
        tell_gone(node, copy);
        return;
    }
    m = (promp_message_t){.type = PROMP_TYPE_STARTED, .started = {.pid = copy->pid}};
    cluster_end_say(node->end, &m, &copy->id, 0);
    if (copy->local)
        cluster_node_tell(node, copy, &m);
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
void cluster_node_to_worker(cluster_node_t *node, copy_t *copy, const promp_frame_t *frame)
{
    sim_t *sim = cluster_node_sim(node);
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
    copy_t *copy = cluster_node_find(node, &frame->session),
           *manager = cluster_node_manager(node, &frame->session);
    promp_message_t m;
    bool mine;

    node->heard = cluster_node_sim(node)->now;
    if (frame->type == PROMP_TYPE_START) {
        hear_start(node, frame);
    } else if (frame->type == PROMP_TYPE_KILL) {
        sim_check(cluster_node_sim(node),
                  promp_message_decode(frame->type, frame->body, PROMP_WHO_BROKER, PROMP_WHO_NODE,
                                       PROMP_AT_UP, 1, &m) == PROMP_OK);
        if (copy && copy->core)
            cluster_node_end(node, copy, (promp_err_t)m.kill.cause);
        else if (copy)
            tell_gone(node, copy);
    } else if (frame->type == PROMP_TYPE_GONE_ACK) {
        if (copy && !copy->core)
            cluster_node_forget(node, copy);
    } else if (frame->type == PROMP_TYPE_QUEUED && !manager) {
        return;
    } else if (manager) { /* its worker is elsewhere */
        cluster_user_frame(&manager->user, frame, &mine);
    } else if (copy) {
        cluster_node_to_worker(node, copy, frame);
    } else {
        no_route(node, frame);
    }
}

/* --- time --- */

void cluster_node_turn(cluster_node_t *node)
{
    sim_t *sim = cluster_node_sim(node);
    copy_t *copy, *next;

    if (node->end->conn && node->end->heard > node->heard)
        node->heard = node->end->heard;
    for (copy = node->copies; copy; copy = copy->next)
        cluster_worker_turn(node, copy);
    for (copy = node->copies; copy; copy = next) {
        next = copy->next;
        if (copy->core)
            continue;
        if (sim->now >= copy->told)
            tell_gone(node, copy);
        if (sim->now >= copy->keep || (copy->local && !cluster_node_manager(node, &copy->id)))
            cluster_node_forget(node, copy);
    }
}

void cluster_node_restart(cluster_node_t *node)
{
    cluster_end_close(node->end);
    while (node->copies)
        cluster_node_forget(node, node->copies);
    promp_put64(node->identity.b, sim_random(cluster_node_sim(node)) | 1);
}
