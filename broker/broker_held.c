/* What nodes have when they come (back): sessions that the table knows, and those that it learns of. */
#include "broker_table.h"
#include "mutant.h"

/* Those that were told before this one and belong to it. */
static void adopt_children(promp_broker_core_t *core, promp_broker_session_t *parent)
{
    promp_node_t *n, *next;

    for (n = promp_list_first(&core->unrooted); n; n = next) {
        promp_broker_session_t *s = PROMP_BROKER_OF(n, session, waiting);

        next = promp_list_after(&core->unrooted, n);
        if (!promp_id_equal(&s->parent_id, &parent->id))
            continue;
        promp_list_remove(&core->unrooted, n);
        core->count.unrooted--;
        promp_list_append(&core->todo, &s->todo);
    }
}

/* s has a root: so have those below it, level by level. */
static void root(promp_broker_core_t *core, promp_broker_session_t *s, promp_broker_key_t *key,
                 promp_broker_session_t *parent)
{
    promp_node_t *n;

    promp_list_append(&core->todo, &s->todo);
    while ((n = promp_list_first(&core->todo))) {
        promp_broker_session_t *x = PROMP_BROKER_OF(n, session, todo);

        promp_list_remove(&core->todo, n);
        if (x != s)
            parent = promp_map_get(core->sessions, &x->parent_id);
        promp_broker_table_own(x, key, parent);
        x->keep_until = x->state == PROMP_BROKER_ENDED ? core->now + 2 * (int64_t)x->lease : PROMP_NEVER;
        x->manager_heard = core->now;
        promp_broker_heap_sooner(&core->timers, &x->timer, core->now + x->lease);
        adopt_children(core, x);
    }
}

static void unroot(promp_broker_core_t *core, promp_broker_session_t *s, const promp_id_t *parent)
{
    s->parent_id = *parent;
    promp_list_append(&core->unrooted, &s->waiting);
    core->count.unrooted++;
    promp_broker_life_keep(core, s, s->lease);
}

/* The manager's key that a node names as the owner of a root session; NULL: there is none (OK), or MEMORY. */
static promp_broker_key_t *owner(promp_broker_core_t *core, const promp_msg_held_t *held, promp_err_t *error)
{
    promp_broker_key_t *key = NULL;

    *error = PROMP_OK;
    if (promp_id_is_none(&held->parent))
        key = promp_broker_key_get(core, &held->owner, error);
    if (*error != PROMP_ERR_MEMORY)
        *error = PROMP_OK;
    if (!key || key->info.role == PROMP_BROKER_MANAGER)
        return key;
    promp_broker_key_release(core, key);
    return NULL;
}

/* Finds out whose a session is that a node has. */
static void find_root(promp_broker_core_t *core, promp_broker_session_t *s, promp_broker_key_t *key,
                      const promp_id_t *parent_id)
{
    promp_broker_session_t *parent = promp_map_get(core->sessions, parent_id);
    bool child = !promp_id_is_none(parent_id);

    if (key) {
        root(core, s, key, NULL);
    } else if (child && parent && parent->key && parent->state != PROMP_BROKER_ENDED) {
        root(core, s, parent->key, parent);
    } else if (child && (!parent || (!parent->orphan && parent->state != PROMP_BROKER_ENDED))) {
        unroot(core, s, parent_id);
    } else {
        core->count.orphans++;
        promp_broker_life_orphan(core, s, PROMP_ERR_WORKER_MANAGER_GONE);
    }
}

/* A session that the table does not have: one from before this broker, or from before the node was cut off for long. */
static promp_err_t adopt(promp_broker_core_t *core, promp_broker_node_t *node, const promp_id_t *id,
                         const promp_msg_held_t *held)
{
    static const promp_broker_state_t states[] = {PROMP_BROKER_ASKED, PROMP_BROKER_RUNNING,
                                                  PROMP_BROKER_ENDED};
    promp_err_t error = PROMP_OK;
    promp_broker_key_t *key = owner(core, held, &error);
    promp_broker_session_t *s = error ? NULL : promp_broker_table_new(core, id, held->lease_ms);

    if (!s) {
        if (key)
            promp_broker_key_release(core, key);
        return PROMP_ERR_MEMORY;
    }
    promp_broker_table_state(core, s, states[held->state - 1]);
    s->pid = held->pid;
    s->needs = (promp_broker_needs_t){.cpus = held->cpus, .gpus = held->gpus, .memory = held->memory};
    s->confirmed = true;
    promp_broker_table_place(core, s, node);
    find_root(core, s, key, &held->parent);
    return PROMP_OK;
}

/* A session that the table has, at this node or, while it looked for a place, at none. */
static void confirm(promp_broker_core_t *core, promp_broker_session_t *s, const promp_msg_held_t *held)
{
    promp_message_t kill = {.type = PROMP_TYPE_KILL, .kill = {.cause = s->cause}};

    s->confirmed = true;
    if (held->state == 2)
        promp_broker_start_started(core, s, held->pid);
    if (held->state == 3 && s->state != PROMP_BROKER_ENDED)
        promp_broker_life_end(core, s);
    if (s->cause && s->state != PROMP_BROKER_ENDED)
        promp_broker_effects_say(core, s->node->peer, &kill, &s->id, 0);
}

/* The manager asked a broker that did not know yet that this node has it. Where another node was asked meanwhile and has not
 * answered, the worker that runs is preferred: the other's is unwanted when it starts. Not where that one is the manager's own
 * node, which tells the manager by itself that it has started. */
static bool is_awaited(const promp_broker_session_t *s, const promp_broker_node_t *node,
                       const promp_msg_held_t *held)
{
    bool open = s->state == PROMP_BROKER_WAITING || (s->state == PROMP_BROKER_ASKED && s->node != node &&
                                                     held->state == 2 && !promp_broker_table_local(s));

    return open && s->key && promp_id_equal(&s->key->id, &held->owner) &&
           promp_id_equal(&s->parent_id, &held->parent);
}

promp_err_t promp_broker_held(promp_broker_core_t *core, promp_broker_node_t *node, const promp_id_t *id,
                              const promp_msg_held_t *held)
{
    promp_message_t kill = {.type = PROMP_TYPE_KILL, .kill = {.cause = PROMP_ERR_WORKER_LEASE}};
    promp_broker_session_t *s = promp_map_get(core->sessions, id);

    if (node->settled)
        return PROMP_ERR_MESSAGE_STATE;
    if (held->lease_ms < PROMP_TIMEOUT_MIN || held->lease_ms > PROMP_TIMEOUT_MAX || held->state < 1 ||
        held->state > 3 || promp_id_equal(&held->parent, id))
        return PROMP_ERR_MESSAGE_FIELD;
    if (!s &&
        (node->sessions.count >= 2 * PROMP_LIMIT_WORKERS || core->count.sessions >= PROMP_LIMIT_SESSIONS))
        return PROMP_ERR_LIMIT_WORKERS;
    if (!s)
        return adopt(core, node, id, held);
    if (is_awaited(s, node, held)) {
        promp_broker_table_unplace(core, s);
        promp_broker_table_place(core, s, node);
        promp_broker_table_state(core, s, PROMP_BROKER_ASKED);
    }
    if (s->node == node) {
        confirm(core, s, held);
        return PROMP_OK;
    }
    if (!PROMP_MUTANT(18))
        promp_broker_effects_say(core, node->peer, &kill, id, 0); /* a second copy, or a false claim */
    core->count.orphans++;
    return PROMP_OK;
}
