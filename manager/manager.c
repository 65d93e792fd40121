/* manager.c - a manager from its making to its end, its settings, and the way into its lock. */
#include "manager_inner.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

const char *promp_version(void)
{
    return PROMP_VERSION;
}

/* --- who may call --- */

promp_err_t promp_manager_usable(const promp_manager_t *manager)
{
    if (!manager)
        return PROMP_ERR_ARGUMENT;
    if (!*manager->mark)
        return PROMP_ERR_FORKED;
    return pthread_equal(manager->owner, pthread_self()) ? PROMP_OK : PROMP_ERR_THREAD;
}

promp_err_t promp_manager_check(const promp_manager_t *manager)
{
    return promp_manager_usable(manager);
}

promp_err_t promp_manager_enter(promp_manager_t *manager)
{
    promp_err_t err = promp_manager_usable(manager);
    if (!err)
        promp_hub_lock(manager->hub);
    return err;
}

void promp_manager_leave(promp_manager_t *manager)
{
    promp_manager_signal(manager);
    promp_hub_unlock(manager->hub);
}

promp_err_t promp_manager_fail(promp_manager_t *manager, promp_err_t code, int system, const char *format,
                               ...)
{
    char text[400] = "";
    if (format) {
        va_list args;
        va_start(args, format);
        vsnprintf(text, sizeof text, format, args);
        va_end(args);
    }
    return promp_error_set(&manager->error, code, system, *text ? "%s" : NULL, text);
}

const promp_error_t *promp_manager_error(const promp_manager_t *manager)
{
    return &manager->error;
}

int64_t promp_manager_deadline(int timeout)
{
    return timeout < 0 ? PROMP_NEVER : promp_clock_ms() + timeout;
}

/* --- making --- */

/* Tells a child made by fork from the manager's process, at no cost per call. */
static promp_err_t make_mark(promp_manager_t *manager)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    void *mark = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mark == MAP_FAILED)
        return promp_manager_fail(manager, promp_error_from_errno(errno), errno, "mmap");
    manager->mark = mark;
    if (madvise(mark, page, MADV_WIPEONFORK))
        return promp_manager_fail(manager, promp_error_from_errno(errno), errno, "madvise");
    *manager->mark = 1;
    return PROMP_OK;
}

static promp_hub_t *dial(promp_manager_t *manager, promp_error_t *error)
{
    if (manager->parent)
        return promp_worker_hub(manager->parent);
    if (manager->dial)
        return promp_zdial_hub(manager->dial, PROMP_TIME_START, error);
    return promp_hub_dial(&manager->local, manager->node_program, !manager->no_start, PROMP_TIME_START,
                          error);
}

promp_err_t promp_manager_connect(promp_manager_t *manager)
{
    promp_error_t error = {0}; /* also filled where a try failed and the next one did not */
    promp_hub_t *hub = dial(manager, &error);
    if (!hub) {
        manager->error = error;
        return error.code;
    }
    promp_manager_share_hold(manager);
    if (manager->hub)
        promp_hub_detach(manager->hub, manager);
    if (!manager->parent)
        promp_hub_destroy(&manager->hub);
    manager->hub = hub;
    promp_manager_share_free(manager);
    promp_err_t err = promp_hub_attach(hub, (promp_port_t){manager, &promp_manager_port_ops});
    return err ? promp_manager_fail(manager, err, 0, NULL) : PROMP_OK;
}

/* Where the manager's workers are, and what they are told of it. */
static promp_err_t make_address(promp_manager_t *manager, const promp_manager_config_t *config)
{
    promp_err_t err = manager->parent ? PROMP_OK : promp_manager_broker_choose(manager, config);
    if (err || manager->address)
        return err;
    if (!manager->parent)
        err = promp_local_find(&manager->local, true, &manager->error);
    if (err)
        return err;
    if (manager->parent) {
        manager->address = strdup(promp_worker_address(manager->parent));
        manager->remote = manager->address && strncmp(manager->address, "tcp://", 6) == 0;
    } else if (asprintf(&manager->address, "ipc://%s", manager->local.socket) < 0) {
        manager->address = NULL;
    }
    return manager->address ? PROMP_OK : promp_manager_fail(manager, PROMP_ERR_MEMORY, 0, NULL);
}

static promp_err_t make(promp_manager_t *manager, const promp_manager_config_t *config)
{
    promp_err_t err = make_mark(manager);
    if (!err && config && config->node_program && !(manager->node_program = strdup(config->node_program)))
        err = promp_manager_fail(manager, PROMP_ERR_MEMORY, 0, NULL);
    promp_id_t seed;
    if (!err && (err = promp_id_make(&seed)))
        promp_manager_fail(manager, err, errno, NULL);
    if (err)
        return err;
    uint64_t number;
    memcpy(&number, seed.b, sizeof number);
    manager->core = promp_manager_core_new(promp_manager_level(manager), number);
    if (!manager->core)
        return promp_manager_fail(manager, PROMP_ERR_MEMORY, 0, NULL);
    err = make_address(manager, config);
    promp_manager_core_set_remote(manager->core, manager->remote);
    return err ? err : promp_manager_connect(manager);
}

static void release(promp_manager_t *manager)
{
    if (manager->fd >= 0)
        close(manager->fd);
    if (manager->mark)
        munmap((void *)manager->mark, (size_t)sysconf(_SC_PAGESIZE));
    promp_manager_core_destroy(&manager->core);
    promp_zdial_destroy(&manager->dial);
    free(manager->config);
    free(manager->address);
    free(manager->node_program);
    free(manager);
}

promp_manager_t *promp_manager_new(const promp_manager_config_t *config, promp_error_t *error)
{
    promp_manager_t *manager = calloc(1, sizeof *manager);
    if (!manager) {
        promp_error_set(error, PROMP_ERR_MEMORY, 0, NULL);
        return NULL;
    }
    manager->fd = -1;
    manager->owner = pthread_self();
    manager->timeout = PROMP_TIMEOUT_DEFAULT;
    manager->parent = config ? config->parent : NULL;
    manager->no_start = config && config->no_start;
    const char *path = getenv("PROMP_PATH");
    manager->relayed = path && strcmp(path, "relay") == 0;
    if (!make(manager, config)) {
        manager->error =
            (promp_error_t){0}; /* of what was tried in vain: no folder to have joined from, say */
        return manager;
    }
    if (error)
        *error = manager->error;
    if (manager->hub && !manager->parent)
        promp_hub_destroy(&manager->hub);
    release(manager);
    return NULL;
}

/* --- ending --- */

static bool something_happened(void *arg)
{
    promp_manager_t *manager = arg;
    return promp_manager_core_pending(manager->core) || !promp_manager_core_unsettled(manager->core);
}

/* Hands output over until all workers are gone or the time is over. Lock held. */
static void let_end(promp_manager_t *manager, int64_t deadline)
{
    while (promp_manager_core_unsettled(manager->core) && promp_clock_ms() < deadline) {
        (void)promp_hub_wait(manager->hub, something_happened, manager, deadline);
        promp_manager_leave(manager);
        promp_manager_process_all(manager);
        promp_hub_lock(manager->hub);
    }
}

static void end_workers(promp_manager_t *manager)
{
    promp_hub_lock(manager->hub);
    promp_hub_pump(manager->hub);
    /* Nobody will take messages any more: they must not hold up the ends. */
    promp_manager_core_set_limits(manager->core, 0, UINT64_MAX, 0);
    promp_manager_core_stop(manager->core, PROMP_WORKER_ALL, promp_clock_ms());
    let_end(manager, promp_clock_ms() + PROMP_TIME_LINGER);
    promp_manager_core_kill(manager->core, PROMP_WORKER_ALL, PROMP_ERR_WORKER_STOPPED);
    let_end(manager, promp_clock_ms() + PROMP_TIME_LINGER);
    promp_manager_leave(manager);
    promp_manager_process_all(manager);
}

/* In a forked child it only closes: another thread may have been in the middle of changing the rest when the process
 * forked, so that is not looked at and stays where it is. */
static void abandon(promp_manager_t *manager)
{
    if (!manager->parent)
        promp_hub_abandon(&manager->hub);
    if (manager->fd >= 0)
        close(manager->fd);
}

void promp_manager_destroy(promp_manager_t **manager_p)
{
    promp_manager_t *manager = manager_p ? *manager_p : NULL;
    if (!manager)
        return;
    *manager_p = NULL;
    if (!*manager->mark) {
        abandon(manager);
        return;
    }
    end_workers(manager);
    promp_manager_share_end(manager);
    if (!manager->parent)
        promp_hub_bye(manager->hub);
    promp_hub_detach(manager->hub, manager);
    if (!manager->parent)
        promp_hub_destroy(&manager->hub);
    release(manager);
}

/* --- settings: for workers started from now on --- */

promp_err_t promp_manager_set_options(promp_manager_t *manager, uint32_t options)
{
    promp_err_t err = promp_manager_usable(manager);
    if (err)
        return err;
    if (options & ~(PROMP_OPT_REDIRECT | PROMP_OPT_ATOMIC))
        return promp_manager_fail(manager, PROMP_ERR_ARGUMENT, 0, "unknown options 0x%x", (unsigned)options);
    manager->options = options;
    return PROMP_OK;
}

uint32_t promp_manager_options(const promp_manager_t *manager)
{
    return manager->options;
}

promp_err_t promp_manager_set_timeout(promp_manager_t *manager, int timeout)
{
    promp_err_t err = promp_manager_usable(manager);
    if (err)
        return err;
    if (timeout < PROMP_TIMEOUT_MIN)
        timeout = PROMP_TIMEOUT_MIN;
    manager->timeout = timeout < PROMP_TIMEOUT_MAX ? timeout : PROMP_TIMEOUT_MAX;
    return PROMP_OK;
}

int promp_manager_timeout(const promp_manager_t *manager)
{
    return manager->timeout;
}

uint32_t promp_manager_level(const promp_manager_t *manager)
{
    return manager->parent ? promp_worker_level(manager->parent) : 0;
}

bool promp_manager_remote(const promp_manager_t *manager)
{
    return manager->remote;
}

promp_err_t promp_manager_set_unsent_limit(promp_manager_t *manager, uint64_t bytes)
{
    promp_err_t err = promp_manager_enter(manager);
    if (err)
        return err;
    promp_manager_core_set_limits(manager->core, bytes ? bytes : 1, 0, 0);
    promp_manager_leave(manager);
    return PROMP_OK;
}
