/* manager_core_side.c - direct ways to workers, past the node (port.h, hub.h). A worker that is ready gets one; when it
 * breaks its session is attached anew over the link. */
#include "manager_core_state.h"

#include "mutant.h"

/* One that breaks again and again, each time soon, is let be until the link to the node is a new one. */
#define SIDES_MOST 8
#define SIDE_STOOD 10000 /* ms */

void promp_manager_core_side_ask(promp_manager_core_t *core, worker_t *w)
{
    if (!core->remote && w->state == WORKER_ALIVE && w->ready && !w->side && w->sides < SIDES_MOST &&
        !w->siding.next) {
        w->sides++;
        promp_list_append(&core->sides, &w->siding);
    }
}

bool promp_manager_core_side_wanted(promp_manager_core_t *core, promp_id_t *session)
{
    promp_node_t *node = promp_list_first(&core->sides);
    if (!node || !core->up)
        return false;
    worker_t *w = WORKER_OF(node, siding);
    promp_list_remove(&core->sides, node);
    *session = w->key;
    w->way = PROMP_WAY_CUT; /* until our end stands */
    return true;
}

void promp_manager_core_side(void *self, const promp_id_t *session, promp_way_t way, uint64_t room,
                             int64_t now)
{
    promp_manager_core_t *core = self;
    worker_t *w = promp_map_get(core->sessions, session);
    core->now = now;
    if (!w || !w->session)
        return;
    const bool up = way == PROMP_WAY_OPEN;
    bool other = w->side != up, more = room > w->side_room;
    w->way = way;
    w->side = up || PROMP_MUTANT(13);
    w->side_room = room;
    if (other && up)
        w->side_since = now;
    else if (other && now - w->side_since >= SIDE_STOOD)
        w->sides = 0;
    if (other && !up) { /* what was on that way is found missing and comes again */
        promp_session_path(w->session, false, now);
        promp_session_path(w->session, core->up, now);
    }
    if (other || more)
        promp_manager_core_touch(core, w);
}
