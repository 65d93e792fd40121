#include "container.h"

#include <sys/resource.h>
#include <unistd.h>

#include "container_inside.h"

promp_err_t promp_container_init(promp_container_t *container, const promp_container_ops_t *ops,
                                 const promp_id_t *id, uint64_t size)
{
    atomic_init(&container->refs, 1);
    container->size = size;
    container->reader = PROMP_CONTAINER_PLAIN;
    container->ops = ops;
    if (!id)
        return promp_id_make(&container->id);
    container->id = *id;
    return PROMP_OK;
}

promp_container_t *promp_container_keep(promp_container_t *container)
{
    if (container)
        atomic_fetch_add_explicit(&container->refs, 1, memory_order_relaxed);
    return container;
}

/* What other threads did with it before they let go happened before it is freed. */
void promp_container_drop(promp_container_t **container)
{
    promp_container_t *c = container ? *container : NULL;

    if (!c)
        return;
    *container = NULL;
    if (atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) == 1)
        c->ops->free(c);
}

bool promp_container_drop_spare(promp_container_t *container)
{
    unsigned refs = atomic_load_explicit(&container->refs, memory_order_relaxed);

    while (refs > 1)
        if (atomic_compare_exchange_weak_explicit(&container->refs, &refs, refs - 1, memory_order_release,
                                                  memory_order_relaxed))
            return true;
    return false;
}

uint64_t promp_container_size(const promp_container_t *container)
{
    return container ? container->size : 0;
}

const void *promp_container_data(const promp_container_t *container)
{
    return container && container->size && container->ops->data ? container->ops->data(container) : NULL;
}

promp_err_t promp_container_read(promp_container_t *container, uint64_t offset, void *buffer, size_t size,
                                 size_t *got, promp_error_t *error)
{
    if (got)
        *got = 0;
    if (!container || !got || (!buffer && size))
        return promp_error_set(error, PROMP_ERR_ARGUMENT, 0, "a container, a buffer and got are needed");
    if (offset >= container->size || size == 0)
        return PROMP_OK;
    if (size > container->size - offset)
        size = (size_t)(container->size - offset);
    return container->ops->read(container, offset, buffer, size, got, error);
}

void promp_container_advise(promp_container_t *container, promp_advice_t advice, uint64_t offset,
                            uint64_t size)
{
    if (!container || !container->ops->advise || offset > container->size)
        return;
    if (size > container->size - offset)
        size = container->size - offset;
    container->ops->advise(container, advice, offset, size);
}

promp_err_t promp_container_lend(promp_container_t *container, promp_lent_t *lent, promp_error_t *error)
{
    *lent = (promp_lent_t){.how = PROMP_LEND_NONE, .fd = -1};
    return container->ops->lend ? container->ops->lend(container, lent, error) : PROMP_OK;
}

bool promp_container_read_now(promp_container_t *container, uint64_t offset, void *buffer, size_t size)
{
    const uint8_t *data = promp_container_data(container);

    if (!data)
        return container->ops->read_now && container->ops->read_now(container, offset, buffer, size);
    memcpy(buffer, data + offset, size);
    return true;
}

bool promp_container_lend_now(promp_container_t *container, promp_lent_t *lent)
{
    *lent = (promp_lent_t){.how = PROMP_LEND_NONE, .fd = -1};
    if (!container->ops->lend) /* it never can be */
        return true;
    return container->ops->lend_now && container->ops->lend_now(container, lent);
}

void promp_container_loosen(promp_container_t *container)
{
    if (container->ops->loosen)
        container->ops->loosen(container);
}

promp_container_t *promp_container_lent(const promp_id_t *id, uint64_t size, const promp_lent_t *lent,
                                        promp_error_t *error)
{
    switch (lent->how) {
    case PROMP_LEND_MEMORY:
        return promp_container_lent_memory(id, size, lent->fd, error);
    case PROMP_LEND_FILE:
        return promp_container_lent_file(id, size, lent->fd, lent->time, error);
    case PROMP_LEND_NONE:
        break;
    }
    if (lent->fd >= 0)
        close(lent->fd);
    promp_error_set(error, PROMP_ERR_ARGUMENT, 0, "nothing is lent");
    return NULL;
}

/* Numbers are given out from the lowest on, so a number tells how many are in use. */
bool promp_container_fd_scarce(int fd)
{
    struct rlimit limit;

    return getrlimit(RLIMIT_NOFILE, &limit) == 0 && (rlim_t)fd >= limit.rlim_cur / 2;
}
