/* Children of the keeper that have ended. */
#include <signal.h>
#include <sys/wait.h>

#include "keeper_inside.h"
#include "limits.h"
#include "proc.h"

bool promp_keeper_reap_memory(promp_keeper_t *k, int64_t now)
{
    uint64_t before = k->oom_kills;

    k->oom_kills = promp_proc_oom_kills();
    k->oom_seen = now;
    return k->oom_kills > before;
}

/* Its control group knows; without one somebody has been killed, and it probably was this one. */
static bool starved(promp_keeper_t *k, uint32_t number, uint64_t *limit, int64_t now)
{
    if (k->cgroup.memory)
        return promp_cgroup_starved(&k->cgroup, k->worker[number].serial, limit);
    return promp_keeper_reap_memory(k, now);
}

static void worker_ended(promp_keeper_t *k, uint32_t number, int64_t now)
{
    pid_t pid = k->worker[number].pid;
    promp_keeper_exit_t how = {0};
    struct rusage usage;
    int status;

    bool ran = promp_keeper_starts_ran(k, number, now);

    kill(-pid, SIGKILL); /* while the number is still its own */
    if (wait4(pid, &status, 0, &usage) != pid)
        return;
    if (!ran) {
        promp_keeper_starts_failed(k, number, now);
        return;
    }
    how.memory = (uint64_t)usage.ru_maxrss * PROMP_KIB;
    if (WIFSIGNALED(status))
        how.signal = WTERMSIG(status);
    else
        how.code = WEXITSTATUS(status);
    how.out_of_memory = how.signal == SIGKILL && starved(k, number, &how.limit, now);
    promp_log(k->config.log, PROMP_LOG_DEBUG, PROMP_OK, "worker %d ended, code %d, signal %d", (int)pid,
              how.code, how.signal);
    promp_keeper_core_exited(k->core, number, &how, now);
}

static void agent_ended(promp_keeper_t *k, int64_t now)
{
    int status = 0;

    waitpid(k->agent, &status, 0);
    promp_log(k->config.log, k->stopping ? PROMP_LOG_INFO : PROMP_LOG_WARNING, PROMP_OK,
              "agent %d ended, code %d, signal %d", (int)k->agent,
              WIFEXITED(status) ? WEXITSTATUS(status) : 0, WIFSIGNALED(status) ? WTERMSIG(status) : 0);
    k->agent = 0;
    promp_link_destroy(&k->link);
    promp_keeper_core_agent_down(k->core, now);
    if (!k->over.code)
        return;
    /* The next one would do no better. But while there are workers, something else may change yet. */
    if (promp_keeper_core_living(k->core))
        k->over.code = PROMP_OK;
    else
        promp_keeper_core_stop(k->core, now);
}

void promp_keeper_reap(promp_keeper_t *k, int64_t now)
{
    for (;;) {
        siginfo_t info = {0};
        uint32_t number;

        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || !info.si_pid)
            return;
        number = promp_keeper_core_by_pid(k->core, (uint32_t)info.si_pid);
        if (number != PROMP_KEEPER_NONE)
            worker_ended(k, number, now);
        else if (info.si_pid == k->agent)
            agent_ended(k, now);
        else if (waitpid(info.si_pid, NULL, 0) > 0) /* somebody's orphan */
            promp_keeper_scratch_cleaner(k, info.si_pid, true);
        promp_keeper_effects_do(k, now);
    }
}
