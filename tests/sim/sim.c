#include "sim.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "message.h"

#define STANDSTILL 200000 /* events without any time passing: something runs in circles */

struct sim_entry {
    int64_t time;
    uint64_t order;
    sim_event_t event;
    void *arg;
};

void sim_begin(sim_t *sim, uint64_t seed, bool trace, const char *scene)
{
    *sim = (sim_t){.seed = seed, .trace = trace, .random = seed, .now = 1000, .scene = scene};
}

void sim_end(sim_t *sim)
{
    sim_check(sim, sim->count == 0);
    free(sim->heap);
}

/* splitmix64: every seed gives a good sequence. */
uint64_t sim_random(sim_t *sim)
{
    uint64_t z = sim->random += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

uint64_t sim_below(sim_t *sim, uint64_t limit)
{
    return sim_random(sim) % limit;
}

int64_t sim_between(sim_t *sim, int64_t low, int64_t high)
{
    return low + (int64_t)sim_below(sim, (uint64_t)(high - low) + 1);
}

bool sim_chance(sim_t *sim, unsigned per_mille)
{
    return sim_below(sim, 1000) < per_mille;
}

static bool earlier(const struct sim_entry *a, const struct sim_entry *b)
{
    return a->time != b->time ? a->time < b->time : a->order < b->order;
}

static void swap(struct sim_entry *a, struct sim_entry *b)
{
    struct sim_entry entry = *a;
    *a = *b;
    *b = entry;
}

void sim_at(sim_t *sim, int64_t time, sim_event_t event, void *arg)
{
    if (sim->count == sim->capacity) {
        sim->capacity = sim->capacity ? sim->capacity * 2 : 64;
        sim->heap = realloc(sim->heap, sim->capacity * sizeof *sim->heap);
        if (!sim->heap)
            abort();
    }
    size_t i = sim->count++;
    sim->heap[i] = (struct sim_entry){time < sim->now ? sim->now : time, sim->order++, event, arg};
    for (; i > 0 && earlier(&sim->heap[i], &sim->heap[(i - 1) / 2]); i = (i - 1) / 2)
        swap(&sim->heap[i], &sim->heap[(i - 1) / 2]);
}

static struct sim_entry pop(sim_t *sim)
{
    struct sim_entry entry = sim->heap[0];
    sim->heap[0] = sim->heap[--sim->count];
    for (size_t i = 0;;) {
        size_t least = i;
        for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < sim->count; child++)
            if (earlier(&sim->heap[child], &sim->heap[least]))
                least = child;
        if (least == i)
            return entry;
        swap(&sim->heap[i], &sim->heap[least]);
        i = least;
    }
}

bool sim_step(sim_t *sim)
{
    if (sim->count == 0)
        return false;
    struct sim_entry entry = pop(sim);
    sim->at_once = entry.time > sim->now ? 0 : sim->at_once + 1;
    sim->now = entry.time;
    sim->steps++;
    if (sim->at_once > STANDSTILL)
        sim_fail(sim, "time stands still");
    entry.event(sim, entry.arg);
    return true;
}

void sim_fail(sim_t *sim, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fflush(stdout);
    fprintf(stderr,
            "promp-sim: seed %" PRIu64 " of scene %s failed at step %" PRIu64 ", %" PRId64 " ms: ", sim->seed,
            sim->scene, sim->steps, sim->now);
    vfprintf(stderr, format, args);
    fprintf(stderr, "\nagain: promp-sim --scene %s --seed %" PRIu64 " --trace\n", sim->scene, sim->seed);
    va_end(args);
    _Exit(1);
}

void sim_trace(sim_t *sim, const char *format, ...)
{
    if (!sim->trace)
        return;
    va_list args;
    va_start(args, format);
    printf("%7" PRId64 " %6" PRIu64 " ", sim->now, sim->steps);
    vprintf(format, args);
    putchar('\n');
    va_end(args);
}

void sim_trace_frame(sim_t *sim, const char *who, const promp_frame_t *frame)
{
    if (!sim->trace)
        return;
    char text[400] = "DATA";
    promp_message_t message;
    if (frame->type != PROMP_TYPE_DATA) {
        promp_err_t error = promp_message_decode(frame->type, frame->body, PROMP_WHO_ALL, PROMP_WHO_ALL,
                                                 PROMP_AT_NEW | PROMP_AT_UP, PROMP_VERSION_HIGH, &message);
        if (error)
            snprintf(text, sizeof text, "type %u: %s", frame->type, promp_error_name(error));
        else
            promp_message_print(&message, text, sizeof text);
    }
    sim_trace(sim, "%s s%u e%" PRIu32 " lane %u offset %" PRIu64 " size %zu %s", who, frame->session.b[0],
              frame->epoch, frame->lane, frame->offset, frame->body.size, text);
}

void *sim_alloc(size_t size)
{
    void *p = calloc(1, size);
    if (!p)
        abort();
    return p;
}

sim_frame_t *sim_frame_of(sim_t *sim, const promp_out_t *out)
{
    sim_frame_t *frame = sim_alloc(sizeof *frame + out->frame.size);
    frame->urgent = out->urgent;
    frame->size = PROMP_FRAME_HEADER;
    promp_frame_pack(&out->frame, frame->bytes);
    for (size_t i = 0; i < out->parts; i++) {
        sim_check(sim, out->part[i].size <= out->frame.size - frame->size);
        memcpy(frame->bytes + frame->size, out->part[i].data, out->part[i].size);
        frame->size += out->part[i].size;
    }
    sim_check(sim, frame->size == out->frame.size && frame->size <= PROMP_LIMIT_FRAME);
    return frame;
}

sim_frame_t *sim_frame_again(const sim_frame_t *frame)
{
    sim_frame_t *again = sim_alloc(sizeof *frame + frame->size);
    memcpy(again, frame, sizeof *frame + frame->size);
    return again;
}

promp_frame_t sim_frame_read(sim_t *sim, const sim_frame_t *frame)
{
    promp_frame_t read;
    size_t need;
    promp_err_t error = promp_frame_unpack(promp_slice(frame->bytes, frame->size), &read, &need);
    if (error || need)
        sim_fail(sim, "a frame cannot be read: %s", promp_error_name(error));
    return read;
}
