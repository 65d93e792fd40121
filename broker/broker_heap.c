#include "broker_heap.h"

#include <stdlib.h>

promp_err_t promp_broker_heap_reserve(promp_broker_heap_t *heap)
{
    if (heap->reserved == heap->capacity) {
        size_t capacity = heap->capacity ? 2 * heap->capacity : 64;
        promp_broker_timer_t **item = reallocarray(heap->item, capacity, sizeof(promp_broker_timer_t *));

        if (!item)
            return PROMP_ERR_MEMORY;
        heap->item = item;
        heap->capacity = capacity;
    }
    heap->reserved++;
    return PROMP_OK;
}

static void place(promp_broker_heap_t *heap, promp_broker_timer_t *timer, size_t at)
{
    heap->item[at] = timer;
    timer->at = at + 1;
}

static void rise(promp_broker_heap_t *heap, promp_broker_timer_t *timer, size_t at)
{
    while (at && timer->due < heap->item[(at - 1) / 2]->due) {
        place(heap, heap->item[(at - 1) / 2], at);
        at = (at - 1) / 2;
    }
    place(heap, timer, at);
}

static void sink(promp_broker_heap_t *heap, promp_broker_timer_t *timer, size_t at)
{
    for (;;) {
        size_t child = 2 * at + 1;

        if (child + 1 < heap->count && heap->item[child + 1]->due < heap->item[child]->due)
            child++;
        if (child >= heap->count || timer->due <= heap->item[child]->due)
            break;
        place(heap, heap->item[child], at);
        at = child;
    }
    place(heap, timer, at);
}

static void settle(promp_broker_heap_t *heap, promp_broker_timer_t *timer, size_t at)
{
    if (at && timer->due < heap->item[(at - 1) / 2]->due)
        rise(heap, timer, at);
    else
        sink(heap, timer, at);
}

static void take_out(promp_broker_heap_t *heap, promp_broker_timer_t *timer)
{
    if (!timer->at)
        return;
    size_t at = timer->at - 1;
    promp_broker_timer_t *last = heap->item[--heap->count];

    timer->at = 0;
    if (last != timer)
        settle(heap, last, at);
}

void promp_broker_heap_release(promp_broker_heap_t *heap, promp_broker_timer_t *timer)
{
    take_out(heap, timer);
    heap->reserved--;
}

void promp_broker_heap_set(promp_broker_heap_t *heap, promp_broker_timer_t *timer, int64_t due)
{
    timer->due = due;
    if (due == PROMP_NEVER)
        take_out(heap, timer);
    else if (timer->at)
        settle(heap, timer, timer->at - 1);
    else
        rise(heap, timer, heap->count++);
}

void promp_broker_heap_sooner(promp_broker_heap_t *heap, promp_broker_timer_t *timer, int64_t due)
{
    if (!timer->at || due < timer->due)
        promp_broker_heap_set(heap, timer, due);
}

int64_t promp_broker_heap_next(const promp_broker_heap_t *heap)
{
    return heap->count ? heap->item[0]->due : PROMP_NEVER;
}

promp_broker_timer_t *promp_broker_heap_take(promp_broker_heap_t *heap, int64_t now)
{
    promp_broker_timer_t *first = heap->count ? heap->item[0] : NULL;

    if (!first || first->due > now)
        return NULL;
    take_out(heap, first);
    return first;
}

void promp_broker_heap_free(promp_broker_heap_t *heap)
{
    free(heap->item);
    memset(heap, 0, sizeof *heap);
}
