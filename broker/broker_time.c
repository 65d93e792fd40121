/* What time demands, and the broker's own end. */
#include "broker_table.h"

static void away(promp_broker_core_t *core, promp_broker_peer_t *peer)
{
    promp_message_t m = {.type = PROMP_TYPE_AWAY, .away = {.retry_ms = PROMP_TIME_AWAY}};

    if (peer->up)
        promp_broker_effects_say(core, peer, &m, NULL, 0);
}

void promp_broker_core_drain(promp_broker_core_t *core, int64_t now)
{
    promp_broker_peer_t *peer;
    size_t at = 0;

    core->now = now;
    if (core->drain_until != PROMP_NEVER)
        return;
    core->drain_until = now + PROMP_TIME_DRAIN;
    while ((peer = promp_map_next(core->peers, &at)))
        away(core, peer);
}

static void tick_end(promp_broker_core_t *core)
{
    promp_broker_effect_t *effect;

    if (core->ended || (core->count.data_waiting && core->now < core->drain_until))
        return;
    core->ended = true;
    effect = promp_effects_add(&core->effects);
    effect->kind = PROMP_BROKER_END;
}

static int64_t later(int64_t heard, int64_t late, int64_t now)
{
    return promp_min64(heard + late, now);
}

/* We were not running for so long: whatever we did not hear meanwhile is nobody's fault. */
static void slept(promp_broker_core_t *core, int64_t late)
{
    promp_broker_peer_t *peer;
    size_t at = 0;

    while ((peer = promp_map_next(core->peers, &at)))
        peer->heard = later(peer->heard, late, core->now);
    for (promp_node_t *n = promp_list_first(&core->nodes); n; n = promp_list_after(&core->nodes, n))
        PROMP_BROKER_OF(n, node, member)->heard =
            later(PROMP_BROKER_OF(n, node, member)->heard, late, core->now);
    for (size_t i = 0; i < core->slots.size; i++) {
        promp_broker_session_t *s = core->slots.item[i];

        if (!s)
            continue;
        s->manager_heard = later(s->manager_heard, late, core->now);
        if (s->keep_until != PROMP_NEVER)
            s->keep_until += late;
    }
    if (core->gather_until > core->now - late)
        core->gather_until += late;
}

static void fire(promp_broker_core_t *core, promp_broker_timer_t *timer)
{
    switch (timer->kind) {
    case PROMP_BROKER_TIMER_PEER:
        promp_broker_peer_tick(core, PROMP_CONTAINER(timer, promp_broker_peer_t, timer));
        break;
    case PROMP_BROKER_TIMER_NODE:
        promp_broker_node_tick(core, PROMP_CONTAINER(timer, promp_broker_node_t, timer));
        break;
    default:
        promp_broker_life_tick(core, PROMP_CONTAINER(timer, promp_broker_session_t, timer));
        break;
    }
}

int64_t promp_broker_core_tick(promp_broker_core_t *core, int64_t now)
{
    promp_broker_timer_t *timer;

    core->now = now;
    if (core->ended)
        return PROMP_NEVER;
    if (now - core->next > PROMP_TIME_GAP && core->next != PROMP_NEVER)
        slept(core, now - core->next);
    while ((timer = promp_broker_heap_take(&core->timers, now)))
        fire(core, timer);
    if (now >= core->review_at)
        promp_broker_place_review(core);
    promp_broker_place_serve_due(core);
    if (core->drain_until != PROMP_NEVER)
        tick_end(core);
    core->next =
        promp_min64(promp_min64(promp_broker_heap_next(&core->timers), core->review_at), core->drain_until);
    if (core->ended)
        core->next = PROMP_NEVER;
    return core->next;
}
