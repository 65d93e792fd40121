/* zlink.c - the life of a ZeroMQ link; frames in and out. */
#include "zlink.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "zlink_inside.h"
#include "zpart.h"

static int give(void *arg, zmq_msg_t *part)
{
    promp_zlink_t *link = arg;

    link->stirred = true;
    return zmq_msg_send(part, link->socket, ZMQ_DONTWAIT) < 0 ? errno : 0;
}

/* --- life --- */

static promp_err_t make(promp_zlink_t *link, const promp_zlink_config_t *config, promp_error_t *error)
{
    link->owner = getpid();
    link->config = *config;
    link->ended_at = PROMP_NEVER;
    link->window.limit = config->window ? config->window : PROMP_LIMIT_LINK_WINDOW;
    link->out = (promp_zout_t){.give = give,
                               .arg = link,
                               .tags = &link->tags,
                               .window = &link->window,
                               .urgent.limit = PROMP_LIMIT_LINK_QUEUE,
                               .data.limit = PROMP_LIMIT_LINK_QUEUE,
                               .full = true};
    for (size_t i = 0; i < PROMP_ZLINK_BATCH; i++)
        zmq_msg_init(&link->in[i]);
    link->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (link->epoll < 0)
        return promp_error_set(error, promp_error_from_errno(errno), errno, "epoll");
    link->context = zmq_ctx_new();
    if (!link->context)
        return promp_error_set(error, promp_error_from_errno(errno), errno, "a context of libzmq");
    return PROMP_OK;
}

promp_err_t promp_zlink_dial(const promp_zlink_config_t *config, int64_t now, promp_zlink_t **link_p,
                             promp_error_t *error)
{
    *link_p = NULL;
    promp_err_t err = promp_zsocket_check(error);
    if (err)
        return err;
    promp_zlink_t *link = calloc(1, sizeof *link);
    if (!link)
        return promp_error_set(error, PROMP_ERR_MEMORY, 0, NULL);
    err = make(link, config, error);
    if (!err)
        err = promp_zlink_begin(link, now, error);
    if (err)
        promp_zlink_destroy(&link);
    *link_p = link;
    return err;
}

void promp_zlink_destroy(promp_zlink_t **link_p)
{
    promp_zlink_t *link = *link_p;

    *link_p = NULL;
    if (!link)
        return;
    bool ours =
        link->owner == getpid(); /* else libzmq's threads are in the parent, and so is what it holds */
    if (ours) {
        bool up = link->stage == PROMP_ZLINK_IS_UP && !link->ended && !link->cut;
        promp_zout_drop(&link->out, PROMP_ERR_CLOSED);
        for (size_t i = 0; i < PROMP_ZLINK_BATCH; i++)
            zmq_msg_close(&link->in[i]);
        promp_zlink_close(link, up ? PROMP_TIME_ZMQ_LINGER : 0);
        while (link->context && zmq_ctx_term(link->context) != 0 && errno == EINTR)
            ;
    }
    promp_ztags_free(&link->tags);
    if (link->epoll >= 0)
        close(link->epoll);
    free(link);
}

void promp_zlink_cut(promp_zlink_t *link)
{
    link->cut = true;
}

promp_zlink_state_t promp_zlink_state(const promp_zlink_t *link)
{
    if (link->stage == PROMP_ZLINK_IS_UP)
        return PROMP_ZLINK_UP;
    return link->stage == PROMP_ZLINK_IS_LOST ? PROMP_ZLINK_LOST : PROMP_ZLINK_CONNECTING;
}

promp_err_t promp_zlink_why(const promp_zlink_t *link, promp_error_t *error)
{
    bool lost = link->stage == PROMP_ZLINK_IS_LOST;

    if (error)
        *error = lost ? link->why : (promp_error_t){0};
    return lost ? link->why.code : PROMP_OK;
}

int promp_zlink_fd(const promp_zlink_t *link)
{
    return link->epoll;
}

int64_t promp_zlink_tick(promp_zlink_t *link, int64_t now)
{
    if (link->stage < PROMP_ZLINK_IS_UP)
        promp_zlink_attend(link);
    if (link->stage < PROMP_ZLINK_IS_UP) {
        if (now < link->deadline)
            return link->deadline;
        promp_zlink_time_out(link);
    }
    if (link->stage != PROMP_ZLINK_IS_UP || !link->ended || link->flushed)
        return PROMP_NEVER;
    link->ended_at = promp_min64(link->ended_at, now);
    link->flushed = now >= link->ended_at + PROMP_TIME_ZMQ_END;
    return link->flushed ? PROMP_NEVER : link->ended_at + PROMP_TIME_ZMQ_END;
}

/* --- in --- */

bool promp_zlink_ready(const promp_zlink_t *link)
{
    if (link->in_first < link->in_count)
        return true;
    return link->stage == PROMP_ZLINK_IS_UP && (link->stirred || link->flushed);
}

/* Moves what was not taken to the front. */
static void compact(promp_zlink_t *link)
{
    size_t held = link->in_count - link->in_first;

    for (size_t i = 0; link->in_first > 0 && i < held; i++)
        zmq_msg_move(&link->in[i], &link->in[link->in_first + i]);
    link->in_first = 0;
    link->in_count = held;
}

/* Fills the batch; false: libzmq has nothing more. */
static bool receive(promp_zlink_t *link)
{
    while (link->in_count < PROMP_ZLINK_BATCH) {
        zmq_msg_t *part = &link->in[link->in_count];
        if (zmq_msg_recv(part, link->socket, ZMQ_DONTWAIT) < 0) {
            link->stirred = false;
            return false;
        }
        link->received += zmq_msg_size(part);
        link->in_count++;
    }
    link->stirred = true;
    return true;
}

/* libzmq was full. Asking it, it looks for news of both directions at once: trying them in turn could miss one. */
static void go_on_sending(promp_zlink_t *link)
{
    int events = 0;
    size_t size = sizeof events;

    if (zmq_getsockopt(link->socket, ZMQ_EVENTS, &events, &size) != 0)
        return;
    link->stirred = events & ZMQ_POLLIN;
    if (events & ZMQ_POLLOUT)
        (void)promp_zlink_flush(link);
}

static promp_err_t read_up(promp_zlink_t *link, bool *again)
{
    bool over = link->ended && link->flushed, woken = !link->stirred;

    compact(link);
    if (link->in_count == PROMP_ZLINK_BATCH)
        return PROMP_ERR_QUEUE_FULL;
    size_t before = link->in_count;
    *again = receive(link);
    if (!*again && link->out.full)
        go_on_sending(link);
    if (*again || link->in_count > before)
        return PROMP_OK;
    if (over && link->in_count == 0) {
        promp_error_t why;
        promp_error_set(&why, PROMP_ERR_CLOSED, 0, "%s", link->address);
        promp_zlink_lose(link, &why);
        return PROMP_ERR_CLOSED;
    }
    if (woken) /* nothing came: so the end has */
        promp_zlink_attend(link);
    *again = link->stirred || link->flushed;
    return PROMP_OK;
}

promp_err_t promp_zlink_read(promp_zlink_t *link, bool *again)
{
    bool more;

    if (!again)
        again = &more;
    *again = false;
    if (link->stage < PROMP_ZLINK_IS_UP)
        promp_zlink_attend(link);
    if (link->stage == PROMP_ZLINK_IS_UP)
        return read_up(link, again);
    return promp_zlink_why(link, NULL);
}

uint64_t promp_zlink_received(const promp_zlink_t *link)
{
    return link->received;
}

promp_err_t promp_zlink_next(promp_zlink_t *link, promp_frame_t *frame, bool *got)
{
    *got = false;
    while (!link->spoilt && !*got && link->in_first < link->in_count) {
        link->spoilt = promp_zpart_read(&link->in[link->in_first++], frame);
        if (!link->spoilt)
            link->spoilt = promp_window_take(&link->window, frame, got);
        if (!link->spoilt && !*got)
            (void)promp_zlink_flush(link); /* the window has opened */
    }
    return link->spoilt;
}

void promp_zlink_release(promp_zlink_t *link, uint64_t bytes)
{
    promp_window_release(&link->window, bytes);
    promp_zout_tell_released(&link->out);
}

/* --- out --- */

static promp_err_t put(promp_zlink_t *link, zmq_msg_t *part, const promp_frame_t *frame, bool urgent,
                       uint64_t tag)
{
    return promp_zout_put(&link->out, part, urgent, promp_link_windowed(frame), tag);
}

promp_err_t promp_zlink_send(promp_zlink_t *link, const promp_out_t *out, uint64_t tag)
{
    zmq_msg_t part;
    promp_err_t err = promp_zpart_make(&part, out);

    return err ? err : put(link, &part, &out->frame, out->urgent, tag);
}

promp_err_t promp_zlink_forward(promp_zlink_t *link, const promp_frame_t *frame, bool urgent, uint64_t tag)
{
    zmq_msg_t part;
    promp_err_t err = promp_zpart_pass(&part, frame, NULL);

    return err ? err : put(link, &part, frame, urgent, tag);
}

promp_err_t promp_zlink_flush(promp_zlink_t *link)
{
    if (link->stage != PROMP_ZLINK_IS_UP)
        return link->out.broken;
    promp_zout_tell_released(&link->out);
    return promp_zout_flush(&link->out);
}

bool promp_zlink_wants_write(const promp_zlink_t *link)
{
    return !link->out.broken && promp_zout_waits(&link->out);
}

size_t promp_zlink_queued(const promp_zlink_t *link)
{
    return promp_zout_queued(&link->out);
}

uint64_t promp_zlink_room(const promp_zlink_t *link)
{
    return promp_zout_room(&link->out);
}

void promp_zlink_drop(promp_zlink_t *link)
{
    promp_zout_drop(&link->out, PROMP_ERR_CLOSED);
}

bool promp_zlink_flushed(promp_zlink_t *link, uint64_t *tag, uint64_t *bytes)
{
    return promp_ztags_next(&link->tags, tag, bytes);
}
