/* The keeper's shell: agents, and workers' processes. */
#include <stdlib.h>

#include "cluster.h"

copy_t *cluster_keeper_process(const cluster_node_t *node, uint32_t pid)
{
    for (copy_t *copy = node->copies; copy; copy = copy->next)
        if (copy->pid == pid && !copy->collected)
            return copy;
    return NULL;
}

static copy_t *numbered(const cluster_node_t *node, uint32_t number)
{
    for (copy_t *copy = node->copies; copy; copy = copy->next)
        if (copy->number == number && !copy->collected)
            return copy;
    return NULL;
}

static void spawn(cluster_node_t *node, uint32_t number, const promp_id_t *id)
{
    sim_t *sim = node->end->cluster->sim;
    promp_error_t error = {.code = PROMP_ERR_PROCESSES};
    copy_t *copy;

    if (!node->event || sim_chance(sim, node->end->cluster->refusals)) {
        promp_keeper_core_failed(node->keeper, number, &error, sim->now);
        return;
    }
    copy = sim_alloc(sizeof *copy);
    *copy = (copy_t){.next = node->copies,
                     .node = node,
                     .id = *id,
                     .pid = ++node->last_pid,
                     .number = number,
                     .wire = node->event};
    node->event = NULL;
    node->copies = copy;
    cluster_worker_begin(copy);
    promp_keeper_core_forked(node->keeper, number, copy->pid, sim->now);
    promp_keeper_core_spawned(node->keeper, number, copy->pid, sim->now);
}

static void relink(cluster_node_t *node, uint32_t number)
{
    copy_t *copy = numbered(node, number);

    if (!copy || copy->dead || !node->event)
        return;
    cluster_wire_close(node, &copy->given, false);
    copy->given = node->event;
    node->event = NULL;
}

static void to_agent(cluster_node_t *node, const promp_keeper_effect_t *e)
{
    const copy_t *copy = e->worker == PROMP_KEEPER_NONE ? NULL : numbered(node, e->worker);
    mail_t *mail = sim_alloc(sizeof *mail);

    *mail = (mail_t){.frame = sim_frame_of(node->end->cluster->sim, e->out),
                     .handle = copy ? (int)copy->pid : -1};
    *node->mail_last = mail;
    node->mail_last = &mail->next;
}

void cluster_keeper_kill(copy_t *copy, int signal, int code)
{
    if (copy->dead)
        return;
    copy->dead = true;
    copy->signal = signal;
    copy->code = code;
    promp_worker_core_destroy(&copy->core);
    if (copy->manages)
        cluster_user_end(&copy->user);
    cluster_wire_close(copy->node, &copy->wire, false);
    cluster_wire_close(copy->node, &copy->given, false);
}

static void do_effect(cluster_node_t *node, const promp_keeper_effect_t *e)
{
    sim_t *sim = node->end->cluster->sim;
    copy_t *copy = e->worker == PROMP_KEEPER_NONE ? NULL : numbered(node, e->worker);

    switch (e->kind) {
    case PROMP_KEEPER_START_AGENT:
        cluster_node_agent(node);
        promp_keeper_core_agent_up(node->keeper, sim->now);
        break;
    case PROMP_KEEPER_SPAWN:
        spawn(node, e->worker, &node->event_id);
        break;
    case PROMP_KEEPER_RELINK:
        relink(node, e->worker);
        break;
    case PROMP_KEEPER_SLAY:
        if (copy)
            cluster_keeper_kill(copy, 9, 0);
        break;
    case PROMP_KEEPER_SWEEP:
        promp_keeper_core_swept(node->keeper, 0, sim->now);
        break;
    case PROMP_KEEPER_COLLECT:
        copy->collected = true;
        promp_keeper_core_collected(node->keeper, e->worker, promp_slice(NULL, 0));
        break;
    case PROMP_KEEPER_TO_AGENT:
        to_agent(node, e);
        break;
    case PROMP_KEEPER_END:
        node->rested = true;
        break;
    case PROMP_KEEPER_KILL_AGENT:
    case PROMP_KEEPER_STOP_AGENT:
        sim_fail(sim, "an agent that does its work is ended");
    }
}

void cluster_keeper_effects(cluster_node_t *node)
{
    promp_keeper_effect_t e;

    while (promp_keeper_core_next(node->keeper, &e))
        do_effect(node, &e);
}

/* Exit records that the agent has taken note of. */
static void forget_seen(cluster_node_t *node)
{
    for (copy_t **at = &node->copies; *at;) {
        copy_t *copy = *at;

        if (!copy->seen_exit) {
            at = &copy->next;
            continue;
        }
        *at = copy->next;
        free(copy);
    }
}

void cluster_keeper_turn(cluster_node_t *node)
{
    sim_t *sim = node->end->cluster->sim;

    for (copy_t *copy = node->copies; copy; copy = copy->next) {
        const promp_keeper_exit_t how = {.code = copy->code, .signal = copy->signal, .memory = 1};

        if (!copy->dead || !promp_keeper_core_lives(node->keeper, copy->number) || copy->collected)
            continue;
        promp_keeper_core_exited(node->keeper, copy->number, &how, sim->now);
        cluster_keeper_effects(node);
    }
    if (node->agent_ended) {
        node->agent_ended = false;
        promp_keeper_core_agent_down(node->keeper, sim->now);
        cluster_keeper_effects(node);
    }
    promp_keeper_core_tick(node->keeper, sim->now);
    cluster_keeper_effects(node);
    promp_keeper_core_tick(node->keeper, sim->now);
    cluster_keeper_effects(node);
    forget_seen(node);
}

void cluster_keeper_free(cluster_node_t *node)
{
    while (node->copies) {
        copy_t *copy = node->copies;

        node->copies = copy->next;
        cluster_keeper_kill(copy, 9, 0);
        free(copy);
    }
    while (node->mail) {
        mail_t *mail = node->mail;

        node->mail = mail->next;
        free(mail->frame);
        free(mail);
    }
    node->mail_last = &node->mail;
    promp_keeper_core_destroy(&node->keeper);
}
