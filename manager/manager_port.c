/* manager_port.c - what the hub tells goes to the core, and the descriptor shows what came. */
#include "manager_core_share.h"
#include "manager_inner.h"

#include <errno.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- the descriptor --- */

bool promp_manager_news(void *arg)
{
    const promp_manager_t *manager = arg;
    return promp_manager_core_pending(manager->core) || promp_manager_core_fresh(manager->core);
}

void promp_manager_signal(promp_manager_t *manager)
{
    eventfd_t count;
    if (manager->fd < 0 || promp_manager_news(manager) == manager->signalled)
        return;
    manager->signalled = !manager->signalled;
    if (manager->signalled)
        (void)eventfd_write(manager->fd, 1);
    else
        (void)eventfd_read(manager->fd, &count);
}

int promp_manager_fd(promp_manager_t *manager)
{
    if (promp_manager_enter(manager))
        return -1;
    int system = 0;
    if (manager->fd < 0 && (manager->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0)
        system = errno;
    promp_manager_leave(manager);
    if (system)
        promp_manager_fail(manager, promp_error_from_errno(system), system, "eventfd");
    return manager->fd;
}

/* --- direct ways --- */

/* Workers may be thousands: the other half of the descriptors is left to the rest of the process. */
static bool affordable(int fd)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur == RLIM_INFINITY ||
           (rlim_t)fd < limit.rlim_cur / 2;
}

/* One end to the worker, through the node; the other is ours. Where the first gets lost the second ends, and the session
 * stays on the link. */
static void make_side(promp_manager_t *manager, const promp_id_t *session)
{
    const promp_message_t lend = {PROMP_TYPE_LEND, .lend.request = 0};
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
        return;
    if (!affordable(ends[0]) || promp_hub_hand(manager->hub, session, &lend, ends[1]))
        close(ends[0]);
    else
        (void)promp_hub_side_add(manager->hub, manager, session, ends[0], false);
    close(ends[1]);
}

static void make_sides(promp_manager_t *manager)
{
    promp_id_t session;
    while (!manager->relayed && promp_manager_core_side_wanted(manager->core, &session))
        make_side(manager, &session);
}

/* --- the port --- */

static void port_side(void *self, const promp_id_t *session, promp_way_t way, uint64_t room, int64_t now)
{
    promp_manager_t *manager = self;
    promp_manager_core_ops.side(manager->core, session, way, room, now);
    promp_manager_signal(manager);
}

static void port_path(void *self, bool up, bool lost, const promp_id_t *node, int64_t now)
{
    promp_manager_t *manager = self;
    const promp_error_t *trouble = promp_hub_trouble(manager->hub);
    char why[160];
    if (lost && trouble->code) {
        snprintf(why, sizeof why, "%d %.140s", (int)trouble->code, trouble->text);
        promp_manager_core_set_lost_why(manager->core, why);
    }
    promp_manager_core_ops.path(manager->core, up, lost, node, now);
    promp_manager_signal(manager);
}

static promp_err_t port_frame(void *self, const promp_frame_t *frame, bool *mine, int64_t now)
{
    promp_manager_t *manager = self;
    promp_err_t err = promp_manager_core_ops.frame(manager->core, frame, mine, now);
    promp_manager_share_look(manager);
    make_sides(manager);
    promp_manager_signal(manager);
    return err;
}

static bool port_next(void *self, promp_out_t *out, uint64_t room, int64_t now)
{
    promp_manager_t *manager = self;
    if (promp_manager_core_ops.next(manager->core, out, room, now))
        return true;
    if (!promp_manager_core_asked(manager->core, PROMP_ASK_THREAD))
        return false;
    promp_manager_share_look(manager); /* what was read has left: on with the next */
    return promp_manager_core_ops.next(manager->core, out, room, now);
}

static int64_t port_tick(void *self, int64_t now)
{
    promp_manager_t *manager = self;
    int64_t next = promp_manager_core_ops.tick(manager->core, now);
    promp_manager_share_look(manager);
    promp_manager_signal(manager);
    return next;
}

static uint32_t port_lease(void *self)
{
    promp_manager_t *manager = self;
    return promp_manager_core_ops.lease(manager->core);
}

static uint8_t *port_place(void *self, const promp_frame_t *frame, size_t *size)
{
    promp_manager_t *manager = self;
    return promp_manager_core_ops.place(manager->core, frame, size);
}

const promp_port_ops_t promp_manager_port_ops = {.path = port_path,
                                                 .frame = port_frame,
                                                 .next = port_next,
                                                 .tick = port_tick,
                                                 .lease = port_lease,
                                                 .side = port_side,
                                                 .place = port_place};
