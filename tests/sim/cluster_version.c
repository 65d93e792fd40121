/* Peers of a later version of the protocol beside ours: their HELLO offers the next version, and what they say has fields that we do not
 * know. What a field of ours means stays, as messages.def demands. */
#include <stdlib.h>
#include <string.h>

#include "cluster.h"

#define LATER      (PROMP_VERSION_HIGH + 1)
#define FIELD_SIZE 3
#define FIELD      (1 + 4 + FIELD_SIZE)

static bool has_room(const promp_frame_t *frame)
{
    const promp_message_row_t *row = promp_message_row(frame->type);

    return row && frame->type != PROMP_TYPE_DATA && frame->body.size + FIELD <= row->max;
}

sim_frame_t *cluster_version_of(sim_t *sim, sim_frame_t *frame, uint8_t tag)
{
    promp_frame_t read = sim_frame_read(sim, frame);

    if (!tag || !has_room(&read))
        return frame;
    sim_frame_t *later = sim_alloc(sizeof *later + frame->size + FIELD);
    uint8_t *end = later->bytes + frame->size;

    memcpy(later, frame, sizeof *frame + frame->size);
    later->size += FIELD;
    promp_put32(later->bytes, (uint32_t)later->size);
    if (read.type == PROMP_TYPE_HELLO)
        later->bytes[PROMP_FRAME_HEADER + 2] = LATER; /* version_high */
    *end = tag;
    promp_put32(end + 1, FIELD_SIZE);
    memcpy(end + 5, "new", FIELD_SIZE);
    free(frame);
    return later;
}
