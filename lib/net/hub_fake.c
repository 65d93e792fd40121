#include "hub_fake.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static const promp_id_t none;

void fake_node_open(fake_node_t *node)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    memset(node, 0, sizeof *node);
    strcpy(node->local.folder, "/tmp/promp-test-XXXXXX");
    assert_non_null(mkdtemp(node->local.folder));
    snprintf(node->local.socket, sizeof node->local.socket, "%.60s/socket", node->local.folder);
    memcpy(address.sun_path, node->local.socket, sizeof node->local.socket);
    node->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(node->listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(node->listener, 8), 0);
    assert_int_equal(promp_id_make(&node->id), PROMP_OK);
}

void fake_node_stop_listening(fake_node_t *node)
{
    if (node->listener >= 0)
        close(node->listener);
    node->listener = -1;
}

void fake_node_hang_up(fake_node_t *node)
{
    if (node->link)
        promp_link_destroy(&node->link);
}

void fake_node_close(fake_node_t *node)
{
    fake_node_hang_up(node);
    fake_node_stop_listening(node);
    unlink(node->local.socket);
    rmdir(node->local.folder);
}

void fake_node_take(fake_node_t *node, int fd)
{
    fake_node_hang_up(node);
    node->link = promp_link_new(fd);
    assert_non_null(node->link);
}

void fake_node_accept(fake_node_t *node)
{
    struct pollfd ready = {.fd = node->listener, .events = POLLIN};
    assert_int_equal(poll(&ready, 1, FAKE_WAIT), 1);
    fake_node_take(node, accept(node->listener, NULL, NULL));
}

/* The next frame of any type. False: the link ended. */
static bool next_frame(fake_node_t *node, promp_frame_t *frame)
{
    int64_t deadline = promp_clock_ms() + FAKE_WAIT;
    int fds[PROMP_LIMIT_FRAME_FDS];
    bool got = false;

    while (!got) {
        assert_int_equal(promp_link_next(node->link, frame, fds, &got), PROMP_OK);
        if (got)
            break;
        struct pollfd ready = {.fd = promp_link_fd(node->link), .events = POLLIN};
        int64_t left = deadline - promp_clock_ms();
        if (poll(&ready, 1, (int)(left > 0 ? left : 0)) == 0)
            fail_msg("no frame came");
        promp_err_t err = promp_link_read(node->link, NULL);
        if (err == PROMP_ERR_CLOSED)
            return false;
        assert_int_equal(err, PROMP_OK);
    }
    if (promp_link_windowed(frame))
        promp_link_release(node->link, frame->size);
    return true;
}

void fake_node_frame(fake_node_t *node, promp_frame_t *frame)
{
    do
        if (!next_frame(node, frame))
            fail_msg("the link ended");
    while (frame->type == PROMP_TYPE_BEAT);
}

static void decode(const promp_frame_t *frame, promp_message_t *message)
{
    promp_message_t unused;
    const promp_message_row_t *row = promp_message_row(frame->type);
    promp_who_t from = row->from & PROMP_WHO_MANAGER ? PROMP_WHO_MANAGER : PROMP_WHO_WORKER;
    promp_at_t at = row->states & PROMP_AT_UP ? PROMP_AT_UP : PROMP_AT_NEW;
    assert_int_equal(promp_message_decode(frame->type, frame->body, from, PROMP_WHO_NODE, at,
                                          PROMP_VERSION_HIGH, message ? message : &unused),
                     PROMP_OK);
}

void fake_node_expect(fake_node_t *node, promp_type_t type, promp_message_t *message, promp_id_t *session)
{
    promp_frame_t frame;
    fake_node_frame(node, &frame);
    assert_int_equal(frame.type, type);
    decode(&frame, message);
    if (session)
        *session = frame.session;
}

int64_t fake_node_beat(fake_node_t *node, promp_message_t *message)
{
    int64_t begin = promp_clock_ms();
    promp_frame_t frame;
    do
        if (!next_frame(node, &frame))
            fail_msg("the link ended");
    while (frame.type != PROMP_TYPE_BEAT);
    decode(&frame, message);
    return promp_clock_ms() - begin;
}

bool fake_node_ended(fake_node_t *node)
{
    promp_frame_t frame;
    while (next_frame(node, &frame))
        if (frame.type != PROMP_TYPE_BEAT)
            return false;
    return true;
}

void fake_node_send(fake_node_t *node, const promp_message_t *message, const promp_id_t *session)
{
    promp_out_t out;
    assert_int_equal(promp_message_out(message, session ? session : &none, 0, &out), PROMP_OK);
    assert_int_equal(promp_link_send(node->link, &out, NULL, 0, 0), PROMP_OK);
}

void fake_node_data(fake_node_t *node, const promp_id_t *session, const void *body, size_t size)
{
    promp_frame_t frame = {.type = PROMP_TYPE_DATA,
                           .lane = PROMP_LANE_MESSAGES,
                           .session = *session,
                           .size = (uint32_t)(PROMP_FRAME_HEADER + size),
                           .body = promp_slice(body, size)};
    assert_int_equal(promp_link_forward(node->link, &frame, false, 0), PROMP_OK);
}

void fake_node_welcome(fake_node_t *node)
{
    promp_message_t welcome = {.type = PROMP_TYPE_WELCOME};
    fake_node_expect(node, PROMP_TYPE_HELLO, NULL, NULL);
    welcome.welcome.version = PROMP_VERSION_HIGH;
    welcome.welcome.node = node->id;
    welcome.welcome.build = promp_slice_str("fake");
    fake_node_send(node, &welcome, &node->session);
}

/* --- opening --- */

static void *open_hub(void *arg)
{
    fake_open_t *open = arg;
    open->hub = promp_hub_new(&open->config, open->timeout, &open->error);
    return NULL;
}

void fake_open_start(fake_open_t *open)
{
    if (open->timeout == 0)
        open->timeout = FAKE_WAIT;
    assert_int_equal(pthread_create(&open->thread, NULL, open_hub, open), 0);
}

promp_hub_t *fake_open_end(fake_open_t *open)
{
    pthread_join(open->thread, NULL);
    return open->hub;
}

promp_hub_t *fake_manager_hub(fake_node_t *node)
{
    fake_open_t open = {.config = {.path = node->local.socket, .lifeline = -1}};
    assert_int_equal(promp_local_open(node->local.socket, &open.config.fd, NULL), PROMP_OK);
    fake_open_start(&open);
    fake_node_accept(node);
    fake_node_welcome(node);
    promp_hub_t *hub = fake_open_end(&open);
    assert_non_null(hub);
    return hub;
}

/* --- a core --- */

static void on_path(void *arg, bool up, bool lost, const promp_id_t *node, int64_t now)
{
    fake_core_t *core = arg;
    (void)now;
    assert_false(up && lost);
    core->up += up;
    core->lost += lost;
    core->down += !up && !lost;
    if (up)
        core->node = *node;
}

static promp_err_t on_frame(void *arg, const promp_frame_t *frame, bool *mine, int64_t now)
{
    fake_core_t *core = arg;
    (void)now;
    if (!promp_id_equal(&frame->session, &core->id))
        return PROMP_OK;
    *mine = true;
    if (core->answer)
        return core->answer;
    if (frame->type == PROMP_TYPE_DATA) {
        core->frames++;
        core->bytes += frame->body.size;
        core->last = frame->body.size ? frame->body.data[0] : 0;
        if (core->on_data)
            core->on_data(core);
    } else {
        core->others++;
        core->frames_then = core->frames;
    }
    return PROMP_OK;
}

static bool on_next(void *arg, promp_out_t *out, uint64_t room, int64_t now)
{
    static const uint8_t zeros[PROMP_LIMIT_FRAME];
    fake_core_t *core = arg;
    (void)now;
    if (core->sided)
        room = core->room;
    if (core->sent == core->to_send || room < PROMP_FRAME_HEADER + core->size)
        return false;
    out->frame = (promp_frame_t){.type = PROMP_TYPE_DATA,
                                 .lane = PROMP_LANE_MESSAGES,
                                 .session = core->id,
                                 .offset = core->sent,
                                 .size = (uint32_t)(PROMP_FRAME_HEADER + core->size)};
    out->part[0] = promp_slice(zeros, core->size);
    out->parts = 1;
    out->urgent = false;
    core->sent++;
    return true;
}

static int64_t on_tick(void *arg, int64_t now)
{
    fake_core_t *core = arg;
    core->ticks++;
    if (core->tick_at && now >= core->tick_at)
        core->tick_at = 0;
    return core->tick_at ? core->tick_at : PROMP_NEVER;
}

static uint32_t on_lease(void *arg)
{
    fake_core_t *core = arg;
    return core->lease_ms;
}

static void on_side(void *arg, const promp_id_t *session, promp_way_t way, uint64_t room, int64_t now)
{
    fake_core_t *core = arg;
    (void)now;
    assert_true(promp_id_equal(session, &core->id));
    core->sided = way == PROMP_WAY_OPEN;
    core->unsided += !core->sided;
    core->way = way;
    core->room = room;
}

promp_port_t fake_core_port(fake_core_t *core)
{
    static const promp_port_ops_t ops = {.path = on_path,
                                         .frame = on_frame,
                                         .next = on_next,
                                         .tick = on_tick,
                                         .lease = on_lease,
                                         .side = on_side};
    if (promp_id_is_none(&core->id))
        assert_int_equal(promp_id_make(&core->id), PROMP_OK);
    return (promp_port_t){core, &ops};
}

void fake_wait(promp_hub_t *hub, bool (*condition)(void *arg), void *arg)
{
    promp_hub_lock(hub);
    assert_int_equal(promp_hub_wait(hub, condition, arg, promp_clock_ms() + FAKE_WAIT), PROMP_OK);
    promp_hub_unlock(hub);
}

bool fake_has_frames(void *arg)
{
    const fake_frames_t *frames = arg;
    return frames->core->frames >= frames->frames;
}

bool fake_never(void *arg)
{
    (void)arg;
    return false;
}

/* How often path was called, in the order up, down, lost. */
typedef struct {
    fake_core_t *core;
    int up, down, lost;
} paths_t;

static bool has_paths(void *arg)
{
    const paths_t *want = arg;
    return want->core->up >= want->up && want->core->down >= want->down && want->core->lost >= want->lost;
}

void fake_expect_paths(promp_hub_t *hub, fake_core_t *core, int up, int down, int lost)
{
    fake_wait(hub, has_paths, &(paths_t){core, up, down, lost});
    promp_hub_lock(hub);
    assert_int_equal(core->up, up);
    assert_int_equal(core->down, down);
    assert_int_equal(core->lost, lost);
    promp_hub_unlock(hub);
}

void fake_finish(promp_hub_t **hub, fake_core_t *core)
{
    promp_hub_detach(*hub, core);
    promp_hub_destroy(hub);
}

/* --- tests --- */

int fake_setup(void **state)
{
    fake_node_t *node = calloc(1, sizeof *node);
    assert_non_null(node);
    fake_node_open(node);
    *state = node;
    return 0;
}

int fake_teardown(void **state)
{
    fake_node_close(*state);
    free(*state);
    return 0;
}
