/* What a node may use of its machine, where control groups of v1 and v2 say less than there is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cgroup_place.h"
#include "machine.h"

#define MIB (1 << 20)

static char base[] = "/tmp/promp-test-XXXXXX";

static void put(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(const char *name, const char *format, ...)
{
    char path[128];
    va_list args;
    FILE *f;

    snprintf(path, sizeof path, "%s/%s", base, name);
    f = fopen(path, "we");
    assert_non_null(f);
    va_start(args, format);
    vfprintf(f, format, args);
    va_end(args);
    assert_int_equal(fclose(f), 0);
}

static int setup(void **state)
{
    static const char *const folders[] = {"two", "two/a", "two/a/b", "mem", "mem/x", "cpu"};
    char path[128];

    (void)state;
    strcpy(base + sizeof base - 7, "XXXXXX");
    assert_non_null(mkdtemp(base));
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        snprintf(path, sizeof path, "%s/%s", base, folders[i]);
        assert_int_equal(mkdir(path, 0700), 0);
    }
    put("mounts",
        "tmpfs /run tmpfs rw 0 0\ncgroup %s/cpu cgroup rw,relatime,cpu,cpuacct 0 0\n"
        "cgroup %s/mem cgroup rw,memory 0 0\ncgroup2 %s/two cgroup2 rw 0 0\n",
        base, base, base);
    put("cgroup", "9:name=systemd:/\n4:memory:/x\n3:cpuacct,cpu:/\n0::/a/b\n");
    return 0;
}

static int teardown(void **state)
{
    char command[64];

    (void)state;
    snprintf(command, sizeof command, "rm -r %s", base);
    return system(command);
}

static uint64_t all_memory(void)
{
    return (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint32_t all_cpus(void)
{
    cpu_set_t set;

    assert_int_equal(sched_getaffinity(0, sizeof set, &set), 0);
    return (uint32_t)CPU_COUNT(&set) * 1000;
}

static void without_limits(void **state)
{
    /* Groups that are not limited, or none at all, leave what the machine has. */
    (void)state;
    assert_int_equal(promp_machine_memory(base), all_memory());
    assert_int_equal(promp_machine_cpus(base), all_cpus());
    put("two/a/b/memory.max", "max\n");
    put("two/a/b/cpu.max", "max 100000\n");
    put("mem/x/memory.limit_in_bytes", "9223372036854771712\n");
    put("cpu/cpu.cfs_quota_us", "-1\n");
    put("cpu/cpu.cfs_period_us", "100000\n");
    assert_int_equal(promp_machine_memory(base), all_memory());
    assert_int_equal(promp_machine_cpus(base), all_cpus());
    assert_int_equal(promp_machine_memory("/nowhere"), all_memory());
    assert_int_equal(promp_machine_cpus("/nowhere"), all_cpus());
}

static void version_two(void **state)
{
    /* The least of our group and all above counts. */
    (void)state;
    put("two/a/b/memory.max", "%d\n", 64 * MIB);
    put("two/a/memory.max", "%d\n", 32 * MIB);
    put("two/memory.max", "%d\n", 48 * MIB);
    assert_int_equal(promp_machine_memory(base), 32 * MIB);
    put("two/memory.max", "%d\n", 16 * MIB);
    assert_int_equal(promp_machine_memory(base), 16 * MIB);
    put("two/a/b/cpu.max", "max 100000\n");
    put("two/a/cpu.max", "50000 100000\n");
    assert_int_equal(promp_machine_cpus(base), 500);
    put("two/cpu.max", "1000 1000000\n");
    assert_int_equal(promp_machine_cpus(base), 1);
    put("two/cpu.max", "10 1000000\n"); /* none would be no node */
    assert_int_equal(promp_machine_cpus(base), 1);
}

static void version_one(void **state)
{
    /* Each controller has its own hierarchy; and a container sees its group as the topmost, under the name that its host gives. */
    (void)state;
    put("mem/x/memory.limit_in_bytes", "%d\n", 64 * MIB);
    put("mem/memory.limit_in_bytes", "%d\n", 32 * MIB);
    put("cpu/cpu.cfs_quota_us", "75000\n");
    put("cpu/cpu.cfs_period_us", "100000\n");
    assert_int_equal(promp_machine_memory(base), 32 * MIB);
    assert_int_equal(promp_machine_cpus(base), 750);
    put("cgroup", "4:memory:/docker/abc\n3:cpuacct,cpu:/docker/abc\n");
    put("mem/memory.limit_in_bytes", "%d\n", 24 * MIB);
    assert_int_equal(promp_machine_memory(base), 24 * MIB);
    assert_int_equal(promp_machine_cpus(base), 750);
}

static void nonsense(void **state)
{
    /* Lines that make no sense are passed over; a controller is a whole word. */
    promp_cgroup_place_t place;

    (void)state;
    put("cgroup", "\n:\n0:\nx\n4:memory2,xmemory:/x\n0:x:/a\n");
    assert_false(promp_cgroup_place(base, "memory", &place));
    assert_false(promp_cgroup_place(base, NULL, &place));
    put("cgroup", "0::/a\n");
    put("mounts", "\ncgroup2\ncgroup2 x\nnone /tmp tmpfs rw,cgroup2 0 0\n");
    assert_false(promp_cgroup_place(base, NULL, &place));
    put("mounts", "x %s/two cgroup2 rw 0 0\n", base);
    assert_true(promp_cgroup_place(base, NULL, &place));
    assert_string_equal(place.path + strlen(base), "/two/a");
    assert_true(promp_cgroup_place_up(&place));
    assert_string_equal(place.path + strlen(base), "/two");
    assert_false(promp_cgroup_place_up(&place));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(without_limits, setup, teardown),
                                       cmocka_unit_test_setup_teardown(version_two, setup, teardown),
                                       cmocka_unit_test_setup_teardown(version_one, setup, teardown),
                                       cmocka_unit_test_setup_teardown(nonsense, setup, teardown)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
