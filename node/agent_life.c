/* How sessions begin and end. */
#include <stdlib.h>

#include "agent_broker.h"
#include "gone_text.h"
#include "mutant.h"

#define DRAIN 1000 /* ms that a dead worker's link may take to its end */

static void to_keeper(promp_agent_core_t *core, promp_message_t *m, const promp_agent_session_t *s,
                      uint32_t link)
{
    promp_agent_effects_message(&core->effects, PROMP_AGENT_TO_KEEPER, link, m, &s->id, 0, true);
}

static void to_manager(promp_agent_core_t *core, promp_agent_session_t *s, promp_message_t *m, bool urgent,
                       int64_t now)
{
    if (!s->manager)
        return;
    promp_agent_effects_message(&core->effects, PROMP_AGENT_SEND, s->manager->number, m, &s->id, 0, urgent);
    s->manager->sent = now;
}

static bool has_owner(const promp_agent_session_t *s)
{
    return s->owner || s->parent || s->remote;
}

/* --- beginning --- */

void promp_agent_life_refuse(promp_agent_core_t *core, promp_agent_link_t *link, const promp_id_t *id,
                             promp_err_t error, uint32_t system, promp_slice_t text)
{
    promp_message_t m = {.type = PROMP_TYPE_START_REFUSED,
                         .start_refused = {.error = error, .system = system, .text = text}};

    if (!text.size)
        m.start_refused.text = promp_slice_str(promp_error_text(error));
    promp_agent_effects_message(&core->effects, PROMP_AGENT_SEND, link->number, &m, id, 0, true);
}

static promp_agent_link_t *worker_link(promp_agent_core_t *core, promp_agent_session_t *s, int64_t now)
{
    promp_agent_link_t *link = promp_agent_table_link_new(core, now);

    if (link) {
        link->session = s;
        s->worker = link;
    }
    return link;
}

bool promp_agent_life_is_cause(uint32_t cause)
{
    return cause >= PROMP_ERR_WORKER_EXITED && cause <= PROMP_ERR_MANAGER_MEMORY;
}

promp_err_t promp_agent_life_may_start(const promp_agent_core_t *core, const promp_agent_session_t *manager,
                                       const promp_msg_start_t *start)
{
    if (!promp_agent_core_serving(core))
        return PROMP_ERR_NODE_GONE;
    if (start->lease_ms < PROMP_TIMEOUT_MIN || start->lease_ms > PROMP_TIMEOUT_MAX || start->umask > 0777)
        return PROMP_ERR_ARGUMENT;
    if (start->program.size == 0 || (start->program.data[0] != '/' && !core->config.cluster))
        return PROMP_ERR_PROGRAM_MISSING;
    if (start->argv.size + start->env.size > PROMP_LIMIT_START)
        return PROMP_ERR_START_SIZE;
    if (promp_map_count(core->sessions) - core->elsewhere >= PROMP_LIMIT_WORKERS)
        return PROMP_ERR_LIMIT_WORKERS;
    if (manager && manager->state != PROMP_AGENT_RUNNING)
        return PROMP_ERR_STATE;
    return PROMP_OK;
}

void promp_agent_life_again(promp_agent_core_t *core, promp_agent_link_t *link, promp_agent_session_t *s,
                            int64_t now)
{
    promp_message_t m = {.type = PROMP_TYPE_STARTED, .started = {.pid = s->pid}};

    promp_agent_table_bind(core, s, link);
    if (s->state == PROMP_AGENT_ENDED)
        promp_agent_life_tell(core, s, now);
    else if (s->pid)
        to_manager(core, s, &m, true, now);
    else
        s->asked++;
}

promp_err_t promp_agent_life_spawn(promp_agent_core_t *core, promp_agent_session_t *s,
                                   const promp_msg_start_t *start, int64_t now)
{
    promp_agent_link_t *down = worker_link(core, s, now);

    if (!down)
        return PROMP_ERR_MEMORY;
    s->asked = 1;
    s->ends = true; /* we see everything that the worker sends */

    promp_message_t m = {.type = PROMP_TYPE_SPAWN,
                         .spawn = {.lease_ms = start->lease_ms,
                                   .parent = s->parent_id,
                                   .owner_pid = s->owner ? s->owner->pid : 0,
                                   .owner_start = s->owner ? s->owner->start : 0,
                                   .umask = start->umask,
                                   .program = start->program,
                                   .folder = start->folder,
                                   .argv = start->argv,
                                   .env = start->env}};

    if (!promp_id_is_none(&s->key)) {
        m.spawn.owner = s->key;
        m.spawn.cpus = start->cpus;
        m.spawn.memory = start->memory;
        m.spawn.gpus = start->gpus;
        m.spawn.python = start->python;
    }
    to_keeper(core, &m, s, down->number);
    return PROMP_OK;
}

void promp_agent_life_start(promp_agent_core_t *core, promp_agent_link_t *link, promp_agent_session_t *s,
                            const promp_frame_t *frame, const promp_msg_start_t *start, int64_t now)
{
    if (s) {
        promp_agent_life_again(core, link, s, now);
        return;
    }
    promp_err_t error = promp_agent_life_may_start(core, link->session, start);

    if (!error && link->session && link->session->children.count >= PROMP_LIMIT_WORKER_STARTS)
        error = PROMP_ERR_LIMIT_WORKERS;
    if (!error && !(s = promp_agent_table_session_new(core, &frame->session, start->lease_ms, now)))
        error = PROMP_ERR_MEMORY;
    if (!error) {
        promp_agent_table_own(s, link->owner, link->session);
        promp_agent_table_bind(core, s, link);
        error = promp_agent_life_spawn(core, s, start, now);
    }
    if (!error)
        return;
    if (s)
        promp_agent_table_session_free(core, s);
    promp_agent_life_refuse(core, link, &frame->session, error, 0, promp_slice(NULL, 0));
}

void promp_agent_life_spawned(promp_agent_core_t *core, promp_agent_session_t *s, uint32_t pid, int handle,
                              int64_t now)
{
    promp_message_t m = {.type = PROMP_TYPE_STARTED, .started = {.pid = pid}};

    s->pid = pid;
    s->handle = handle;
    if (s->state == PROMP_AGENT_SPAWNING) {
        s->state = PROMP_AGENT_RUNNING;
        for (; s->asked; s->asked--)
            to_manager(core, s, &m, true, now);
        promp_agent_broker_started(core, s);
        return;
    }
    if (handle < 0)
        return;
    promp_agent_effect_t *effect = promp_agent_effects_add(&core->effects, PROMP_AGENT_SLAY);

    effect->handle = handle;
    effect->pid = pid;
}

void promp_agent_life_failed(promp_agent_core_t *core, promp_agent_session_t *s,
                             const promp_msg_spawn_failed_t *failed, int64_t now)
{
    if (!promp_id_is_none(&s->key)) {
        promp_agent_broker_failed(core, s, failed);
        return;
    }
    if (s->manager) {
        promp_agent_life_refuse(core, s->manager, &s->id, (promp_err_t)failed->error, failed->system,
                                failed->text);
        s->manager->sent = now;
    }
    promp_agent_table_session_free(core, s);
}

void promp_agent_life_relink(promp_agent_core_t *core, promp_agent_session_t *s, int64_t now)
{
    promp_message_t m = {.type = PROMP_TYPE_RELINK};
    promp_agent_link_t *link = worker_link(core, s, now);

    s->due = PROMP_NEVER;
    if (link)
        to_keeper(core, &m, s, link->number);
    else
        promp_agent_life_unlinked(core, s, PROMP_ERR_MEMORY, now);
}

void promp_agent_life_unlinked(promp_agent_core_t *core, promp_agent_session_t *s, promp_err_t why,
                               int64_t now)
{
    promp_msg_spawn_failed_t failed = {.error = why};

    if (s->state == PROMP_AGENT_SPAWNING) {
        promp_agent_life_failed(core, s, &failed, now);
    } else if (s->state == PROMP_AGENT_RUNNING) {
        if (why != PROMP_ERR_CLOSED && why != PROMP_ERR_FRAME_TRUNCATED)
            s->worker_heard = now; /* that we have no link for it is not its fault */
        s->due = now + PROMP_TIMEOUT_MIN / 2;
        promp_agent_core_due(core, s->due);
    } else {
        promp_agent_life_ended(core, s, now);
    }
}

/* --- ending --- */

static void slay_one(promp_agent_core_t *core, promp_agent_session_t *s, promp_err_t cause)
{
    promp_message_t m = {.type = PROMP_TYPE_SLAY, .slay = {.cause = cause}};

    if (s->state != PROMP_AGENT_SPAWNING && s->state != PROMP_AGENT_RUNNING)
        return;
    s->state = PROMP_AGENT_DYING;
    s->cause = cause;
    s->due = PROMP_NEVER;
    to_keeper(core, &m, s, PROMP_AGENT_NONE);
    if (s->handle < 0)
        return;
    promp_agent_effect_t *effect = promp_agent_effects_add(&core->effects, PROMP_AGENT_SLAY);

    effect->handle = s->handle;
    effect->pid = s->pid;
}

void promp_agent_life_slay(promp_agent_core_t *core, promp_agent_session_t *s, promp_err_t cause)
{
    promp_list_t *todo = &core->todo;
    promp_node_t *node;

    promp_list_append(todo, &s->todo);
    while ((node = promp_list_first(todo))) {
        promp_agent_session_t *x = PROMP_CONTAINER(node, promp_agent_session_t, todo);

        promp_list_remove(todo, node);
        if (x->state == PROMP_AGENT_ELSEWHERE) { /* the broker ends it with its manager */
            promp_agent_table_session_free(core, x);
            continue;
        }
        slay_one(core, x, x == s ? cause : PROMP_ERR_WORKER_MANAGER_GONE);
        while ((node = promp_list_first(&x->children))) {
            promp_agent_session_t *child = PROMP_CONTAINER(node, promp_agent_session_t, owned);

            promp_agent_table_disown(core, child);
            promp_list_append(todo, &child->todo);
        }
        if (x->state == PROMP_AGENT_ENDED && !has_owner(x))
            promp_agent_life_forget(core, x);
    }
}

void promp_agent_life_abandon(promp_agent_core_t *core, promp_agent_session_t *s, promp_err_t cause,
                              int64_t now)
{
    if (s->state == PROMP_AGENT_ELSEWHERE) {
        promp_agent_broker_child_abandon(core, s, cause, now);
        return;
    }
    promp_agent_table_disown(core, s);
    promp_agent_life_slay(core, s, cause);
}

void promp_agent_life_exited(promp_agent_core_t *core, promp_agent_session_t *s,
                             const promp_msg_exited_t *exited, int64_t now)
{
    if (s->exited)
        return;
    s->exited = true;
    s->pid = exited->pid;
    s->gone = (promp_msg_gone_t){
        .cause = exited->cause, .code = exited->code, .signal = exited->signal, .memory = exited->memory};
    /* The kill that we sent ourselves may have been quicker than the SLAY that explains it. */
    if (s->cause && exited->cause == PROMP_ERR_WORKER_SIGNALLED && exited->signal == 9)
        s->gone.cause = s->cause;
    if (exited->tail.size && (s->tail = malloc(exited->tail.size))) {
        memcpy(s->tail, exited->tail.data, exited->tail.size);
        s->gone.tail = promp_slice(s->tail, exited->tail.size);
    }
    promp_gone_text(&s->gone, exited->limit, s->lease, s->text, sizeof s->text);
    s->gone.text = promp_slice_str(s->text);
    s->state = PROMP_AGENT_DYING;
    promp_agent_life_slay(core, s, PROMP_OK); /* what is below it */
    s->due = now + DRAIN;
    promp_agent_core_due(core, s->due);
    promp_agent_life_ended(core, s, now);
}

void promp_agent_life_ended(promp_agent_core_t *core, promp_agent_session_t *s, int64_t now)
{
    /* Before the roster is complete nobody's parent is known. */
    if (!core->ready || !s->exited || s->worker || s->state == PROMP_AGENT_ENDED)
        return;
    s->state = PROMP_AGENT_ENDED;
    if (!has_owner(s)) {
        promp_agent_life_forget(core, s);
        return;
    }
    if (s->handle >= 0)
        promp_agent_effects_add(&core->effects, PROMP_AGENT_DROP)->handle = s->handle;
    s->handle = -1;
    s->keep_until = PROMP_MUTANT(11) ? now : now + s->lease;
    if (core->draining)
        promp_agent_core_due(core, now);
    promp_agent_broker_ended(core, s);
    promp_agent_life_tell(core, s, now);
}

void promp_agent_life_tell(promp_agent_core_t *core, promp_agent_session_t *s, int64_t now)
{
    promp_message_t m = {.type = PROMP_TYPE_GONE, .gone = s->gone};

    m.gone.lanes = !s->ends ? 0 : s->lent && !PROMP_MUTANT(22) ? 2 : 1;
    m.gone.end_control = s->end[PROMP_LANE_CONTROL];
    m.gone.end_messages = s->end[PROMP_LANE_MESSAGES];
    m.gone.end_output = s->end[PROMP_LANE_OUTPUT];
    m.gone.end_bulk = s->end[PROMP_LANE_BULK];
    m.gone.seen_output = s->output_seen;
    /* Where the ends are not known, it comes behind the data that waits. */
    to_manager(core, s, &m, m.gone.lanes == 1, now);
    s->due = now + s->lease / 5;
    promp_agent_core_due(core, s->due);
}

void promp_agent_life_forget(promp_agent_core_t *core, promp_agent_session_t *s)
{
    promp_message_t m = {.type = PROMP_TYPE_EXIT_SEEN};

    if (!PROMP_MUTANT(8))
        to_keeper(core, &m, s, PROMP_AGENT_NONE);
    promp_agent_broker_over(core, s);
    promp_agent_table_session_free(core, s);
}
