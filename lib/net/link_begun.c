/* link_begun.c - large frames that are handed out while they come, so that their bytes need not pass through the buffer. */
#include "link_inside.h"

/* Less than this that is missing is waited for. */
#define WORTH (16 * PROMP_KIB)

static size_t held_of(const promp_link_t *link)
{
    return link->in_end - link->in_start;
}

promp_err_t promp_link_begin(promp_link_t *link, promp_frame_t *frame, bool *got)
{
    size_t held = held_of(link), need;

    *got = false;
    if (link->spoilt || link->rest || held <= PROMP_FRAME_HEADER)
        return link->spoilt;
    link->spoilt = promp_frame_unpack(promp_slice(link->in + link->in_start, held), frame, &need);
    bool large = !link->spoilt && need >= held + WORTH;
    if (!large || !promp_link_windowed(frame) || frame->fds || link->fd_count)
        return link->spoilt;
    link->begun = *frame;
    link->rest = frame->size - held;
    frame->size = (uint32_t)held;
    frame->body.size = held - PROMP_FRAME_HEADER;
    link->begun.offset += frame->body.size;
    link->in_start = link->in_end;
    link->spoilt = promp_link_note(link, frame);
    *got = !link->spoilt;
    return link->spoilt;
}

bool promp_link_more(promp_link_t *link, promp_frame_t *frame)
{
    size_t held = held_of(link);

    *frame = link->begun;
    if (link->placed) {
        frame->body = promp_slice(link->place, link->placed);
        link->placed = 0;
    } else {
        frame->body = promp_slice(link->in + link->in_start, held < link->rest ? held : link->rest);
        link->in_start += frame->body.size;
    }
    frame->size = (uint32_t)frame->body.size;
    link->begun.offset += frame->size;
    link->rest -= frame->size;
    link->need = link->rest;
    return frame->size > 0;
}

const promp_frame_t *promp_link_begun(promp_link_t *link)
{
    if (!link->rest || held_of(link) || link->placed || link->spoilt)
        return NULL;
    link->begun.size = (uint32_t)link->rest;
    return &link->begun;
}

void promp_link_place(promp_link_t *link, uint8_t *data, size_t size)
{
    link->place = data;
    link->place_size = size;
    link->need = 0;
}
