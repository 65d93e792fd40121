#include "effects.h"

#include <stdlib.h>

#include "limits.h"

/* Behind each effect in the queue. */
typedef struct {
    promp_frame_t header; /* size 0: no frame */
    size_t at;            /* its body in bodies */
} behind_t;

static size_t stride(const promp_effects_t *e)
{
    return e->effect + sizeof(behind_t);
}

promp_err_t promp_effects_init(promp_effects_t *e, size_t effect)
{
    memset(e, 0, sizeof *e);
    e->effect = (effect + 7) & ~(size_t)7; /* what is behind it is aligned */
    e->lost = calloc(1, stride(e));
    return e->lost ? PROMP_OK : PROMP_ERR_MEMORY;
}

void promp_effects_free(promp_effects_t *e)
{
    free(e->queue);
    free(e->lost);
    promp_buf_free(&e->bodies);
    memset(e, 0, sizeof *e);
}

static bool grow(promp_effects_t *e)
{
    size_t capacity = e->capacity ? 2 * e->capacity : 64;
    uint8_t *queue = reallocarray(e->queue, capacity, stride(e));

    if (!queue)
        return false;
    e->queue = queue;
    e->capacity = capacity;
    return true;
}

void *promp_effects_add_frame(promp_effects_t *e, const promp_frame_t *header)
{
    uint8_t *item = e->lost;

    if (!e->broken && e->count == e->capacity && !grow(e))
        e->broken = PROMP_ERR_MEMORY;
    if (!e->broken)
        item = e->queue + e->count++ * stride(e);
    memset(item, 0, stride(e));
    if (header) {
        behind_t *behind = (behind_t *)(void *)(item + e->effect);

        behind->header = *header;
        behind->header.body = promp_slice(NULL, 0);
    }
    return item;
}

void *promp_effects_add(promp_effects_t *e)
{
    return promp_effects_add_frame(e, NULL);
}

void *promp_effects_add_message(promp_effects_t *e, const promp_frame_t *header,
                                const promp_message_t *message)
{
    promp_frame_t h = *header;
    size_t at = e->bodies.size;
    promp_err_t error = promp_message_encode(message, &e->bodies);

    if (error && !e->broken)
        e->broken = error;
    h.type = (uint8_t)message->type;
    h.size = promp_frame_size(e->bodies.size - at);

    uint8_t *item = promp_effects_add_frame(e, &h);

    ((behind_t *)(void *)(item + e->effect))->at = at;
    return item;
}

bool promp_effects_next(promp_effects_t *e, void *effect, promp_out_t **out)
{
    if (e->broken || e->first == e->count) {
        e->first = e->count = 0;
        e->bodies.size = 0;
        if (e->bodies.capacity > PROMP_MIB)
            promp_buf_free(&e->bodies);
        return false;
    }
    uint8_t *item = e->queue + e->first++ * stride(e);
    const behind_t *behind = (const behind_t *)(const void *)(item + e->effect);

    memcpy(effect, item, e->effect);
    *out = NULL;
    if (behind->header.size) {
        size_t size = behind->header.size - PROMP_FRAME_HEADER;

        e->out.frame = behind->header;
        e->out.parts = size ? 1 : 0;
        if (size)
            e->out.part[0] = promp_slice(e->bodies.data + behind->at, size);
        *out = &e->out;
    }
    return true;
}
