/* An agent's shell: what its core wants, done on simulated links; and the end of it and of its node. */
#include <stdlib.h>

#include "buf.h"
#include "cluster.h"

static sim_t *sim_of(const cluster_node_t *node)
{
    return node->end->cluster->sim;
}

void cluster_node_flushed(cluster_node_t *node, uint64_t tag, uint64_t bytes)
{
    if (node->agent)
        promp_agent_core_flushed(node->agent, tag, bytes);
}

/* --- what it wants --- */

static void send(cluster_node_t *node, uint32_t link, const promp_out_t *out, uint64_t tag)
{
    if (link == node->broker && node->end->conn)
        cluster_send(node->end->conn, out, node, tag);
    else if (link != node->broker && node->wire[link])
        cluster_wire_send(node, node->wire[link], false, out, tag);
    else if (tag)
        promp_agent_core_flushed(node->agent, tag, out->frame.size);
}

static void forward(cluster_node_t *node, const promp_agent_effect_t *e)
{
    promp_out_t out = {.frame = *e->frame, .urgent = e->urgent};

    out.frame.fds = 0;
    out.part[0] = e->frame->body;
    out.parts = out.part[0].size ? 1 : 0;
    send(node, e->link, &out, e->urgent ? 0 : e->tag);
}

static void close_link(cluster_node_t *node, uint32_t link, promp_err_t why)
{
    if (link != node->broker) {
        cluster_wire_close(node, &node->wire[link], true);
        return;
    }
    sim_trace(sim_of(node), "the agent of %u gives its link up: %s", node->end->key, promp_error_name(why));
    node->broker = PROMP_AGENT_NONE;
    if (node->end->conn)
        cluster_hang_up(node->end->conn);
}

/* Who comes too late is not found. */
static void dial(cluster_node_t *node, uint32_t link)
{
    sim_t *sim = sim_of(node);

    sim_check(sim, node->broker == PROMP_AGENT_NONE && !node->end->conn);
    node->broker = link;
    if (node->end->cluster->accidents && !node->end->cluster->gentle && !node->end->cluster->good &&
        sim_chance(sim, 50))
        promp_agent_core_closed(node->agent, link, PROMP_ERR_BROKER_ABSENT, sim->now);
    else
        node->end->conn = cluster_dial(node->end);
}

static void to_keeper(cluster_node_t *node, const promp_agent_effect_t *e)
{
    sim_t *sim = sim_of(node);
    sim_frame_t *copy = sim_frame_of(sim, e->out);
    promp_frame_t frame = sim_frame_read(sim, copy);

    node->event = NULL;
    if (e->link != PROMP_AGENT_NONE) {
        sim_check(sim, e->link < CLUSTER_LINKS && !node->wire[e->link]);
        node->event = node->wire[e->link] = cluster_wire();
        frame.fds = 1;
    }
    for (copy_t *c = frame.type == PROMP_TYPE_EXIT_SEEN ? node->copies : NULL; c; c = c->next)
        if (promp_id_equal(&c->id, &frame.session) && c->collected)
            c->seen_exit = true;
    node->event_id = frame.session;
    promp_keeper_core_frame(node->keeper, &frame, sim->now);
    cluster_keeper_effects(node);
    cluster_wire_close(node, &node->event, false);
    free(copy);
}

static void end_agent(cluster_node_t *node)
{
    if (!node->agent)
        return;
    for (uint32_t i = 0; i < CLUSTER_LINKS; i++)
        cluster_wire_close(node, &node->wire[i], true);
    if (node->end->conn)
        cluster_hang_up(node->end->conn);
    promp_agent_core_destroy(&node->agent);
    node->agent_ended = true;
    node->handles = 0;
}

static void do_effect(cluster_node_t *node, const promp_agent_effect_t *e)
{
    sim_t *sim = sim_of(node);
    copy_t *copy;

    switch (e->kind) {
    case PROMP_AGENT_SEND:
        send(node, e->link, e->out, 0);
        break;
    case PROMP_AGENT_FORWARD:
        forward(node, e);
        break;
    case PROMP_AGENT_CLOSE:
        close_link(node, e->link, e->error);
        break;
    case PROMP_AGENT_TO_KEEPER:
        to_keeper(node, e);
        break;
    case PROMP_AGENT_SLAY:
        if ((copy = cluster_keeper_process(node, e->pid)))
            cluster_keeper_kill(copy, 9, 0);
        break;
    case PROMP_AGENT_DROP:
        sim_check(sim, --node->handles >= 0);
        break;
    case PROMP_AGENT_DIAL:
        dial(node, e->link);
        break;
    case PROMP_AGENT_WATCH:
    case PROMP_AGENT_UNWATCH:
    case PROMP_AGENT_KILL_KEEPER:
    case PROMP_AGENT_END:
        sim_fail(sim, "effect %d of a healthy node: %s", e->kind, promp_error_name(e->error));
    }
}

static bool effects(cluster_node_t *node)
{
    promp_agent_effect_t e;
    bool any = false;

    for (; promp_agent_core_next(node->agent, &e); any = true)
        do_effect(node, &e);
    return any;
}

/* --- what comes --- */

static void read_keeper(cluster_node_t *node)
{
    mail_t *mail;

    while (node->agent && (mail = node->mail)) {
        promp_frame_t frame = sim_frame_read(sim_of(node), mail->frame);

        node->mail = mail->next;
        if (!node->mail)
            node->mail_last = &node->mail;
        node->handles += mail->handle >= 0;
        promp_agent_core_keeper_frame(node->agent, &frame, mail->handle, sim_of(node)->now);
        effects(node);
        free(mail->frame);
        free(mail);
    }
}

static void read_link(cluster_node_t *node, uint32_t link, parcels_t *parcels)
{
    cluster_t *cluster = node->end->cluster;
    parcel_t *parcel = cluster_take(cluster, parcels);
    promp_frame_t frame = sim_frame_read(cluster->sim, parcel->frame);

    sim_trace_frame(cluster->sim, link == node->broker ? "agent <- broker" : "agent <- worker", &frame);
    promp_agent_core_frame(node->agent, link, &frame, cluster->sim->now);
    effects(node);
    cluster_done(cluster, parcel);
}

static bool has_come(const cluster_node_t *node, const parcels_t *parcels)
{
    return parcels->first && parcels->first->at <= sim_of(node)->now;
}

static void read_broker(cluster_node_t *node)
{
    conn_t *conn = node->end->conn;

    while (conn && node->end->conn == conn && has_come(node, &conn->to_end))
        read_link(node, node->broker, &conn->to_end);
    if (!conn || node->end->conn != conn || sim_of(node)->now < conn->end_sees)
        return;
    promp_agent_core_closed(node->agent, node->broker, PROMP_ERR_CLOSED, sim_of(node)->now);
    effects(node);
}

static void read_worker(cluster_node_t *node, uint32_t link)
{
    wire_t *wire = node->wire[link];

    while (wire && node->wire[link] == wire && has_come(node, &wire->to_agent))
        read_link(node, link, &wire->to_agent);
    if (!wire || node->wire[link] != wire || wire->worker || wire->to_agent.first)
        return;
    promp_agent_core_closed(node->agent, link, PROMP_ERR_CLOSED, sim_of(node)->now);
    effects(node);
}

static void agent_turn(cluster_node_t *node)
{
    uint32_t first = (uint32_t)sim_below(sim_of(node), CLUSTER_LINKS);

    read_keeper(node);
    read_broker(node);
    for (uint32_t i = 0; i < CLUSTER_LINKS; i++)
        read_worker(node, (first + i) % CLUSTER_LINKS);
    for (int rounds = 0;; rounds++) {
        promp_agent_core_tick(node->agent, sim_of(node)->now);
        if (!effects(node))
            return;
        sim_check(sim_of(node), rounds < 20);
    }
}

void cluster_node_turn(cluster_node_t *node)
{
    if (node->rested)
        return;
    cluster_keeper_turn(node);
    if (node->agent)
        agent_turn(node);
    for (copy_t *copy = node->copies; copy; copy = copy->next)
        if (!copy->dead)
            cluster_worker_turn(copy);
}

/* --- beginning and end --- */

void cluster_node_agent(cluster_node_t *node)
{
    const promp_agent_config_t config = {.seed = sim_random(sim_of(node)),
                                         .build = "sim",
                                         .cluster = true,
                                         .offer = {.places = node->places, .cpus = 8000}};

    while (node->mail) {
        mail_t *mail = node->mail;

        node->mail = mail->next;
        free(mail->frame);
        free(mail);
    }
    node->mail_last = &node->mail;
    node->broker = PROMP_AGENT_NONE;
    node->agent = promp_agent_core_new(&config, sim_of(node)->now);
    sim_check(sim_of(node), node->agent);
}

void cluster_node_begin(cluster_node_t *node)
{
    promp_put64(node->identity.b, sim_random(sim_of(node)) | 1);
    node->mail_last = &node->mail;
    node->broker = PROMP_AGENT_NONE;
    node->agent_ended = false;
    node->keeper = promp_keeper_core_new(sim_random(sim_of(node)), &node->identity, sim_of(node)->now);
    sim_check(sim_of(node), node->keeper);
}

void cluster_node_kill_agent(cluster_node_t *node)
{
    end_agent(node);
}

void cluster_node_drain(cluster_node_t *node)
{
    sim_check(sim_of(node), node->agent);
    promp_agent_core_drain(node->agent, sim_of(node)->now);
    effects(node);
}

void cluster_node_end(cluster_node_t *node)
{
    end_agent(node);
    cluster_keeper_free(node);
}

void cluster_node_restart(cluster_node_t *node)
{
    cluster_node_end(node);
    cluster_node_begin(node);
}
