#include "scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define KEPT 3

char *promp_scratch_path(const char *mark, char path[PROMP_SCRATCH_PATH])
{
    const char *base = getenv("TMPDIR");
    size_t most = PROMP_SCRATCH_PATH - strlen("/promp-") - strlen(mark);

    if (!base || *base != '/' || strlen(base) >= most)
        base = "/tmp";
    snprintf(path, PROMP_SCRATCH_PATH, "%s/promp-%s", base, mark);
    return path;
}

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* A folder, neither a link to one nor, inside of ours, one that somebody has mounted there: that is not ours to empty. */
static int open_own(int at, const char *name, int flags)
{
    const int own = flags | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    struct open_how how = {.flags = (uint64_t)own, .resolve = RESOLVE_NO_XDEV};
    int fd = at == AT_FDCWD ? -1 : (int)syscall(SYS_openat2, at, name, &how, sizeof how);

    return at == AT_FDCWD || (fd < 0 && errno == ENOSYS) ? openat(at, name, own) : fd;
}

static DIR *open_folder(int at, const char *name)
{
    int fd = open_own(at, name, O_RDONLY);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

    if (fd >= 0 && !dir)
        close(fd);
    return dir;
}

/* Whoever made a folder may have locked it for himself. */
static bool unlock_folder(int at, const char *name)
{
    int fd = open_own(at, name, O_PATH);

    if (fd < 0)
        return false;
    close(fd);
    return fchmodat(at, name, 0700, 0) == 0;
}

/* Moves folder `name` of `from` up into top, under a name that is free there. */
static bool move_up(int from, const char *name, int top, uint64_t *serial)
{
    char free_name[32];

    if (!unlock_folder(from, name))
        return false;
    do
        snprintf(free_name, sizeof free_name, "%llu", (unsigned long long)++*serial);
    while (renameat2(from, name, top, free_name, RENAME_NOREPLACE) < 0 && errno == EEXIST);
    return faccessat(from, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0;
}

/* Empties folder `name` of top: what is no folder goes, folders move up, so that no depth is too much. True: it got emptier. */
static bool flatten(int top, const char *name, uint64_t *serial)
{
    DIR *dir = unlock_folder(top, name) ? open_folder(top, name) : NULL;
    const struct dirent *entry;
    bool any = false;

    if (!dir)
        return false;
    while ((entry = readdir(dir)))
        if (!is_dots(entry->d_name))
            any |= unlinkat(dirfd(dir), entry->d_name, 0) == 0 ||
                   move_up(dirfd(dir), entry->d_name, top, serial);
    closedir(dir);
    return any;
}

/* One look at all that is in top; true: something has gone, or come up from below. */
static bool pass(DIR *top, uint64_t *serial)
{
    const struct dirent *entry;
    bool any = false;

    rewinddir(top);
    while ((entry = readdir(top))) {
        const char *name = entry->d_name;

        if (is_dots(name))
            continue;
        if (unlinkat(dirfd(top), name, 0) == 0) {
            any = true;
            continue;
        }
        any |= flatten(dirfd(top), name, serial);
        any |= unlinkat(dirfd(top), name, AT_REMOVEDIR) == 0;
    }
    return any;
}

bool promp_scratch_clear(const char *path)
{
    uint64_t serial = 0;
    DIR *top = NULL;

    if (unlock_folder(AT_FDCWD, path))
        top = open_folder(AT_FDCWD, path);
    if (!top) /* never made, or something else has been put there */
        return unlink(path) == 0 || errno == ENOENT;
    while (pass(top, &serial))
        ;
    closedir(top);
    return rmdir(path) == 0;
}

pid_t promp_scratch_fork(int *keep)
{
    pid_t pid = fork();
    sigset_t none;

    if (pid)
        return pid;
    if (*keep >= 0)
        *keep = dup2(*keep, KEPT);
    closefrom(*keep >= 0 ? KEPT + 1 : KEPT); /* locks, lifelines and links of ours must not live on here */
    for (int i = 1; i < NSIG; i++)
        signal(i, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    return 0;
}
