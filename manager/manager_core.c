/* manager_core.c - the table of workers. */
#include "manager_core_state.h"

#include <stdio.h>
#include <stdlib.h>

promp_manager_core_t *promp_manager_core_new(uint32_t level, uint64_t seed)
{
    promp_manager_core_t *core = calloc(1, sizeof *core);
    if (!core)
        goto err0;
    core->sessions = promp_map_new(seed);
    if (!core->sessions)
        goto err1;
    core->level = level;
    core->chunks.size = PROMP_CHUNK;
    core->due = core->asked = PROMP_NEVER;
    core->unsent_limit = PROMP_LIMIT_UNSENT;
    core->inbox_limit = PROMP_LIMIT_INBOX;
    core->output_limit = PROMP_LIMIT_OUTPUT_INBOX;
    promp_list_t *lists[] = {&core->live,  &core->ended,   &core->touched, &core->starved,
                             &core->queue, &core->output,  &core->ready,   &core->blocked,
                             &core->waits, &core->dropped, &core->sides};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        promp_list_init(lists[i]);
    for (int i = 0; i < INBOXES; i++)
        promp_list_init(&core->inbox[i]);
    for (int i = 0; i < PROMP_ASK_PLACES; i++)
        promp_list_init(&core->askers[i]);
    for (uint64_t i = 0; i < 2; i++)
        core->name_seed[i] = promp_hash_seed(seed + i);
    return core;

err1:
    free(core);
err0:
    return NULL;
}

void promp_manager_core_destroy(promp_manager_core_t **core_p)
{
    promp_manager_core_t *core = *core_p;
    if (!core)
        return;
    promp_manager_core_inbox_clear(core);
    promp_manager_core_task_drop(core, false);
    for (size_t i = 0; i < core->count; i++)
        if (core->table[i])
            promp_manager_core_forget(core, core->table[i]);
    promp_manager_core_share_clear(core);
    promp_map_destroy(&core->sessions);
    promp_pool_clear(&core->chunks);
    free(core->table);
    free(core->idle);
    free(core);
    *core_p = NULL;
}

void promp_manager_core_set_lost_why(promp_manager_core_t *core, const char *why)
{
    snprintf(core->lost_why, sizeof core->lost_why, "%s", why);
}

void promp_manager_core_set_remote(promp_manager_core_t *core, bool remote)
{
    core->remote = remote;
}

void promp_manager_core_set_limits(promp_manager_core_t *core, uint64_t unsent, uint64_t inbox,
                                   uint64_t output)
{
    if (unsent)
        core->unsent_limit = unsent;
    if (inbox)
        core->inbox_limit = inbox;
    if (output)
        core->output_limit = output;
    promp_manager_core_take_blocked(core);
}

worker_t *promp_manager_core_find(const promp_manager_core_t *core, uint32_t id)
{
    worker_t *w = id && id <= core->count ? core->table[id - 1] : NULL;
    return w && !w->abandoned && w->state != WORKER_STARTING ? w : NULL;
}

worker_t *promp_manager_core_next_live(const promp_manager_core_t *core, const worker_t *w)
{
    promp_node_t *node = w ? promp_list_after(&core->live, &w->member) : promp_list_first(&core->live);
    for (; node; node = promp_list_after(&core->live, node)) {
        worker_t *next = WORKER_OF(node, member);
        if (next->state == WORKER_ALIVE && !next->abandoned)
            return next;
    }
    return NULL;
}

void promp_manager_core_unlist(promp_manager_core_t *core, worker_t *w)
{
    promp_list_remove(w->starves ? &core->starved : &core->touched, &w->sending);
    w->starves = false;
}

void promp_manager_core_touch(promp_manager_core_t *core, worker_t *w)
{
    if (w->starves)
        promp_manager_core_unlist(core, w);
    promp_manager_core_enlist(&core->touched, &w->sending);
}

void promp_manager_core_forget(promp_manager_core_t *core, worker_t *w)
{
    promp_manager_core_unlist(core, w);
    promp_list_remove(w->state == WORKER_ENDED ? &core->ended : &core->live, &w->member);
    core->lease_known = false;
    promp_list_remove(&core->ready, &w->showing);
    promp_list_remove(&core->blocked, &w->blocked);
    promp_list_remove(&core->waits, &w->waiting);
    promp_list_remove(&core->sides, &w->siding);
    promp_map_remove(core->sessions, &w->key);
    core->table[w->id - 1] = NULL;
    core->unsent -= w->backlog;
    promp_manager_core_show_clear(w);
    promp_manager_core_share_leave(core, w);
    promp_session_destroy(&w->session);
    promp_buf_free(&w->start);
    promp_buf_free(&w->tail);
    free(w->refusal);
    free(w->exit_text);
    free(w->unknown_text);
    free(w);
}
