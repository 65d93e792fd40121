/* The agent's shell: does the core's effects on simulated links and processes. */
#include <stdlib.h>

#include "world.h"

#define UID 1000

proc_t *agent_start(world_t *world, pipe_t *keeper)
{
    sim_t *sim = world->sim;
    agent_t *agent = sim_alloc(sizeof *agent);
    const promp_agent_config_t config = {.seed = sim->seed, .uid = UID, .idle = 1000, .build = "simulated"};
    sim_memory_enter(1, NULL, 0);
    agent->core = promp_agent_core_new(&config, sim->now);
    sim_memory_leave();
    sim_check(sim, agent->core);
    agent->keeper = keeper;
    world->agent = proc_new(world, PROC_AGENT, agent);
    keeper->end[1].proc = world->agent;
    world->agents++;
    return world->agent;
}

static void send(world_t *world, pipe_t *pipe, packet_t packet)
{
    if (pipe)
        pipe_send(pipe, 0, packet);
    else
        packet_free(world, memcpy(sim_alloc(sizeof packet), &packet, sizeof packet));
}

static sim_frame_t *frame_again(const promp_frame_t *frame, bool urgent)
{
    sim_frame_t *copy = sim_alloc(sizeof *copy + frame->size);
    *copy = (sim_frame_t){.urgent = urgent, .size = frame->size};
    promp_frame_pack(frame, copy->bytes);
    if (frame->body.size)
        memcpy(copy->bytes + PROMP_FRAME_HEADER, frame->body.data, frame->body.size);
    return copy;
}

/* A descriptor goes along, or is lost where it cannot leave at once. */
static void forward(agent_t *agent, world_t *world, const promp_agent_effect_t *e)
{
    packet_t packet = {.frame = frame_again(e->frame, e->urgent), .tag = e->urgent ? 0 : e->tag};
    if (e->frame->fds && (world->good || !sim_chance(world->sim, 100))) {
        packet.carried = agent->event->carried;
        agent->event->carried = NULL;
    }
    packet.frame->bytes[6] = packet.carried != NULL;
    send(world, agent->links[e->link], packet);
}

static void to_keeper(proc_t *proc, const promp_agent_effect_t *e)
{
    agent_t *agent = proc->body;
    world_t *world = proc->world;
    sim_t *sim = world->sim;
    packet_t packet = {.frame = sim_frame_of(sim, e->out)};
    if (e->link != PROMP_AGENT_NONE) {
        sim_check(sim, e->link < AGENT_LINKS && !agent->links[e->link]);
        if (!world->good && sim_chance(sim, 20)) { /* no descriptors left */
            free(packet.frame);
            promp_agent_core_closed(agent->core, e->link, PROMP_ERR_DESCRIPTORS, sim->now);
            return;
        }
        packet.carried = agent->links[e->link] = pipe_new(world, proc, NULL);
        packet.carried->number = e->link;
        packet.frame->bytes[6] = 1; /* descriptors */
    }
    pipe_send(agent->keeper, 1, packet);
}

static void slay(proc_t *proc, uint32_t pid)
{
    proc_t *victim = proc_by_pid(proc->world, pid);
    if (victim && victim->kind == PROC_WORKER)
        proc_kill(victim, 9, 0);
}

/* Of what is dropped for want of room the last may be lost with its worker. */
static void note_congested(world_t *world, const promp_frame_t *frame)
{
    for (job_worker_t *job = world->jobs.workers; job && frame->type == PROMP_TYPE_CONGESTED; job = job->next)
        job->congested |= promp_id_equal(&job->session, &frame->session);
}

static void do_effect(proc_t *proc, const promp_agent_effect_t *e)
{
    agent_t *agent = proc->body;
    world_t *world = proc->world;
    sim_t *sim = world->sim;
    switch (e->kind) {
    case PROMP_AGENT_SEND:
        note_congested(world, &e->out->frame);
        send(world, agent->links[e->link], (packet_t){.frame = sim_frame_of(sim, e->out)});
        break;
    case PROMP_AGENT_FORWARD:
        forward(agent, world, e);
        break;
    case PROMP_AGENT_CLOSE:
        if (agent->links[e->link])
            pipe_close(agent->links[e->link], 0);
        agent->links[e->link] = NULL;
        break;
    case PROMP_AGENT_TO_KEEPER:
        to_keeper(proc, e);
        break;
    case PROMP_AGENT_SLAY:
        slay(proc, e->pid);
        break;
    case PROMP_AGENT_DROP:
        sim_check(sim, --agent->handles >= 0);
        break;
    case PROMP_AGENT_WATCH:
        sim_check(sim, e->owner < 64 && !agent->owners[e->owner].used);
        if (!world->good && sim_chance(sim, 20)) { /* no descriptors left */
            promp_agent_core_owner_unwatched(agent->core, e->owner, sim->now);
            break;
        }
        agent->owners[e->owner].used = true;
        agent->owners[e->owner].proc = proc_by_pid(world, e->pid);
        if (agent->owners[e->owner].proc)
            sim_check(sim, agent->owners[e->owner].proc->start == e->start);
        break;
    case PROMP_AGENT_UNWATCH:
        sim_check(sim, agent->owners[e->owner].used);
        agent->owners[e->owner].used = false;
        break;
    case PROMP_AGENT_DIAL: /* these nodes are local */
        sim_fail(sim, "a local node dials");
        break;
    case PROMP_AGENT_KILL_KEEPER:
        if (world->keeper)
            proc_kill(world->keeper, 9, 0);
        break;
    case PROMP_AGENT_END:
        sim_trace(sim, "%s ends: %s", proc->name, promp_error_name(e->error));
        sim_check(sim, e->error == PROMP_OK || e->error == PROMP_ERR_NODE_GONE);
        proc_kill(proc, 0, 0);
        break;
    }
}

/* True when there were any. */
static bool do_effects(proc_t *proc)
{
    agent_t *agent = proc->body;
    promp_agent_effect_t effect;
    bool any = false;
    for (; !proc->dead && promp_agent_core_next(agent->core, &effect); any = true)
        do_effect(proc, &effect);
    return any;
}

static void read_keeper(proc_t *proc)
{
    agent_t *agent = proc->body;
    sim_t *sim = proc->world->sim;
    packet_t *packet;
    while (!proc->dead && (packet = pipe_receive(agent->keeper, 1))) {
        promp_frame_t frame = sim_frame_read(sim, packet->frame);
        sim_trace_frame(sim, "   agent <- keeper", &frame);
        int handle = packet->handle ? (int)packet->handle : -1;
        if (packet->handle) { /* the core's now */
            packet->handle = 0;
            proc->world->handles--;
            agent->handles++;
        }
        promp_agent_core_keeper_frame(agent->core, &frame, handle, sim->now);
        do_effects(proc);
        packet_free(proc->world, packet);
    }
    if (!proc->dead && pipe_ended(agent->keeper, 1)) {
        promp_agent_core_keeper_lost(agent->core, sim->now);
        do_effects(proc);
    }
}

static void read_link(proc_t *proc, uint32_t number)
{
    agent_t *agent = proc->body;
    sim_t *sim = proc->world->sim;
    packet_t *packet;
    while (!proc->dead && agent->links[number] && (packet = pipe_receive(agent->links[number], 0))) {
        promp_frame_t frame = sim_frame_read(sim, packet->frame);
        sim_trace_frame(sim, "   agent <-", &frame);
        agent->event = packet;
        promp_agent_core_frame(agent->core, number, &frame, sim->now);
        do_effects(proc);
        packet_free(proc->world, packet);
    }
    if (!proc->dead && agent->links[number] && pipe_ended(agent->links[number], 0)) {
        promp_agent_core_closed(agent->core, number, PROMP_ERR_CLOSED, sim->now);
        do_effects(proc);
    }
}

static void accept_one(proc_t *proc, pipe_t *pipe)
{
    agent_t *agent = proc->body;
    sim_t *sim = proc->world->sim;
    const proc_t *peer = pipe->end[1].proc;
    if (!peer) { /* it is gone again */
        pipe_close(pipe, 0);
        return;
    }
    const promp_agent_peer_t who = {.pid = peer->pid, .uid = UID, .start = peer->start};
    uint32_t number = promp_agent_core_opened(agent->core, &who, sim->now);
    sim_check(sim, number < AGENT_LINKS && !agent->links[number]);
    agent->links[number] = pipe;
    pipe->number = number;
    pipe->end[0].proc = proc;
    do_effects(proc);
}

static void accept_all(proc_t *proc)
{
    agent_t *agent = proc->body;
    world_t *world = proc->world;
    while (!proc->dead && world->backlogs && promp_agent_core_serving(agent->core))
        accept_one(proc, world->backlog[--world->backlogs]);
}

static void look_at_owners(proc_t *proc)
{
    agent_t *agent = proc->body;
    for (uint32_t i = 0; i < 64 && !proc->dead; i++) {
        if (!agent->owners[i].used || (agent->owners[i].proc && !agent->owners[i].proc->dead))
            continue;
        promp_agent_core_owner_died(agent->core, i, proc->world->sim->now);
        do_effects(proc);
    }
}

static void turn(proc_t *proc)
{
    agent_t *agent = proc->body;
    sim_t *sim = proc->world->sim;
    read_keeper(proc);
    if (!proc->dead && agent->stop) {
        agent->stop = false;
        promp_agent_core_stop(agent->core, sim->now);
        do_effects(proc);
    }
    look_at_owners(proc);
    accept_all(proc);
    uint32_t first = (uint32_t)sim_below(sim, AGENT_LINKS);
    for (uint32_t i = 0; i < AGENT_LINKS && !proc->dead; i++)
        read_link(proc, (first + i) % AGENT_LINKS);
    int64_t next = sim->now;
    for (int rounds = 0; !proc->dead; rounds++) {
        next = promp_agent_core_tick(agent->core, sim->now);
        if (!do_effects(proc) && next > sim->now)
            break;
        sim_check(sim, rounds < 20);
    }
    proc_wake_at(proc, next);
}

void agent_turn(proc_t *proc)
{
    sim_memory_enter(1, NULL, 0);
    turn(proc);
    sim_memory_leave();
}

void agent_died(proc_t *proc)
{
    world_t *world = proc->world;
    world->agent = NULL;
    if (world->keeper)
        proc_stir(world->keeper);
    while (!world->keeper && world->backlogs)
        pipe_close(world->backlog[--world->backlogs], 0);
}
