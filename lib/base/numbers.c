#include "numbers.h"

#include <stdlib.h>

uint32_t promp_numbers_put(promp_numbers_t *n, void *item)
{
    size_t at = n->hint;

    while (at < n->size && n->item[at])
        at++;
    if (at == n->size) {
        size_t size = n->size ? 2 * n->size : 16;
        void **grown = size < UINT32_MAX ? reallocarray(n->item, size, sizeof *grown) : NULL;

        if (!grown)
            return UINT32_MAX;
        memset(grown + n->size, 0, (size - n->size) * sizeof *grown);
        n->item = grown;
        n->size = size;
    }
    n->item[at] = item;
    n->hint = at + 1;
    n->count++;
    return (uint32_t)at;
}

void *promp_numbers_get(const promp_numbers_t *n, uint32_t number)
{
    return number < n->size ? n->item[number] : NULL;
}

void promp_numbers_clear(promp_numbers_t *n, uint32_t number)
{
    if (!promp_numbers_get(n, number))
        return;
    n->item[number] = NULL;
    n->count--;
    if (number < n->hint)
        n->hint = number;
}

void promp_numbers_free(promp_numbers_t *n)
{
    free(n->item);
    memset(n, 0, sizeof *n);
}
