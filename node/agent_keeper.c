/* The agent core's side towards the keeper. */
#include "agent_broker.h"
#include "mutant.h"

static void end(promp_agent_core_t *core, promp_err_t error)
{
    promp_agent_effects_add(&core->effects, PROMP_AGENT_END)->error = error;
}

/* What the keeper tells of a session from before this agent: the fields that ROSTER and EXITED share. */
typedef struct {
    uint32_t lease, owner_pid;
    uint64_t owner_start;
    promp_id_t parent, key;
} facts_t;

static promp_agent_session_t *known(promp_agent_core_t *core, const promp_id_t *id, const facts_t *facts,
                                    int64_t now)
{
    promp_agent_session_t *s = promp_agent_table_session_new(core, id, facts->lease, now);
    bool root = promp_id_is_none(&facts->parent) && promp_id_is_none(&facts->key);
    promp_agent_owner_t *owner = NULL;

    if (!s)
        return NULL;
    s->parent_id = facts->parent;
    s->key = facts->key;
    if (root && (owner = promp_agent_owner_get(core, facts->owner_pid, facts->owner_start)))
        promp_agent_table_own(s, owner, NULL);
    if (root && !owner) {
        promp_agent_table_session_free(core, s);
        return NULL;
    }
    s->state = PROMP_AGENT_RUNNING;
    return s;
}

/* All that run are known: find the parents, give everybody a new link, and end those whose parent is gone. */
static void roster_end(promp_agent_core_t *core, int64_t now)
{
    core->ready = true;
    core->idle_since = promp_map_count(core->sessions) ? PROMP_NEVER : now;
    for (uint32_t i = 0; i < core->slots.size; i++) {
        promp_agent_session_t *s = promp_numbers_get(&core->slots, i);
        promp_agent_session_t *parent = s ? promp_map_get(core->sessions, &s->parent_id) : NULL;

        if (s && parent && parent->state == PROMP_AGENT_RUNNING && parent != s)
            promp_agent_table_own(s, NULL, parent);
        else if (s && !parent && !promp_id_is_none(&s->key))
            s->remote = true;
    }
    for (uint32_t i = 0; i < core->slots.size; i++) {
        promp_agent_session_t *s = promp_numbers_get(&core->slots, i);

        if (!s)
            continue;
        if (s->exited)
            promp_agent_life_ended(core, s, now);
        else if (!s->owner && !s->parent && !s->remote)
            promp_agent_life_slay(core, s, PROMP_ERR_WORKER_MANAGER_GONE);
        else if (s->state == PROMP_AGENT_RUNNING && !PROMP_MUTANT(10))
            promp_agent_life_relink(core, s, now);
    }
    promp_agent_broker_begin(core, now);
    promp_agent_core_due(core, now);
}

static promp_err_t roster(promp_agent_core_t *core, const promp_id_t *id, const promp_msg_roster_t *r,
                          int *handle, int64_t now)
{
    promp_agent_session_t *s;

    if (core->ready || promp_map_get(core->sessions, id))
        return PROMP_ERR_MESSAGE_STATE;
    const facts_t facts = {r->lease_ms, r->owner_pid, r->owner_start, r->parent, r->owner};

    s = known(core, id, &facts, now);
    if (!s)
        return PROMP_ERR_MEMORY;
    s->cpus = r->cpus;
    s->memory = r->memory;
    s->gpus = r->gpus;
    s->pid = r->pid;
    s->handle = *handle;
    s->greeted = true;
    *handle = -1;
    return PROMP_OK;
}

static promp_err_t exited(promp_agent_core_t *core, promp_agent_session_t *s, const promp_id_t *id,
                          const promp_msg_exited_t *e, int64_t now)
{
    promp_message_t seen = {.type = PROMP_TYPE_EXIT_SEEN};

    if (s) {
        promp_agent_life_exited(core, s, e, now);
        return PROMP_OK;
    }
    if (core->ready) {
        promp_agent_effects_message(&core->effects, PROMP_AGENT_TO_KEEPER, PROMP_AGENT_NONE, &seen, id, 0,
                                    true);
        return PROMP_OK;
    }
    const facts_t facts = {e->lease_ms, e->owner_pid, e->owner_start, e->parent, e->owner};

    s = known(core, id, &facts, now);
    if (!s)
        return PROMP_ERR_MEMORY;
    promp_agent_life_exited(core, s, e, now);
    return PROMP_OK;
}

/* A process was made whose session is not there any more. */
static void unwanted(promp_agent_core_t *core, const promp_id_t *id, uint32_t pid, int handle)
{
    promp_message_t m = {.type = PROMP_TYPE_SLAY, .slay = {.cause = PROMP_ERR_WORKER_MANAGER_GONE}};

    promp_agent_effects_message(&core->effects, PROMP_AGENT_TO_KEEPER, PROMP_AGENT_NONE, &m, id, 0, true);
    if (handle < 0)
        return;
    promp_agent_effect_t *effect = promp_agent_effects_add(&core->effects, PROMP_AGENT_SLAY);

    effect->handle = handle;
    effect->pid = pid;
}

static promp_err_t on_keeper(promp_agent_core_t *core, const promp_frame_t *frame, int *handle, int64_t now)
{
    promp_agent_session_t *s = promp_map_get(core->sessions, &frame->session);
    promp_message_t m;
    promp_err_t error = promp_message_decode(frame->type, frame->body, PROMP_WHO_KEEPER, PROMP_WHO_NODE,
                                             PROMP_AT_UP, PROMP_VERSION_HIGH, &m);

    if (error)
        return error;
    if (s && s->state == PROMP_AGENT_ELSEWHERE)
        s = NULL; /* the process, if there was one, was given up */
    switch (m.type) {
    case PROMP_TYPE_ROSTER:
        return roster(core, &frame->session, &m.roster, handle, now);
    case PROMP_TYPE_ROSTER_END:
        if (core->ready)
            return PROMP_ERR_MESSAGE_STATE;
        core->node = m.roster_end.node;
        roster_end(core, now);
        return PROMP_OK;
    case PROMP_TYPE_SPAWNED:
        if (s && !s->pid) {
            promp_agent_life_spawned(core, s, m.spawned.pid, *handle, now);
            *handle = -1;
        } else if (!s) {
            unwanted(core, &frame->session, m.spawned.pid, *handle);
        }
        return PROMP_OK;
    case PROMP_TYPE_SPAWN_FAILED:
        if (s && !s->pid)
            promp_agent_life_failed(core, s, &m.spawn_failed, now);
        return PROMP_OK;
    case PROMP_TYPE_EXITED:
        return exited(core, s, &frame->session, &m.exited, now);
    case PROMP_TYPE_PULSE:
        return PROMP_OK;
    default:
        return PROMP_ERR_MESSAGE_STATE;
    }
}

void promp_agent_core_keeper_frame(promp_agent_core_t *core, const promp_frame_t *frame, int handle,
                                   int64_t now)
{
    promp_err_t error = on_keeper(core, frame, &handle, now);

    core->keeper_heard = now;
    if (handle >= 0)
        promp_agent_effects_add(&core->effects, PROMP_AGENT_DROP)->handle = handle;
    if (error)
        end(core, error);
}

void promp_agent_core_keeper_lost(promp_agent_core_t *core, int64_t now)
{
    for (uint32_t i = 0; i < core->slots.size; i++) {
        promp_agent_session_t *s = promp_numbers_get(&core->slots, i);

        if (!s || s->state == PROMP_AGENT_ENDED || s->state == PROMP_AGENT_ELSEWHERE)
            continue;
        if (s->handle >= 0) {
            promp_agent_effect_t *effect = promp_agent_effects_add(&core->effects, PROMP_AGENT_SLAY);

            effect->handle = s->handle;
            effect->pid = s->pid;
        }
        s->gone = (promp_msg_gone_t){.cause = PROMP_ERR_WORKER_NODE_LOST,
                                     .text = promp_slice_str(promp_error_text(PROMP_ERR_WORKER_NODE_LOST))};
        s->ends = false;
        promp_agent_life_tell(core, s, now);
    }
    end(core, core->resting ? PROMP_OK : PROMP_ERR_NODE_GONE);
}

void promp_agent_core_stop(promp_agent_core_t *core, int64_t now)
{
    if (core->stopping)
        return;
    core->stopping = true;
    core->stop_until = now + PROMP_TIME_LINGER;
    for (uint32_t i = 0; i < core->slots.size; i++) {
        promp_agent_session_t *s = promp_numbers_get(&core->slots, i);

        if (s)
            promp_agent_life_slay(core, s, PROMP_ERR_WORKER_NODE_LOST);
    }
    promp_agent_broker_offer(core);
    promp_agent_core_due(core, now);
}

void promp_agent_core_drain(promp_agent_core_t *core, int64_t now)
{
    if (core->draining || !core->config.cluster)
        return;
    core->draining = true;
    promp_agent_broker_offer(core);
    promp_agent_core_due(core, now);
}
