/* effects.h - the queue in which a core leaves its effects for the shell; any struct can be one, and a frame may go with
 * it. Appending cannot fail: a queue that finds no memory is broken from then on, and its core has to end. */
#ifndef PROMP_PROTO_EFFECTS_H
#define PROMP_PROTO_EFFECTS_H

#include "buf.h"
#include "message.h"

typedef struct {
    size_t effect; /* bytes of an effect */
    uint8_t *queue;
    size_t first, count, capacity;
    void *lost; /* where what cannot be queued goes */
    promp_buf_t bodies;
    promp_out_t out;    /* the frame of the last effect taken */
    promp_err_t broken; /* PROMP_OK, MEMORY, or what was wrong with a message that we made */
} promp_effects_t;

/* OK or MEMORY. */
promp_err_t promp_effects_init(promp_effects_t *effects, size_t effect);
void promp_effects_free(promp_effects_t *effects);

/* A new effect at the end, all zero, to be filled now; never NULL. */
void *promp_effects_add(promp_effects_t *effects);
/* The same with a frame: *header says what its header shall be, body may be empty. */
void *promp_effects_add_frame(promp_effects_t *effects, const promp_frame_t *header);
/* The same with a message; type and size of the header are taken from that. */
void *promp_effects_add_message(promp_effects_t *effects, const promp_frame_t *header,
                                const promp_message_t *message);

/* Copies the next effect to *effect; *out is its frame (NULL: it has none), good until the next call. False: none. */
bool promp_effects_next(promp_effects_t *effects, void *effect, promp_out_t **out);

#endif
