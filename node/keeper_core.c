#include "keeper_core.h"

#include <stdlib.h>

#include "keeper_table.h"

#define PATIENCE  5000  /* ms without a PULSE until the agent has said how long we may wait */
#define BACK_OFF  100   /* ms, longest pause before an agent is started again: far below the smallest lease */
#define GIVE_UP   30000 /* ms of agents that end before they have said anything; then the node ends */
#define LONG_LIFE 1000  /* ms after which the next agent is started without a pause */
#define STOP_TIME 3000  /* ms for an end in good order */

void promp_keeper_core_due(promp_keeper_core_t *core, int64_t at)
{
    core->next = promp_min64(core->next, at);
}

promp_keeper_core_t *promp_keeper_core_new(uint64_t seed, const promp_id_t *node, int64_t now)
{
    promp_keeper_core_t *core = calloc(1, sizeof *core);

    if (!core)
        return NULL;
    core->node = *node;
    core->next = core->agent_at = now;
    core->sweep_at = core->stop_until = core->failing_since = PROMP_NEVER;
    core->workers = promp_map_new(seed);
    core->pids = promp_map_new(seed);
    if (!core->workers || !core->pids || promp_effects_init(&core->effects, sizeof(promp_keeper_effect_t)))
        promp_keeper_core_destroy(&core);
    return core;
}

void promp_keeper_core_destroy(promp_keeper_core_t **core)
{
    size_t at = 0;
    promp_keeper_worker_t *w;

    if (!*core)
        return;
    while ((*core)->workers && (w = promp_map_next((*core)->workers, &at))) {
        free(w->tail);
        free(w);
    }
    promp_map_destroy(&(*core)->workers);
    promp_map_destroy(&(*core)->pids);
    promp_numbers_free(&(*core)->numbers);
    promp_effects_free(&(*core)->effects);
    free(*core);
    *core = NULL;
}

promp_keeper_effect_t *promp_keeper_core_effect(promp_keeper_core_t *core, promp_keeper_effect_kind_t kind,
                                                uint32_t worker)
{
    promp_keeper_effect_t *e = promp_effects_add(&core->effects);

    e->kind = kind;
    e->worker = worker;
    return e;
}

void promp_keeper_core_to_agent(promp_keeper_core_t *core, const promp_message_t *m,
                                const promp_id_t *session, uint32_t worker)
{
    promp_frame_t header = {0};
    promp_keeper_effect_t *e;

    if (!core->agent_up)
        return;
    if (session)
        header.session = *session;
    e = promp_effects_add_message(&core->effects, &header, m);
    e->kind = PROMP_KEEPER_TO_AGENT;
    e->worker = worker;
}

bool promp_keeper_core_next(promp_keeper_core_t *core, promp_keeper_effect_t *e)
{
    promp_out_t *out;

    if (promp_effects_next(&core->effects, e, &out)) {
        if (out)
            out->urgent = true;
        e->out = out;
        return true;
    }
    if (!core->effects.broken || core->ended)
        return false;
    /* Without memory the core no longer knows what is true. */
    core->ended = true;
    *e = (promp_keeper_effect_t){.kind = PROMP_KEEPER_END, .worker = PROMP_KEEPER_NONE};
    return true;
}

/* --- the agent --- */

void promp_keeper_core_agent_up(promp_keeper_core_t *core, int64_t now)
{
    promp_message_t m = {.type = PROMP_TYPE_ROSTER_END, .roster_end = {.node = core->node}};

    core->agent_up = true;
    core->agent_killed = core->agent_spoke = false;
    core->agent_since = core->agent_heard = now;
    core->patience = PATIENCE;
    core->agent_at = PROMP_NEVER;
    promp_keeper_workers_roster(core);
    promp_keeper_core_to_agent(core, &m, NULL, PROMP_KEEPER_NONE);
    promp_keeper_core_due(core, now);
}

void promp_keeper_core_agent_down(promp_keeper_core_t *core, int64_t now)
{
    if (core->agent_up && now - core->agent_since >= LONG_LIFE)
        core->back_off = 0;
    if (core->agent_up && core->agent_spoke)
        core->failing_since = PROMP_NEVER;
    else
        core->failing_since = promp_min64(core->failing_since, now);
    core->agent_up = false;
    core->agent_at = now + core->back_off;
    core->back_off = promp_min64(2 * core->back_off + 10, BACK_OFF);
    if (core->stopping || (core->failing_since != PROMP_NEVER && now - core->failing_since >= GIVE_UP))
        core->stopping = core->finishing = true;
    promp_keeper_core_due(core, now);
}

static void kill_agent(promp_keeper_core_t *core)
{
    if (core->agent_up && !core->agent_killed)
        promp_keeper_core_effect(core, PROMP_KEEPER_KILL_AGENT, PROMP_KEEPER_NONE);
    core->agent_killed = true;
}

static void pulse(promp_keeper_core_t *core, uint32_t patience)
{
    promp_message_t m = {.type = PROMP_TYPE_PULSE};

    if (patience)
        core->patience = promp_max64(patience, 100);
    promp_keeper_core_to_agent(core, &m, NULL, PROMP_KEEPER_NONE);
}

void promp_keeper_core_frame(promp_keeper_core_t *core, const promp_frame_t *frame, int64_t now)
{
    promp_keeper_worker_t *w = promp_map_get(core->workers, &frame->session);
    promp_message_t m;

    core->agent_heard = now;
    if (promp_message_decode(frame->type, frame->body, PROMP_WHO_NODE, PROMP_WHO_KEEPER, PROMP_AT_UP,
                             PROMP_VERSION_HIGH, &m)) {
        kill_agent(core);
        return;
    }
    core->agent_spoke = true;
    switch (m.type) {
    case PROMP_TYPE_SPAWN:
        if (w)
            kill_agent(core);
        else
            promp_keeper_workers_spawn(core, &frame->session, &m.spawn);
        break;
    case PROMP_TYPE_SLAY:
        promp_keeper_workers_slay(core, w, (promp_err_t)m.slay.cause);
        break;
    case PROMP_TYPE_EXIT_SEEN:
        if (w && w->state == PROMP_KEEPER_RECORD)
            promp_keeper_workers_forget(core, w);
        break;
    case PROMP_TYPE_RELINK:
        if (w && w->state == PROMP_KEEPER_LIVE && frame->fds)
            promp_keeper_core_effect(core, PROMP_KEEPER_RELINK, w->number);
        break;
    case PROMP_TYPE_PULSE:
        pulse(core, m.pulse.patience_ms);
        break;
    case PROMP_TYPE_REST:
        core->stopping = core->finishing = true;
        break;
    default:
        kill_agent(core);
    }
    promp_keeper_core_due(core, now);
}

/* --- time and the end --- */

void promp_keeper_core_stop(promp_keeper_core_t *core, int64_t now)
{
    if (core->stopping || !core->agent_up)
        core->finishing = true;
    else
        promp_keeper_core_effect(core, PROMP_KEEPER_STOP_AGENT, PROMP_KEEPER_NONE);
    core->stopping = true;
    core->stop_until = now + STOP_TIME;
    promp_keeper_core_due(core, now);
}

/* Ends what lives; when nothing does, and a last sweep has found nothing, the node has ended. */
static void finish(promp_keeper_core_t *core, int64_t now)
{
    for (uint32_t i = 0; i < core->numbers.size; i++)
        promp_keeper_workers_slay(core, promp_numbers_get(&core->numbers, i), PROMP_ERR_WORKER_NODE_LOST);
    if (core->living || core->ending || core->sweep_at != PROMP_NEVER) {
        promp_keeper_core_due(core, now + 100);
        return;
    }
    core->ended = true;
    promp_keeper_core_effect(core, PROMP_KEEPER_END, PROMP_KEEPER_NONE);
}

static void tick_agent(promp_keeper_core_t *core, int64_t now)
{
    if (!core->agent_up) {
        if (core->stopping)
            return;
        if (now < core->agent_at) {
            promp_keeper_core_due(core, core->agent_at);
            return;
        }
        core->agent_at = PROMP_NEVER;
        promp_keeper_core_effect(core, PROMP_KEEPER_START_AGENT, PROMP_KEEPER_NONE);
        return;
    }
    if (now - core->agent_heard >= core->patience)
        kill_agent(core);
    else
        promp_keeper_core_due(core, core->agent_heard + core->patience);
}

int64_t promp_keeper_core_tick(promp_keeper_core_t *core, int64_t now)
{
    int64_t gap = promp_min64(PROMP_TIME_GAP, core->patience / 4);

    if (now < core->next || core->ended)
        return core->ended ? PROMP_NEVER : core->next;
    if (now - core->next > gap) /* we slept ourselves */
        core->agent_heard = promp_min64(core->agent_heard + (now - core->next), now);
    core->next = PROMP_NEVER;
    if (core->stopping && now >= core->stop_until)
        core->finishing = true;
    promp_keeper_core_due(core, core->stop_until);
    tick_agent(core, now);
    if (now >= core->sweep_at) {
        core->sweep_at = PROMP_NEVER; /* promp_keeper_core_swept sets it again */
        promp_keeper_core_effect(core, PROMP_KEEPER_SWEEP, PROMP_KEEPER_NONE);
    }
    promp_keeper_core_due(core, core->sweep_at);
    if (core->finishing)
        finish(core, now);
    return core->next;
}
