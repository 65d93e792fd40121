/* zpart_fuzz.c - parts of a stranger's messages through what both ends do with them: read, count, answer. Each begins with its
 * size in two bytes, little-endian. */
#include <stdlib.h>

#include "window.h"
#include "zpart.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A frame that was taken must be readable to its last byte, and go on as it came. */
static void pass_on(zmq_msg_t *part, const promp_frame_t *frame)
{
    zmq_msg_t shared, copied;
    promp_frame_t again;
    uint8_t sum = 0;

    if (frame->body.size != frame->size - PROMP_FRAME_HEADER || frame->fds != 0)
        abort();
    for (size_t i = 0; i < frame->body.size; i++)
        sum = (uint8_t)(sum + frame->body.data[i]);
    if (promp_zpart_pass(&shared, frame, part) || promp_zpart_pass(&copied, frame, NULL))
        abort();
    if (zmq_msg_size(&shared) != zmq_msg_size(&copied) ||
        memcmp(zmq_msg_data(&shared), zmq_msg_data(&copied), zmq_msg_size(&copied)) != 0)
        abort();
    if (promp_zpart_read(&copied, &again) || again.type != frame->type || again.offset != frame->offset)
        abort();
    zmq_msg_close(&shared);
    zmq_msg_close(&copied);
}

/* False when the peer is spoilt. */
static bool take(promp_window_t *window, zmq_msg_t *part)
{
    promp_frame_t frame;
    promp_out_t ack;
    bool keep;

    if (promp_zpart_read(part, &frame) || promp_window_take(window, &frame, &keep))
        return false;
    pass_on(part, &frame);
    if (keep && promp_link_windowed(&frame) && frame.offset % 3)
        promp_window_release(window, frame.offset % 3 * frame.size);
    if (promp_window_due(window, &ack))
        promp_window_told(window);
    if (window->in_released > window->in_windowed || window->in_told > window->in_released ||
        window->out_released > window->out_windowed)
        abort();
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    promp_window_t window = {.limit = 4096, .out_windowed = 10000};
    bool sound = true;

    for (size_t at = 0; sound && size - at >= 2;) {
        size_t want = data[at] | (size_t)data[at + 1] << 8;
        at += 2;
        size_t length = want < size - at ? want : size - at;
        zmq_msg_t part;
        if (zmq_msg_init_size(&part, length) != 0)
            abort();
        memcpy(zmq_msg_data(&part), data + at, length);
        at += length;
        sound = take(&window, &part);
        zmq_msg_close(&part);
    }
    return 0;
}
