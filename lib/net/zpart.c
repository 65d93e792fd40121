#include "zpart.h"

promp_err_t promp_zpart_make(zmq_msg_t *part, const promp_out_t *out)
{
    promp_frame_t frame = out->frame;
    size_t size = PROMP_FRAME_HEADER;

    if (out->parts > PROMP_OUT_PARTS)
        return PROMP_ERR_ARGUMENT;
    for (size_t i = 0; i < out->parts; i++) {
        if (out->part[i].size > PROMP_LIMIT_FRAME - size)
            return PROMP_ERR_ARGUMENT;
        size += out->part[i].size;
    }
    if (size != frame.size)
        return PROMP_ERR_ARGUMENT;
    if (zmq_msg_init_size(part, size) != 0)
        return PROMP_ERR_MEMORY;
    uint8_t *to = zmq_msg_data(part);
    frame.fds = 0;
    promp_frame_pack(&frame, to);
    to += PROMP_FRAME_HEADER;
    for (size_t i = 0; i < out->parts; i++)
        if (out->part[i].size > 0)
            to = mempcpy(to, out->part[i].data, out->part[i].size);
    return PROMP_OK;
}

promp_err_t promp_zpart_pass(zmq_msg_t *part, const promp_frame_t *frame, zmq_msg_t *came)
{
    promp_out_t out = {.frame = *frame, .part = {frame->body}, .parts = 1};
    uint8_t header[PROMP_FRAME_HEADER];

    if (frame->size > PROMP_LIMIT_FRAME || frame->body.size != frame->size - sizeof header)
        return PROMP_ERR_ARGUMENT;
    if (came && zmq_msg_size(came) == frame->size) {
        const uint8_t *bytes = zmq_msg_data(came);
        promp_frame_pack(frame, header);
        if (frame->body.data == bytes + sizeof header && memcmp(header, bytes, sizeof header) == 0) {
            zmq_msg_init(part);
            return zmq_msg_copy(part, came) == 0 ? PROMP_OK : PROMP_ERR_MEMORY;
        }
    }
    return promp_zpart_make(part, &out);
}

promp_err_t promp_zpart_read(zmq_msg_t *part, promp_frame_t *frame)
{
    promp_slice_t bytes = promp_slice(zmq_msg_data(part), zmq_msg_size(part));
    size_t need;

    if (bytes.size < PROMP_FRAME_HEADER || bytes.size > PROMP_LIMIT_FRAME)
        return PROMP_ERR_FRAME_SIZE;
    promp_err_t err = promp_frame_unpack(bytes, frame, &need);
    if (err)
        return err;
    if (need > 0 || frame->size != bytes.size)
        return PROMP_ERR_FRAME_SIZE;
    if (zmq_msg_more(part))
        return PROMP_ERR_FRAME_HEADER;
    return frame->fds ? PROMP_ERR_DESCRIPTOR_COUNT : PROMP_OK;
}
