/* Descriptors kept free for what the keeper sends. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent_shell.h"
#include "error.h"

promp_err_t promp_agent_reserve_add(promp_agent_t *a)
{
    if (a->spawning == a->reserve_room) {
        size_t room = a->reserve_room ? 2 * a->reserve_room : 16;
        int *grown = reallocarray(a->reserve, room, sizeof *grown);

        if (!grown)
            return PROMP_ERR_MEMORY;
        a->reserve = grown;
        a->reserve_room = room;
    }
    a->spawning++;
    promp_agent_reserve_settle(a);
    if (a->reserved == a->spawning)
        return PROMP_OK;
    promp_agent_reserve_done(a);
    return PROMP_ERR_DESCRIPTORS;
}

void promp_agent_reserve_done(promp_agent_t *a)
{
    if (a->spawning)
        a->spawning--;
    promp_agent_reserve_settle(a);
}

void promp_agent_reserve_lend(promp_agent_t *a)
{
    if (a->reserved)
        close(a->reserve[--a->reserved]);
}

void promp_agent_reserve_settle(promp_agent_t *a)
{
    int fd;

    while (a->reserved > a->spawning)
        close(a->reserve[--a->reserved]);
    while (a->reserved < a->spawning && (fd = fcntl(a->epoll, F_DUPFD_CLOEXEC, 0)) >= 0)
        a->reserve[a->reserved++] = fd;
}

void promp_agent_reserve_free(promp_agent_t *a)
{
    a->spawning = 0;
    promp_agent_reserve_settle(a);
    free(a->reserve);
}
