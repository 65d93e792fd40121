/* Sessions in the table: made, owned, placed, bound, freed. What follows from that is decided elsewhere. */
#include "broker_table.h"

#include <stdlib.h>

#include "mutant.h"

/* Tags are never 0, and a late one means nothing. */
static uint32_t generation(promp_broker_core_t *core)
{
    if (++core->generation == 0)
        core->generation = 1;
    return core->generation;
}

static uint64_t *counter(promp_broker_core_t *core, promp_broker_state_t state)
{
    uint64_t *const counters[] = {&core->count.waiting, &core->count.asked, &core->count.running,
                                  &core->count.ended};

    return counters[state];
}

promp_broker_session_t *promp_broker_table_new(promp_broker_core_t *core, const promp_id_t *id,
                                               uint32_t lease)
{
    promp_broker_session_t *s = calloc(1, sizeof *s);

    if (!s)
        return NULL;
    s->id = *id;
    s->lease = lease;
    s->manager_heard = core->now;
    s->keep_until = PROMP_NEVER;
    s->timer.kind = PROMP_BROKER_TIMER_SESSION;
    s->flow[0].generation = generation(core);
    s->flow[1].generation = generation(core);
    promp_list_init(&s->children);
    if (promp_broker_heap_reserve(&core->timers))
        goto err1;
    s->number = promp_numbers_put(&core->slots, s);
    if (s->number == UINT32_MAX)
        goto err2;
    if (promp_map_put(core->sessions, id, s))
        goto err3;
    core->count.sessions++;
    core->count.waiting++;
    return s;

err3:
    promp_numbers_clear(&core->slots, s->number);
err2:
    promp_broker_heap_release(&core->timers, &s->timer);
err1:
    free(s);
    return NULL;
}

static void discount(promp_broker_session_t *s)
{
    if (s->counted)
        s->key->workers--;
    s->counted = false;
}

void promp_broker_table_state(promp_broker_core_t *core, promp_broker_session_t *s,
                              promp_broker_state_t state)
{
    --*counter(core, s->state);
    s->state = state;
    ++*counter(core, state);
    if (state == PROMP_BROKER_ENDED)
        discount(s);
}

void promp_broker_table_drop_start(promp_broker_core_t *core, promp_broker_session_t *s)
{
    if (!s->start)
        return;
    core->count.starts_bytes -= s->start->size;
    if (s->key) {
        s->key->held -= s->start->size;
        s->key->starts -= s->start->size;
    }
    free(s->start);
    s->start = NULL;
}

void promp_broker_table_free(promp_broker_core_t *core, promp_broker_session_t *s)
{
    promp_node_t *n;

    while ((n = promp_list_first(&s->children)))
        promp_broker_life_orphan(core, PROMP_BROKER_OF(n, session, sibling), PROMP_ERR_WORKER_MANAGER_GONE);
    promp_broker_table_unplace(core, s);
    promp_broker_table_disown(core, s);
    promp_broker_table_drop_start(core, s);
    promp_list_remove(&core->todo, &s->todo);
    promp_map_remove(core->sessions, &s->id);
    promp_numbers_clear(&core->slots, s->number);
    promp_broker_heap_release(&core->timers, &s->timer);
    core->count.sessions--;
    --*counter(core, s->state);
    free(s);
}

/* --- owners --- */

void promp_broker_table_own(promp_broker_session_t *s, promp_broker_key_t *key,
                            promp_broker_session_t *parent)
{
    s->key = key;
    promp_list_append(&key->sessions, &s->charged);
    if (s->state != PROMP_BROKER_ENDED) {
        s->counted = true;
        key->workers++;
    }
    s->parent = parent;
    if (!parent)
        return;
    s->parent_id = parent->id;
    promp_list_append(&parent->children, &s->sibling);
}

void promp_broker_table_queue(promp_broker_core_t *core, promp_broker_session_t *s, bool first)
{
    promp_broker_key_t *key = s->key;

    promp_broker_table_state(core, s, PROMP_BROKER_WAITING);
    core->count.waiting_nowhere += s->nowhere;
    if (!key->waiting.count)
        promp_list_append(&core->turns, &key->turn);
    if (first)
        promp_list_prepend(&key->waiting, &s->waiting);
    else
        promp_list_append(&key->waiting, &s->waiting);
}

static void leave_queue(promp_broker_core_t *core, promp_broker_session_t *s)
{
    if (!s->waiting.next)
        return;
    if (!s->key) {
        promp_list_remove(&core->unrooted, &s->waiting);
        core->count.unrooted--;
        return;
    }
    core->count.waiting_nowhere -= s->nowhere;
    s->nowhere = false;
    promp_list_remove(&s->key->waiting, &s->waiting);
    if (!s->key->waiting.count)
        promp_list_remove(&core->turns, &s->key->turn);
}

void promp_broker_table_disown(promp_broker_core_t *core, promp_broker_session_t *s)
{
    promp_broker_key_t *key = s->key;

    promp_broker_table_unbind(core, s);
    promp_broker_table_cut(core, s, PROMP_BROKER_TO_WORKER);
    leave_queue(core, s);
    if (s->parent)
        promp_list_remove(&s->parent->children, &s->sibling);
    s->parent = NULL;
    if (!key)
        return;
    promp_broker_table_drop_start(core, s);
    discount(s);
    promp_list_remove(&key->sessions, &s->charged);
    s->key = NULL;
    promp_broker_key_release(core, key);
}

bool promp_broker_table_local(const promp_broker_session_t *s)
{
    return s->parent && s->node && s->parent->node == s->node;
}

/* --- ways --- */

void promp_broker_table_cut(promp_broker_core_t *core, promp_broker_session_t *s, promp_broker_way_t way)
{
    promp_broker_flow_t *flow = &s->flow[way];
    promp_broker_peer_t *to = way == PROMP_BROKER_TO_MANAGER ? s->manager : s->node ? s->node->peer : NULL;

    if (to)
        to->waiting_to -= flow->waiting;
    if (s->key)
        s->key->held -= flow->waiting;
    if (!PROMP_MUTANT(15))
        core->count.data_waiting -= flow->waiting;
    flow->waiting = 0;
    flow->generation = generation(core);
}

void promp_broker_core_flushed(promp_broker_core_t *core, uint64_t tag, uint64_t bytes)
{
    promp_broker_way_t way = tag & 1;
    promp_broker_session_t *s = promp_numbers_get(&core->slots, (uint32_t)tag >> 1);

    if (!s || s->flow[way].generation != tag >> 32 || bytes > s->flow[way].waiting)
        return;
    promp_broker_peer_t *to = way == PROMP_BROKER_TO_MANAGER ? s->manager : s->node ? s->node->peer : NULL;

    s->flow[way].waiting -= bytes;
    core->count.data_waiting -= bytes;
    if (to)
        to->waiting_to -= bytes;
    if (s->key)
        s->key->held -= bytes;
}

void promp_broker_table_bind(promp_broker_core_t *core, promp_broker_session_t *s, promp_broker_peer_t *peer)
{
    if (s->manager == peer)
        return;
    promp_broker_table_unbind(core, s);
    s->manager = peer;
    promp_list_append(&peer->managed, &s->managed);
    promp_broker_peer_lease(core, peer, s->lease);
}

void promp_broker_table_unbind(promp_broker_core_t *core, promp_broker_session_t *s)
{
    if (!s->manager)
        return;
    promp_broker_table_cut(core, s, PROMP_BROKER_TO_MANAGER);
    promp_list_remove(&s->manager->managed, &s->managed);
    s->manager_heard = s->manager->heard;
    s->manager = NULL;
    promp_broker_heap_sooner(&core->timers, &s->timer, s->manager_heard + s->lease);
}

/* --- places --- */

void promp_broker_table_place(promp_broker_core_t *core, promp_broker_session_t *s, promp_broker_node_t *node)
{
    leave_queue(core, s);
    s->node = node;
    promp_list_append(&node->sessions, &s->placed);
    promp_list_remove(&core->nodes, &node->member);
    promp_list_append(&core->nodes, &node->member);
    if (node->peer)
        promp_broker_peer_lease(core, node->peer, s->lease);
    if (s->state == PROMP_BROKER_ENDED)
        return;
    s->holds = true;
    node->used++;
    node->used_cpus += s->needs.cpus;
    node->used_gpus += s->needs.gpus;
    node->used_memory += s->needs.memory;
    promp_broker_status_node(core, node, true);
}

void promp_broker_table_vacate(promp_broker_core_t *core, promp_broker_session_t *s)
{
    if (!s->holds || PROMP_MUTANT(16))
        return;
    s->holds = false;
    s->node->used--;
    s->node->used_cpus -= s->needs.cpus;
    s->node->used_gpus -= s->needs.gpus;
    s->node->used_memory -= s->needs.memory;
    s->node->due = true;
    promp_broker_status_node(core, s->node, true);
}

void promp_broker_table_unplace(promp_broker_core_t *core, promp_broker_session_t *s)
{
    if (!s->node)
        return;
    promp_broker_table_cut(core, s, PROMP_BROKER_TO_WORKER);
    promp_broker_table_vacate(core, s);
    promp_list_remove(&s->node->sessions, &s->placed);
    s->node = NULL;
}

void promp_broker_table_text(char *to, promp_slice_t text)
{
    if (text.size)
        memcpy(to, text.data, text.size);
    to[text.size] = 0;
}

void promp_broker_table_destroy(promp_broker_core_t *core)
{
    promp_broker_peer_t *peer;
    promp_broker_key_t *key;
    promp_node_t *n;
    size_t at = 0;

    for (size_t i = 0; i < core->slots.size; i++) {
        promp_broker_session_t *s = core->slots.item[i];

        if (s)
            free(s->start);
        free(s);
    }
    while (core->peers && (peer = promp_map_next(core->peers, &at)))
        free(peer);
    at = 0;
    while (core->keys && (key = promp_map_next(core->keys, &at)))
        free(key);
    while ((n = promp_list_first(&core->nodes))) {
        promp_list_remove(&core->nodes, n);
        free(PROMP_BROKER_OF(n, node, member));
    }
    promp_numbers_free(&core->slots);
    promp_map_destroy(&core->sessions);
    promp_map_destroy(&core->peers);
    promp_map_destroy(&core->keys);
    promp_broker_heap_free(&core->timers);
}
