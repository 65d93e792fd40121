/* Plain memory of this process. */
#include <stdlib.h>

#include "container_inside.h"
#include "limits.h"

typedef struct {
    promp_container_t head;
    uint8_t data[];
} bytes_t;

static promp_err_t bytes_read(promp_container_t *container, uint64_t offset, void *buffer, size_t size,
                              size_t *got, promp_error_t *error)
{
    (void)error;
    memcpy(buffer, ((bytes_t *)container)->data + offset, size);
    *got = size;
    return PROMP_OK;
}

static const void *bytes_data(const promp_container_t *container)
{
    return ((const bytes_t *)container)->data;
}

static void bytes_free(promp_container_t *container)
{
    free(container);
}

static const promp_container_ops_t bytes_ops = {.read = bytes_read, .data = bytes_data, .free = bytes_free};

promp_container_t *promp_container_inline(const promp_id_t *id, const void *data, size_t size,
                                          promp_error_t *error)
{
    bytes_t *bytes = size <= SIZE_MAX - sizeof *bytes ? malloc(sizeof *bytes + size) : NULL;
    promp_err_t e;

    if (!bytes) {
        promp_error_set(error, PROMP_ERR_MEMORY, 0, "%zu bytes", size);
        return NULL;
    }
    if ((e = promp_container_init(&bytes->head, &bytes_ops, id, size))) {
        promp_error_set(error, e, 0, NULL);
        free(bytes);
        return NULL;
    }
    if (size)
        memcpy(bytes->data, data, size);
    return &bytes->head;
}

promp_container_t *promp_container_bytes(const void *data, size_t size, promp_error_t *error)
{
    if (!data && size) {
        promp_error_set(error, PROMP_ERR_ARGUMENT, 0, "there are no bytes");
        return NULL;
    }
    if (size >= PROMP_SEALED_FROM) {
        promp_err_t e = PROMP_OK;
        promp_container_t *sealed = promp_container_sealed(data, size, &e);
        if (sealed)
            return sealed;
        if (e == PROMP_ERR_MEMORY) {
            promp_error_set(error, e, 0, "%zu bytes", size);
            return NULL;
        }
    }
    return promp_container_inline(NULL, data, size, error);
}
