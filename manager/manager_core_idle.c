/* manager_core_idle.c - who is idle: a heap of ids; what has become busy meanwhile is found when it comes
 * out. */
#include "manager_core_state.h"

bool promp_manager_core_idle_takes(const worker_t *w)
{
    return w->state == WORKER_ALIVE && !w->abandoned && !w->stopping && !w->kill_cause;
}

bool promp_manager_core_idle_is(const worker_t *w)
{
    return promp_manager_core_idle_takes(w) && w->ready && w->done == w->given;
}

static void swap(uint32_t *a, uint32_t *b)
{
    uint32_t c = *a;
    *a = *b;
    *b = c;
}

static void sift_down(uint32_t *heap, size_t count, size_t at)
{
    for (size_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && heap[child + 1] < heap[child])
            child++;
        if (heap[at] <= heap[child])
            return;
        swap(&heap[at], &heap[child]);
    }
}

void promp_manager_core_idle_push(promp_manager_core_t *core, worker_t *w)
{
    size_t at = core->idle_count++; /* promp_manager_core_start made room */
    core->idle[at] = w->id;
    w->idling = true;
    for (; at && core->idle[at] < core->idle[(at - 1) / 2]; at = (at - 1) / 2)
        swap(&core->idle[at], &core->idle[(at - 1) / 2]);
}

worker_t *promp_manager_core_idle_first(promp_manager_core_t *core)
{
    while (core->idle_count) {
        worker_t *w = core->table[core->idle[0] - 1];
        if (promp_manager_core_idle_is(w))
            return w;
        w->idling = false;
        core->idle[0] = core->idle[--core->idle_count];
        sift_down(core->idle, core->idle_count, 0);
    }
    return NULL;
}

void promp_manager_core_idle_leave(promp_manager_core_t *core, worker_t *w)
{
    if (!w->idling)
        return;
    w->idling = false;
    size_t at = 0;
    while (core->idle[at] != w->id)
        at++;
    core->idle[at] = core->idle[--core->idle_count];
    for (size_t i = core->idle_count / 2; i-- > 0;)
        sift_down(core->idle, core->idle_count, i);
}
