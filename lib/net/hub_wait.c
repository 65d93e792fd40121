/* hub_wait.c - whoever waits drives: one waiter polls for all, the others wait to be told. */
#include <errno.h>
#include <sys/eventfd.h>

#include "hub_inside.h"

enum { AT_WAKE, AT_LINK, AT_LIFELINE, AT_WATCHES };

/* --- waking --- */

int promp_hub_wake_get(promp_hub_t *hub)
{
    for (size_t i = 0; i < PROMP_HUB_WAKES; i++) {
        if (hub->wake_used[i])
            continue;
        if (hub->wakes[i] < 0)
            hub->wakes[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        hub->wake_used[i] = hub->wakes[i] >= 0;
        return hub->wakes[i];
    }
    return -1;
}

void promp_hub_wake_put(promp_hub_t *hub, int fd)
{
    for (size_t i = 0; fd >= 0 && i < PROMP_HUB_WAKES; i++)
        if (hub->wakes[i] == fd)
            hub->wake_used[i] = false;
}

void promp_hub_kick(promp_poller_t *poller)
{
    if (!poller->polling || poller->kicked || poller->wake < 0)
        return;
    poller->kicked = eventfd_write(poller->wake, 1) == 0;
}

static void calm(promp_poller_t *poller)
{
    eventfd_t count;

    poller->polling = false;
    if (poller->kicked)
        (void)eventfd_read(poller->wake, &count);
    poller->kicked = false;
}

/* Who polls for all now, NULL: nobody. */
static promp_poller_t *driver(promp_hub_t *hub)
{
    return hub->leader ? &hub->leader->poller : &hub->net;
}

void promp_hub_stir(promp_hub_t *hub)
{
    promp_hub_kick(driver(hub));
}

void promp_hub_stir_if_due(promp_hub_t *hub)
{
    promp_poller_t *poller = driver(hub);

    if (!poller->polling || poller->kicked)
        return;
    if (promp_hub_due(hub) < poller->until || promp_line_ready(&hub->line) ||
        (!poller->writes && promp_line_polls_room(&hub->line)))
        promp_hub_kick(poller);
}

void promp_hub_tell(promp_hub_t *hub, const promp_poller_t *self)
{
    for (promp_node_t *node = promp_list_first(&hub->waiters); node;
         node = promp_list_after(&hub->waiters, node)) {
        promp_waiter_t *waiter = PROMP_CONTAINER(node, promp_waiter_t, node);
        if (&waiter->poller != self && waiter->poller.polling && !waiter->poller.kicked &&
            waiter->done(waiter->arg))
            promp_hub_kick(&waiter->poller);
    }
}

void promp_hub_notify(promp_hub_t *hub)
{
    promp_hub_tell(hub, NULL);
}

/* --- one turn --- */

/* What is polled, and by what one sees afterwards that it is still the same. */
typedef struct {
    struct pollfd fds[AT_WATCHES + PROMP_LIMIT_HUB_WATCHES];
    uint64_t serials[PROMP_LIMIT_HUB_WATCHES];
    size_t watches;
    uint64_t number, reads;
    int lifeline;
} poll_set_t;

static void fill(promp_hub_t *hub, promp_poller_t *self, poll_set_t *set)
{
    short link = promp_hub_holds(hub) ? 0 : POLLIN;

    self->writes = promp_line_polls_room(&hub->line);
    if (self->writes)
        link |= POLLOUT;
    set->number = hub->number;
    set->reads = hub->reads;
    set->lifeline = hub->lifeline;
    set->watches = hub->watch_count;
    set->fds[AT_WAKE] = (struct pollfd){.fd = self->wake, .events = POLLIN};
    set->fds[AT_LINK] = (struct pollfd){.fd = hub->link_fd, .events = link};
    set->fds[AT_LIFELINE] = (struct pollfd){.fd = hub->lifeline, .events = POLLIN};
    for (size_t i = 0; i < set->watches; i++) {
        set->fds[AT_WATCHES + i] =
            (struct pollfd){.fd = hub->watches[i].watch.fd, .events = hub->watches[i].events};
        set->serials[i] = hub->watches[i].serial;
    }
}

static void handle(promp_hub_t *hub, const poll_set_t *set, int64_t now)
{
    short link = set->fds[AT_LINK].revents;

    if (link && set->number == hub->number) {
        if (link & POLLOUT)
            (void)hub->line.ops->flush(hub->line.self);
        if ((link & ~POLLOUT) && set->reads == hub->reads)
            promp_hub_read(hub, now);
    }
    if (promp_line_ready(&hub->line))
        promp_hub_read(hub, now);
    if (set->fds[AT_LIFELINE].revents && set->lifeline == hub->lifeline)
        promp_hub_relink(hub, now);
    for (size_t i = 0; i < set->watches; i++)
        if (set->fds[AT_WATCHES + i].revents)
            promp_hub_call_watch(hub, set->serials[i], set->fds[AT_WATCHES + i].revents);
}

static int poll_until(struct pollfd *fds, size_t count, int64_t now, int64_t until)
{
    int64_t ms = promp_max64(until - now, 0);
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    return ppoll(fds, count, until == PROMP_NEVER ? NULL : &time, NULL) < 0 ? errno : 0;
}

/* The network thread kicks the leader at hub->alarm: until then that one needs no timer of its own, which
 * costs a rapid exchange more than everything else here. */
static bool alarm_is_set(const promp_hub_t *hub, const promp_poller_t *self, int64_t deadline)
{
    int64_t due = promp_min64(promp_min64(deadline, hub->tick_at), promp_hub_times_due(hub));
    return hub->alarm != PROMP_NEVER && hub->alarm <= due && self->wake >= 0;
}

int promp_hub_turn(promp_hub_t *hub, promp_poller_t *self, int64_t deadline)
{
    int64_t now = promp_clock_ms();
    poll_set_t set;

    promp_hub_end_orphan(hub);
    self->until = promp_min64(deadline, promp_hub_due(hub));
    if (self->wake < 0)
        self->until = promp_min64(self->until, now + PROMP_TIME_TICK);
    int64_t timer = alarm_is_set(hub, self, deadline) ? PROMP_NEVER : self->until;
    if (promp_line_ready(&hub->line))
        timer = now;
    fill(hub, self, &set);
    self->polling = true;
    promp_hub_let(hub);
    int e = poll_until(set.fds, AT_WATCHES + set.watches, now, timer);
    promp_hub_take(hub);
    calm(self);

    if (e == 0) {
        handle(hub, &set, promp_clock_ms());
        promp_hub_tell(hub, self);
    }
    promp_hub_end_orphan(hub);
    return e == EINTR ? EINTR : 0;
}

/* --- waiting --- */

static int follow(promp_hub_t *hub, promp_poller_t *self, int64_t deadline)
{
    struct pollfd wake = {.fd = self->wake, .events = POLLIN};
    int64_t now = promp_clock_ms();

    if (self->wake < 0)
        deadline = promp_min64(deadline, now + PROMP_TIME_TICK);
    self->polling = true;
    promp_hub_let(hub);
    int e = poll_until(&wake, 1, now, deadline);
    promp_hub_take(hub);
    calm(self);
    return e == EINTR ? EINTR : 0;
}

static int drive_or_follow(promp_hub_t *hub, promp_waiter_t *self, int64_t deadline)
{
    if (!hub->leader) {
        hub->leader = self;
        hub->led = true;
        promp_hub_kick(&hub->net); /* it need not poll as well */
    }
    return hub->leader == self ? promp_hub_turn(hub, &self->poller, deadline)
                               : follow(hub, &self->poller, deadline);
}

static void leave(promp_hub_t *hub, promp_waiter_t *self)
{
    promp_list_remove(&hub->waiters, &self->node);
    promp_hub_wake_put(hub, self->poller.wake);
    if (hub->leader && hub->leader != self)
        return;
    hub->leader = NULL;
    hub->led = true;
    promp_node_t *next = promp_list_first(&hub->waiters);
    if (next) {
        promp_hub_kick(&PROMP_CONTAINER(next, promp_waiter_t, node)->poller);
    } else if (hub->parked) {
        hub->parked = false;
        pthread_cond_signal(&hub->rest);
    }
}

promp_err_t promp_hub_wait(promp_hub_t *hub, bool (*done)(void *arg), void *arg, int64_t deadline)
{
    promp_waiter_t self = {.done = done, .arg = arg};
    promp_err_t err = PROMP_ERR_TIMEOUT;
    bool over = false;

    if (done(arg))
        return PROMP_OK;
    self.poller.wake = promp_hub_wake_get(hub);
    promp_list_append(&hub->waiters, &self.node);
    while (err == PROMP_ERR_TIMEOUT && !over) {
        promp_hub_settle(hub, promp_clock_ms());
        promp_hub_tell(hub, &self.poller);
        if (done(arg)) {
            err = PROMP_OK;
            break;
        }
        int e = drive_or_follow(hub, &self, deadline);
        if (done(arg))
            err = PROMP_OK;
        else if (e == EINTR)
            err = PROMP_ERR_STATE;
        else
            over = deadline != PROMP_NEVER && promp_clock_ms() >= deadline;
    }
    leave(hub, &self);
    return err;
}
