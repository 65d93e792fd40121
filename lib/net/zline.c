#include "zline.h"

#include <stdlib.h>

typedef struct {
    promp_zlink_t *link;
    promp_auth_key_t *key; /* shown; NULL: it is not needed any more */
} zline_t;

/* The secret is readable only while the handshake may need it. */
static void hide(zline_t *line, bool now)
{
    if (line->key && (now || promp_zlink_state(line->link) != PROMP_ZLINK_CONNECTING)) {
        promp_auth_key_hide(line->key);
        line->key = NULL;
    }
}

static promp_zlink_t *link_of(const void *line)
{
    return ((const zline_t *)line)->link;
}

static promp_err_t line_read(void *line, bool *again)
{
    promp_err_t err = promp_zlink_read(link_of(line), again);

    hide(line, false);
    return err;
}

static uint64_t line_received(const void *line)
{
    return promp_zlink_received(link_of(line));
}

static promp_err_t line_next(void *line, promp_frame_t *frame, int *fds, bool *got)
{
    (void)fds;
    return promp_zlink_next(link_of(line), frame, got);
}

static void line_release(void *line, uint64_t bytes)
{
    promp_zlink_release(link_of(line), bytes);
}

static promp_err_t line_send(void *line, const promp_out_t *out, const int *fds, size_t count)
{
    (void)fds;
    return count ? PROMP_ERR_STATE : promp_zlink_send(link_of(line), out, 0);
}

/* What is sent goes to libzmq at once, which gathers by itself. */
static void line_cork(void *line)
{
    (void)line;
}

static promp_err_t line_flush(void *line)
{
    return promp_zlink_flush(link_of(line));
}

static bool line_wants_write(const void *line)
{
    return promp_zlink_queued(link_of(line)) > 0; /* for room in libzmq, or in the window */
}

static size_t line_queued(const void *line)
{
    return promp_zlink_queued(link_of(line));
}

static uint64_t line_room(const void *line)
{
    return promp_zlink_room(link_of(line));
}

static int line_fd(const void *line)
{
    return promp_zlink_fd(link_of(line));
}

static void line_destroy(void *self, bool wait)
{
    zline_t *line = self;

    if (!wait)
        promp_zlink_cut(line->link);
    promp_zlink_destroy(&line->link);
    hide(line, true);
    free(line);
}

static bool line_ready(const void *line)
{
    return promp_zlink_ready(link_of(line));
}

static int64_t line_tick(void *line, int64_t now)
{
    int64_t due = promp_zlink_tick(link_of(line), now);

    hide(line, false);
    return due;
}

static promp_err_t line_why(const void *line, promp_error_t *error)
{
    return promp_zlink_why(link_of(line), error);
}

static const promp_line_ops_t ops = {.read = line_read,
                                     .received = line_received,
                                     .next = line_next,
                                     .release = line_release,
                                     .send = line_send,
                                     .cork = line_cork,
                                     .uncork = line_flush,
                                     .flush = line_flush,
                                     .wants_write = line_wants_write,
                                     .queued = line_queued,
                                     .room = line_room,
                                     .fd = line_fd,
                                     .destroy = line_destroy,
                                     .ready = line_ready,
                                     .tick = line_tick,
                                     .why = line_why};

promp_err_t promp_zline_dial(const promp_zlink_config_t *config, promp_auth_key_t *key, int64_t now,
                             promp_line_t *line_p, promp_error_t *error)
{
    promp_zlink_config_t with_key = *config;
    zline_t *line = calloc(1, sizeof *line);

    *line_p = (promp_line_t){line, &ops};
    if (!line)
        return promp_error_set(error, PROMP_ERR_MEMORY, 0, NULL);
    line->key = key;
    with_key.secret_key = promp_auth_key_show(key);
    promp_err_t err = promp_zlink_dial(&with_key, now, &line->link, error);
    if (!err) {
        hide(line, false);
        return PROMP_OK;
    }
    hide(line, true);
    free(line);
    line_p->self = NULL;
    return err;
}
