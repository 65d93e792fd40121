#include "window.h"

static promp_err_t take_ack(promp_window_t *window, const promp_frame_t *frame)
{
    promp_message_t message;
    /* Whoever may be at either end: all may send it to all. */
    promp_err_t err = promp_message_decode(frame->type, frame->body, PROMP_WHO_NODE, PROMP_WHO_NODE,
                                           PROMP_AT_UP, PROMP_VERSION_HIGH, &message);
    if (err)
        return err;
    if (message.link_ack.released > window->out_windowed)
        return PROMP_ERR_OFFSET;
    if (message.link_ack.released > window->out_released)
        window->out_released = message.link_ack.released;
    return PROMP_OK;
}

promp_err_t promp_window_take(promp_window_t *window, const promp_frame_t *frame, bool *keep)
{
    *keep = frame->type != PROMP_TYPE_LINK_ACK;
    if (!*keep)
        return take_ack(window, frame);
    if (promp_link_windowed(frame)) {
        /* One frame of grace: the window may end inside the last one. */
        if (window->in_windowed - window->in_released >= window->limit + PROMP_LIMIT_FRAME)
            return PROMP_ERR_CREDIT;
        window->in_windowed += frame->size;
    }
    return PROMP_OK;
}

void promp_window_release(promp_window_t *window, uint64_t bytes)
{
    uint64_t held = window->in_windowed - window->in_released;

    window->in_released += bytes < held ? bytes : held;
}

bool promp_window_due(const promp_window_t *window, promp_out_t *out)
{
    static const promp_id_t no_session;
    promp_message_t message = {.type = PROMP_TYPE_LINK_ACK, .link_ack.released = window->in_released};
    uint64_t untold = window->in_released - window->in_told;

    return untold > 0 && untold >= window->limit / 4 &&
           promp_message_out(&message, &no_session, 0, out) == PROMP_OK;
}

void promp_window_told(promp_window_t *window)
{
    window->in_told = window->in_released;
}
