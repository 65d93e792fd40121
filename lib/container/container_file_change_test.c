/* Files that change: no read gives a byte of a file that was changed, replaced or taken away. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "container_rig.h"

typedef void change_t(const char *path);

static void with_fd(const char *path, bool (*change)(int fd))
{
    int fd = open(path, O_RDWR | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_true(change(fd));
    close(fd);
}

static bool do_write(int fd)
{
    return pwrite(fd, "x", 1, 5) == 1;
}

static bool do_append(int fd)
{
    return pwrite(fd, "x", 1, RIG_SIZE) == 1;
}

static bool do_cut(int fd)
{
    return ftruncate(fd, 50) == 0;
}

static bool do_cut_and_grow(int fd)
{
    return ftruncate(fd, 50) == 0 && ftruncate(fd, RIG_SIZE) == 0;
}

static bool do_touch(int fd)
{
    return futimens(fd, NULL) == 0;
}

static bool do_touch_by_a_nanosecond(int fd)
{
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = 1000000000, .tv_nsec = 8}};
    return futimens(fd, times) == 0;
}

static void changed_files_fail(void **state)
{
    /* Aim: after any change to the file reads fail, whether it is kept open, opened again or lent. */
    static const struct {
        bool (*change)(int fd);
        const char *text;
    } changes[] = {
        {do_write, "was written to"}, {do_append, "had 300000 bytes and has 300001"},
        {do_cut, "and has 50"},       {do_cut_and_grow, "was written to"},
        {do_touch, "was written to"}, {do_touch_by_a_nanosecond, "was written to"},
    };
    (void)state;

    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        promp_lent_t lent;
        promp_container_t *open_one = rig_known("file");
        promp_container_t *loose = promp_container_file(rig_path("file"), NULL);
        promp_container_loosen(loose);
        assert_int_equal(promp_container_lend(open_one, &lent, NULL), PROMP_OK);
        promp_container_t *other = promp_container_lent(&open_one->id, RIG_SIZE, &lent, NULL);

        rig_check_good(open_one);
        rig_check_good(loose);
        rig_check_good(other);
        with_fd(rig_path("file"), changes[i].change);
        rig_check_bad(open_one, PROMP_ERR_CONTAINER_CHANGED, changes[i].text);
        rig_check_bad(loose, PROMP_ERR_CONTAINER_CHANGED, changes[i].text);
        rig_check_bad(other, PROMP_ERR_CONTAINER_CHANGED, changes[i].text);
        promp_container_drop(&other);
        promp_container_drop(&loose);
        promp_container_drop(&open_one);
    }
}

static void vanish(const char *path)
{
    assert_int_equal(unlink(path), 0);
}

static void become_another(const char *path)
{
    uint8_t *bytes = rig_bytes(1, RIG_SIZE);

    rig_file("new", bytes, RIG_SIZE); /* of the same size and time */
    assert_int_equal(rename(rig_path("new"), path), 0);
    free(bytes);
}

static void become_a_fifo(const char *path)
{
    vanish(path);
    assert_int_equal(mkfifo(path, 0600), 0);
}

static void become_a_folder(const char *path)
{
    vanish(path);
    assert_int_equal(mkdir(path, 0700), 0);
}

static void become_a_loop(const char *path)
{
    vanish(path);
    assert_int_equal(symlink(path, path), 0);
}

static void replaced_files(void **state)
{
    /* Aim: whatever a file's name shows later, the open file is read on as it was, the loosened one is an error. */
    static const struct {
        change_t *change;
        promp_err_t error;
        const char *text;
    } changes[] = {
        {vanish, PROMP_ERR_CONTAINER_CHANGED, "not there any more"},
        {become_another, PROMP_ERR_CONTAINER_CHANGED, "was replaced"},
        {become_a_fifo, PROMP_ERR_CONTAINER_CHANGED, "was replaced"},
        {become_a_folder, PROMP_ERR_CONTAINER_CHANGED, "was replaced"},
        {become_a_loop, PROMP_ERR_SYSTEM, "symbolic links"},
    };
    (void)state;

    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        char name[16];
        snprintf(name, sizeof name, "file%zu", i);
        promp_container_t *open_one = rig_known(name);
        promp_container_t *loose = promp_container_file(rig_path(name), NULL);
        promp_container_loosen(loose);
        changes[i].change(rig_path(name));
        rig_check_good(open_one);
        rig_check_bad(loose, changes[i].error, changes[i].text);
        promp_container_drop(&loose);
        promp_container_drop(&open_one);
    }
}

static void copies_in_the_place_of_a_file(void **state)
{
    /* Aim: a file made in the place of a deleted one, with its inode number, size and time, is another one all the same. */
    uint8_t *bytes = rig_bytes(1, RIG_SIZE);
    struct statx old, new = {.stx_ino = 0};
    (void)state;

    for (int i = 0; i < 200; i++) {
        promp_container_t *loose = rig_known("file");
        promp_container_loosen(loose);
        assert_int_equal(statx(AT_FDCWD, rig_path("file"), 0, STATX_INO | STATX_BTIME, &old), 0);
        vanish(rig_path("file"));
        rig_file("file", bytes, RIG_SIZE);
        assert_int_equal(statx(AT_FDCWD, rig_path("file"), 0, STATX_INO | STATX_BTIME, &new), 0);
        bool told =
            old.stx_ino != new.stx_ino ||
            (old.stx_mask & STATX_BTIME && memcmp(&old.stx_btime, &new.stx_btime, sizeof old.stx_btime));
        if (told)
            rig_check_bad(loose, PROMP_ERR_CONTAINER_CHANGED, "was replaced");
        promp_container_drop(&loose);
        vanish(rig_path("file"));
    }
    free(bytes);
}

static void the_folder_of_a_relative_path(void **state)
{
    /* Aim: a file that is opened again is found whatever the working folder is by then. */
    char before[4096];
    (void)state;

    assert_non_null(getcwd(before, sizeof before));
    promp_container_t *first = rig_known("file");
    assert_int_equal(chdir(rig_path(".")), 0);
    promp_container_t *container = promp_container_file("file", NULL);
    assert_int_equal(chdir("/"), 0);
    promp_container_loosen(container);
    rig_check_good(container);
    assert_int_equal(chdir(before), 0);
    promp_container_drop(&container);
    promp_container_drop(&first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(changed_files_fail),
        RIG_TEST(replaced_files),
        RIG_TEST(copies_in_the_place_of_a_file),
        RIG_TEST(the_folder_of_a_relative_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
