/* The processes outside that own sessions: known, watched, dead. */
#include <stdlib.h>

#include "agent_table.h"

static promp_agent_owner_t *watch(promp_agent_core_t *core, promp_agent_owner_t *owner)
{
    if (owner->watched)
        return owner;
    promp_agent_effect_t *effect = promp_agent_effects_add(&core->effects, PROMP_AGENT_WATCH);

    effect->owner = owner->number;
    effect->pid = owner->pid;
    effect->start = owner->start;
    owner->watched = true;
    return owner;
}

promp_agent_owner_t *promp_agent_owner_get(promp_agent_core_t *core, uint32_t pid, uint64_t start)
{
    for (size_t i = 0; i < core->owners.size; i++) {
        promp_agent_owner_t *owner = core->owners.item[i];

        if (owner && owner->pid == pid && owner->start == start && !owner->dead)
            return watch(core, owner);
    }
    promp_agent_owner_t *owner = calloc(1, sizeof *owner);

    if (!owner)
        return NULL;
    owner->pid = pid;
    owner->start = start;
    promp_list_init(&owner->sessions);
    owner->number = promp_numbers_put(&core->owners, owner);
    if (owner->number == PROMP_AGENT_NONE) {
        free(owner);
        return NULL;
    }
    return watch(core, owner);
}

void promp_agent_owner_release(promp_agent_core_t *core, promp_agent_owner_t *owner)
{
    if (owner->links || owner->sessions.count)
        return;
    if (owner->watched)
        promp_agent_effects_add(&core->effects, PROMP_AGENT_UNWATCH)->owner = owner->number;
    promp_numbers_clear(&core->owners, owner->number);
    free(owner);
}

static void close_links(promp_agent_core_t *core, const promp_agent_owner_t *owner)
{
    for (uint32_t i = 0; i < core->links.size; i++) {
        promp_agent_link_t *link = promp_agent_table_link(core, i);

        if (link && link->owner == owner)
            promp_agent_table_link_close(core, link);
    }
}

void promp_agent_core_owner_died(promp_agent_core_t *core, uint32_t number, int64_t now)
{
    promp_agent_owner_t *owner = promp_numbers_get(&core->owners, number);
    promp_node_t *node;

    if (!owner)
        return;
    /* Not found again by a process that has the same number later; kept until the last of it is gone. */
    owner->dead = true;
    owner->links++;
    close_links(core, owner);
    while ((node = promp_list_first(&owner->sessions)))
        promp_agent_life_abandon(core, PROMP_CONTAINER(node, promp_agent_session_t, owned),
                                 PROMP_ERR_WORKER_MANAGER_GONE, now);
    owner->links--;
    promp_agent_owner_release(core, owner);
    promp_agent_core_due(core, now);
}

void promp_agent_core_owner_unwatched(promp_agent_core_t *core, uint32_t number, int64_t now)
{
    promp_agent_owner_t *owner = promp_numbers_get(&core->owners, number);

    if (!owner)
        return;
    owner->watched = false;
    owner->links++; /* kept until the last of it is gone */
    close_links(core, owner);
    owner->links--;
    promp_agent_owner_release(core, owner);
    promp_agent_core_due(core, now);
}
