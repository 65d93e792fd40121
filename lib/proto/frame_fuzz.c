/* frame_fuzz.c - bytes of a stranger as a stream of frames, into promp_frame_unpack(). */
#include <stdlib.h>

#include "frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was read must be what packing it again gives, but for the reserved bytes. */
static void check(const promp_frame_t *frame, promp_slice_t left)
{
    static const size_t reserved[] = {7, 12, 13, 14, 15};
    uint8_t header[PROMP_FRAME_HEADER];
    uint8_t again[PROMP_FRAME_HEADER];

    if (frame->size > left.size || frame->size > PROMP_LIMIT_FRAME ||
        frame->body.data != left.data + PROMP_FRAME_HEADER ||
        frame->body.size != frame->size - PROMP_FRAME_HEADER)
        abort();
    memcpy(header, left.data, sizeof header);
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
        header[reserved[i]] = 0;
    promp_frame_pack(frame, again);
    if (memcmp(header, again, sizeof header) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    promp_slice_t left = promp_slice(data, size);
    promp_frame_t frame;
    size_t need;

    while (promp_frame_unpack(left, &frame, &need) == PROMP_OK) {
        if (need) {
            /* Asking for what is there already would make a reader wait for ever. */
            if (need <= left.size || need > PROMP_LIMIT_FRAME)
                abort();
            break;
        }
        check(&frame, left);
        left = promp_slice(left.data + frame.size, left.size - frame.size);
    }
    return 0;
}
