/* hub_thread.c - the network thread: drives when no user thread does, and costs nothing while one does.
 *
 *   leads:  polls, until a user thread takes over (that one does not wait for it)
 *   ticks:  user threads come and go: looks each PROMP_TIME_TICK, so that nothing is left undone while they
 *           compute, and keeps the time for them
 *   parks:  a user thread sits in poll: waits until that one leaves
 */
#include <errno.h>
#include <signal.h>
#include <time.h>

#include "error.h"
#include "hub_inside.h"

#define STACK_SIZE (1024 * 1024)

/* Waits PROMP_TIME_TICK, less when the hub stops. Who leads meanwhile may count on us. */
static void tick(promp_hub_t *hub)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    time.tv_nsec += PROMP_TIME_TICK * 1000000L;
    if (time.tv_nsec >= 1000000000L) {
        time.tv_nsec -= 1000000000L;
        time.tv_sec++;
    }
    hub->alarm = promp_clock_ms() + PROMP_TIME_TICK;
    while (!hub->stop && pthread_cond_timedwait(&hub->rest, &hub->mutex, &time) == 0)
        ;
    hub->alarm = PROMP_NEVER;
}

static void park(promp_hub_t *hub)
{
    promp_hub_kick(&hub->leader->poller); /* from now on it sees to the time itself */
    hub->parked = true;
    while (hub->parked && !hub->stop)
        pthread_cond_wait(&hub->rest, &hub->mutex);
    hub->parked = false;
}

static void *run(void *arg)
{
    promp_hub_t *hub = arg;

    promp_hub_take(hub);
    while (!hub->stop) {
        if (!hub->led && !hub->leader) {
            promp_hub_settle(hub, promp_clock_ms());
            promp_hub_tell(hub, NULL);
            (void)promp_hub_turn(hub, &hub->net, PROMP_NEVER);
            continue;
        }
        hub->led = false;
        tick(hub);
        if (hub->stop)
            break;
        if (hub->leader)
            park(hub);
        else if (hub->led)
            promp_hub_pump(hub);
    }
    promp_hub_let(hub);
    return NULL;
}

promp_err_t promp_hub_thread_start(promp_hub_t *hub, int *system)
{
    pthread_attr_t attr;
    sigset_t all, before;

    sigfillset(&all);
    *system = pthread_attr_init(&attr);
    if (*system)
        return PROMP_ERR_SYSTEM;
    (void)pthread_attr_setstacksize(&attr, STACK_SIZE);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    *system = pthread_create(&hub->thread, &attr, run, hub);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    hub->thread_runs = *system == 0;
    if (hub->thread_runs)
        (void)pthread_setname_np(hub->thread, "promp-net");
    return hub->thread_runs ? PROMP_OK : promp_error_from_errno(*system);
}

void promp_hub_thread_stop(promp_hub_t *hub)
{
    if (!hub->thread_runs)
        return;
    promp_hub_take(hub);
    hub->stop = true;
    pthread_cond_signal(&hub->rest);
    promp_hub_kick(&hub->net);
    promp_hub_let(hub);
    pthread_join(hub->thread, NULL);
    hub->thread_runs = false;
}
