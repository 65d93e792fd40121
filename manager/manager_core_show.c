/* manager_core_show.c - progress, ends of tasks and of workers, in order; wait objects. */
#include "manager_core_state.h"

#include <stdlib.h>

#include "mutant.h"

/* --- events of a worker --- */

/* Everything that came before this event was taken, and its output shown. */
static bool counts(const worker_t *w, const event_t *event)
{
    if (event->kind == EVENT_UPDATE)
        return true;
    if (w->state == WORKER_ENDED || event->kind == EVENT_END)
        return !w->outputs || (event->kind == EVENT_DONE && w->shown >= event->end_output);
    if (promp_session_taken(w->session, PROMP_LANE_MESSAGES) < event->end_messages)
        return false;
    /* Pieces of which nothing is shown (new-lines under ATOMIC) are taken and leave no trace. */
    if (PROMP_MUTANT(7))
        return true;
    return w->outputs ? w->shown >= event->end_output
                      : promp_session_taken(w->session, PROMP_LANE_OUTPUT) >= event->end_output;
}

static void look(promp_manager_core_t *core, worker_t *w)
{
    if (w->first && counts(w, w->first))
        promp_manager_core_enlist(&core->ready, &w->showing);
    else
        promp_list_remove(&core->ready, &w->showing);
}

void promp_manager_core_show_event(promp_manager_core_t *core, worker_t *w, event_t *event)
{
    if (event) {
        event->mark = ++core->mark;
        event->next = NULL;
        if (w->last)
            w->last->next = event;
        else
            w->first = event;
        w->last = event;
    }
    look(core, w);
}

static void pop_event(worker_t *w)
{
    event_t *event = w->first;
    w->first = event->next;
    if (!w->first)
        w->last = NULL;
    if (event == &w->end)
        return;
    free(event->text);
    free(event);
}

void promp_manager_core_show_clear(worker_t *w)
{
    while (w->first)
        pop_event(w);
    free(w->spare);
    w->spare = NULL;
}

static void settle_end(promp_manager_core_t *core, worker_t *w)
{
    w->over = w->done = w->given;
    promp_manager_core_task_count(core, w);
    w->has_wait = false;
    promp_list_remove(&core->waits, &w->waiting);
    free(w->spare);
    w->spare = NULL;
}

/* Shows the first event; true when a wait object shall see it. */
static bool show_first(promp_manager_core_t *core, worker_t *w, promp_manager_core_update_t *update)
{
    event_t *event = w->first;
    bool seen = event->kind == EVENT_UPDATE && w->has_wait;
    if (seen) {
        *update = (promp_manager_core_update_t){.worker = w->id,
                                                .wait = w->wait,
                                                .has_value = event->has_value,
                                                .value = event->value,
                                                .text = event->text};
        event->text = NULL;
    } else if (event->kind == EVENT_DONE) {
        w->over = event->task;
        promp_manager_core_task_count(core, w);
    } else if (event->kind == EVENT_END) {
        settle_end(core, w);
    }
    pop_event(w);
    look(core, w);
    return seen;
}

bool promp_manager_core_update(promp_manager_core_t *core, uint64_t mark, promp_manager_core_update_t *update)
{
    /* Workers whose next event came after mark go to the end of the list; each is looked at once. */
    for (size_t n = core->ready.count; n > 0; n--) {
        worker_t *w = WORKER_OF(promp_list_first(&core->ready), showing);
        while (w->showing.next && w->first->mark <= mark)
            if (show_first(core, w, update))
                return true;
        if (!w->showing.next)
            continue;
        promp_list_remove(&core->ready, &w->showing);
        promp_list_append(&core->ready, &w->showing);
    }
    return false;
}

/* --- wait objects --- */

bool promp_manager_core_set_wait(promp_manager_core_t *core, uint32_t worker, const promp_wait_object_t *wait)
{
    worker_t *w = promp_manager_core_find(core, worker);
    if (!w || (w->state == WORKER_ENDED && !w->first))
        return false;
    promp_list_remove(&core->waits, &w->waiting);
    w->has_wait = wait != NULL;
    if (!wait)
        return true;
    w->wait = *wait;
    promp_list_append(&core->waits, &w->waiting);
    return true;
}

static bool may_abort(const worker_t *w)
{
    return w->wait.aborted && w->state == WORKER_ALIVE && w->done < w->given && w->aborting < w->given;
}

bool promp_manager_core_next_wait(const promp_manager_core_t *core, uint32_t *worker,
                                  promp_wait_object_t *wait)
{
    const worker_t *next = NULL;
    for (promp_node_t *at = promp_list_first(&core->waits); at; at = promp_list_after(&core->waits, at)) {
        const worker_t *w = WORKER_OF(at, waiting);
        if (w->id > *worker && (!next || w->id < next->id) && may_abort(w))
            next = w;
    }
    if (!next)
        return false;
    *worker = next->id;
    *wait = next->wait;
    return true;
}
