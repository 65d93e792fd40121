/* A cluster: managers, a broker, nodes. First accidents: links break or stall, the broker restarts without memory, nodes lose all;
 * then good weather, in which everything comes to its end and leaves nothing behind. */
#include <inttypes.h>
#include <stdlib.h>

#include "buf.h"
#include "cluster.h"

#define BROKER_MEMORY 2
#define BROKER_IDLE   (256 * 1024) /* bytes of a broker with nothing but its peers */
#define CHAOS         6000
#define PATIENCE      60000 /* ms in which all must be over */

static void accident(cluster_t *cluster)
{
    sim_t *sim = cluster->sim;
    end_t *end = &cluster->end[sim_below(sim, CLUSTER_ENDS)];
    uint64_t dice = sim_below(sim, 1000);
    int64_t stall = sim->now + sim_between(sim, 1, cluster->lease * 2);

    if (cluster->gentle)
        dice = dice < 300 ? 0 : dice < 450 ? 250 : 400;
    if (dice < 150) {
        sim_trace(sim, "the broker restarts");
        cluster_broker_end(cluster);
        cluster_broker_begin(cluster);
    } else if (dice < 250 && end->node) {
        sim_trace(sim, "node %u restarts", end->key);
        cluster_node_restart(end->body);
    } else if (dice < 350 && end->node) {
        sim_trace(sim, "the agent of %u dies", end->key);
        cluster_node_kill_agent(end->body);
    } else if (dice < 600 && end->conn) {
        sim_trace(sim, "the link of %u breaks", end->key);
        cluster_break(end->conn, sim_between(sim, 0, 2 * PROMP_TIME_SWEEP),
                      sim_between(sim, 0, cluster->gentle ? 300 : cluster->lease));
    } else if (end->conn && dice < 800) {
        sim_trace(sim, "the link of %u stalls towards the broker", end->key);
        end->conn->to_broker.clear = promp_max64(end->conn->to_broker.clear, stall);
    } else if (end->conn) {
        sim_trace(sim, "the link of %u stalls from the broker", end->key);
        end->conn->to_end.clear = promp_max64(end->conn->to_end.clear, stall);
    }
}

static void turn(cluster_t *cluster)
{
    sim_t *sim = cluster->sim;

    cluster_broker_turn(cluster);
    for (unsigned i = 0; i < CLUSTER_ENDS; i++)
        cluster_end_turn(&cluster->end[i]);
    cluster_conns_free(cluster, false);
    if (cluster->good || cluster->calm)
        return;
    for (unsigned i = 0; i < CLUSTER_MANAGERS; i++)
        if (sim_chance(sim, 300))
            cluster_user_act(cluster->end[i].body);
    if (sim_chance(sim, cluster->accidents))
        accident(cluster);
}

static void next_turn(sim_t *sim, void *arg)
{
    (void)sim;
    turn(arg);
}

static void run(cluster_t *cluster, int64_t ms)
{
    for (int64_t until = cluster->sim->now + ms; cluster->sim->now < until;) {
        sim_at(cluster->sim, cluster->sim->now + (cluster->good || cluster->calm ? 4 : 1) * CLUSTER_STEP,
               next_turn, cluster);
        sim_step(cluster->sim);
    }
}

static void begin(cluster_t *cluster, sim_t *sim)
{
    static const uint32_t leases[] = {500, 1000, 3000};

    *cluster = (cluster_t){.sim = sim, .lease = leases[sim_below(sim, 3)], .delay = sim_between(sim, 1, 20)};
    cluster->accidents = sim_chance(sim, 250) ? 0 : (unsigned)sim_below(sim, 40);
    cluster->gentle = cluster->accidents && sim_chance(sim, 400);
    if (cluster->gentle) {
        cluster->lease = PROMP_TIMEOUT_DEFAULT;
        cluster->accidents = (unsigned)sim_between(sim, 1, 3);
    }
    cluster->broker_later = sim_chance(sim, 250);
    cluster->refusals = sim_chance(sim, 500) ? 0 : (unsigned)sim_below(sim, 300);
    for (unsigned i = 0; i < CLUSTER_ENDS; i++) {
        bool is_node = i >= CLUSTER_MANAGERS;
        end_t *end = &cluster->end[i];

        cluster->key[i] =
            (promp_broker_key_info_t){.role = is_node ? PROMP_BROKER_NODE : PROMP_BROKER_MANAGER,
                                      .workers = PROMP_BROKER_UNLIMITED,
                                      .bytes = PROMP_BROKER_UNLIMITED};
        *end = (end_t){.cluster = cluster, .key = (uint8_t)i, .node = is_node};
        cluster->later[i] = sim_chance(sim, 250);
        end->body = sim_alloc(is_node ? sizeof(cluster_node_t) : sizeof(cluster_user_t));
        if (!is_node) {
            cluster_user_begin(end->body, cluster, 0);
            continue;
        }
        cluster_node_t *node = end->body;

        node->end = end;
        node->places = (uint32_t)sim_between(sim, 1, 8);
        cluster_node_begin(node);
    }
    cluster_broker_begin(cluster);
}

static bool all_over(const cluster_t *cluster)
{
    for (unsigned i = 0; i < CLUSTER_MANAGERS; i++)
        if (promp_manager_core_unsettled(((cluster_user_t *)cluster->end[i].body)->core))
            return false;
    for (unsigned i = CLUSTER_MANAGERS; i < CLUSTER_ENDS; i++)
        if (((cluster_node_t *)cluster->end[i].body)->copies)
            return false;
    return true;
}

static void await_quiet(cluster_t *cluster)
{
    for (int64_t until = cluster->sim->now + PATIENCE;; run(cluster, 100)) {
        bool quiet = true;

        for (unsigned i = 0; i < CLUSTER_MANAGERS; i++)
            quiet = quiet && cluster_user_quiet(cluster->end[i].body);
        if (quiet)
            return;
        if (cluster->sim->now >= until)
            sim_fail(cluster->sim, "numbers have not come back in time");
    }
}

/* Who has no sessions, and was turned back several times, may take PROMP_TIME_NO_LEASE to dial again. */
static void await_peers(cluster_t *cluster)
{
    promp_broker_counters_t count;

    for (int64_t until = cluster->sim->now + PATIENCE;; run(cluster, 100)) {
        promp_broker_core_count(cluster->broker, &count);
        if (count.nodes == CLUSTER_NODES && count.managers == CLUSTER_MANAGERS)
            return;
        if (cluster->sim->now >= until)
            sim_fail(cluster->sim, "%" PRIu64 " nodes and %" PRIu64 " managers are there", count.nodes,
                     count.managers);
    }
}

static void await_end(cluster_t *cluster)
{
    promp_broker_counters_t count;

    for (unsigned i = 0; i < CLUSTER_MANAGERS; i++)
        ((cluster_user_t *)cluster->end[i].body)->ending = true;
    for (int64_t until = cluster->sim->now + PATIENCE; !all_over(cluster); run(cluster, 100))
        if (cluster->sim->now >= until)
            sim_fail(cluster->sim, "workers are left behind");
    run(cluster, 3 * cluster->lease);
    await_peers(cluster);
    promp_broker_core_count(cluster->broker, &count);
    sim_check(cluster->sim, count.sessions == 0 && count.waiting == 0 && count.unrooted == 0);
    sim_check(cluster->sim, count.data_waiting == 0 && count.starts_bytes == 0 && count.places_used == 0);
    if (sim_memory_of(BROKER_MEMORY) > BROKER_IDLE)
        sim_fail(cluster->sim, "the broker holds %zu bytes", sim_memory_of(BROKER_MEMORY));
}

static bool all_started(const cluster_user_t *user)
{
    /* Of one that was ended while it waited, a broker without memory says nothing for a while. */
    for (const job_t *job = user->jobs; job; job = job->next)
        if (!job->answered ||
            (!job->refused && !job->left && promp_manager_core_worker_alive(user->core, job->id) &&
             !promp_manager_core_pid(user->core, job->id))) {
            sim_trace(user->cluster->sim, "session %llu has no process",
                      (unsigned long long)promp_get64(job->session.b));
            return false;
        }
    return true;
}

/* Who says nothing for longer than a lease is not forgotten: workers live, who need not wait for a place has
 * a process, and the broker counts what there is. */
static void keep_calm(cluster_t *cluster)
{
    promp_broker_counters_t count;
    size_t living = 0;
    bool started = true;

    cluster->calm = true;
    run(cluster, cluster->lease * 3 / 2);
    cluster->calm = false;
    for (unsigned i = 0; i < CLUSTER_MANAGERS; i++)
        started = started && all_started(cluster->end[i].body);
    for (unsigned i = CLUSTER_MANAGERS; i < CLUSTER_ENDS; i++)
        for (const copy_t *c = ((cluster_node_t *)cluster->end[i].body)->copies; c; c = c->next) {
            living += !c->dead;
            started = started && (!c->manages || c->dead || all_started(&c->user));
        }
    promp_broker_core_count(cluster->broker, &count);
    sim_check(cluster->sim, started || count.waiting);
    sim_check(cluster->sim, count.places_used == living && count.asked == 0);
}

/* Nodes that hold nothing are done as soon as they are asked, and the broker hears it. */
static void drain_nodes(cluster_t *cluster)
{
    promp_broker_counters_t count;

    for (unsigned i = CLUSTER_MANAGERS; i < CLUSTER_ENDS; i++)
        cluster_node_drain(cluster->end[i].body);
    run(cluster, 1000);
    for (unsigned i = CLUSTER_MANAGERS; i < CLUSTER_ENDS; i++)
        sim_check(cluster->sim, ((cluster_node_t *)cluster->end[i].body)->rested);
    promp_broker_core_count(cluster->broker, &count);
    sim_check(cluster->sim, count.nodes == 0 && count.places == 0);
}

void sim_scene_cluster(sim_t *sim)
{
    cluster_t cluster;

    begin(&cluster, sim);
    run(&cluster, CHAOS);
    if (cluster.gentle || !cluster.accidents)
        keep_calm(&cluster);
    cluster.good = true;
    run(&cluster, 5 * cluster.lease);
    await_quiet(&cluster);
    await_end(&cluster);
    drain_nodes(&cluster);
    sim_trace(sim, "%llu numbers came back", (unsigned long long)cluster.echoes);
    sim_check(sim, cluster.echoes || cluster.accidents);
    for (unsigned i = 0; i < CLUSTER_ENDS; i++) {
        if (cluster.end[i].node)
            cluster_node_end(cluster.end[i].body);
        else
            cluster_user_end(cluster.end[i].body);
        free(cluster.end[i].body);
    }
    cluster_conns_free(&cluster, true);
    promp_broker_core_destroy(&cluster.broker);
    sim_check(sim, sim_memory_of(BROKER_MEMORY) == 0);
}
