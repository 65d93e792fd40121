/* bench-zlink - a frame through one relay and back over promp's ZeroMQ links, against bare ZeroMQ sockets in the same arrangement:
 * the same bytes, in the same run, in turns. */
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zmq.h>

#include "bench.h"
#include "relay.h"
#include "zlink.h"
#include "zport.h"

static long calls = 4000, bytes = 64, flight = 64;
#define BLOCK                                                                                                \
    50 /* calls of one side before it is the other's turn: what else the machine does meets both alike */

static relay_keys_t server, client;
static char endpoint[64];

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "bench: %s: %s\n", what, why);
    _exit(1);
}

/* --- the relay --- */

/* Lets everybody in: who comes here is no question of this measurement. */
static void *answer_zap(void *socket)
{
    for (;;) {
        char part[8][256];
        int size[8] = {0}, count = 0, more = 1;
        size_t length = sizeof more;
        for (; more && count < 8; count++) {
            size[count] = zmq_recv(socket, part[count], sizeof part[0], 0);
            if (size[count] < 0)
                return NULL;
            zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &length);
        }
        zmq_send(socket, "1.0", 3, ZMQ_SNDMORE);
        zmq_send(socket, part[1], (size_t)size[1], ZMQ_SNDMORE);
        zmq_send(socket, "200", 3, ZMQ_SNDMORE);
        zmq_send(socket, "", 0, ZMQ_SNDMORE);
        zmq_send(socket, "anybody", 7, ZMQ_SNDMORE);
        zmq_send(socket, "", 0, 0);
    }
}

static void relay_event(promp_zport_t *port, const promp_zport_event_t *event)
{
    static promp_zpeer_t peer[2];
    static size_t peers;
    static bool heard[2];

    if (event->type == PROMP_ZPORT_NEW && peers < 2)
        peer[peers++] = event->peer;
    if (event->type != PROMP_ZPORT_FRAME)
        return;
    int from = event->peer == peer[1];
    if (heard[from])
        bench_check(promp_zport_forward(port, peer[!from], &event->frame, false, 0), "relay");
    heard[from] = true; /* each says a word first */
    if (promp_link_windowed(&event->frame))
        promp_zport_release(port, event->peer, event->frame.size);
}

static void run_port(int to)
{
    promp_zport_config_t config = {
        .endpoint = "tcp://127.0.0.1:0", .secret_key = server.secret_key, .zap_domain = "bench", .peers = 8};
    void *context = zmq_ctx_new(), *zap = zmq_socket(context, ZMQ_REP);
    promp_zport_event_t event;
    promp_zport_t *port;
    promp_error_t error;
    pthread_t thread;

    if (zmq_bind(zap, "inproc://zeromq.zap.01") != 0 || pthread_create(&thread, NULL, answer_zap, zap) != 0 ||
        promp_zport_new(context, &config, &port, &error))
        fail("port", "it does not start");
    if (write(to, promp_zport_endpoint(port), strlen(promp_zport_endpoint(port)) + 1) < 0)
        fail("port", "pipe");
    struct pollfd p = {.fd = promp_zport_fd(port), .events = POLLIN};
    for (;;) {
        while (promp_zport_next(port, &event) == PROMP_OK && event.type)
            relay_event(port, &event);
        int64_t now = promp_clock_ms(), due = promp_zport_tick(port, now);
        if (!promp_zport_ready(port))
            poll(&p, 1, (int)(due - now));
    }
}

/* --- the ends --- */

static void send_frame(promp_zlink_t *link, const uint8_t *body, size_t size)
{
    promp_out_t out = {.parts = 1};

    out.frame =
        (promp_frame_t){.type = PROMP_TYPE_DATA, .lane = PROMP_LANE_MESSAGES, .size = promp_frame_size(size)};
    out.part[0] = promp_slice(body, size);
    bench_check(promp_zlink_send(link, &out, 0), "send");
}

static promp_zlink_t *dial(void)
{
    promp_zlink_config_t config = {.address = endpoint,
                                   .server_key = server.public_key,
                                   .public_key = client.public_key,
                                   .secret_key = client.secret_key};
    promp_zlink_t *link;
    promp_error_t error;

    if (promp_zlink_dial(&config, promp_clock_ms(), &link, &error))
        fail("dial", error.text);
    send_frame(link, (const uint8_t *)"hello", 5);
    return link;
}

/* The next frame that came; it waits for it. */
static void take_frame(promp_zlink_t *link, promp_frame_t *frame)
{
    struct pollfd p = {.fd = promp_zlink_fd(link), .events = POLLIN};
    bool got;

    for (;;) {
        bench_check(promp_zlink_next(link, frame, &got), "frame");
        if (got)
            break;
        if (!promp_zlink_ready(link)) {
            int64_t now = promp_clock_ms(), due = promp_zlink_tick(link, now);
            if (!promp_zlink_ready(link))
                poll(&p, 1, due == PROMP_NEVER ? -1 : (int)(due - now));
        }
        bench_check(promp_zlink_read(link, NULL), "read");
    }
    promp_zlink_release(link, frame->size);
}

static void run_echo(int to)
{
    promp_zlink_t *link = dial();
    promp_frame_t frame;

    while (promp_zlink_state(link) == PROMP_ZLINK_CONNECTING) {
        struct pollfd p = {.fd = promp_zlink_fd(link), .events = POLLIN};
        poll(&p, 1, 10);
        promp_zlink_tick(link, promp_clock_ms());
    }
    if (write(to, "", 1) != 1)
        fail("echo", "pipe");
    for (;;) {
        take_frame(link, &frame);
        bench_check(promp_zlink_forward(link, &frame, false, 0), "echo");
    }
}

/* --- measuring --- */

typedef struct {
    relay_t bare;
    promp_zlink_t *link;
    uint8_t *payload;
} sides_t;

static void give_bare(sides_t *sides)
{
    relay_send(&sides->bare, sides->payload, (size_t)bytes + PROMP_FRAME_HEADER);
}

static void take_bare(sides_t *sides)
{
    relay_take(&sides->bare);
}

static void give_promp(sides_t *sides)
{
    send_frame(sides->link, sides->payload, (size_t)bytes);
}

static void take_promp(sides_t *sides)
{
    promp_frame_t frame;
    take_frame(sides->link, &frame);
}

typedef struct {
    void (*give)(sides_t *), (*take)(sides_t *);
    double *times, seconds;
} way_t;

static void measure_calls(sides_t *sides, way_t *way, long from)
{
    for (long i = from; i < from + BLOCK; i++) {
        int64_t start = bench_ns();
        way->give(sides);
        way->take(sides);
        way->times[i] = (double)(bench_ns() - start) / 1000;
    }
}

/* So many are under way at once. */
static void measure_flight(sides_t *sides, way_t *way)
{
    int64_t start = bench_ns();
    long given = 0, taken = 0, count = BLOCK * flight;

    while (taken < count) {
        while (given < count && given - taken < flight) {
            way->give(sides);
            given++;
        }
        way->take(sides);
        taken++;
    }
    way->seconds += (double)(bench_ns() - start) / 1e9;
}

int main(int argc, char **argv)
{
    const bench_option_t options[] = {
        {"calls", &calls}, {"bytes", &bytes}, {"flight", &flight}, {NULL, NULL}};
    bench_options(argc, argv, options);
    calls = (calls + BLOCK - 1) / BLOCK * BLOCK;

    sides_t sides = {.payload = calloc(1, (size_t)bytes + PROMP_FRAME_HEADER)};
    way_t ways[] = {{give_bare, take_bare, calloc((size_t)calls, sizeof(double)), 0},
                    {give_promp, take_promp, calloc((size_t)calls, sizeof(double)), 0}};
    char word[64];
    relay_make_keys(&server);
    relay_make_keys(&client);
    relay_start(&sides.bare, 1);
    pid_t port = relay_fork(run_port, endpoint), echo = relay_fork(run_echo, word);
    relay_connect(&sides.bare);
    sides.link = dial();

    for (int w = 0; w < 2; w++) /* warm up */
        measure_calls(&sides, &ways[w], 0);
    for (long i = 0; i < calls; i += BLOCK)
        for (int w = 0; w < 2; w++)
            measure_calls(&sides, &ways[w], i);
    for (long i = 0; i < calls / BLOCK; i++)
        for (int w = 0; w < 2; w++)
            measure_flight(&sides, &ways[w]);

    double bare = bench_quantile(ways[0].times, (size_t)calls, 0.5);
    double ours = bench_quantile(ways[1].times, (size_t)calls, 0.5);
    double count = (double)calls * (double)flight;
    bench_print("bare ZeroMQ, CURVE, one relay, round trip, median", bare, "us");
    bench_print("promp's links, one relay, round trip, median", ours, "us");
    bench_print("ratio", ours / bare, "x");
    bench_print("bare ZeroMQ, many under way", count / ways[0].seconds, "1/s");
    bench_print("promp's links, many under way", count / ways[1].seconds, "1/s");
    bench_print("ratio of the times", ways[1].seconds / ways[0].seconds, "x");
    promp_zlink_destroy(&sides.link);
    relay_stop(&sides.bare);
    relay_kill(echo);
    relay_kill(port);
    return 0;
}
