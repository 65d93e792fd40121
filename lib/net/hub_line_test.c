/* A hub whose line is a broker's of the worst kind: its descriptor never says anything, promp_line_ready() alone does. So nothing
 * that a send may have hidden from the descriptor stays unread. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "hub_fake.h"

/* Everything is under the hub's lock. */
typedef struct {
    int fd;
    bool lives, greets;
    size_t echoes; /* frames that are there to be read */
    promp_frame_t echo;
    uint64_t received;
} dumb_t;

static promp_err_t dumb_read(void *line, bool *again)
{
    dumb_t *dumb = line;

    *again = false;
    dumb->received += dumb->echoes || dumb->greets;
    return PROMP_OK;
}

static uint64_t dumb_received(const void *line)
{
    return ((const dumb_t *)line)->received;
}

static promp_err_t dumb_next(void *line, promp_frame_t *frame, int *fds, bool *got)
{
    static promp_out_t out;
    const promp_message_t welcome = {.type = PROMP_TYPE_WELCOME,
                                     .welcome = {.version = PROMP_VERSION_HIGH, .node = {{5}}}};
    dumb_t *dumb = line;

    (void)fds;
    *got = dumb->greets || dumb->echoes;
    if (dumb->greets) {
        assert_int_equal(promp_message_out(&welcome, NULL, 0, &out), PROMP_OK);
        *frame = out.frame;
        frame->body = out.part[0];
        dumb->greets = false;
    } else if (dumb->echoes) {
        *frame = dumb->echo;
        dumb->echoes--;
    }
    return PROMP_OK;
}

static void dumb_release(void *line, uint64_t bytes)
{
    (void)line, (void)bytes;
}

static promp_err_t dumb_send(void *line, const promp_out_t *out, const int *fds, size_t count)
{
    dumb_t *dumb = line;

    (void)fds, (void)count;
    dumb->greets = dumb->greets || out->frame.type == PROMP_TYPE_HELLO;
    if (out->frame.type == PROMP_TYPE_DATA) {
        dumb->echo = out->frame;
        dumb->echo.body = promp_slice("", 0);
        dumb->echoes++;
    }
    return PROMP_OK;
}

static void dumb_cork(void *line)
{
    (void)line;
}

static promp_err_t dumb_flush(void *line)
{
    (void)line;
    return PROMP_OK;
}

static bool dumb_wants_write(const void *line)
{
    (void)line;
    return false;
}

static size_t dumb_queued(const void *line)
{
    (void)line;
    return 0;
}

static uint64_t dumb_room(const void *line)
{
    (void)line;
    return PROMP_LIMIT_FRAME;
}

static int dumb_fd(const void *line)
{
    return ((const dumb_t *)line)->fd;
}

static void dumb_destroy(void *line, bool wait)
{
    (void)wait;
    ((dumb_t *)line)->lives = false;
}

static bool dumb_ready(const void *line)
{
    const dumb_t *dumb = line;
    return dumb->greets || dumb->echoes;
}

static int64_t dumb_tick(void *line, int64_t now)
{
    (void)line, (void)now;
    return PROMP_NEVER;
}

static promp_err_t dumb_why(const void *line, promp_error_t *error)
{
    (void)line;
    if (error)
        *error = (promp_error_t){.code = PROMP_OK};
    return PROMP_OK;
}

static promp_err_t dumb_dial(void *arg, int timeout, int64_t now, promp_line_t *line, promp_error_t *error)
{
    static const promp_line_ops_t ops = {.read = dumb_read,
                                         .received = dumb_received,
                                         .next = dumb_next,
                                         .release = dumb_release,
                                         .send = dumb_send,
                                         .cork = dumb_cork,
                                         .uncork = dumb_flush,
                                         .flush = dumb_flush,
                                         .wants_write = dumb_wants_write,
                                         .queued = dumb_queued,
                                         .room = dumb_room,
                                         .fd = dumb_fd,
                                         .destroy = dumb_destroy,
                                         .ready = dumb_ready,
                                         .tick = dumb_tick,
                                         .why = dumb_why};

    (void)timeout, (void)now, (void)error;
    ((dumb_t *)arg)->lives = true;
    *line = (promp_line_t){arg, &ops};
    return PROMP_OK;
}

static bool dumb_failed(void *arg, promp_err_t why)
{
    (void)arg, (void)why;
    return false;
}

static void dumb_welcomed(void *arg)
{
    (void)arg;
}

static void dumb_next_key(void *arg, const promp_msg_next_key_t *message)
{
    (void)arg, (void)message;
}

/* --- tests --- */

typedef struct {
    dumb_t dumb;
    promp_hub_t *hub;
    fake_core_t core;
    bool over; /* under the lock */
} world_t;

static int setup(void **state)
{
    static const promp_hub_broker_ops_t ops = {dumb_dial, dumb_failed, dumb_welcomed, dumb_next_key};
    world_t *w = calloc(1, sizeof *w);

    assert_non_null(w);
    w->dumb.fd = eventfd(0, EFD_CLOEXEC);
    const promp_hub_config_t config = {.fd = -1, .lifeline = -1, .broker = {&w->dumb, &ops}};
    w->hub = promp_hub_new(&config, 5000, NULL);
    assert_non_null(w->hub);
    w->core.lease_ms = 60000; /* a beat each 12 s would bring what was missed */
    assert_int_equal(promp_hub_attach(w->hub, fake_core_port(&w->core)), PROMP_OK);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    world_t *w = *state;

    fake_finish(&w->hub, &w->core);
    assert_false(w->dumb.lives);
    close(w->dumb.fd);
    free(w);
    return 0;
}

static void expect_echoes(world_t *w, uint64_t count)
{
    promp_hub_lock(w->hub);
    w->core.to_send++;
    promp_hub_unlock(w->hub);
    promp_hub_lock(w->hub);
    assert_int_equal(
        promp_hub_wait(w->hub, fake_has_frames, &(fake_frames_t){&w->core, count}, promp_clock_ms() + 3000),
        PROMP_OK);
    promp_hub_unlock(w->hub);
}

static void test_waiter(void **state)
{
    /* Who sends and then polls himself. */
    for (uint64_t i = 1; i <= 20; i++)
        expect_echoes(*state, i);
}

static bool is_over(void *arg)
{
    return *(bool *)arg;
}

static void *lead(void *arg)
{
    world_t *w = arg;
    promp_hub_lock(w->hub);
    (void)promp_hub_wait(w->hub, is_over, &w->over, promp_clock_ms() + FAKE_WAIT);
    promp_hub_unlock(w->hub);
    return NULL;
}

static void test_other_leads(void **state)
{
    /* Another one polls for him. */
    world_t *w = *state;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, lead, w), 0);
    for (uint64_t i = 1; i <= 20; i++)
        expect_echoes(w, i);
    promp_hub_lock(w->hub);
    w->over = true;
    promp_hub_unlock(w->hub);
    pthread_join(thread, NULL);
}

static void test_nobody_waits(void **state)
{
    /* The network thread alone. */
    world_t *w = *state;
    int64_t end = promp_clock_ms() + 3000;
    uint64_t frames = 0;
    promp_hub_lock(w->hub);
    w->core.to_send = 40;
    w->dumb.echoes++; /* and what came without a send */
    w->dumb.echo = (promp_frame_t){.type = PROMP_TYPE_DATA, .session = w->core.id};
    promp_hub_unlock(w->hub);
    while (frames < 41 && promp_clock_ms() < end) {
        poll(NULL, 0, 1);
        promp_hub_lock(w->hub);
        frames = w->core.frames;
        promp_hub_unlock(w->hub);
    }
    assert_int_equal(frames, 41);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {TEST(test_waiter), TEST(test_other_leads), TEST(test_nobody_waits)};
    return cmocka_run_group_tests_name("hub_line", tests, NULL, NULL);
}
