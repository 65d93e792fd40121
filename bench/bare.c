#include "bare.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PIECE (256 * 1024)

static uint8_t piece[PIECE];

static void fail(const char *what)
{
    perror(what);
    _exit(1);
}

static void write_all(int fd, const uint8_t *bytes, size_t size)
{
    while (size) {
        ssize_t n = write(fd, bytes, size);
        if (n <= 0)
            _exit(0);
        bytes += n;
        size -= (size_t)n;
    }
}

/* Passes on until one side ends. */
static void relay(int a, int b)
{
    struct pollfd fds[] = {{a, POLLIN, 0}, {b, POLLIN, 0}};
    for (;;) {
        if (poll(fds, 2, -1) < 0)
            fail("poll");
        for (int i = 0; i < 2; i++)
            if (fds[i].revents) {
                ssize_t n = read(fds[i].fd, piece, PIECE);
                if (n <= 0)
                    _exit(0);
                write_all(fds[1 - i].fd, piece, (size_t)n);
            }
    }
}

static void far_echo(int fd)
{
    for (;;) {
        ssize_t n = read(fd, piece, PIECE);
        if (n <= 0)
            _exit(0);
        write_all(fd, piece, (size_t)n);
    }
}

static void far_source(int fd, uint64_t total)
{
    if (read(fd, piece, 1) != 1)
        _exit(0);
    for (uint64_t n; total; total -= n) {
        n = total < PIECE ? total : PIECE;
        write_all(fd, piece, n);
    }
    (void)!read(fd, piece, 1);
    _exit(0);
}

static void start(bare_t *bare, uint64_t total)
{
    int near[2], far[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, near) ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, far))
        fail("socketpair");
    bare->far = fork();
    if (bare->far == 0) {
        close(near[0]);
        close(near[1]);
        close(far[0]);
        if (total)
            far_source(far[1], total);
        far_echo(far[1]);
    }
    bare->relay = fork();
    if (bare->relay == 0) {
        close(near[0]);
        close(far[1]);
        relay(near[1], far[0]);
    }
    if (bare->far < 0 || bare->relay < 0)
        fail("fork");
    close(near[1]);
    close(far[0]);
    close(far[1]);
    bare->fd = near[0];
}

void bare_start_echo(bare_t *bare)
{
    start(bare, 0);
}

void bare_start_source(bare_t *bare, uint64_t total)
{
    start(bare, total);
}

void bare_stop(bare_t *bare)
{
    close(bare->fd);
    waitpid(bare->relay, NULL, 0);
    waitpid(bare->far, NULL, 0);
}

void bare_call(bare_t *bare, uint8_t *bytes, size_t size)
{
    write_all(bare->fd, bytes, size);
    for (size_t got = 0; got < size;) {
        ssize_t n = read(bare->fd, bytes + got, size - got);
        if (n <= 0)
            fail("bare call");
        got += (size_t)n;
    }
}

void bare_drain(bare_t *bare, uint64_t total)
{
    write_all(bare->fd, piece, 1);
    while (total) {
        ssize_t n = read(bare->fd, piece, PIECE);
        if (n <= 0)
            fail("bare source");
        total -= (uint64_t)n;
    }
}
