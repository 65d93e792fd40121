#include "tree.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "proc.h"

void promp_tree_mark(const promp_id_t *node, uint64_t serial, char mark[PROMP_TREE_SIZE])
{
    char text[33];

    snprintf(mark, PROMP_TREE_SIZE, "%s.%llu", promp_id_text(node, text), (unsigned long long)serial);
}

/* The serial in pid's mark, 0: it has none of this node. */
static uint64_t marked(const promp_id_t *node, pid_t pid)
{
    char text[33], mark[PROMP_TREE_SIZE];

    if (!promp_proc_env(pid, PROMP_TREE_ENV, mark, sizeof mark))
        return 0;
    if (strncmp(mark, promp_id_text(node, text), 32) != 0 || mark[32] != '.')
        return 0;
    return strtoull(mark + 33, NULL, 10);
}

typedef struct {
    const promp_id_t *node;
    const promp_tree_judge_t *judge;
    size_t killed;
} sweep_t;

static bool alive(pid_t pid, promp_proc_t *proc)
{
    return promp_proc_read(pid, proc) && proc->state != 'Z' && proc->state != 'X';
}

static void sweep_one(void *arg, pid_t pid)
{
    sweep_t *sweep = arg;
    const promp_tree_judge_t *judge = sweep->judge;
    promp_proc_t proc;

    if (judge->known(judge->arg, pid) || !alive(pid, &proc))
        return;
    if (!judge->stray(judge->arg, proc.session, marked(sweep->node, pid)))
        return;
    kill(pid, SIGKILL); /* a child of ours that has not been waited for: the number is still its own */
    sweep->killed++;
}

size_t promp_tree_sweep(const promp_id_t *node, const promp_tree_judge_t *judge)
{
    sweep_t sweep = {.node = node, .judge = judge};

    promp_proc_each(true, sweep_one, &sweep);
    return sweep.killed;
}

/* Not a child of ours: the descriptor makes sure that what is killed is what was looked at. */
static void kill_marked(void *arg, pid_t pid)
{
    sweep_t *sweep = arg;
    promp_proc_t proc;
    int pidfd;

    if (pid == getpid())
        return;
    pidfd = promp_proc_pidfd(pid);
    if (pidfd < 0)
        return;
    if (marked(sweep->node, pid) && alive(pid, &proc) && promp_proc_signal(pidfd, SIGKILL) == 0)
        sweep->killed++;
    close(pidfd);
}

void promp_tree_kill_all(const promp_id_t *node, int ms)
{
    int64_t until = promp_clock_ms() + ms;

    for (;;) {
        sweep_t sweep = {.node = node};

        promp_proc_each(false, kill_marked, &sweep);
        if (!sweep.killed || promp_clock_ms() >= until)
            return;
        poll(NULL, 0, 5); /* for the killed ones to go */
    }
}
