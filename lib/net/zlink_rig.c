#include "zlink_rig.h"

#include <arpa/inet.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zmq.h>

#include <cmocka.h>

/* --- keys and who decides about them --- */

void zrig_make_keys(zrig_keys_t *keys)
{
    char secret[41];

    assert_int_equal(zmq_curve_keypair(keys->text, secret), 0);
    assert_non_null(zmq_z85_decode(keys->public_key, keys->text));
    assert_non_null(zmq_z85_decode(keys->secret_key, secret));
}

static void answer(void *socket, const uint8_t *id, size_t id_size, const char *status, const char *user)
{
    static const uint8_t role[] = "\4Role\0\0\0\7manager";
    bool in = strcmp(status, "200") == 0;

    zmq_send(socket, "1.0", 3, ZMQ_SNDMORE);
    zmq_send(socket, id, id_size, ZMQ_SNDMORE);
    zmq_send(socket, status, strlen(status), ZMQ_SNDMORE);
    zmq_send(socket, "", 0, ZMQ_SNDMORE);
    zmq_send(socket, user, in ? strlen(user) : 0, ZMQ_SNDMORE);
    zmq_send(socket, role, in ? sizeof role - 1 : 0, 0);
}

/* Version, request id, domain, address, identity, mechanism, key. */
static void decide(zrig_t *rig, void *socket)
{
    uint8_t part[7][256];
    int size[7], count = 0, more;
    size_t length = sizeof more;
    char user[41];

    do {
        int n = zmq_recv(socket, part[count], sizeof part[0], 0);
        assert_in_range(n, 0, sizeof part[0]);
        size[count++] = n;
        zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &length);
    } while (more && count < 7);
    assert_int_equal(count, 7);
    assert_int_equal(size[6], 32);
    zmq_z85_encode(user, part[6], 32);
    bool known = strcmp(user, rig->known[0].text) == 0 || strcmp(user, rig->known[1].text) == 0;
    rig->zap_asked++;
    answer(socket, part[1], (size_t)size[1], known ? "200" : rig->zap_status, rig->zap_nameless ? "" : user);
}

typedef struct {
    zrig_t *rig;
    void *socket, *stop;
} zap_t;

static void *run_zap(void *arg)
{
    zap_t zap = *(zap_t *)arg;
    zmq_pollitem_t items[] = {{zap.socket, 0, ZMQ_POLLIN, 0}, {zap.stop, 0, ZMQ_POLLIN, 0}};

    free(arg);
    while (zmq_poll(items, 2, -1) >= 0 && !items[1].revents)
        if (items[0].revents)
            decide(zap.rig, zap.socket);
    zmq_close(zap.socket);
    zmq_close(zap.stop);
    return NULL;
}

static void start_zap(zrig_t *rig)
{
    zap_t *zap = malloc(sizeof *zap);

    *zap = (zap_t){rig, zmq_socket(rig->context, ZMQ_REP), zmq_socket(rig->context, ZMQ_PAIR)};
    rig->zap_stop = zmq_socket(rig->context, ZMQ_PAIR);
    assert_int_equal(zmq_bind(zap->socket, "inproc://zeromq.zap.01"), 0);
    assert_int_equal(zmq_bind(zap->stop, "inproc://stop"), 0);
    assert_int_equal(zmq_connect(rig->zap_stop, "inproc://stop"), 0);
    assert_int_equal(pthread_create(&rig->zap, NULL, run_zap, zap), 0);
}

/* --- life --- */

void zrig_listen(zrig_t *rig, const char *endpoint)
{
    promp_error_t error = {0};

    rig->port_config.endpoint = endpoint;
    if (promp_zport_new(rig->context, &rig->port_config, &rig->port, &error))
        fail_msg("%s", error.text);
}

int zrig_setup(void **state)
{
    zrig_t *rig = calloc(1, sizeof *rig);

    assert_non_null(rig);
    rig->context = zmq_ctx_new();
    zrig_make_keys(&rig->server);
    zrig_make_keys(&rig->known[0]);
    zrig_make_keys(&rig->known[1]);
    zrig_make_keys(&rig->unknown);
    rig->zap_status = "400";
    start_zap(rig);
    rig->port_config =
        (promp_zport_config_t){.secret_key = rig->server.secret_key, .zap_domain = ZRIG_DOMAIN, .peers = 50};
    zrig_listen(rig, "tcp://127.0.0.1:0");
    *state = rig;
    return 0;
}

int zrig_teardown(void **state)
{
    zrig_t *rig = *state;

    for (int i = 0; i < ZRIG_LINKS; i++)
        promp_zlink_destroy(&rig->link[i]);
    promp_zport_destroy(&rig->port);
    if (rig->other) {
        zmq_setsockopt(rig->other, ZMQ_LINGER, &(int){0}, sizeof(int));
        zmq_close(rig->other);
    }
    zmq_send(rig->zap_stop, "", 0, 0);
    pthread_join(rig->zap, NULL);
    zmq_close(rig->zap_stop);
    zmq_ctx_term(rig->context);
    free(rig);
    return 0;
}

void zrig_config(const zrig_t *rig, const zrig_keys_t *keys, promp_zlink_config_t *config)
{
    *config = (promp_zlink_config_t){.address = rig->port ? promp_zport_endpoint(rig->port) : NULL,
                                     .server_key = rig->server.public_key,
                                     .public_key = keys->public_key,
                                     .secret_key = keys->secret_key,
                                     .window = rig->port_config.window};
}

void zrig_dial(zrig_t *rig, int number, const char *address, const zrig_keys_t *keys)
{
    promp_zlink_config_t config;
    promp_error_t error = {0};

    zrig_config(rig, keys, &config);
    if (address)
        config.address = address;
    if (promp_zlink_dial(&config, promp_clock_ms(), &rig->link[number], &error))
        fail_msg("%s", error.text);
}

/* --- driving --- */

static void take_link(zrig_t *rig, int number)
{
    promp_zlink_t *link = rig->link[number];
    promp_frame_t frame;
    bool got;

    while (!rig->spoilt[number]) {
        rig->spoilt[number] = promp_zlink_next(link, &frame, &got);
        if (rig->spoilt[number] || !got)
            return;
        rig->frames[number]++;
        if ((!rig->on_frame || rig->on_frame(rig, number, 0, &frame)) && promp_link_windowed(&frame))
            promp_zlink_release(link, frame.size);
    }
}

static void read_link(zrig_t *rig, int number)
{
    (void)promp_zlink_read(rig->link[number], NULL);
    take_link(rig, number);
}

static void take_port(zrig_t *rig)
{
    promp_zport_event_t event;

    for (;;) {
        assert_int_equal(promp_zport_next(rig->port, &event), PROMP_OK);
        if (event.type == PROMP_ZPORT_NOTHING)
            return;
        if (event.type == PROMP_ZPORT_NEW) {
            assert_true(rig->peers < 16);
            rig->peer[rig->peers++] = event.peer;
        } else if (event.type == PROMP_ZPORT_GONE) {
            assert_true(rig->gones < 16);
            rig->gone[rig->gones] = event.peer;
            rig->why[rig->gones++] = event.why;
        } else {
            rig->port_frames++;
            if ((!rig->on_frame || rig->on_frame(rig, -1, event.peer, &event.frame)) &&
                promp_link_windowed(&event.frame))
                promp_zport_release(rig->port, event.peer, event.frame.size);
        }
    }
}

static bool is_driven(const zrig_t *rig, int number)
{
    return rig->link[number] && !rig->hold_link[number] && !rig->spoilt[number] &&
           promp_zlink_state(rig->link[number]) != PROMP_ZLINK_LOST;
}

/* What is ready, what is due; returns until when there is nothing to do. */
static int64_t settle(zrig_t *rig)
{
    int64_t now = promp_clock_ms(), due = PROMP_NEVER;

    for (int i = 0; i < ZRIG_LINKS; i++) {
        while (is_driven(rig, i) && promp_zlink_ready(rig->link[i]))
            read_link(rig, i);
        if (is_driven(rig, i))
            due = promp_min64(due, promp_zlink_tick(rig->link[i], now));
        if (is_driven(rig, i) && promp_zlink_ready(rig->link[i]))
            due = now;
    }
    if (rig->port) {
        if (promp_zport_ready(rig->port))
            take_port(rig);
        due = promp_min64(due, promp_zport_tick(rig->port, now));
        if (promp_zport_ready(rig->port))
            due = now;
    }
    return due;
}

static void sleep_until(zrig_t *rig, int64_t due)
{
    struct pollfd fds[ZRIG_LINKS + 1];
    int64_t now = promp_clock_ms();

    for (int i = 0; i < ZRIG_LINKS; i++)
        fds[i] = (struct pollfd){is_driven(rig, i) ? promp_zlink_fd(rig->link[i]) : -1, POLLIN, 0};
    fds[ZRIG_LINKS] = (struct pollfd){rig->port ? promp_zport_fd(rig->port) : -1, POLLIN, 0};
    poll(fds, ZRIG_LINKS + 1, due > now ? (int)(due - now) : 0);
    for (int i = 0; i < ZRIG_LINKS; i++)
        if (fds[i].revents && is_driven(rig, i))
            read_link(rig, i);
    if (fds[ZRIG_LINKS].revents)
        take_port(rig);
}

bool zrig_drive(zrig_t *rig, bool (*done)(zrig_t *rig), int64_t ms)
{
    int64_t end = promp_clock_ms() + ms;

    for (;;) {
        int64_t due = settle(rig);
        if (done(rig))
            return true;
        if (promp_clock_ms() >= end)
            return false;
        sleep_until(rig, promp_min64(due, end));
    }
}

void zrig_until(zrig_t *rig, bool (*done)(zrig_t *rig))
{
    if (!zrig_drive(rig, done, ZRIG_PATIENCE))
        fail_msg("it did not come in time");
}

static bool one_more(zrig_t *rig)
{
    return rig->peers > *(size_t *)rig->test;
}

void zrig_up(zrig_t *rig, int number)
{
    size_t before = rig->peers;
    void *test = rig->test;

    zrig_dial(rig, number, NULL, &rig->known[number % 2]);
    assert_int_equal(zrig_send(rig->link[number], PROMP_LANE_CONTROL, 0, 10, 0), PROMP_OK);
    rig->test = &before;
    zrig_until(rig, one_more);
    rig->test = test;
}

/* --- frames --- */

static uint8_t byte_of(uint64_t n, size_t i)
{
    return (uint8_t)(n * 31 + i * 7 + (i >> 8));
}

static uint8_t *body_of(uint64_t n, size_t size)
{
    uint8_t *body = malloc(size ? size : 1);

    assert_non_null(body);
    for (size_t i = 0; i < size; i++)
        body[i] = byte_of(n, i);
    return body;
}

promp_out_t zrig_out(promp_lane_t lane, uint64_t n, const uint8_t *body, size_t size)
{
    promp_out_t out = {.parts = 2, .urgent = lane == PROMP_LANE_CONTROL};

    out.frame = (promp_frame_t){.type = PROMP_TYPE_DATA,
                                .lane = (uint8_t)lane,
                                .offset = n,
                                .session = {{1, 2, 3}},
                                .size = promp_frame_size(size)};
    out.part[0] = promp_slice(body, size / 3);
    out.part[1] = promp_slice(body + size / 3, size - size / 3);
    return out;
}

promp_err_t zrig_send(promp_zlink_t *link, promp_lane_t lane, uint64_t n, size_t size, uint64_t tag)
{
    uint8_t *body = body_of(n, size);
    promp_out_t out = zrig_out(lane, n, body, size);
    promp_err_t err = promp_zlink_send(link, &out, tag);

    free(body);
    return err;
}

promp_err_t zrig_post(zrig_t *rig, promp_zpeer_t peer, promp_lane_t lane, uint64_t n, size_t size,
                      uint64_t tag)
{
    uint8_t *body = body_of(n, size);
    promp_out_t out = zrig_out(lane, n, body, size);
    promp_err_t err = promp_zport_send(rig->port, peer, &out, tag);

    free(body);
    return err;
}

void zrig_check(const promp_frame_t *frame, uint64_t n, size_t size)
{
    assert_int_equal(frame->type, PROMP_TYPE_DATA);
    assert_int_equal(frame->offset, n);
    assert_int_equal(frame->body.size, size);
    for (size_t i = 0; i < size; i++)
        if (frame->body.data[i] != byte_of(n, i))
            fail_msg("frame %d differs at byte %zu", (int)n, i);
}

/* --- plain sockets --- */

int zrig_plain_listen(char address[64])
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof in;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof in), 0);
    assert_int_equal(listen(fd, 100), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &size), 0);
    snprintf(address, 64, "tcp://127.0.0.1:%d", ntohs(in.sin_port));
    return fd;
}

int zrig_plain_connect(const char *endpoint)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    in.sin_port = htons((uint16_t)atoi(strrchr(endpoint, ':') + 1));
    assert_int_equal(connect(fd, (struct sockaddr *)&in, sizeof in), 0);
    return fd;
}
