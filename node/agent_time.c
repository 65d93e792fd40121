/* What time demands: leases, beats, repeats, the end of an idle node. */
#include "agent_broker.h"

#define LEASE_NONE      30000 /* ms; stands for the lease of a link or node that has none */
#define PULSE_MAX       500
#define KEEPER_PATIENCE 5000 /* ms that the keeper may be silent at least, however small a lease is */
#define RECORDS         5000 /* ms that a draining node without workers keeps exit records that nobody acknowledges */

/* Smallest lease on a link, ms: of its worker, of the sessions managed there, and what its peer says. */
static int64_t link_lease(const promp_agent_link_t *link)
{
    int64_t lease = link->session ? link->session->lease : LEASE_NONE;

    if (link->lease_told)
        lease = promp_min64(lease, promp_max64(link->lease_told, PROMP_TIMEOUT_MIN));
    for (promp_node_t *n = promp_list_first(&link->managed); n; n = promp_list_after(&link->managed, n))
        lease = promp_min64(lease, PROMP_CONTAINER(n, promp_agent_session_t, managed)->lease);
    return lease;
}

static void tick_link(promp_agent_core_t *core, promp_agent_link_t *link, int64_t now)
{
    promp_message_t m = {.type = PROMP_TYPE_BEAT};
    int64_t beat;

    if (link->broker)
        return; /* it has times of its own */
    if (link->state == PROMP_AGENT_LINK_NEW) {
        if (link->session)
            return; /* its worker has a lease */
        if (now - link->heard >= PROMP_TIME_HANDSHAKE)
            promp_agent_core_refuse(core, link, PROMP_ERR_SILENT, now);
        else
            promp_agent_core_due(core, link->heard + PROMP_TIME_HANDSHAKE);
        return;
    }
    beat = link_lease(link) / 5;
    if (now - link->sent >= beat) {
        promp_agent_effects_message(&core->effects, PROMP_AGENT_SEND, link->number, &m, NULL, 0, true);
        link->sent = now;
    }
    promp_agent_core_due(core, link->sent + beat);
}

static int64_t manager_deadline(const promp_agent_core_t *core, const promp_agent_session_t *s)
{
    if (s->remote) /* the broker hears its manager */
        return core->broker.heard + s->lease;
    return (s->manager ? s->manager->heard : s->manager_heard) + s->lease;
}

static int64_t worker_deadline(const promp_agent_session_t *s)
{
    if (s->worker && s->worker->state == PROMP_AGENT_LINK_UP)
        return s->worker->heard + s->lease;
    /* A program that starts may take its time until it says HELLO. */
    return s->worker_heard + (s->greeted ? s->lease : promp_max64(s->lease, PROMP_TIME_HANDSHAKE));
}

static void tick_running(promp_agent_core_t *core, promp_agent_session_t *s, int64_t now)
{
    if (now >= manager_deadline(core, s)) {
        promp_agent_life_slay(core, s, PROMP_ERR_WORKER_LEASE);
        return;
    }
    if (s->state == PROMP_AGENT_RUNNING && now >= worker_deadline(s)) {
        promp_agent_life_slay(core, s, PROMP_ERR_WORKER_UNRESPONSIVE);
        return;
    }
    if (now >= s->due)
        promp_agent_life_relink(core, s, now);
    promp_agent_core_due(core, promp_min64(manager_deadline(core, s), s->due));
    if (s->state == PROMP_AGENT_RUNNING)
        promp_agent_core_due(core, worker_deadline(s));
}

static void tick_session(promp_agent_core_t *core, promp_agent_session_t *s, int64_t now)
{
    switch (s->state) {
    case PROMP_AGENT_SPAWNING:
    case PROMP_AGENT_RUNNING:
        tick_running(core, s, now);
        break;
    case PROMP_AGENT_DYING:
        if (now < s->due) {
            promp_agent_core_due(core, s->due);
        } else if (s->exited) {
            if (s->worker) {
                promp_agent_table_link_close(core, s->worker);
                s->ends = false; /* it was not read to its end */
            }
            promp_agent_life_ended(core, s, now);
        }
        break;
    case PROMP_AGENT_ENDED:
        if (now >= s->keep_until) {
            promp_agent_life_forget(core, s);
            return;
        }
        if (now >= s->due)
            promp_agent_life_tell(core, s, now);
        promp_agent_core_due(core, promp_min64(s->keep_until, s->due));
        break;
    case PROMP_AGENT_ELSEWHERE:
        if (now >= s->keep_until)
            promp_agent_table_session_free(core, s);
        else
            promp_agent_core_due(core, s->keep_until);
        break;
    }
}

static int64_t node_lease(const promp_agent_core_t *core)
{
    return core->lease ? core->lease : LEASE_NONE;
}

/* What the keeper does for one manager can hold it up, and with it all workers would end: so the smallest lease of one
 * of them does not count here. That lease is kept all the same, by our own kills. */
static int64_t keeper_patience(const promp_agent_core_t *core)
{
    return promp_max64(node_lease(core), KEEPER_PATIENCE);
}

static void tick_keeper(promp_agent_core_t *core, int64_t now)
{
    int64_t pace = promp_min64(node_lease(core) / 5, PULSE_MAX);
    promp_message_t m = {.type = PROMP_TYPE_PULSE,
                         .pulse = {.patience_ms = (uint32_t)(node_lease(core) / 2)}};

    if (!core->ready)
        return;
    if (now - core->keeper_heard >= keeper_patience(core)) {
        promp_agent_effects_add(&core->effects, PROMP_AGENT_KILL_KEEPER);
        core->keeper_heard = now;
    }
    if (now >= core->pulse_at) {
        if (m.pulse.patience_ms > 5000)
            m.pulse.patience_ms = 5000;
        promp_agent_effects_message(&core->effects, PROMP_AGENT_TO_KEEPER, PROMP_AGENT_NONE, &m, NULL, 0,
                                    true);
        core->pulse_at = now + pace;
    }
    core->pulse_at = promp_min64(core->pulse_at, now + pace);
    promp_agent_core_due(core, promp_min64(core->pulse_at, core->keeper_heard + keeper_patience(core)));
}

static void rest(promp_agent_core_t *core, int64_t now)
{
    promp_message_t m = {.type = PROMP_TYPE_REST};

    promp_agent_broker_leave(core);
    for (uint32_t i = 0; i < core->links.size; i++) {
        promp_agent_link_t *link = promp_agent_table_link(core, i);

        if (link && !link->session)
            promp_agent_core_refuse(core, link, PROMP_ERR_NODE_GONE, now);
    }
    promp_agent_effects_message(&core->effects, PROMP_AGENT_TO_KEEPER, PROMP_AGENT_NONE, &m, NULL, 0, true);
    core->resting = true;
}

static bool has_workers(const promp_agent_core_t *core)
{
    for (uint32_t i = 0; i < core->slots.size; i++) {
        const promp_agent_session_t *s = promp_numbers_get(&core->slots, i);

        if (s && s->state != PROMP_AGENT_ELSEWHERE && s->state != PROMP_AGENT_ENDED)
            return true;
    }
    return false;
}

/* Managers that are there take their exit records at once, and those that come back soon; for others the operator is not to
 * wait. */
static void tick_drain(promp_agent_core_t *core, int64_t now)
{
    if (has_workers(core))
        core->quiet_since = PROMP_NEVER;
    else if (core->quiet_since == PROMP_NEVER)
        core->quiet_since = now;
    if (!promp_map_count(core->sessions)) {
        rest(core, now);
        return;
    }
    if (core->quiet_since == PROMP_NEVER)
        return;
    int64_t until = promp_max64(core->quiet_since, core->broker.up_since) + RECORDS;

    if (now >= until)
        rest(core, now);
    else
        promp_agent_core_due(core, until);
}

static void tick_end(promp_agent_core_t *core, int64_t now)
{
    bool idle = !core->managers && !promp_map_count(core->sessions);

    if (core->resting || !core->ready)
        return;
    if (core->stopping) {
        if (!promp_map_count(core->sessions) || now >= core->stop_until)
            rest(core, now);
        else
            promp_agent_core_due(core, core->stop_until);
        return;
    }
    if (core->config.cluster) {
        if (core->draining)
            tick_drain(core, now);
        return;
    }
    if (!idle)
        core->idle_since = PROMP_NEVER;
    else if (core->idle_since == PROMP_NEVER)
        core->idle_since = now;
    if (!idle || core->config.idle == PROMP_NEVER)
        return;
    if (now - core->idle_since >= core->config.idle)
        rest(core, now);
    else
        promp_agent_core_due(core, core->idle_since + core->config.idle);
}

static int64_t later(int64_t heard, int64_t late, int64_t now)
{
    return promp_min64(heard + late, now);
}

/* We were not running for so long: whatever we did not hear meanwhile is nobody's fault. */
static void slept(promp_agent_core_t *core, int64_t late, int64_t now)
{
    for (uint32_t i = 0; i < core->links.size; i++) {
        promp_agent_link_t *link = promp_agent_table_link(core, i);

        if (link)
            link->heard = later(link->heard, late, now);
    }
    for (uint32_t i = 0; i < core->slots.size; i++) {
        promp_agent_session_t *s = promp_numbers_get(&core->slots, i);

        if (!s)
            continue;
        s->manager_heard = later(s->manager_heard, late, now);
        s->worker_heard = later(s->worker_heard, late, now);
        if (s->keep_until != PROMP_NEVER)
            s->keep_until += late;
    }
    core->keeper_heard = later(core->keeper_heard, late, now);
    core->broker.heard = later(core->broker.heard, late, now);
    if (core->quiet_since != PROMP_NEVER)
        core->quiet_since = later(core->quiet_since, late, now);
}

/* The last one has just gone: that is not left to the next tick. */
static bool deserted(const promp_agent_core_t *core)
{
    if (core->resting || promp_map_count(core->sessions))
        return false;
    if (core->config.cluster)
        return core->stopping || core->draining;
    return core->stopping || (!core->managers && core->idle_since == PROMP_NEVER);
}

int64_t promp_agent_core_tick(promp_agent_core_t *core, int64_t now)
{
    int64_t gap = promp_min64(PROMP_TIME_GAP, node_lease(core) / 4);
    if (now < core->next && !deserted(core))
        return core->next;
    if (now - core->next > gap)
        slept(core, now - core->next, now);
    core->next = PROMP_NEVER;
    for (uint32_t i = 0; i < core->links.size; i++) {
        promp_agent_link_t *link = promp_agent_table_link(core, i);

        if (link)
            tick_link(core, link, now);
    }
    core->lease = 0;
    for (uint32_t i = 0; i < core->slots.size; i++) {
        promp_agent_session_t *s = promp_numbers_get(&core->slots, i);

        if (!s)
            continue;
        if (s->state != PROMP_AGENT_ELSEWHERE && (!core->lease || s->lease < core->lease))
            core->lease = s->lease;
        tick_session(core, s, now);
    }
    promp_agent_broker_tick(core, now);
    tick_keeper(core, now);
    tick_end(core, now);
    return core->next;
}
