/* broker_heap.h - timers: which is due first. Each thing that has one holds a promp_broker_timer_t. Setting one whose memory was
 * reserved cannot fail. */
#ifndef PROMP_BROKER_HEAP_H
#define PROMP_BROKER_HEAP_H

#include "base.h"

typedef struct {
    int64_t due;
    size_t at;    /* place in the heap and 1; 0: it is not in it */
    uint8_t kind; /* the user's */
} promp_broker_timer_t;

typedef struct {
    promp_broker_timer_t **item;
    size_t count, capacity;
    size_t reserved;   /* timers that may be set */
} promp_broker_heap_t; /* all zero: empty */

/* Room for one more timer. OK or MEMORY. Each is given back by _release. */
promp_err_t promp_broker_heap_reserve(promp_broker_heap_t *heap);
/* Takes timer out where it is in, and gives its room back. */
void promp_broker_heap_release(promp_broker_heap_t *heap, promp_broker_timer_t *timer);

/* Due at that time, sooner or later than before; PROMP_NEVER: it is taken out. */
void promp_broker_heap_set(promp_broker_heap_t *heap, promp_broker_timer_t *timer, int64_t due);
/* Due at that time unless it is due earlier. */
void promp_broker_heap_sooner(promp_broker_heap_t *heap, promp_broker_timer_t *timer, int64_t due);

/* When the first one is due, PROMP_NEVER: none is set. */
int64_t promp_broker_heap_next(const promp_broker_heap_t *heap);
/* Takes out and returns the first one that is due; NULL: none is. */
promp_broker_timer_t *promp_broker_heap_take(promp_broker_heap_t *heap, int64_t now);

void promp_broker_heap_free(promp_broker_heap_t *heap);

#endif
