/* worker_inherit.c - the first acts of a worker process: its descriptors, and that it never outlives its
 * node. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "worker_inner.h"

#define VARIABLE "PROMP_WORKER_FDS" /* number of the first of four */

static bool is_unix_socket(int fd)
{
    int domain = 0;
    socklen_t size = sizeof domain;
    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX;
}

static bool is_read_end(int fd)
{
    struct stat st;
    int flags = fcntl(fd, F_GETFL);
    return fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode) && flags >= 0 && (flags & O_ACCMODE) == O_RDONLY;
}

/* First descriptor as the variable tells it; -1: not told. */
static int first_fd(void)
{
    const char *text = getenv(VARIABLE);
    if (!text || !*text)
        return -1;
    char *rest;
    errno = 0;
    long first = strtol(text, &rest, 10);
    return errno || *rest || first < 3 || first > 1 << 20 ? -1 : (int)first;
}

static promp_err_t keep_private(int fd, bool nonblocking, promp_error_t *error)
{
    int flags = nonblocking ? fcntl(fd, F_GETFL) : 0;
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || flags < 0 ||
        (nonblocking && fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0))
        return promp_error_set(error, PROMP_ERR_SYSTEM, errno, "inherited descriptor %d", fd);
    return PROMP_OK;
}

/* The kernel ends us with the keeper. Only where the keeper is our parent: below a debugger or a wrapper it
 * is not, and the lifeline has to do. It also covers a keeper that died before this. */
static void die_with_parent(int lifeline)
{
    struct ucred keeper;
    socklen_t size = sizeof keeper;
    if (getsockopt(lifeline, SOL_SOCKET, SO_PEERCRED, &keeper, &size) == 0 && getppid() == keeper.pid)
        prctl(PR_SET_PDEATHSIG, SIGKILL);
}

promp_err_t promp_worker_inherit(promp_worker_fds_t *fds, promp_error_t *error)
{
    int first = first_fd();
    if (first < 0)
        return promp_error_set(error, PROMP_ERR_NOT_A_WORKER, 0, "start it with promp_manager_start");
    *fds = (promp_worker_fds_t){first, first + 1, {first + 2, first + 3}};
    if (!is_unix_socket(fds->link) || !is_unix_socket(fds->lifeline) || !is_read_end(fds->pipe[0]) ||
        !is_read_end(fds->pipe[1]))
        return promp_error_set(error, PROMP_ERR_NOT_A_WORKER, 0,
                               "descriptors %d to %d are not what " VARIABLE " says", first, first + 3);
    /* From here on they are ours: a subprocess must neither see nor hold them. */
    unsetenv(VARIABLE);
    promp_err_t err = keep_private(fds->link, false, error);
    if (!err)
        err = keep_private(fds->lifeline, false, error);
    for (int i = 0; i < PROMP_WORKER_PIPES && !err; i++)
        err = keep_private(fds->pipe[i], true, error);
    if (err)
        promp_worker_fds_close(fds);
    else
        die_with_parent(fds->lifeline);
    return err;
}

void promp_worker_fds_close(promp_worker_fds_t *fds)
{
    const int all[] = {fds->link, fds->lifeline, fds->pipe[0], fds->pipe[1]};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i] >= 0)
            close(all[i]);
    *fds = (promp_worker_fds_t){-1, -1, {-1, -1}};
}
