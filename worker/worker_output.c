/* worker_output.c - what the worker prints: records of the language's own writes, and the pipes of native
 * code. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "worker_inner.h"

/* Somebody wants us to end: no more waiting. Lock held, as in all of this file. */
static bool must_end(promp_worker_t *worker)
{
    return promp_worker_core_state(worker->core) || promp_worker_core_aborted(worker->core, false);
}

static bool has_room_or_end(void *arg)
{
    promp_worker_t *worker = arg;
    return promp_worker_core_output_room(worker->core) || must_end(worker);
}

/* OK: there is room. */
static promp_err_t wait_for_room(promp_worker_t *worker)
{
    if (promp_worker_core_output_room(worker->core))
        return PROMP_OK;
    promp_err_t err = promp_hub_wait(worker->hub, has_room_or_end, worker, PROMP_NEVER);
    if (err || promp_worker_core_output_room(worker->core))
        return err;
    return promp_worker_core_state(worker->core) ? PROMP_ERR_CLOSED : PROMP_ERR_TASK_ABORTED;
}

/* What was printed must not die with us: it is in the socket, from where the node has it even after a crash. Only
 * without a path to the manager it waits here, as much as there is room for. */
static bool is_out(promp_worker_t *worker)
{
    if (!promp_worker_core_connected(worker->core))
        return true;
    return promp_hub_send(worker->hub) && promp_worker_core_output_sent(worker->core);
}

static bool is_out_or_end(void *arg)
{
    promp_worker_t *worker = arg;
    return must_end(worker) || is_out(worker);
}

promp_err_t promp_worker_print(promp_worker_t *worker, int stream, const void *text, size_t size)
{
    if (!worker || (!text && size) || stream < PROMP_STREAM_STDOUT || stream > PROMP_STREAM_NATIVE_STDERR)
        return PROMP_ERR_ARGUMENT;
    if (size == 0)
        return PROMP_OK;
    if (promp_worker_forked(worker))
        return promp_worker_print_forked(stream, text, size);
    promp_buf_t copy = {0};
    promp_err_t err = size < PROMP_WORKER_LARGE ? PROMP_OK : promp_buf_append(&copy, text, size);
    if (err)
        return err;
    promp_hub_lock(worker->hub);
    bool wanted = worker->setup->options & (PROMP_OPT_REDIRECT | PROMP_OPT_ATOMIC);
    if (wanted)
        err = wait_for_room(worker);
    /* What nobody wants to see waits for nothing: its last bytes are all that counts, for the exit record. */
    if (!err && (wanted || promp_worker_core_output_room(worker->core)))
        err = copy.data ? promp_worker_core_output_moved(worker->core, stream, &copy)
                        : promp_worker_core_output(worker->core, stream, promp_slice(text, size));
    if (!err && wanted)
        (void)promp_hub_wait(worker->hub, is_out_or_end, worker,
                             PROMP_NEVER); /* it is queued, whatever this says */
    promp_hub_unlock(worker->hub);
    promp_buf_free(&copy);
    return err;
}

/* --- pipes --- */

/* There is no memory for a record: what is in the pipes stays there, where the keeper finds it should we die of it. */
static void pause_pipes(promp_worker_t *worker)
{
    worker->pipes_pause = promp_clock_ms() + PROMP_TIME_OUTPUT_PART;
}

/* Sends the first size bytes of the buffer; the rest moves to its front. False: no memory, all of it stays. */
static bool emit(promp_worker_pipe_t *pipe, size_t size)
{
    if (size && promp_worker_core_output(pipe->worker->core, pipe->stream, promp_slice(pipe->buf, size))) {
        pause_pipes(pipe->worker);
        return false;
    }
    pipe->part -= size;
    memmove(pipe->buf, pipe->buf + size, pipe->part);
    return true;
}

/* ATOMIC: sends what was read up to the end of the last line: the manager would end an unfinished one. */
static void emit_lines(promp_worker_pipe_t *pipe)
{
    const uint8_t *end = memrchr(pipe->buf, '\n', pipe->part);
    if (end)
        emit(pipe, (size_t)(end + 1 - pipe->buf));
    if (pipe->part >= PROMP_LIMIT_OUTPUT_PART)
        emit(pipe, pipe->part);
    if (pipe->part == 0)
        pipe->part_due = PROMP_NEVER;
    else if (end || pipe->part_due == PROMP_NEVER)
        pipe->part_due = promp_clock_ms() + PROMP_TIME_OUTPUT_PART;
}

/* ATOMIC: whole lines are sent, so what was read may have to wait here. */
static bool read_lines(promp_worker_pipe_t *pipe, size_t size)
{
    promp_buf_t trial = {0}; /* how much is sent shows only when it was read: a record may take so much */
    bool enough = promp_buf_reserve(&trial, sizeof pipe->buf) == PROMP_OK;
    promp_buf_free(&trial);
    if (!enough || pipe->part == sizeof pipe->buf) {
        pause_pipes(pipe->worker);
        return false;
    }
    ssize_t n = read(pipe->fd, pipe->buf + pipe->part, promp_min64(size, sizeof pipe->buf - pipe->part));
    if (n <= 0)
        return false;
    pipe->part += (size_t)n;
    emit_lines(pipe);
    return true;
}

/* The record is queued first, with whatever the buffer holds, and then read into: nothing is taken out of the pipe that
 * has no place. It is not sent in between, since we have the lock. */
static bool read_record(promp_worker_pipe_t *pipe, size_t size)
{
    promp_worker_core_t *core = pipe->worker->core;
    if (promp_worker_core_output(core, pipe->stream, promp_slice(pipe->buf, size))) {
        pause_pipes(pipe->worker);
        return false;
    }
    uint8_t *at = promp_worker_core_output_last(core, size);
    ssize_t n = read(pipe->fd, at, size);
    if (n < (ssize_t)size) /* somebody else reads it, who must not */
        memset(at + (n > 0 ? n : 0), ' ', size - (n > 0 ? (size_t)n : 0));
    return true;
}

/* Nobody can write to it any more. */
static void end_pipe(promp_worker_pipe_t *pipe)
{
    if (!emit(pipe, pipe->part))
        return;
    if (pipe->watched)
        promp_hub_unwatch(pipe->worker->hub, pipe->fd);
    close(pipe->fd);
    pipe->fd = -1;
    pipe->watched = false;
}

/* Reads once. False: nothing was there or could be taken, or its end has come. */
static bool read_pipe(promp_worker_pipe_t *pipe)
{
    int there;
    struct pollfd end = {pipe->fd, POLLIN, 0};
    if (ioctl(pipe->fd, FIONREAD, &there) < 0)
        return false;
    if (there > 0) {
        size_t size = promp_min64(there, PROMP_LIMIT_OUTPUT_READ);
        return pipe->worker->setup->options & PROMP_OPT_ATOMIC ? read_lines(pipe, size)
                                                               : read_record(pipe, size);
    }
    if (poll(&end, 1, 0) > 0 && !(end.revents & POLLIN))
        end_pipe(pipe);
    return false;
}

static void on_readable(void *arg, int fd, short revents)
{
    promp_worker_pipe_t *pipe = arg;
    (void)fd;
    (void)revents;
    if (read_pipe(pipe))
        (void)promp_hub_send(pipe->worker->hub);
    promp_worker_pipes_watch(pipe->worker);
}

void promp_worker_pipes_open(promp_worker_t *worker, promp_worker_fds_t *fds)
{
    for (int i = 0; i < PROMP_WORKER_PIPES; i++) {
        promp_worker_pipe_t *pipe = &worker->pipe[i];
        pipe->worker = worker;
        pipe->fd = fds->pipe[i];
        fds->pipe[i] = -1;
        pipe->stream = PROMP_STREAM_NATIVE_STDOUT + i;
        pipe->part_due = PROMP_NEVER;
    }
}

void promp_worker_pipes_watch(promp_worker_t *worker)
{
    bool room = worker->setup && !worker->pipes_pause && promp_worker_core_output_room(worker->core);
    /* What is still in the pipe outlives us; what we have read and not sent does not. */
    if (room && promp_worker_core_connected(worker->core))
        room = promp_worker_core_output_sent(worker->core) && promp_hub_sent(worker->hub);
    for (int i = 0; i < PROMP_WORKER_PIPES; i++) {
        promp_worker_pipe_t *pipe = &worker->pipe[i];
        if (pipe->fd < 0 || pipe->watched == room)
            continue;
        const promp_hub_watch_t watch = {pipe->fd, on_readable, pipe};
        if (!room)
            promp_hub_unwatch(worker->hub, pipe->fd);
        else if (promp_hub_watch(worker->hub, &watch, POLLIN))
            continue; /* no memory: tried again soon */
        pipe->watched = room;
    }
}

int64_t promp_worker_pipes_tick(promp_worker_t *worker, int64_t now)
{
    int64_t next = PROMP_NEVER;
    if (worker->pipes_pause && now >= worker->pipes_pause)
        worker->pipes_pause = 0;
    for (int i = 0; i < PROMP_WORKER_PIPES; i++) {
        promp_worker_pipe_t *pipe = &worker->pipe[i];
        if (pipe->part && pipe->part_due <= now)
            pipe->part_due = emit(pipe, pipe->part) ? PROMP_NEVER : worker->pipes_pause;
        if (pipe->part)
            next = promp_min64(next, pipe->part_due);
    }
    return worker->pipes_pause ? promp_min64(next, worker->pipes_pause) : next;
}

void promp_worker_pipes_close(promp_worker_t *worker)
{
    for (int i = 0; i < PROMP_WORKER_PIPES; i++) {
        promp_worker_pipe_t *pipe = &worker->pipe[i];
        if (pipe->watched)
            promp_hub_unwatch(worker->hub, pipe->fd);
        if (pipe->fd >= 0)
            close(pipe->fd);
        pipe->fd = -1;
        pipe->watched = false;
    }
}

/* Which of the pipes hold something, as bits. */
static unsigned filled(const promp_worker_t *worker)
{
    struct pollfd fds[PROMP_WORKER_PIPES];
    unsigned bits = 0;
    for (int i = 0; i < PROMP_WORKER_PIPES; i++)
        fds[i] = (struct pollfd){worker->pipe[i].fd, POLLIN, 0};
    if (poll(fds, PROMP_WORKER_PIPES, 0) > 0)
        for (int i = 0; i < PROMP_WORKER_PIPES; i++)
            bits |= fds[i].revents ? 1u << i : 0;
    return bits;
}

void promp_worker_pipes_drain(promp_worker_t *worker)
{
    fflush(stdout);
    promp_hub_lock(worker->hub);
    /* A subprocess that goes on writing must not hold up the end of the task: a pipe is read at most once
     * round. */
    size_t most = 2;
    for (unsigned bits; most-- && (bits = filled(worker));) {
        while (promp_hub_wait(worker->hub, is_out_or_end, worker, PROMP_NEVER) == PROMP_ERR_STATE)
            continue;
        if (!promp_worker_core_output_room(worker->core))
            break;
        for (int i = 0; i < PROMP_WORKER_PIPES; i++)
            if (bits & 1u << i)
                read_pipe(&worker->pipe[i]);
    }
    for (int i = 0; i < PROMP_WORKER_PIPES; i++)
        emit(&worker->pipe[i], worker->pipe[i].part);
    promp_hub_unlock(worker->hub);
}
