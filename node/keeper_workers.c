/* Workers of the keeper core, from SPAWN to EXIT_SEEN. */
#include <stdlib.h>

#include "keeper_table.h"
#include "mutant.h"

#define TREE_TIME 1000 /* ms that the exit record waits for the worker's tree to go */
#define SWEEP_MAX 50   /* ms between sweeps */

static promp_id_t pid_key(uint32_t pid)
{
    promp_id_t key = {{1}};

    promp_put32(key.b + 4, pid);
    return key;
}

void promp_keeper_workers_forget(promp_keeper_core_t *core, promp_keeper_worker_t *w)
{
    promp_id_t key = pid_key(w->pid);

    if (w->state == PROMP_KEEPER_LIVE && w->pid) {
        promp_map_remove(core->pids, &key);
        core->living--;
    }
    promp_map_remove(core->workers, &w->id);
    if (promp_numbers_get(&core->numbers, w->number) == w)
        promp_numbers_clear(&core->numbers, w->number);
    free(w->tail);
    free(w);
}

static void refuse(promp_keeper_core_t *core, const promp_id_t *id, promp_err_t error, int system,
                   const char *text)
{
    promp_message_t m = {
        .type = PROMP_TYPE_SPAWN_FAILED,
        .spawn_failed = {.error = error, .system = (uint32_t)system, .text = promp_slice_str(text)}};

    promp_keeper_core_to_agent(core, &m, id, PROMP_KEEPER_NONE);
}

void promp_keeper_workers_spawn(promp_keeper_core_t *core, const promp_id_t *id, const promp_msg_spawn_t *m)
{
    promp_keeper_worker_t *w = core->stopping ? NULL : calloc(1, sizeof *w);
    promp_err_t error = core->stopping ? PROMP_ERR_NODE_GONE : PROMP_ERR_MEMORY;

    if (!w)
        goto err1;
    w->id = *id;
    w->record = (promp_msg_exited_t){.lease_ms = m->lease_ms,
                                     .parent = m->parent,
                                     .owner_pid = m->owner_pid,
                                     .owner_start = m->owner_start,
                                     .owner = m->owner};
    w->cpus = m->cpus;
    w->gpus = m->gpus;
    w->memory = m->memory;
    w->number = promp_numbers_put(&core->numbers, w);
    if (w->number == PROMP_KEEPER_NONE)
        goto err2;
    if (promp_map_put(core->workers, id, w))
        goto err3;
    core->spawn = *m;
    promp_keeper_core_effect(core, PROMP_KEEPER_SPAWN, w->number)->spawn = &core->spawn;
    return;

err3:
    promp_numbers_clear(&core->numbers, w->number);
err2:
    free(w);
err1:
    refuse(core, id, error, 0, promp_error_text(error));
}

void promp_keeper_core_forked(promp_keeper_core_t *core, uint32_t number, uint32_t pid, int64_t now)
{
    promp_keeper_worker_t *w = promp_numbers_get(&core->numbers, number);
    promp_id_t key = pid_key(pid);

    (void)now;
    if (!w || w->pid)
        return;
    w->pid = w->record.pid = pid;
    core->living++;
    if (promp_map_put(core->pids, &key, w))
        core->effects.broken = PROMP_ERR_MEMORY;
}

void promp_keeper_core_spawned(promp_keeper_core_t *core, uint32_t number, uint32_t pid, int64_t now)
{
    promp_keeper_worker_t *w = promp_numbers_get(&core->numbers, number);
    promp_message_t m = {.type = PROMP_TYPE_SPAWNED, .spawned = {.pid = pid}};

    promp_keeper_core_forked(core, number, pid, now);
    if (!w || w->runs)
        return;
    w->runs = true;
    if (!w->told)
        promp_keeper_core_to_agent(core, &m, &w->id, number);
}

/* From now on the rest of its tree is looked for. */
static void end(promp_keeper_core_t *core, promp_keeper_worker_t *w, int64_t now)
{
    promp_id_t key = pid_key(w->pid);

    promp_map_remove(core->pids, &key);
    w->state = PROMP_KEEPER_ENDING;
    w->ended = now;
    core->living--;
    core->ending++;
    core->sweep_at = now;
    core->sweep_pause = 1;
    promp_keeper_core_due(core, now);
}

void promp_keeper_core_failed(promp_keeper_core_t *core, uint32_t number, const promp_error_t *error,
                              int64_t now)
{
    promp_keeper_worker_t *w = promp_numbers_get(&core->numbers, number);

    if (!w || w->state != PROMP_KEEPER_LIVE)
        return;
    if (w->told) { /* as a worker, so it has to end like one */
        w->record.cause = PROMP_ERR_WORKER_START;
        end(core, w, now);
        return;
    }
    refuse(core, &w->id, error->code, error->system, error->text);
    promp_keeper_workers_forget(core, w);
}

void promp_keeper_workers_slay(promp_keeper_core_t *core, promp_keeper_worker_t *w, promp_err_t cause)
{
    if (!w || w->state != PROMP_KEEPER_LIVE || !w->pid)
        return;
    if (!w->cause)
        w->cause = cause;
    promp_keeper_core_effect(core, PROMP_KEEPER_SLAY, w->number);
}

static promp_err_t why(const promp_keeper_worker_t *w, const promp_keeper_exit_t *how)
{
    if (!how->signal)
        return PROMP_ERR_WORKER_EXITED;
    if (how->signal == 9 && w->cause)
        return w->cause;
    return how->signal == 9 && how->out_of_memory ? PROMP_ERR_WORKER_MEMORY : PROMP_ERR_WORKER_SIGNALLED;
}

void promp_keeper_core_exited(promp_keeper_core_t *core, uint32_t number, const promp_keeper_exit_t *how,
                              int64_t now)
{
    promp_keeper_worker_t *w = promp_numbers_get(&core->numbers, number);

    if (!w || w->state != PROMP_KEEPER_LIVE)
        return;
    w->record.cause = why(w, how);
    w->record.code = (uint32_t)how->code;
    w->record.signal = (uint32_t)how->signal;
    w->record.memory = how->memory;
    w->record.limit = how->limit;
    end(core, w, now);
}

void promp_keeper_core_swept(promp_keeper_core_t *core, size_t left, int64_t now)
{
    for (uint32_t i = 0; core->ending && i < core->numbers.size; i++) {
        promp_keeper_worker_t *w = promp_numbers_get(&core->numbers, i);

        if (w && w->state == PROMP_KEEPER_ENDING && (!left || now - w->ended >= TREE_TIME))
            promp_keeper_core_effect(core, PROMP_KEEPER_COLLECT, i);
    }
    if (left) {
        core->sweep_at = now + core->sweep_pause;
        core->sweep_pause = promp_min64(2 * core->sweep_pause, SWEEP_MAX);
        promp_keeper_core_due(core, core->sweep_at);
    } else if (core->finishing) {
        promp_keeper_core_due(core, now);
    }
}

void promp_keeper_core_collected(promp_keeper_core_t *core, uint32_t number, promp_slice_t tail)
{
    promp_keeper_worker_t *w = promp_numbers_get(&core->numbers, number);
    promp_message_t m = {.type = PROMP_TYPE_EXITED};

    if (!w || w->state != PROMP_KEEPER_ENDING)
        return;
    w->state = PROMP_KEEPER_RECORD;
    core->ending--;
    promp_numbers_clear(&core->numbers, number);
    if (tail.size && (w->tail = malloc(tail.size))) {
        memcpy(w->tail, tail.data, tail.size);
        w->record.tail = promp_slice(w->tail, tail.size);
    }
    m.exited = w->record;
    promp_keeper_core_to_agent(core, &m, &w->id, PROMP_KEEPER_NONE);
}

uint32_t promp_keeper_core_by_pid(const promp_keeper_core_t *core, uint32_t pid)
{
    promp_id_t key = pid_key(pid);
    const promp_keeper_worker_t *w = promp_map_get(core->pids, &key);

    return w ? w->number : PROMP_KEEPER_NONE;
}

bool promp_keeper_core_lives(const promp_keeper_core_t *core, uint32_t number)
{
    const promp_keeper_worker_t *w = promp_numbers_get(&core->numbers, number);

    return w && w->state == PROMP_KEEPER_LIVE;
}

size_t promp_keeper_core_living(const promp_keeper_core_t *core)
{
    return core->living;
}

void promp_keeper_workers_roster(promp_keeper_core_t *core)
{
    promp_keeper_worker_t *w;
    size_t at = 0;

    while ((w = promp_map_next(core->workers, &at))) {
        promp_message_t m = {.type = PROMP_TYPE_ROSTER,
                             .roster = {.lease_ms = w->record.lease_ms,
                                        .parent = w->record.parent,
                                        .owner_pid = w->record.owner_pid,
                                        .owner_start = w->record.owner_start,
                                        .pid = w->pid,
                                        .owner = w->record.owner,
                                        .cpus = w->cpus,
                                        .memory = w->memory,
                                        .gpus = w->gpus}};

        if (w->state == PROMP_KEEPER_LIVE && !w->runs)
            w->told = true;
        if (w->state == PROMP_KEEPER_RECORD && PROMP_MUTANT(12))
            continue;
        if (w->state == PROMP_KEEPER_RECORD)
            m = (promp_message_t){.type = PROMP_TYPE_EXITED, .exited = w->record};
        promp_keeper_core_to_agent(core, &m, &w->id,
                                   w->state == PROMP_KEEPER_LIVE ? w->number : PROMP_KEEPER_NONE);
    }
}
