/* Links, and the broker's shell. */
#include <stdlib.h>

#include "cluster.h"

#define BROKER_MEMORY 2 /* owner of its memory in sim.h */

parcel_t *cluster_take(cluster_t *cluster, parcels_t *parcels)
{
    parcel_t *parcel = parcels->first;

    if (!parcel || parcel->at > cluster->sim->now)
        return NULL;
    parcels->first = parcel->next;
    if (!parcels->first)
        parcels->last = &parcels->first;
    return parcel;
}

static void put(cluster_t *cluster, parcels_t *parcels, sim_frame_t *frame, cluster_node_t *from,
                uint64_t tag)
{
    parcel_t *parcel = sim_alloc(sizeof *parcel);
    sim_t *sim = cluster->sim;

    parcels->clear =
        promp_max64(parcels->clear, sim->now + (cluster->good ? 1 : sim_between(sim, 0, cluster->delay)));
    *parcel = (parcel_t){.frame = frame, .at = parcels->clear, .tag = tag, .from = from};
    if (!parcels->first)
        parcels->last = &parcels->first;
    *parcels->last = parcel;
    parcels->last = &parcel->next;
}

/* Whoever passed it on is told that it has left. */
void cluster_done(cluster_t *cluster, parcel_t *parcel)
{
    if (parcel->tag && parcel->from)
        cluster_node_flushed(parcel->from, parcel->tag, parcel->frame->size);
    else if (parcel->tag && cluster->broker)
        promp_broker_core_flushed(cluster->broker, parcel->tag, parcel->frame->size);
    free(parcel->frame);
    free(parcel);
}

void cluster_drop(cluster_t *cluster, parcels_t *parcels)
{
    while (parcels->first) {
        parcel_t *parcel = parcels->first;

        parcels->first = parcel->next;
        cluster_done(cluster, parcel);
    }
    parcels->last = &parcels->first;
}

conn_t *cluster_dial(end_t *end)
{
    cluster_t *cluster = end->cluster;
    conn_t *conn = sim_alloc(sizeof *conn);
    promp_id_t key = {{end->key + 1}};

    *conn = (conn_t){.next = cluster->conns,
                     .number = ++cluster->last_number,
                     .end = end,
                     .broker = true,
                     .broker_sees = PROMP_NEVER,
                     .end_sees = PROMP_NEVER};
    cluster->conns = conn;
    sim_memory_enter(BROKER_MEMORY, NULL, 0);
    promp_broker_core_opened(cluster->broker, conn->number, &key, cluster->sim->now);
    sim_memory_leave();
    return conn;
}

void cluster_send(conn_t *conn, const promp_out_t *out, cluster_node_t *from, uint64_t tag)
{
    cluster_t *cluster = conn->end->cluster;

    if (conn->broker && conn->broker_sees == PROMP_NEVER)
        put(cluster, &conn->to_broker,
            cluster_version_of(cluster->sim, sim_frame_of(cluster->sim, out),
                               cluster->later[conn->end->key] ? conn->end->node ? 201 : 202 : 0),
            from, tag);
    else if (tag)
        cluster_node_flushed(from, tag, out->frame.size);
}

void cluster_hang_up(conn_t *conn)
{
    cluster_t *cluster = conn->end->cluster;

    for (parcel_t *parcel = conn->to_broker.first; parcel; parcel = parcel->next) {
        if (parcel->tag)
            cluster_node_flushed(parcel->from, parcel->tag, parcel->frame->size);
        parcel->tag = 0;
    }
    if (conn->broker_sees == PROMP_NEVER)
        conn->broker_sees = cluster->sim->now + sim_between(cluster->sim, 20, 2 * PROMP_TIME_SWEEP);
    cluster_drop(cluster, &conn->to_end);
    conn->end->conn = NULL;
    conn->end = NULL;
}

/* --- links of workers --- */

wire_t *cluster_wire(void)
{
    wire_t *wire = sim_alloc(sizeof *wire);

    wire->agent = wire->worker = true;
    return wire;
}

void cluster_wire_send(cluster_node_t *node, wire_t *wire, bool to_agent, const promp_out_t *out,
                       uint64_t tag)
{
    cluster_t *cluster = node->end->cluster;

    if (to_agent ? wire->agent : wire->worker)
        put(cluster, to_agent ? &wire->to_agent : &wire->to_worker, sim_frame_of(cluster->sim, out),
            to_agent ? NULL : node, tag);
    else if (tag)
        cluster_node_flushed(node, tag, out->frame.size);
}

void cluster_wire_close(cluster_node_t *node, wire_t **at, bool agent)
{
    wire_t *wire = *at;

    if (!wire)
        return;
    *at = NULL;
    if (agent)
        wire->agent = false;
    else
        wire->worker = false;
    cluster_drop(node->end->cluster, agent ? &wire->to_agent : &wire->to_worker);
    if (wire->agent || wire->worker)
        return;
    cluster_drop(node->end->cluster, &wire->to_agent);
    cluster_drop(node->end->cluster, &wire->to_worker);
    free(wire);
}

void cluster_break(conn_t *conn, int64_t broker_after, int64_t end_after)
{
    cluster_t *cluster = conn->end ? conn->end->cluster : NULL;

    if (!cluster || conn->broker_sees != PROMP_NEVER)
        return;
    conn->broker_sees = cluster->sim->now + broker_after;
    conn->end_sees = cluster->sim->now + end_after;
    cluster_drop(cluster, &conn->to_broker);
    cluster_drop(cluster, &conn->to_end);
}

void cluster_conns_free(cluster_t *cluster, bool all)
{
    for (conn_t **at = &cluster->conns; *at;) {
        conn_t *conn = *at;

        if (!all && (conn->end || conn->broker)) {
            at = &conn->next;
            continue;
        }
        *at = conn->next;
        cluster_drop(cluster, &conn->to_broker);
        cluster_drop(cluster, &conn->to_end);
        free(conn);
    }
}

/* --- the broker --- */

static promp_err_t look_up(void *arg, const promp_id_t *key, promp_broker_key_info_t *info)
{
    cluster_t *cluster = arg;
    unsigned n = key->b[0] - 1u;

    if (n >= CLUSTER_ENDS || !cluster->key[n].role)
        return PROMP_ERR_ACCESS_UNKNOWN;
    *info = cluster->key[n];
    return PROMP_OK;
}

void cluster_broker_begin(cluster_t *cluster)
{
    const promp_broker_config_t config = {.seed = cluster->sim->seed,
                                          .identity = {{42}},
                                          .build = "sim",
                                          .gather = 2 * cluster->lease,
                                          .key = look_up,
                                          .arg = cluster};

    sim_memory_enter(BROKER_MEMORY, NULL, 0);
    cluster->broker = promp_broker_core_new(&config, cluster->sim->now);
    sim_memory_leave();
    sim_check(cluster->sim, cluster->broker);
    cluster->broker_tick = cluster->sim->now;
}

void cluster_broker_end(cluster_t *cluster)
{
    for (conn_t *conn = cluster->conns; conn; conn = conn->next) {
        cluster_break(conn, 0, sim_between(cluster->sim, 0, 300));
        conn->broker = false;
    }
    promp_broker_core_destroy(&cluster->broker);
    sim_check(cluster->sim, sim_memory_of(BROKER_MEMORY) == 0);
}

static conn_t *conn_of(cluster_t *cluster, uint64_t number)
{
    for (conn_t *conn = cluster->conns; conn; conn = conn->next)
        if (conn->number == number)
            return conn;
    return NULL;
}

/* Nothing of a session goes to a manager that did not start it. */
static void check_whose(cluster_t *cluster, const conn_t *conn, const promp_frame_t *frame)
{
    const cluster_user_t *user;

    if (!conn->end || conn->end->node || promp_id_is_none(&frame->session))
        return;
    user = conn->end->body;
    for (const job_t *job = user->jobs; job; job = job->next)
        if (promp_id_equal(&job->session, &frame->session))
            return;
    sim_fail(cluster->sim, "a manager gets a frame of a session that is not its own");
}

static void do_effect(cluster_t *cluster, const promp_broker_effect_t *effect)
{
    conn_t *conn = conn_of(cluster, effect->peer);
    promp_out_t copy = {.urgent = effect->urgent};

    sim_check(cluster->sim, effect->kind != PROMP_BROKER_END);
    sim_check(cluster->sim, conn && conn->broker);
    if (effect->kind == PROMP_BROKER_KICK) {
        conn->broker = false;
        if (conn->end_sees == PROMP_NEVER)
            conn->end_sees = cluster->sim->now + sim_between(cluster->sim, 1, 100);
        return;
    }
    if (effect->kind == PROMP_BROKER_FORWARD) {
        copy.frame = *effect->frame;
        copy.part[0] = effect->frame->body;
        copy.parts = copy.part[0].size ? 1 : 0;
    }
    const promp_out_t *out = effect->kind == PROMP_BROKER_SEND ? effect->out : &copy;

    check_whose(cluster, conn, &out->frame);
    if (conn->end && conn->broker_sees == PROMP_NEVER)
        put(cluster, &conn->to_end,
            cluster_version_of(cluster->sim, sim_frame_of(cluster->sim, out),
                               cluster->broker_later ? 203 : 0),
            NULL, effect->tag);
    else if (effect->tag)
        promp_broker_core_flushed(cluster->broker, effect->tag, out->frame.size);
}

static void effects(cluster_t *cluster)
{
    promp_broker_effect_t effect;

    while (promp_broker_core_next(cluster->broker, &effect))
        do_effect(cluster, &effect);
}

static void read_conn(cluster_t *cluster, conn_t *conn)
{
    sim_t *sim = cluster->sim;
    parcel_t *parcel;

    while (conn->broker && (parcel = cluster_take(cluster, &conn->to_broker))) {
        promp_frame_t frame = sim_frame_read(sim, parcel->frame);

        sim_trace_frame(sim, conn->end && conn->end->node ? "broker <- node" : "broker <- manager", &frame);
        sim_memory_enter(BROKER_MEMORY, NULL, 0);
        promp_broker_core_frame(cluster->broker, conn->number, &frame, sim->now);
        sim_memory_leave();
        effects(cluster);
        cluster_done(cluster, parcel);
    }
    if (conn->broker && sim->now >= conn->broker_sees) {
        conn->broker = false;
        promp_broker_core_closed(cluster->broker, conn->number, PROMP_ERR_PEER_LEFT, sim->now);
        effects(cluster);
    }
}

void cluster_broker_turn(cluster_t *cluster)
{
    effects(cluster);
    for (conn_t *conn = cluster->conns; conn; conn = conn->next)
        read_conn(cluster, conn);
    sim_memory_enter(BROKER_MEMORY, NULL, 0);
    cluster->broker_tick = promp_broker_core_tick(cluster->broker, cluster->sim->now);
    sim_memory_leave();
    effects(cluster);
}
