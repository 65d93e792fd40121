#include "container_rig.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char top[64];
static int fds_before;
static struct rlimit nofile;

int rig_setup(void **state)
{
    (void)state;
    strcpy(top, "/tmp/promp-test-XXXXXX");
    if (!mkdtemp(top) || getrlimit(RLIMIT_NOFILE, &nofile) != 0)
        return -1;
    fds_before = rig_fds();
    return 0;
}

int rig_teardown(void **state)
{
    char command[128];
    (void)state;

    setrlimit(RLIMIT_NOFILE, &nofile);
    int fds = rig_fds();
    if (fds != fds_before)
        fprintf(stderr, "%d descriptors before, %d after\n", fds_before, fds);
    snprintf(command, sizeof command, "rm -rf %s", top);
    return system(command) == 0 && fds == fds_before ? 0 : -1;
}

const char *rig_path(const char *name)
{
    static char paths[4][128];
    static int turn;
    char *path = paths[turn = (turn + 1) % 4];

    snprintf(path, sizeof paths[0], "%s/%s", top, name);
    return path;
}

int rig_fds(void)
{
    DIR *folder = opendir("/proc/self/fd");
    int count = -3; /* "." and ".." and the folder itself */

    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

void rig_limit_fds(int limit)
{
    struct rlimit lower = {.rlim_cur = (rlim_t)limit, .rlim_max = nofile.rlim_max};

    assert_int_equal(setrlimit(RLIMIT_NOFILE, &lower), 0);
}

uint8_t rig_byte(uint64_t offset)
{
    uint64_t x = offset * 0x9E3779B97F4A7C15U;
    x = (x ^ x >> 31) * 0xBF58476D1CE4E5B9U;
    return (uint8_t)(x >> 56);
}

uint8_t *rig_bytes(uint64_t offset, size_t size)
{
    uint8_t *bytes = malloc(size ? size : 1);

    assert_non_null(bytes);
    for (size_t i = 0; i < size; i++)
        bytes[i] = rig_byte(offset + i);
    return bytes;
}

const char *rig_file(const char *name, const void *data, size_t size)
{
    const struct timespec long_ago[2] = {{.tv_sec = 1000000000, .tv_nsec = 7},
                                         {.tv_sec = 1000000000, .tv_nsec = 7}};
    const char *path = rig_path(name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, size), size);
    assert_int_equal(futimens(fd, long_ago), 0);
    close(fd);
    return path;
}

promp_container_t *rig_known(const char *name)
{
    promp_error_t error;
    uint8_t *bytes = rig_bytes(0, RIG_SIZE);
    promp_container_t *container = promp_container_file(rig_file(name, bytes, RIG_SIZE), &error);

    free(bytes);
    assert_non_null(container);
    return container;
}

void rig_check_good(promp_container_t *container)
{
    promp_error_t error;
    uint8_t *bytes = rig_bytes(0, RIG_SIZE);
    uint8_t *buffer = malloc(RIG_SIZE);
    size_t got;

    assert_int_equal(promp_container_read(container, 0, buffer, RIG_SIZE, &got, &error), PROMP_OK);
    assert_int_equal(got, RIG_SIZE);
    assert_memory_equal(buffer, bytes, RIG_SIZE);
    free(buffer);
    free(bytes);
}

void rig_check_bad(promp_container_t *container, promp_err_t expected, const char *text)
{
    promp_error_t error = {.text = ""};
    promp_lent_t lent;
    uint8_t byte;
    size_t got = 7;

    assert_int_equal(promp_container_read(container, 100, &byte, 1, &got, &error), expected);
    assert_int_equal(error.code, expected);
    assert_int_equal(got, 0);
    if (!strstr(error.text, text))
        fail_msg("'%s' is not in '%s'", text, error.text);
    assert_int_equal(promp_container_lend(container, &lent, &error), expected);
    assert_int_equal(lent.how, PROMP_LEND_NONE);
    assert_int_equal(lent.fd, -1);
}

int rig_memory(size_t size, int seals)
{
    uint8_t *bytes = rig_bytes(0, size);
    int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), size);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
    free(bytes);
    return fd;
}

static promp_err_t supply(void *arg, uint64_t offset, void *buffer, size_t size, promp_error_t *error)
{
    (void)arg;
    (void)error;
    for (size_t i = 0; i < size; i++)
        ((uint8_t *)buffer)[i] = rig_byte(offset + i);
    return PROMP_OK;
}

static void freed_once_more(void *arg)
{
    if (arg)
        ++*(int *)arg;
}

promp_container_t *rig_object(uint64_t size, bool own_thread, int *freed)
{
    promp_error_t error;
    promp_container_object_t object = {
        .size = size, .read = supply, .free = freed_once_more, .arg = freed, .own_thread = own_thread};
    promp_container_t *container = promp_container_object(&object, &error);

    assert_non_null(container);
    return container;
}

uint64_t rig_random(uint64_t *seed, uint64_t below)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed % below;
}
