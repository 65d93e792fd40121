/* Control groups of workers. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cgroup.h"

#define WEIGHT_ONE  100 /* what the kernel gives to who asks for nothing */
#define WEIGHT_MOST 10000
#define PERIOD      100000 /* us in which a hard limit on processors is counted */
#define QUOTA_LEAST 1000   /* us; the kernel takes no less */

uint32_t promp_cgroup_weight(uint32_t cpus)
{
    uint64_t weight = cpus ? (uint64_t)cpus * WEIGHT_ONE / 1000 : WEIGHT_ONE;

    return weight < 1 ? 1 : weight > WEIGHT_MOST ? WEIGHT_MOST : (uint32_t)weight;
}

static bool write_number(int folder, const char *file, uint64_t number)
{
    char text[PROMP_CGROUP_NAME];

    return promp_cgroup_write(folder, file, promp_cgroup_name("", number, "", text));
}

static bool limit_memory(int folder, uint64_t bytes)
{
    /* A kernel that does not count swap has no file for it, and an old one none for dying together. */
    return write_number(folder, "memory.max", bytes) &&
           (write_number(folder, "memory.swap.max", 0) || errno == ENOENT) &&
           (write_number(folder, "memory.oom.group", 1) || errno == ENOENT);
}

static bool limit_cpus(int folder, const promp_cgroup_limits_t *limits)
{
    uint64_t quota = (uint64_t)limits->cpus * (PERIOD / 1000);
    char text[PROMP_CGROUP_NAME];

    if (!write_number(folder, "cpu.weight", promp_cgroup_weight(limits->cpus)))
        return false;
    if (!limits->cpus || !limits->cpus_hard)
        return true;
    snprintf(text, sizeof text, "%" PRIu64 " %d", quota < QUOTA_LEAST ? QUOTA_LEAST : quota, PERIOD);
    return promp_cgroup_write(folder, "cpu.max", text);
}

promp_err_t promp_cgroup_make(const promp_cgroup_t *group, uint64_t serial,
                              const promp_cgroup_limits_t *limits, int *fd, promp_error_t *error)
{
    const bool limited = group->memory || group->cpus || group->processes;
    char name[PROMP_CGROUP_NAME];

    *fd = -1;
    if (group->folder < 0)
        return PROMP_OK;
    promp_cgroup_name("w", serial, "", name);
    if (mkdirat(group->folder, name, 0755) == 0)
        *fd = openat(group->folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*fd < 0)
        return limited ? promp_error_set(error, PROMP_ERR_SYSTEM, errno, "a control group for a worker")
                       : PROMP_OK; /* it was for killing only */
    if ((!group->memory || !limits->memory || limit_memory(*fd, limits->memory)) &&
        (!group->cpus || limit_cpus(*fd, limits)) &&
        (!group->processes || write_number(*fd, "pids.max", limits->processes)))
        return PROMP_OK;
    promp_error_set(error, PROMP_ERR_SYSTEM, errno, "limits of a worker");
    close(*fd);
    *fd = -1;
    unlinkat(group->folder, name, AT_REMOVEDIR);
    return error->code;
}

/* Moving a process makes all processors wait for each other, which takes some milliseconds; making it there does not. */
pid_t promp_cgroup_fork(int group, bool *outside)
{
    struct clone_args args = {
        .flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = group < 0 ? 0 : (uint64_t)group};
    long pid;

    *outside = false;
    if (group < 0)
        return fork();
    pid = syscall(SYS_clone3, &args, sizeof args);
    if (pid >= 0 || errno == EAGAIN || errno == ENOMEM)
        return (pid_t)pid;
    *outside = true; /* clone3 is forbidden in some containers, and the flag unknown before Linux 5.7 */
    return fork();
}

bool promp_cgroup_enter(int group)
{
    return promp_cgroup_write(group, "cgroup.procs", "0");
}

bool promp_cgroup_kill(const promp_cgroup_t *group, uint64_t serial)
{
    char name[PROMP_CGROUP_NAME], events[256];

    if (group->folder < 0 ||
        !promp_cgroup_write(group->folder, promp_cgroup_name("w", serial, "/cgroup.kill", name), "1"))
        return false;
    return promp_cgroup_read(group->folder, promp_cgroup_name("w", serial, "/cgroup.events", name), events,
                             sizeof events) &&
           strstr(events, "populated 1");
}

/* The number behind "\nNAME " in text, 0: none. */
static uint64_t event(const char *text, const char *name)
{
    const char *at = strstr(text, name);

    return at ? strtoull(at + strlen(name), NULL, 10) : 0;
}

bool promp_cgroup_starved(const promp_cgroup_t *group, uint64_t serial, uint64_t *limit)
{
    char name[PROMP_CGROUP_NAME], text[512] = "\n", bytes[32];

    *limit = 0;
    if (!group->memory ||
        !promp_cgroup_read(group->folder, promp_cgroup_name("w", serial, "/memory.events", name), text + 1,
                           sizeof text - 1))
        return false;
    if (event(text, "\noom ") &&
        promp_cgroup_read(group->folder, promp_cgroup_name("w", serial, "/memory.max", name), bytes,
                          sizeof bytes))
        *limit = strtoull(bytes, NULL, 10); /* "max": 0 */
    return event(text, "\noom_kill ") > 0;
}

static bool gone(const promp_cgroup_t *group, uint64_t serial)
{
    char name[PROMP_CGROUP_NAME];

    return promp_cgroup_unlink(group->folder, promp_cgroup_name("w", serial, "", name));
}

void promp_cgroup_remove(promp_cgroup_t *group, uint64_t serial)
{
    uint64_t *grown;
    size_t kept = 0;

    if (group->folder < 0)
        return;
    for (size_t i = 0; i < group->lates; i++)
        if (!gone(group, group->late[i]))
            group->late[kept++] = group->late[i];
    group->lates = kept;
    if (gone(group, serial))
        return;
    grown = reallocarray(group->late, kept + 1, sizeof *grown);
    if (!grown)
        return; /* it goes with the node */
    group->late = grown;
    group->late[group->lates++] = serial;
}
