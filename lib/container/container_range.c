/* A part of another container. A part of a part is one of the whole: a read goes through one range at most. */
#include <stdlib.h>

#include "container_inside.h"

typedef struct {
    promp_container_t head;
    promp_container_t *base; /* no range; kept */
    uint64_t offset;
} range_t;

static promp_err_t range_read(promp_container_t *container, uint64_t offset, void *buffer, size_t size,
                              size_t *got, promp_error_t *error)
{
    range_t *range = (range_t *)container;

    return range->base->ops->read(range->base, range->offset + offset, buffer, size, got, error);
}

static const void *range_data(const promp_container_t *container)
{
    const range_t *range = (const range_t *)container;
    const uint8_t *data = promp_container_data(range->base);

    return data ? data + range->offset : NULL;
}

/* A descriptor shows the whole: more than the range would travel. */
static promp_err_t range_lend(promp_container_t *container, promp_lent_t *lent, promp_error_t *error)
{
    range_t *range = (range_t *)container;

    return container->size == range->base->size ? promp_container_lend(range->base, lent, error) : PROMP_OK;
}

static bool range_read_now(promp_container_t *container, uint64_t offset, void *buffer, size_t size)
{
    range_t *range = (range_t *)container;

    return promp_container_read_now(range->base, range->offset + offset, buffer, size);
}

static bool range_lend_now(promp_container_t *container, promp_lent_t *lent)
{
    range_t *range = (range_t *)container;

    return container->size != range->base->size || promp_container_lend_now(range->base, lent);
}

static void range_advise(promp_container_t *container, promp_advice_t advice, uint64_t offset, uint64_t size)
{
    range_t *range = (range_t *)container;

    promp_container_advise(range->base, advice, range->offset + offset, size);
}

static void range_loosen(promp_container_t *container)
{
    promp_container_loosen(((range_t *)container)->base);
}

static void range_free(promp_container_t *container)
{
    promp_container_drop(&((range_t *)container)->base);
    free(container);
}

static const promp_container_ops_t range_ops = {
    .read = range_read,
    .data = range_data,
    .lend = range_lend,
    .read_now = range_read_now,
    .lend_now = range_lend_now,
    .advise = range_advise,
    .loosen = range_loosen,
    .free = range_free,
};

promp_container_t *promp_container_base(promp_container_t *container)
{
    return container->ops == &range_ops ? ((range_t *)container)->base : container;
}

promp_container_t *promp_container_range(promp_container_t *container, uint64_t offset, uint64_t size,
                                         promp_error_t *error)
{
    promp_err_t e = PROMP_ERR_MEMORY;

    if (!container || offset > container->size) {
        promp_error_set(error, PROMP_ERR_ARGUMENT, 0, "the range begins beyond the container's end");
        return NULL;
    }
    if (size > container->size - offset)
        size = container->size - offset;
    range_t *range = malloc(sizeof *range);
    if (!range)
        goto err0;
    if ((e = promp_container_init(&range->head, &range_ops, NULL, size)))
        goto err1;
    range->base = promp_container_keep(promp_container_base(container));
    range->offset = offset + (range->base == container ? 0 : ((range_t *)container)->offset);
    range->head.reader = range->base->reader;
    return &range->head;

err1:
    free(range);
err0:
    promp_error_set(error, e, 0, NULL);
    return NULL;
}
