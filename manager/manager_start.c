/* manager_start.c - starting and stopping workers. */
#include "manager_inner.h"

#include <stdlib.h>
#include <unistd.h>

/* Starts that may wait for their answer at the same time. */
#define AT_ONCE PROMP_LIMIT_WORKER_STARTS

/* How often a caller is asked whether he still wants to wait, ms: his signal may not have come to this thread. */
#define LOOK 200

/* What all workers of one call are started with. */
typedef struct {
    char *program, *folder;
    promp_buf_t argv, env;
    promp_manager_core_start_t start;
} order_t;

static void order_free(order_t *order)
{
    free(order->program);
    free(order->folder);
    promp_buf_free(&order->argv);
    promp_buf_free(&order->env);
}

static promp_err_t order_place_remote(promp_manager_t *manager, const promp_start_t *start, order_t *order)
{
    promp_err_t err =
        promp_manager_place_remote(start->program, start->folder, &order->program, &order->folder);
    if (err == PROMP_ERR_PROGRAM_MISSING)
        return promp_manager_fail(manager, PROMP_ERR_ARGUMENT, 0,
                                  "in a cluster a program is a name or an absolute path: %s",
                                  start->program ? start->program : "none");
    if (err == PROMP_ERR_START_FOLDER)
        return promp_manager_fail(manager, PROMP_ERR_ARGUMENT, 0,
                                  "in a cluster a folder is an absolute path: %s", start->folder);
    return err ? promp_manager_fail(manager, err, 0, NULL) : PROMP_OK;
}

/* Where, with what: as this process has it, or as the node will. */
static promp_err_t order_place(promp_manager_t *manager, const promp_start_t *start, order_t *order)
{
    if (manager->remote)
        return order_place_remote(manager, start, order);
    int system;
    promp_err_t err = promp_manager_place_program(start->program, &order->program, &system);
    if (err)
        return promp_manager_fail(manager, err, system, "%s", start->program ? start->program : "no program");
    err = promp_manager_place_folder(start->folder, &order->folder, &system);
    if (err)
        return promp_manager_fail(manager, err, system, "%s",
                                  start->folder ? start->folder : "the manager's");
    return PROMP_OK;
}

static promp_err_t order_make(promp_manager_t *manager, const promp_start_t *start, order_t *order)
{
    static const char *const none[] = {NULL};
    const char *const *inherited = manager->remote ? none : (const char *const *)environ;
    promp_err_t err = order_place(manager, start, order);
    if (err)
        return err;
    const char *only[] = {start->program, NULL};
    err = promp_manager_place_strings(start->argv ? start->argv : only, &order->argv);
    if (!err)
        err = promp_manager_place_strings(start->env ? start->env : inherited, &order->env);
    if (!err && order->argv.size + order->env.size > PROMP_LIMIT_START)
        err = PROMP_ERR_START_SIZE;
    if (err)
        return promp_manager_fail(manager, err, 0, "together at most %llu bytes", PROMP_LIMIT_START);
    if ((!start->extra && start->extra_size) || start->extra_size > PROMP_LIMIT_EXTRA)
        return promp_manager_fail(manager, PROMP_ERR_VALUE_SIZE, 0, "extra is at most %llu bytes",
                                  PROMP_LIMIT_EXTRA);
    if (start->time_limit < 0)
        return promp_manager_fail(manager, PROMP_ERR_ARGUMENT, 0, "a time limit below 0");
    order->start = (promp_manager_core_start_t){
        .options = manager->options,
        .timeout = (uint32_t)manager->timeout,
        .time_limit = start->time_limit,
        .umask = promp_manager_place_umask(),
        .program = order->program,
        .folder = order->folder,
        .argv = promp_slice(order->argv.data, order->argv.size),
        .env = promp_slice(order->env.data, order->env.size),
        .extra = promp_slice(start->extra, start->extra_size),
        .address = manager->address,
        .labels = start->labels,
        .node = start->node,
        .python = start->python,
        .cpus = start->cpus,
        .gpus = start->gpus,
        .memory = start->memory,
        .spread = start->spread,
    };
    return PROMP_OK;
}

/* A call's workers: those asked for and not yet answered are ids[answered..asked), those that started
 * ids[0..good). */
typedef struct {
    promp_manager_t *manager;
    order_t *order;
    const promp_start_t *start;
    uint32_t *ids;
    size_t count, asked, answered, good;
    promp_err_t err;
} starts_t;

/* Asks the caller, without the lock. */
static bool is_unwanted(starts_t *starts)
{
    if (!starts->start->interrupted)
        return false;
    promp_manager_leave(starts->manager);
    bool yes = starts->start->interrupted(starts->start->interrupted_arg);
    promp_hub_lock(starts->manager->hub);
    return yes;
}

static bool is_answered(void *arg)
{
    starts_t *starts = arg;
    return promp_manager_core_answered(starts->manager->core, starts->ids[starts->answered]);
}

/* The first failure is the one that is told. */
static void note(starts_t *starts, const promp_error_t *error)
{
    if (!starts->err)
        starts->manager->error = *error;
    if (!starts->err)
        starts->err = error->code;
}

static void ask(starts_t *starts)
{
    promp_error_t error;
    uint32_t id;
    promp_err_t err = promp_id_make(&starts->order->start.session);
    if (!err)
        err = promp_manager_core_start(starts->manager->core, &starts->order->start, &id, promp_clock_ms());
    if (!err) {
        starts->ids[starts->asked++] = id;
        return;
    }
    promp_error_set(&error, err, 0, NULL);
    note(starts, &error);
}

/* Waits for the oldest answer. OK, TIMEOUT, STATE: the caller gives up. Lock held. */
static promp_err_t wait_for_answer(starts_t *starts)
{
    int64_t now = promp_clock_ms(), deadline = now + PROMP_TIME_START;
    for (; now < deadline; now = promp_clock_ms()) {
        int64_t look = starts->start->interrupted ? promp_min64(deadline, now + LOOK) : deadline;
        (void)promp_hub_wait(starts->manager->hub, is_answered, starts, look);
        if (is_unwanted(starts))
            return PROMP_ERR_STATE;
        if (is_answered(starts))
            return PROMP_OK;
    }
    return PROMP_ERR_TIMEOUT;
}

/* Takes the oldest answer; without one nobody waits for the others either. Lock held. */
static void await(starts_t *starts)
{
    promp_manager_t *manager = starts->manager;
    promp_error_t error;
    promp_err_t err = wait_for_answer(starts);
    if (err == PROMP_OK) {
        uint32_t id = starts->ids[starts->answered++];
        promp_manager_core_answer(manager->core, id, &error);
        if (!error.code)
            starts->ids[starts->good++] = id;
        else
            note(starts, &error);
        return;
    }
    if (err == PROMP_ERR_STATE)
        promp_error_set(&error, err, 0, "starting workers was interrupted");
    else if (manager->dial && promp_hub_trouble(manager->hub)->code)
        error = *promp_hub_trouble(manager->hub);
    else
        promp_error_set(&error, PROMP_ERR_NODE_TIMEOUT, 0, "starting a worker, after %d ms",
                        PROMP_TIME_START);
    note(starts, &error);
    while (starts->answered < starts->asked)
        promp_manager_core_abandon(manager->core, starts->ids[starts->answered++]);
}

/* A root manager whose node has ended may have another one. */
static promp_err_t connect_again(promp_manager_t *manager)
{
    promp_hub_lock(manager->hub);
    bool lost = !manager->parent && promp_manager_core_lost(manager->core);
    promp_hub_unlock(manager->hub);
    return lost ? promp_manager_connect(manager) : PROMP_OK;
}

promp_err_t promp_manager_start_many(promp_manager_t *manager, const promp_start_t *start, size_t count,
                                     uint32_t *workers, size_t *started)
{
    promp_err_t err = promp_manager_usable(manager);
    if (started)
        *started = 0;
    if (err)
        return err;
    if (!start || !workers)
        return promp_manager_fail(manager, PROMP_ERR_ARGUMENT, 0, NULL);
    order_t order = {0};
    err = order_make(manager, start, &order);
    if (!err)
        err = connect_again(manager);
    starts_t starts = {
        .manager = manager, .order = &order, .start = start, .ids = workers, .count = count, .err = err};
    if (err)
        goto out;
    promp_hub_lock(manager->hub);
    while (starts.answered < starts.asked || (starts.asked < count && !starts.err)) {
        while (starts.asked < count && starts.asked - starts.answered < AT_ONCE && !starts.err)
            ask(&starts);
        if (starts.answered < starts.asked)
            await(&starts);
    }
    promp_manager_leave(manager);
out:
    order_free(&order);
    for (size_t i = starts.good; i < count; i++)
        workers[i] = PROMP_WORKER_INVALID;
    if (started)
        *started = starts.good;
    return starts.err;
}

promp_err_t promp_manager_start(promp_manager_t *manager, const promp_start_t *start, uint32_t *worker)
{
    uint32_t id = PROMP_WORKER_INVALID;
    promp_err_t err = promp_manager_start_many(manager, start, 1, &id, NULL);
    if (worker)
        *worker = id;
    return err;
}

promp_err_t promp_manager_stop(promp_manager_t *manager, uint32_t worker)
{
    promp_err_t err = promp_manager_enter(manager);
    if (err)
        return err;
    promp_hub_pump(manager->hub); /* ANY asks who is idle */
    promp_manager_core_stop(manager->core, worker, promp_clock_ms());
    promp_manager_leave(manager);
    return PROMP_OK;
}
