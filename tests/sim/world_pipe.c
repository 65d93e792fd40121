/* Links: a Unix stream each way. What was sent before an end closed still arrives. */
#include <stdlib.h>

#include "message.h"
#include "world.h"

#define WINDOW PROMP_LIMIT_LINK_WINDOW

bool pipe_windowed(const promp_frame_t *frame)
{
    return frame->type == PROMP_TYPE_DATA && frame->lane != PROMP_LANE_CONTROL;
}

pipe_t *pipe_new(world_t *world, proc_t *a, proc_t *b)
{
    pipe_t *pipe = sim_alloc(sizeof *pipe);
    *pipe = (pipe_t){.world = world, .end = {{.proc = a}, {.proc = b}}, .next = world->pipes};
    for (int i = 0; i < 2; i++) {
        pipe->end[i].data.last = &pipe->end[i].data.first;
        pipe->end[i].urgent.last = &pipe->end[i].urgent.first;
    }
    world->pipes = pipe;
    return pipe;
}

void packet_free(world_t *world, packet_t *packet)
{
    if (packet->carried)
        pipe_close(packet->carried, 1);
    if (packet->handle)
        world->handles--;
    free(packet->frame);
    free(packet);
}

/* The agent is told what became of the data that it passed on. */
static void flushed(pipe_t *pipe, int to, const packet_t *packet)
{
    const proc_t *from = pipe->end[1 - to].proc;
    if (packet->tag && from && from->kind == PROC_AGENT && !from->dead)
        promp_agent_core_flushed(((agent_t *)from->body)->core, packet->tag, packet->frame->size);
}

static packet_t *pop(packets_t *packets)
{
    packet_t *packet = packets->first;
    packets->first = packet->next;
    if (!packets->first)
        packets->last = &packets->first;
    return packet;
}

static packet_t *take(pipe_t *pipe, int to, bool urgent)
{
    pipe_end_t *end = &pipe->end[to];
    packet_t *packet = pop(urgent ? &end->urgent : &end->data);
    promp_frame_t frame = sim_frame_read(pipe->world->sim, packet->frame);
    if (pipe_windowed(&frame))
        end->window -= packet->frame->size;
    flushed(pipe, to, packet);
    return packet;
}

static void drop_all(pipe_t *pipe, int to)
{
    while (pipe->end[to].urgent.first)
        packet_free(pipe->world, take(pipe, to, true));
    while (pipe->end[to].data.first)
        packet_free(pipe->world, take(pipe, to, false));
}

void pipe_send(pipe_t *pipe, int from, packet_t sent)
{
    world_t *world = pipe->world;
    sim_t *sim = world->sim;
    pipe_end_t *end = &pipe->end[1 - from];
    packet_t *packet = sim_alloc(sizeof *packet);
    *packet = sent;
    promp_frame_t frame = sim_frame_read(sim, packet->frame);
    if (pipe_windowed(&frame))
        end->window += packet->frame->size;
    packet->at = sim->now + (world->delay ? sim_between(sim, 0, world->delay) : 0);
    packets_t *packets = packet->frame->urgent ? &end->urgent : &end->data;
    *packets->last = packet;
    packets->last = &packet->next;
    if (end->closed)
        drop_all(pipe, 1 - from);
    else if (end->proc)
        proc_wake_at(end->proc, packet->at);
}

uint64_t pipe_room(const pipe_t *pipe, int from)
{
    uint64_t used = pipe->end[1 - from].window;
    return pipe->end[1 - from].closed ? 0 : used < WINDOW ? WINDOW - used : 0;
}

packet_t *pipe_receive(pipe_t *pipe, int to)
{
    pipe_end_t *end = &pipe->end[to];
    packet_t *urgent = end->urgent.first, *data = end->data.first;
    int64_t now = pipe->world->sim->now;
    if (urgent && urgent->at <= now)
        return take(pipe, to, true);
    if (data && data->at <= now)
        return take(pipe, to, false);
    if (end->proc && urgent)
        proc_wake_at(end->proc, urgent->at);
    if (end->proc && data)
        proc_wake_at(end->proc, data->at);
    return NULL;
}

void pipe_hurry(pipe_t *pipe, int to)
{
    packets_t *both[] = {&pipe->end[to].urgent, &pipe->end[to].data};
    for (size_t i = 0; i < 2; i++)
        for (packet_t *packet = both[i]->first; packet; packet = packet->next)
            packet->at = pipe->world->sim->now;
}

bool pipe_ended(pipe_t *pipe, int to)
{
    pipe_end_t *end = &pipe->end[to];
    if (!pipe->end[1 - to].closed || end->end_seen || end->urgent.first || end->data.first)
        return false;
    end->end_seen = true;
    return true;
}

void pipe_close(pipe_t *pipe, int i)
{
    pipe_end_t *end = &pipe->end[i];
    if (end->closed)
        return;
    end->closed = true;
    drop_all(pipe, i);
    end->proc = NULL;
    if (pipe->end[1 - i].proc)
        proc_stir(pipe->end[1 - i].proc);
}
