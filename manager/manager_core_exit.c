/* manager_core_exit.c - what is kept and told of a dead worker: its exit record, its tasks, its last
 * words. */
#include "manager_core_state.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

char *promp_manager_core_exit_words(promp_err_t code, const char *text)
{
    char *all = NULL;
    int size = text && *text ? asprintf(&all, "%s: %s", promp_error_text(code), text)
                             : asprintf(&all, "%s", promp_error_text(code));
    return size < 0 ? NULL : all;
}

/* It ended because we asked for it. */
static bool wanted(const worker_t *w)
{
    promp_err_t cause = w->exit.cause;
    return cause == PROMP_ERR_WORKER_STOPPED || cause == PROMP_ERR_WORKER_ABORTED;
}

/* The last task that is over with everything that belongs to it: of a later one only the end has come, for
 * control goes first, and its result may be lost. */
static uint64_t settled(const worker_t *w)
{
    uint64_t task = w->over > w->answered ? w->over : w->answered;
    for (const event_t *event = w->first; event; event = event->next) {
        if (event->kind != EVENT_DONE)
            continue;
        if (event->end_messages > promp_session_taken(w->session, PROMP_LANE_MESSAGES))
            break;
        task = event->task > task ? event->task : task;
    }
    return task;
}

/* One failure for each task that was sent and is not over. The first may have run; of those that an abort
 * meant only the first is told, for the user knows of the others. No more than are kept. */
void promp_manager_core_exit_fail_tasks(promp_manager_core_t *core, worker_t *w)
{
    uint64_t first = settled(w) + 1, from = first + 1;
    if (first > w->given)
        return;
    const char *why = w->exit_text ? w->exit_text : promp_error_text(w->exit.cause);
    if (w->ready && !wanted(w)) {
        w->unknown_text = promp_manager_core_exit_words(PROMP_ERR_OUTCOME_UNKNOWN, why);
        promp_manager_core_inbox_fail(core, w, first, PROMP_ERR_OUTCOME_UNKNOWN,
                                      w->unknown_text ? w->unknown_text : why);
    } else {
        promp_manager_core_inbox_fail(core, w, first, w->exit.cause, why);
    }
    if (from <= w->aborting)
        from = w->aborting + 1;
    if (w->given - first >= PROMP_LIMIT_FAILURES && from < w->given - PROMP_LIMIT_FAILURES + 2)
        from = w->given - PROMP_LIMIT_FAILURES + 2;
    for (uint64_t task = from; task <= w->given; task++)
        promp_manager_core_inbox_fail(core, w, task, w->exit.cause, why);
}

/* Under REDIRECT the last words, that only the node could read, are output like the rest. */
void promp_manager_core_exit_show_tail(promp_manager_core_t *core, worker_t *w)
{
    if (!(w->options & (PROMP_OPT_REDIRECT | PROMP_OPT_ATOMIC)) || !w->exit.tail_size)
        return;
    entry_t *entry = calloc(1, sizeof *entry);
    uint8_t *body = malloc(w->exit.tail_size + 1); /* room for the new-line of ATOMIC */
    if (!entry || !body) {
        free(entry);
        free(body);
        return;
    }
    size_t size = w->exit.tail_size;
    memcpy(body, w->exit.tail, size);
    if (w->options & PROMP_OPT_ATOMIC && body[size - 1] != '\n')
        body[size++] = '\n';
    entry->worker = w;
    entry->number = w->shown;
    entry->stream = PROMP_STREAM_NATIVE_STDERR;
    entry->body = body;
    entry->data = promp_slice(body, size);
    entry->cost = sizeof *entry + size;
    promp_manager_core_output_show(core, entry);
}

void promp_manager_core_exit_keep_tail(worker_t *w)
{
    size_t skip = w->tail.size > PROMP_LIMIT_TAIL ? w->tail.size - PROMP_LIMIT_TAIL : 0;
    promp_buf_consume(&w->tail, skip);
    w->exit.tail = w->tail.data;
    w->exit.tail_size = w->tail.size;
}

void promp_manager_core_exit_keep(worker_t *w, const promp_msg_gone_t *gone)
{
    w->exit.worker = w->id;
    w->exit.cause = gone->cause ? (promp_err_t)gone->cause : PROMP_ERR_WORKER_EXITED;
    w->exit.code = (int)gone->code;
    w->exit.signal = (int)gone->signal;
    w->exit.memory = gone->memory;
    if (w->stopping && w->exit.cause == PROMP_ERR_WORKER_EXITED && !gone->code)
        w->exit.cause = PROMP_ERR_WORKER_STOPPED; /* it did as it was told */
    else if ((w->abort_at != PROMP_NEVER || w->kill_cause == PROMP_ERR_WORKER_ABORTED) &&
             w->exit.cause == PROMP_ERR_WORKER_SIGNALLED && gone->signal == SIGTERM)
        w->exit.cause = PROMP_ERR_WORKER_ABORTED; /* the abort's own last step but one */
    else if (gone->text.size && !w->exit_text)
        w->exit_text = strndup((const char *)gone->text.data, gone->text.size);
    promp_buf_append(&w->tail, gone->tail.data, gone->tail.size); /* without memory there is no tail */
}

void promp_manager_core_exit_trim(promp_manager_core_t *core)
{
    promp_node_t *next;
    for (promp_node_t *at = promp_list_first(&core->ended); at && core->ended.count > PROMP_LIMIT_EXITS;
         at = next) {
        next = promp_list_after(&core->ended, at);
        worker_t *w = WORKER_OF(at, member);
        bool wanted_still = w->first || w->outputs || w->say_ack;
        for (int i = 0; i < INBOXES; i++)
            wanted_still = wanted_still || w->inbox[i].count;
        if (!wanted_still)
            promp_manager_core_forget(core, w);
    }
}

bool promp_manager_core_exit(const promp_manager_core_t *core, uint32_t worker, promp_worker_exit_t *end)
{
    memset(end, 0, sizeof *end);
    const worker_t *w = promp_manager_core_find(core, worker);
    if (!w || w->state != WORKER_ENDED)
        return false;
    *end = w->exit;
    end->node = w->node;
    return true;
}
