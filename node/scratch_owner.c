#include "scratch_owner.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scratch.h"

#define PREFIX    "promp-"
#define SUFFIX    ".lock"
#define DIGITS    32 /* of a node's identity */
#define OWN_TRIES 100
#define OWN_PACE  5 /* ms between them */

#define STEM (sizeof PREFIX - 1 + DIGITS)

static char *lock_path(const promp_id_t *node, char path[PROMP_SCRATCH_PATH])
{
    char name[DIGITS + sizeof SUFFIX], text[33];

    snprintf(name, sizeof name, "%s" SUFFIX, promp_id_text(node, text));
    return promp_scratch_path(name, path);
}

/* The folder that private folders are made in. */
static char *base_path(char path[PROMP_SCRATCH_PATH])
{
    *strrchr(promp_scratch_path("", path), '/') = '\0';
    return path;
}

static bool is_ours(int fd, mode_t kind)
{
    struct stat s;

    return fstat(fd, &s) == 0 && (s.st_mode & S_IFMT) == kind && s.st_uid == geteuid();
}

/* Locks it, if it still has its name then. */
static bool lock_file(int fd, int how)
{
    struct stat s;

    return flock(fd, how | LOCK_NB) == 0 && fstat(fd, &s) == 0 && s.st_nlink > 0;
}

/* -1: it could not be opened, and errno; or *again: somebody has found it before it was locked, and removes it. */
static int try_own(const char *path, bool *again)
{
    int fd = open(path, O_RDONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);

    *again = false;
    if (fd < 0)
        return -1;
    if (is_ours(fd, S_IFREG)) {
        if (lock_file(fd, LOCK_SH))
            return fd;
        *again = true;
    }
    close(fd);
    errno = EEXIST;
    return -1;
}

int promp_scratch_own(const promp_id_t *node)
{
    char path[PROMP_SCRATCH_PATH];
    bool again;
    int fd = try_own(lock_path(node, path), &again);

    for (int i = 0; fd < 0 && again && i < OWN_TRIES; i++) {
        poll(NULL, 0, OWN_PACE);
        fd = try_own(path, &again);
    }
    return fd;
}

/* Anew and not by its name: under that may be another one, when ours was taken away, which keeps nobody from anything. */
int promp_scratch_share(int fd)
{
    char path[64];
    int mine;

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    mine = open(path, O_RDONLY | O_CLOEXEC);
    if (mine < 0 || lock_file(mine, LOCK_SH))
        return mine;
    close(mine);
    return -1;
}

/* "promp-NODE" and nothing but digits behind it and a dot: a folder of that node. */
static bool is_folder_of(const char *name, const char *stem)
{
    const char *serial = name + STEM + 1;

    return strlen(name) > STEM + 1 && memcmp(name, stem, STEM) == 0 && name[STEM] == '.' &&
           strspn(serial, "0123456789") == strlen(serial);
}

static bool is_lock(const char *name)
{
    return strlen(name) == STEM + sizeof SUFFIX - 1 && strncmp(name, PREFIX, sizeof PREFIX - 1) == 0 &&
           strspn(name + sizeof PREFIX - 1, "0123456789abcdef") == DIGITS && strcmp(name + STEM, SUFFIX) == 0;
}

static bool remove_folder(int base, const char *base_name, const char *name)
{
    char path[2 * PROMP_SCRATCH_PATH];
    int fd = openat(base, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    bool ours = fd >= 0 && is_ours(fd, S_IFDIR);

    if (fd >= 0)
        close(fd);
    snprintf(path, sizeof path, "%s/%s", base_name, name);
    return ours && promp_scratch_clear(path);
}

/* Removes all folders of the node with this lock, and the lock when none is left. */
static void remove_all(int base, const char *base_name, const char *lock)
{
    int copy = openat(base, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = copy < 0 ? NULL : fdopendir(copy);
    const struct dirent *entry;
    bool left = !dir;

    while (dir && (entry = readdir(dir)))
        if (is_folder_of(entry->d_name, lock))
            left |= !remove_folder(base, base_name, entry->d_name);
    if (!left)
        unlinkat(base, lock, 0);
    if (dir)
        closedir(dir);
    else if (copy >= 0)
        close(copy);
}

/* A folder to which others may write, and where they may move away what is ours, tells nothing about what lies in it. */
static int open_base(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct stat s;

    if (fd >= 0 && fstat(fd, &s) == 0 && (!(s.st_mode & (S_IWGRP | S_IWOTH)) || s.st_mode & S_ISVTX))
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

void promp_scratch_disown(const promp_id_t *node, int fd)
{
    char path[PROMP_SCRATCH_PATH], lock[PROMP_SCRATCH_PATH];
    int base;

    if (fd < 0)
        return;
    base = open_base(base_path(path));
    if (base >= 0 && lock_file(fd, LOCK_EX))
        remove_all(base, path, strrchr(lock_path(node, lock), '/') + 1);
    if (base >= 0)
        close(base);
    close(fd);
}

/* True: its owners are dead. */
static bool inherit_one(int base, const char *base_name, const char *lock)
{
    int fd = openat(base, lock, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    bool alone = fd >= 0 && is_ours(fd, S_IFREG) && lock_file(fd, LOCK_EX);

    if (alone)
        remove_all(base, base_name, lock);
    if (fd >= 0)
        close(fd);
    return alone;
}

size_t promp_scratch_inherit(void)
{
    char path[PROMP_SCRATCH_PATH];
    int base = open_base(base_path(path)), copy;
    const struct dirent *entry;
    size_t nodes = 0;

    if (base < 0)
        return 0;
    copy = fcntl(base, F_DUPFD_CLOEXEC, 0);
    DIR *dir = copy < 0 ? NULL : fdopendir(copy);

    while (dir && (entry = readdir(dir)))
        if (is_lock(entry->d_name))
            nodes += inherit_one(base, path, entry->d_name);
    if (dir)
        closedir(dir);
    else if (copy >= 0)
        close(copy);
    close(base);
    return nodes;
}
