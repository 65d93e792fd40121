/* manager_process.c - what is done in the user's thread: output, wait objects, ends of tasks; and waiting
 * for it. */
#include "manager_inner.h"

#include <stdio.h>
#include <stdlib.h>

#define BATCH 64

/* --- output --- */

promp_err_t promp_manager_on_output(promp_manager_t *manager, promp_output_fn *fn, void *arg)
{
    promp_err_t err = promp_manager_usable(manager);
    if (err)
        return err;
    manager->output = fn;
    manager->output_arg = arg;
    return PROMP_OK;
}

/* Without a function of the user: a worker passes it on to its own manager, a root process writes it. */
static void write_default(promp_manager_t *manager, const promp_manager_core_text_t *text, FILE **last)
{
    bool is_error = text->stream == PROMP_STREAM_STDERR || text->stream == PROMP_STREAM_NATIVE_STDERR;
    if (manager->parent) {
        while (promp_worker_print(manager->parent, text->stream, text->text, text->size) == PROMP_ERR_STATE)
            continue; /* a signal handler ran: nothing was sent */
        return;
    }
    FILE *file = is_error ? stderr : stdout;
    if (*last && *last != file)
        fflush(*last);
    *last = file;
    fwrite(text->text, 1, text->size, file);
}

static void write_batch(promp_manager_t *manager, const promp_manager_core_text_t *batch, size_t count)
{
    FILE *last = NULL;
    for (size_t i = 0; i < count; i++) {
        if (manager->output)
            manager->output(manager->output_arg, batch[i].worker, batch[i].stream, batch[i].text,
                            batch[i].size);
        else
            write_default(manager, &batch[i], &last);
    }
    if (last)
        fflush(last);
}

/* --- wait objects --- */

static void show_update(const promp_manager_core_update_t *update)
{
    if (update->text && update->wait.text)
        update->wait.text(update->wait.arg, update->text);
    if (update->has_value && update->wait.progress)
        update->wait.progress(update->wait.arg, update->value);
}

/* Asks wait objects of busy workers whether the user wants an end. Lock held, let go for each call. */
static void ask_aborts(promp_manager_t *manager)
{
    uint32_t worker = 0;
    promp_wait_object_t wait;
    while (promp_manager_core_next_wait(manager->core, &worker, &wait)) {
        promp_manager_leave(manager);
        bool aborted = wait.aborted(wait.arg);
        promp_hub_lock(manager->hub);
        if (aborted)
            promp_manager_core_abort(manager->core, worker,
                                     wait.abort_timeout ? wait.abort_timeout : PROMP_TIME_ABORT,
                                     promp_clock_ms());
    }
}

promp_err_t promp_manager_set_wait_object(promp_manager_t *manager, uint32_t worker,
                                          const promp_wait_object_t *wait)
{
    promp_err_t err = promp_manager_enter(manager);
    if (err)
        return err;
    bool known = promp_manager_core_set_wait(manager->core, worker, wait);
    promp_manager_leave(manager);
    return known ? PROMP_OK : promp_manager_fail(manager, PROMP_ERR_NO_WORKER, 0, NULL);
}

/* --- processing --- */

/* One round: what has come by now, and no more, so that a worker that never rests cannot keep the caller
 * here. Call-backs run without the lock. */
static void process_round(promp_manager_t *manager)
{
    promp_manager_core_t *core = manager->core;
    uint64_t mark = promp_manager_core_mark(core);
    promp_manager_core_text_t batch[BATCH];
    promp_manager_core_update_t update;
    promp_manager_core_seen(core);
    for (size_t count; (count = promp_manager_core_output(core, mark, batch, BATCH)) > 0;) {
        promp_hub_unlock(manager->hub);
        write_batch(manager, batch, count);
        promp_hub_lock(manager->hub);
        promp_manager_core_shown(core, batch, count);
    }
    while (promp_manager_core_update(core, mark, &update)) {
        promp_hub_unlock(manager->hub);
        show_update(&update);
        free(update.text);
        promp_hub_lock(manager->hub);
    }
    promp_manager_share_process(manager, mark);
    ask_aborts(manager);
}

void promp_manager_process_all(promp_manager_t *manager)
{
    if (manager->processing)
        return; /* inside a call-back: the round that called it goes on afterwards */
    manager->processing = true;
    promp_hub_lock(manager->hub);
    if (!promp_manager_core_pending(manager->core))
        promp_hub_pump(manager->hub);
    process_round(manager);
    promp_zdial_news_t told;
    bool news = manager->dial && promp_zdial_news(manager->dial, &told);
    promp_manager_leave(manager);
    if (news)
        promp_manager_broker_remember(manager, &told);
    manager->processing = false;
}

promp_err_t promp_manager_process(promp_manager_t *manager)
{
    promp_err_t err = promp_manager_usable(manager);
    if (!err)
        promp_manager_process_all(manager);
    return err;
}

promp_err_t promp_manager_wait(promp_manager_t *manager, int timeout)
{
    promp_err_t err = promp_manager_enter(manager);
    if (err)
        return err;
    err = promp_hub_wait(manager->hub, promp_manager_news, manager, promp_manager_deadline(timeout));
    promp_manager_leave(manager);
    return err;
}
