/* Private folders of workers that are gone. We do not remove them ourselves: that can take longer than anybody may wait for us. */
#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "keeper_inside.h"
#include "scratch.h"
#include "scratch_owner.h"
#include "tree.h"

static _Noreturn void clear_all(const promp_keeper_t *k, int lock)
{
    char mark[PROMP_TREE_SIZE], path[PROMP_SCRATCH_PATH];
    bool done = true;

    for (size_t i = 0; i < k->scratches; i++) {
        promp_tree_mark(&k->node, k->scratch[i], mark);
        promp_scratch_path(mark, path);
        if (!promp_scratch_clear(path)) {
            promp_log(k->config.log, PROMP_LOG_WARNING, PROMP_ERR_SYSTEM, "%s could not be removed", path);
            done = false;
        }
    }
    promp_scratch_disown(&k->node, lock);
    _exit(done ? 0 : 1);
}

/* Removes all that wait. It owns them, too, as it may outlive us. */
static pid_t start(const promp_keeper_t *k)
{
    int lock = k->scratch_lock >= 0 ? promp_scratch_share(k->scratch_lock) : -1, kept = lock;
    pid_t pid = promp_scratch_fork(&kept);

    if (!pid)
        clear_all(k, kept);
    if (lock >= 0)
        close(lock);
    return pid;
}

void promp_keeper_scratch_begin(promp_keeper_t *k)
{
    int none = -1;

    k->cleaner[0] = promp_scratch_fork(&none);
    if (!k->cleaner[0]) {
        size_t nodes = promp_scratch_inherit();

        if (nodes)
            promp_log(k->config.log, PROMP_LOG_INFO, PROMP_OK,
                      "nodes that were killed: %zu; their private "
                      "folders are removed",
                      nodes);
        _exit(0);
    }
    if (k->cleaner[0] < 0)
        k->cleaner[0] = 0; /* the next node tries again */
    k->scratch_lock = promp_scratch_own(&k->node);
    if (k->scratch_lock < 0)
        promp_log(
            k->config.log, PROMP_LOG_WARNING, promp_error_from_errno(errno),
            "private folders would stay if this node were killed: no lock file can be made beside them");
}

void promp_keeper_scratch_add(promp_keeper_t *k, uint64_t serial)
{
    uint64_t *grown = reallocarray(k->scratch, k->scratches + 1, sizeof *grown);

    if (!grown) {
        promp_log(k->config.log, PROMP_LOG_WARNING, PROMP_ERR_MEMORY, "a private folder stays");
        return;
    }
    k->scratch = grown;
    k->scratch[k->scratches++] = serial;
    promp_keeper_scratch_go(k);
}

void promp_keeper_scratch_go(promp_keeper_t *k)
{
    size_t i = 0;
    pid_t pid;

    while (i < PROMP_KEEPER_CLEANERS && k->cleaner[i])
        i++;
    if (!k->scratches || i == PROMP_KEEPER_CLEANERS)
        return;
    pid = start(k);
    if (pid < 0)
        return; /* the next round of the keeper tries again */
    k->cleaner[i] = pid;
    k->scratches = 0;
}

bool promp_keeper_scratch_cleaner(promp_keeper_t *k, pid_t pid, bool ended)
{
    for (size_t i = 0; i < PROMP_KEEPER_CLEANERS; i++)
        if (k->cleaner[i] == pid) {
            if (ended)
                k->cleaner[i] = 0;
            return true;
        }
    return false;
}

void promp_keeper_scratch_end(promp_keeper_t *k)
{
    if (k->scratches)
        (void)start(k);
    promp_scratch_disown(&k->node, k->scratch_lock);
    k->scratch_lock = -1;
    free(k->scratch);
    k->scratch = NULL;
    k->scratches = 0;
}
