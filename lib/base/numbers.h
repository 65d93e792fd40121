/* numbers.h - gives things small numbers, the lowest free ones first, so that a shell can keep arrays of them. */
#ifndef PROMP_BASE_NUMBERS_H
#define PROMP_BASE_NUMBERS_H

#include "base.h"

typedef struct {
    void **item; /* NULL: the number is free */
    size_t size; /* of item */
    size_t count;
    size_t hint;   /* no number below it is free */
} promp_numbers_t; /* all zero: empty */

/* The number of item from now on, or UINT32_MAX without memory. */
uint32_t promp_numbers_put(promp_numbers_t *numbers, void *item);
void *promp_numbers_get(const promp_numbers_t *numbers, uint32_t number); /* NULL: nothing has it */
void promp_numbers_clear(promp_numbers_t *numbers, uint32_t number);
void promp_numbers_free(promp_numbers_t *numbers);

#endif
