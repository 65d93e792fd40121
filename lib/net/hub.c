/* hub.c - the life of a hub, its lock, its cores. */
#include "hub.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "hub_inside.h"

/* --- the lock --- */

void promp_hub_take(promp_hub_t *hub)
{
    pthread_mutex_lock(&hub->gate);
    pthread_mutex_lock(&hub->mutex);
    pthread_mutex_unlock(&hub->gate);
}

void promp_hub_let(promp_hub_t *hub)
{
    pthread_mutex_unlock(&hub->mutex);
}

void promp_hub_lock(promp_hub_t *hub)
{
    promp_hub_take(hub);
}

void promp_hub_unlock(promp_hub_t *hub)
{
    promp_hub_settle(hub, promp_clock_ms());
    promp_hub_tell(hub, NULL);
    promp_hub_stir_if_due(hub);
    promp_hub_let(hub);
}

/* --- making and ending --- */

static promp_err_t make_locks(promp_hub_t *hub)
{
    pthread_condattr_t attr;
    int e;

    if ((e = pthread_mutex_init(&hub->gate, NULL)))
        goto err0;
    if ((e = pthread_mutex_init(&hub->mutex, NULL)))
        goto err1;
    if ((e = pthread_condattr_init(&attr)))
        goto err2;
    if (!(e = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC)))
        e = pthread_cond_init(&hub->rest, &attr);
    pthread_condattr_destroy(&attr);
    if (e)
        goto err2;
    return PROMP_OK;

err2:
    pthread_mutex_destroy(&hub->mutex);
err1:
    pthread_mutex_destroy(&hub->gate);
err0:
    return promp_error_from_errno(e);
}

static void close_wakes(promp_hub_t *hub)
{
    for (size_t i = 0; i < PROMP_HUB_WAKES; i++)
        if (hub->wakes[i] >= 0)
            close(hub->wakes[i]);
}

/* Everything but the locks and the thread. */
static void free_hub(promp_hub_t *hub)
{
    if (hub->line.self)
        hub->line.ops->destroy(hub->line.self, true);
    if (hub->lifeline >= 0)
        close(hub->lifeline);
    promp_hub_sides_free(hub);
    close_wakes(hub);
    free(hub->ports);
    free(hub->path);
    free(hub);
}

static promp_hub_t *new_hub(const promp_hub_config_t *config, promp_error_t *error)
{
    promp_hub_t *hub = calloc(1, sizeof *hub);
    promp_id_t seed;
    promp_err_t err = PROMP_ERR_MEMORY;

    if (!hub) {
        if (config->fd >= 0)
            close(config->fd);
        if (config->lifeline >= 0)
            close(config->lifeline);
        goto err0;
    }
    hub->worker = config->worker;
    hub->orphan = config->orphan;
    hub->orphan_arg = config->arg;
    hub->lifeline = config->lifeline;
    hub->link_fd = -1;
    hub->version = PROMP_VERSION_HIGH;
    hub->broker = config->broker;
    hub->line_due = hub->handshake_at = hub->dial_at = hub->tick_at = hub->alarm = hub->expected =
        PROMP_NEVER;
    promp_list_init(&hub->waiters);
    promp_list_init(&hub->sides);
    promp_list_init(&hub->sides_ended);
    hub->side_epoll = -1;
    for (size_t i = 0; i < PROMP_HUB_WAKES; i++)
        hub->wakes[i] = -1;
    if (config->path && !(hub->path = strdup(config->path)))
        goto err1;
    if ((err = promp_id_make(&seed)))
        goto err1;
    memcpy(&hub->jitter, seed.b, sizeof hub->jitter);
    /* The network thread's, and one for whoever waits. */
    hub->net.wake = promp_hub_wake_get(hub);
    promp_hub_wake_put(hub, promp_hub_wake_get(hub));
    if (hub->net.wake < 0 || hub->wakes[1] < 0) {
        err = promp_error_from_errno(errno);
        goto err1;
    }
    if ((err = make_locks(hub)))
        goto err1;
    return hub;

err1:
    if (config->fd >= 0)
        close(config->fd);
    free_hub(hub);
err0:
    promp_error_set(error, err, 0, NULL);
    return NULL;
}

static void destroy_hub(promp_hub_t *hub)
{
    pthread_cond_destroy(&hub->rest);
    pthread_mutex_destroy(&hub->mutex);
    pthread_mutex_destroy(&hub->gate);
    free_hub(hub);
}

static bool waits_for_welcome(const promp_hub_t *hub)
{
    return hub->state == PROMP_HUB_HELLO || hub->state == PROMP_HUB_DOWN;
}

/* In opening: until there is a WELCOME, or none will come. */
static void greet(promp_hub_t *hub, promp_poller_t *self, int64_t now)
{
    while (waits_for_welcome(hub) && now < hub->open_by) {
        promp_hub_settle(hub, now);
        if (waits_for_welcome(hub))
            (void)promp_hub_turn(hub, self, hub->open_by); /* a signal is no reason to give up */
        now = promp_clock_ms();
    }
}

promp_hub_t *promp_hub_new(const promp_hub_config_t *config, int timeout, promp_error_t *error)
{
    promp_error_t none = {.code = PROMP_OK};
    promp_poller_t self = {.wake = -1};
    int64_t now = promp_clock_ms();
    promp_hub_t *hub = new_hub(config, error);
    int e = 0;

    if (!hub)
        return NULL;
    promp_hub_take(hub);
    self.wake = promp_hub_wake_get(hub);
    hub->opening = true;
    hub->error = &none;
    hub->last_heard = now;
    hub->open_by = now + timeout;
    if (hub->broker.ops)
        promp_hub_broker_dial(hub, now);
    else
        promp_hub_begin(hub, promp_line_of(config->fd), now);
    greet(hub, &self, now);
    promp_hub_wake_put(hub, self.wake);
    hub->opening = false;
    hub->error = NULL;
    if (hub->state == PROMP_HUB_LOST && none.code == PROMP_OK)
        promp_error_set(&none, PROMP_ERR_NODE_GONE, 0, NULL);
    if (hub->state != PROMP_HUB_UP && none.code == PROMP_OK)
        promp_error_set(&none, hub->broker.ops ? PROMP_ERR_BROKER_SILENT : PROMP_ERR_NODE_TIMEOUT, 0,
                        "no WELCOME within %d ms", timeout);
    if (hub->state == PROMP_HUB_UP && promp_hub_thread_start(hub, &e))
        promp_error_set(&none, PROMP_ERR_SYSTEM, e, "the network thread could not be started");
    promp_hub_let(hub);
    if (hub->thread_runs)
        return hub;
    if (error)
        *error = none;
    destroy_hub(hub);
    return NULL;
}

promp_hub_t *promp_hub_dial(const promp_local_t *local, const char *program, bool start, int timeout,
                            promp_error_t *error)
{
    promp_error_t own;
    int64_t deadline = promp_clock_ms() + timeout;
    promp_hub_t *hub = NULL;

    if (!error)
        error = &own;
    for (int tries = 0; tries < 3 && !hub; tries++) {
        promp_hub_config_t config = {.path = local->socket, .lifeline = -1};
        int left = (int)promp_max64(deadline - promp_clock_ms(), 0);
        if (promp_local_connect(local, program, start, left, &config.fd, error))
            break;
        hub = promp_hub_new(&config, (int)promp_max64(deadline - promp_clock_ms(), 0), error);
        if (!hub && error->code != PROMP_ERR_CLOSED)
            break;
    }
    return hub;
}

void promp_hub_destroy(promp_hub_t **hub_p)
{
    promp_hub_t *hub = *hub_p;

    *hub_p = NULL;
    if (!hub)
        return;
    promp_hub_thread_stop(hub);
    destroy_hub(hub);
}

/* Another thread may have held the lock when the process forked: only plain descriptors are looked at. */
void promp_hub_abandon(promp_hub_t **hub_p)
{
    promp_hub_t *hub = *hub_p;

    *hub_p = NULL;
    if (!hub)
        return;
    if (hub->link_fd >= 0)
        close(hub->link_fd);
    if (hub->lifeline >= 0)
        close(hub->lifeline);
    if (hub->side_epoll >= 0)
        close(hub->side_epoll);
    close_wakes(hub);
}

/* --- cores --- */

promp_err_t promp_hub_attach(promp_hub_t *hub, promp_port_t port)
{
    promp_err_t err = PROMP_OK;
    int64_t now = promp_clock_ms();

    promp_hub_take(hub);
    if (hub->port_count == hub->port_capacity) {
        size_t capacity = hub->port_capacity ? 2 * hub->port_capacity : 4;
        promp_port_t *ports = reallocarray(hub->ports, capacity, sizeof *ports);
        if (ports) {
            hub->ports = ports;
            hub->port_capacity = capacity;
        } else {
            err = PROMP_ERR_MEMORY;
        }
    }
    if (!err) {
        hub->ports[hub->port_count++] = port;
        if (hub->state == PROMP_HUB_UP || hub->state == PROMP_HUB_LOST)
            port.ops->path(port.core, hub->state == PROMP_HUB_UP, hub->state == PROMP_HUB_LOST, &hub->node,
                           now);
        if (!hub->attached) {
            hub->attached = true;
            promp_hub_read(hub, now); /* what has waited for it */
            promp_hub_stir(hub);
        }
    }
    hub->ticked = now - PROMP_TIME_TICK; /* ask it for its lease and its times now */
    promp_hub_unlock(hub);
    return err;
}

void promp_hub_detach(promp_hub_t *hub, void *core)
{
    promp_hub_take(hub);
    promp_hub_sides_end(hub, core, promp_clock_ms());
    for (size_t i = 0; i < hub->port_count; i++) {
        if (hub->ports[i].core == core) {
            memmove(hub->ports + i, hub->ports + i + 1, (hub->port_count - i - 1) * sizeof hub->ports[0]);
            hub->port_count--;
            break;
        }
    }
    hub->ticked = promp_clock_ms() - PROMP_TIME_TICK;
    promp_hub_unlock(hub);
}

void promp_hub_bye(promp_hub_t *hub)
{
    static const promp_id_t none;
    const promp_message_t bye = {.type = PROMP_TYPE_BYE};
    int64_t now = promp_clock_ms();

    promp_hub_take(hub);
    promp_hub_settle(hub, now); /* what the cores still have to say goes first */
    if (hub->state == PROMP_HUB_UP)
        (void)promp_hub_post(hub, &bye, &none, now);
    promp_hub_unlock(hub);
}

/* --- what is known --- */

const promp_error_t *promp_hub_trouble(const promp_hub_t *hub)
{
    return &hub->trouble;
}

const promp_id_t *promp_hub_node(const promp_hub_t *hub)
{
    return &hub->node;
}

const promp_id_t *promp_hub_session(const promp_hub_t *hub)
{
    return &hub->session;
}

void promp_hub_busy(promp_hub_t *hub, bool busy)
{
    hub->busy_since = busy ? promp_max64(promp_clock_ms(), 1) : 0;
}
