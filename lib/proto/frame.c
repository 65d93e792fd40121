#include "frame.h"

#include "buf.h"
#include "message.h"

enum { AT_SIZE = 0, AT_TYPE = 4, AT_LANE = 5, AT_FDS = 6, AT_EPOCH = 8, AT_SESSION = 16, AT_OFFSET = 32 };

void promp_frame_pack(const promp_frame_t *frame, uint8_t header[PROMP_FRAME_HEADER])
{
    memset(header, 0, PROMP_FRAME_HEADER);
    promp_put32(header + AT_SIZE, frame->size);
    header[AT_TYPE] = frame->type;
    header[AT_LANE] = frame->lane;
    header[AT_FDS] = frame->fds;
    promp_put32(header + AT_EPOCH, frame->epoch);
    memcpy(header + AT_SESSION, frame->session.b, sizeof frame->session.b);
    promp_put64(header + AT_OFFSET, frame->offset);
}

static bool header_ok(const promp_frame_t *frame)
{
    if (frame->type == 0 || frame->type >= PROMP_TYPE_RECORD || frame->fds > PROMP_LIMIT_FRAME_FDS)
        return false;
    if (frame->type == PROMP_TYPE_DATA || frame->type == PROMP_TYPE_CONGESTED)
        return frame->lane < PROMP_LANES && frame->size - PROMP_FRAME_HEADER <= UINT64_MAX - frame->offset;
    return frame->lane == 0 && frame->offset == 0;
}

promp_err_t promp_frame_unpack(promp_slice_t data, promp_frame_t *frame, size_t *need)
{
    const uint8_t *p = data.data;

    *need = PROMP_FRAME_HEADER;
    if (data.size < PROMP_FRAME_HEADER)
        return PROMP_OK;
    frame->size = promp_get32(p + AT_SIZE);
    if (frame->size < PROMP_FRAME_HEADER || frame->size > PROMP_LIMIT_FRAME)
        return PROMP_ERR_FRAME_SIZE;
    frame->type = p[AT_TYPE];
    frame->lane = p[AT_LANE];
    frame->fds = p[AT_FDS];
    frame->epoch = promp_get32(p + AT_EPOCH);
    memcpy(frame->session.b, p + AT_SESSION, sizeof frame->session.b);
    frame->offset = promp_get64(p + AT_OFFSET);
    if (!header_ok(frame))
        return PROMP_ERR_FRAME_HEADER;
    frame->body = promp_slice(p + PROMP_FRAME_HEADER, frame->size - PROMP_FRAME_HEADER);
    *need = data.size < frame->size ? frame->size : 0;
    return PROMP_OK;
}
