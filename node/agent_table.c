#include "agent_table.h"

#include <stdlib.h>

promp_agent_link_t *promp_agent_table_link(const promp_agent_core_t *core, uint32_t number)
{
    promp_agent_link_t *link = promp_numbers_get(&core->links, number);

    return link && link->state != PROMP_AGENT_LINK_CLOSING ? link : NULL;
}

promp_agent_link_t *promp_agent_table_link_new(promp_agent_core_t *core, int64_t now)
{
    promp_agent_link_t *link = calloc(1, sizeof *link);

    if (!link)
        return NULL;
    link->heard = link->sent = now;
    link->version = PROMP_VERSION_HIGH;
    promp_list_init(&link->managed);
    link->number = promp_numbers_put(&core->links, link);
    if (link->number == PROMP_AGENT_NONE) {
        free(link);
        return NULL;
    }
    return link;
}

/* Tags are never 0, and a late one means nothing. */
static uint32_t generation(promp_agent_core_t *core)
{
    if (++core->generation == 0)
        core->generation = 1;
    return core->generation;
}

promp_agent_link_t *promp_agent_table_far(const promp_agent_core_t *core, const promp_agent_session_t *s,
                                          promp_agent_way_t way)
{
    if (way == PROMP_AGENT_TO_MANAGER)
        return s->manager;
    return s->state == PROMP_AGENT_ELSEWHERE ? core->broker.link : s->worker;
}

void promp_agent_table_cut(promp_agent_core_t *core, promp_agent_session_t *s, promp_agent_way_t way)
{
    promp_agent_flow_t *flow = &s->flow[way];
    promp_agent_link_t *to = promp_agent_table_far(core, s, way);

    if (to)
        to->waiting_to -= flow->waiting;
    if (way == PROMP_AGENT_TO_WORKER && s->manager)
        s->manager->waiting_from -= flow->waiting;
    flow->waiting = 0;
    flow->generation = generation(core);
}

void promp_agent_table_bind(promp_agent_core_t *core, promp_agent_session_t *s, promp_agent_link_t *link)
{
    if (s->manager == link)
        return;
    promp_agent_table_unbind(core, s);
    s->manager = link;
    link->waiting_from += s->flow[PROMP_AGENT_TO_WORKER].waiting;
    promp_list_append(&link->managed, &s->managed);
}

void promp_agent_table_unbind(promp_agent_core_t *core, promp_agent_session_t *s)
{
    if (!s->manager)
        return;
    promp_agent_table_cut(core, s, PROMP_AGENT_TO_MANAGER);
    s->manager->waiting_from -= s->flow[PROMP_AGENT_TO_WORKER].waiting;
    promp_list_remove(&s->manager->managed, &s->managed);
    s->manager_heard = s->manager->heard;
    s->manager = NULL;
    s->ends = false;
}

void promp_agent_table_link_close(promp_agent_core_t *core, promp_agent_link_t *link)
{
    promp_agent_table_link_lose(core, link, PROMP_OK);
}

void promp_agent_table_link_lose(promp_agent_core_t *core, promp_agent_link_t *link, promp_err_t why)
{
    promp_agent_effect_t *effect;
    promp_node_t *node;
    bool greeted = link->state == PROMP_AGENT_LINK_UP;

    if (link->state == PROMP_AGENT_LINK_CLOSING)
        return;
    link->state = PROMP_AGENT_LINK_CLOSING;
    while ((node = promp_list_first(&link->managed)))
        promp_agent_table_unbind(core, PROMP_CONTAINER(node, promp_agent_session_t, managed));
    if (link->broker) {
        for (uint32_t i = 0; i < core->slots.size; i++) {
            promp_agent_session_t *s = promp_numbers_get(&core->slots, i);

            if (s && s->state == PROMP_AGENT_ELSEWHERE)
                promp_agent_table_cut(core, s, PROMP_AGENT_TO_WORKER);
        }
        core->broker.link = NULL;
    } else if (link->session) {
        promp_agent_table_cut(core, link->session, PROMP_AGENT_TO_WORKER);
        if (greeted)
            link->session->worker_heard = link->heard;
        link->session->worker = NULL;
        link->session = NULL;
    } else {
        core->managers--;
    }
    if (link->owner) {
        link->owner->links--;
        promp_agent_owner_release(core, link->owner);
        link->owner = NULL;
    }
    effect = promp_agent_effects_add(&core->effects, PROMP_AGENT_CLOSE);
    effect->link = link->number;
    effect->error = why;
}

void promp_agent_table_link_free(promp_agent_core_t *core, uint32_t number)
{
    free(promp_numbers_get(&core->links, number));
    promp_numbers_clear(&core->links, number);
}

promp_agent_session_t *promp_agent_table_session_new(promp_agent_core_t *core, const promp_id_t *id,
                                                     uint32_t lease, int64_t now)
{
    promp_agent_session_t *s = calloc(1, sizeof *s);

    if (!s)
        return NULL;
    s->id = *id;
    s->lease = lease;
    s->handle = -1;
    s->manager_heard = s->worker_heard = now;
    s->due = s->keep_until = PROMP_NEVER;
    s->flow[0].generation = generation(core);
    s->flow[1].generation = generation(core);
    promp_list_init(&s->children);
    s->number = promp_numbers_put(&core->slots, s);
    if (s->number == UINT32_MAX)
        goto err1;
    if (promp_map_put(core->sessions, id, s))
        goto err2;
    if (!core->lease || lease < core->lease) {
        core->lease = lease;
        core->pulse_at = now; /* the keeper must not be more patient with us than this session */
    }
    promp_agent_core_due(core, now);
    return s;

err2:
    promp_numbers_clear(&core->slots, s->number);
err1:
    free(s);
    return NULL;
}

void promp_agent_table_state(promp_agent_core_t *core, promp_agent_session_t *s, promp_agent_state_t state)
{
    core->elsewhere -= s->state == PROMP_AGENT_ELSEWHERE;
    core->elsewhere += state == PROMP_AGENT_ELSEWHERE;
    s->state = state;
}

void promp_agent_table_drop_start(promp_agent_core_t *core, promp_agent_session_t *s)
{
    core->start_bytes -= s->start.size;
    promp_buf_free(&s->start);
}

void promp_agent_table_own(promp_agent_session_t *s, promp_agent_owner_t *owner,
                           promp_agent_session_t *parent)
{
    s->owner = owner;
    s->parent = parent;
    if (parent)
        s->parent_id = parent->id;
    promp_list_append(parent ? &parent->children : &owner->sessions, &s->owned);
}

void promp_agent_table_disown(promp_agent_core_t *core, promp_agent_session_t *s)
{
    promp_agent_owner_t *owner = s->owner;

    if (s->parent)
        promp_list_remove(&s->parent->children, &s->owned);
    else if (owner)
        promp_list_remove(&owner->sessions, &s->owned);
    s->parent = NULL;
    s->owner = NULL;
    s->remote = false;
    promp_agent_table_unbind(core, s);
    if (owner)
        promp_agent_owner_release(core, owner);
}

bool promp_agent_table_owns(const promp_agent_link_t *link, const promp_agent_session_t *s)
{
    if (link->broker)
        return s->remote;
    return link->session ? s->parent == link->session : s->owner && s->owner == link->owner;
}

bool promp_agent_table_free_for(const promp_agent_session_t *s, const promp_agent_link_t *link, int64_t now)
{
    return !s->manager || s->manager == link || now - s->manager->heard >= s->lease / 5;
}

void promp_agent_table_session_free(promp_agent_core_t *core, promp_agent_session_t *s)
{
    promp_node_t *node;

    if (s->worker)
        promp_agent_table_link_close(core, s->worker);
    while ((node = promp_list_first(&s->children)))
        promp_agent_table_disown(core, PROMP_CONTAINER(node, promp_agent_session_t, owned));
    promp_agent_table_disown(core, s);
    promp_agent_table_drop_start(core, s);
    promp_agent_table_cut(core, s, PROMP_AGENT_TO_WORKER);
    promp_agent_table_state(core, s, PROMP_AGENT_ENDED);
    if (s->handle >= 0)
        promp_agent_effects_add(&core->effects, PROMP_AGENT_DROP)->handle = s->handle;
    promp_map_remove(core->sessions, &s->id);
    promp_numbers_clear(&core->slots, s->number);
    free(s->tail);
    free(s);
}

uint64_t promp_agent_table_tag(const promp_agent_session_t *s, promp_agent_way_t way)
{
    return (uint64_t)s->flow[way].generation << 32 | (uint64_t)s->number << 1 | way;
}

void promp_agent_core_flushed(promp_agent_core_t *core, uint64_t tag, uint64_t bytes)
{
    promp_agent_way_t way = tag & 1;
    promp_agent_session_t *s = promp_numbers_get(&core->slots, (uint32_t)tag >> 1);

    if (!s || s->flow[way].generation != tag >> 32 || bytes > s->flow[way].waiting)
        return;
    promp_agent_link_t *to = promp_agent_table_far(core, s, way);

    s->flow[way].waiting -= bytes;
    if (to)
        to->waiting_to -= bytes;
    if (way == PROMP_AGENT_TO_WORKER && s->manager)
        s->manager->waiting_from -= bytes;
}

void promp_agent_table_destroy(promp_agent_core_t *core)
{
    for (size_t i = 0; i < core->links.size; i++)
        free(core->links.item[i]);
    for (size_t i = 0; i < core->owners.size; i++)
        free(core->owners.item[i]);
    for (size_t i = 0; i < core->slots.size; i++) {
        promp_agent_session_t *s = core->slots.item[i];

        if (s) {
            free(s->tail);
            promp_buf_free(&s->start);
        }
        free(s);
    }
    promp_numbers_free(&core->links);
    promp_numbers_free(&core->owners);
    promp_numbers_free(&core->slots);
    promp_map_destroy(&core->sessions);
}
