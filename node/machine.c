#include "machine.h"

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

#include "cgroup_place.h"

#define MOST 65536 /* processors of one machine */

/* --- memory --- */

static uint64_t least_memory(const char *proc, const char *controller, const char *file, uint64_t least)
{
    promp_cgroup_place_t place;
    char text[64];
    uint64_t bytes;

    if (!promp_cgroup_place(proc, controller, &place))
        return least;
    do
        if (promp_cgroup_place_read(&place, file, text, sizeof text) && sscanf(text, "%" SCNu64, &bytes) == 1)
            least = bytes < least ? bytes : least;
    while (promp_cgroup_place_up(&place));
    return least;
}

uint64_t promp_machine_memory(const char *proc)
{
    uint64_t all = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);

    all = least_memory(proc, NULL, "memory.max", all);
    return least_memory(proc, "memory", "memory.limit_in_bytes", all);
}

/* --- processors --- */

static uint32_t affinity(void)
{
    cpu_set_t *set;
    long count = 0;

    /* More than fit into cpu_set_t may be there. */
    for (int most = 1024; !count && most <= MOST; most *= 2) {
        set = CPU_ALLOC((size_t)most);
        if (set && sched_getaffinity(0, CPU_ALLOC_SIZE((size_t)most), set) == 0)
            count = CPU_COUNT_S(CPU_ALLOC_SIZE((size_t)most), set);
        CPU_FREE(set);
    }
    return count > 0 ? (uint32_t)count : 1;
}

/* Microseconds in each period, of one group; false: as many as there are. */
static bool read_quota(const promp_cgroup_place_t *place, bool first, uint64_t *quota, uint64_t *period)
{
    char text[64];

    if (!first) /* v2 */
        return promp_cgroup_place_read(place, "cpu.max", text, sizeof text) &&
               sscanf(text, "%" SCNu64 " %" SCNu64, quota, period) == 2;
    return promp_cgroup_place_read(place, "cpu.cfs_quota_us", text, sizeof text) && text[0] != '-' &&
           sscanf(text, "%" SCNu64, quota) == 1 &&
           promp_cgroup_place_read(place, "cpu.cfs_period_us", text, sizeof text) &&
           sscanf(text, "%" SCNu64, period) == 1;
}

static uint32_t least_cpus(const char *proc, const char *controller, uint32_t least)
{
    promp_cgroup_place_t place;
    uint64_t quota, period;

    if (!promp_cgroup_place(proc, controller, &place))
        return least;
    do
        if (read_quota(&place, controller != NULL, &quota, &period) && period && quota < MOST * period) {
            uint64_t cpus = quota * 1000 / period;

            least = cpus < least ? (uint32_t)cpus : least;
        }
    while (promp_cgroup_place_up(&place));
    return least;
}

uint32_t promp_machine_cpus(const char *proc)
{
    uint32_t cpus = least_cpus(proc, "cpu", least_cpus(proc, NULL, affinity() * 1000));

    return cpus ? cpus : 1;
}
