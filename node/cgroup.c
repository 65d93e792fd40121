#include "cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "cgroup_place.h"

#define PREFIX "promp-"
#define LEAF   "node"
#define PROCS  "cgroup.procs"
#define ENABLE "cgroup.subtree_control"

#define BELOW 1024 /* groups that are removed at a time with the one that they are in */

#define STALE_TRIES 20
#define STALE_PACE  5 /* ms between them */

char *promp_cgroup_name(const char *prefix, uint64_t number, const char *file, char text[PROMP_CGROUP_NAME])
{
    snprintf(text, PROMP_CGROUP_NAME, "%s%" PRIu64 "%s", prefix, number, file);
    return text;
}

bool promp_cgroup_write(int folder, const char *file, const char *text)
{
    int fd = openat(folder, file, O_WRONLY | O_CLOEXEC);
    bool done = fd >= 0 && write(fd, text, strlen(text)) > 0;
    int failed = errno;

    if (fd >= 0)
        close(fd);
    errno = failed;
    return done;
}

bool promp_cgroup_read(int folder, const char *file, char *text, size_t size)
{
    int fd = openat(folder, file, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    return n > 0;
}

static DIR *list(int folder)
{
    int copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = copy < 0 ? NULL : fdopendir(copy);

    if (!dir && copy >= 0)
        close(copy);
    return dir;
}

/* --- removing --- */

/* Some group in this one, by its name; false: there is none. */
static bool find_below(int folder, char name[NAME_MAX + 1])
{
    DIR *dir = list(folder);
    const struct dirent *entry = NULL;

    while (dir && (entry = readdir(dir)))
        if (entry->d_type == DT_DIR && entry->d_name[0] != '.') {
            strcpy(name, entry->d_name);
            break;
        }
    if (dir)
        closedir(dir);
    return entry;
}

/* Removes this group, or some group below it that has none in it; false: it is not empty. */
static bool remove_one_of(int folder, const char *name)
{
    char at[NAME_MAX + 1], below[NAME_MAX + 1];
    int parent = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), group;
    bool done;

    snprintf(at, sizeof at, "%s", name);
    for (;;) {
        group = openat(parent, at, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (group < 0 || !find_below(group, below))
            break;
        close(parent);
        parent = group;
        strcpy(at, below);
    }
    done = unlinkat(parent, at, AT_REMOVEDIR) == 0;
    if (group >= 0)
        close(group);
    if (parent >= 0)
        close(parent);
    return done;
}

bool promp_cgroup_unlink(int folder, const char *name)
{
    for (int i = 0; unlinkat(folder, name, AT_REMOVEDIR) < 0 && errno == EBUSY; i++)
        if (i == BELOW || !remove_one_of(folder, name))
            return false;
    return true;
}

/* --- whose it is --- */

/* To an ordinary user what he may write to has been given; root may write everywhere, and looks for the mark, or whether it is
 * all that a container has. (Only the topmost group of the system has no events.) */
static bool is_delegated(int ours, bool top)
{
    char mark;

    if (getuid() != 0 || (top && faccessat(ours, "cgroup.events", F_OK, AT_EACCESS) == 0))
        return faccessat(ours, PROCS, W_OK, AT_EACCESS) == 0;
    return (fgetxattr(ours, "trusted.delegate", &mark, 1) == 1 ||
            fgetxattr(ours, "user.delegate", &mark, 1) == 1) &&
           mark == '1';
}

/* Somebody else who stands there: then no controllers can be given, and he is not ours to move. */
static bool has_others(int ours)
{
    char text[4096], *at = text, *end;

    if (!promp_cgroup_read(ours, PROCS, text, sizeof text))
        return false;
    for (long pid = strtol(at, &end, 10); end != at; at = end, pid = strtol(at, &end, 10))
        if (pid != getpid())
            return true;
    return false;
}

/* --- nodes that were killed --- */

/* Those of workers are killed on demand; the node's own processes end by themselves when the keeper has. */
static void remove_groups(int folder, bool kills)
{
    char file[NAME_MAX + sizeof "/cgroup.kill"];
    DIR *dir = list(folder);
    const struct dirent *entry;

    while (dir && (entry = readdir(dir))) {
        bool worker = entry->d_name[0] == 'w';

        if (entry->d_type != DT_DIR || (!worker && strcmp(entry->d_name, LEAF) != 0))
            continue;
        snprintf(file, sizeof file, "%s/cgroup.kill", entry->d_name);
        if (kills && worker)
            promp_cgroup_write(folder, file, "1");
        promp_cgroup_unlink(folder, entry->d_name);
    }
    if (dir)
        closedir(dir);
}

static bool is_stale(const char *name)
{
    long pid;

    if (strncmp(name, PREFIX, strlen(PREFIX)) != 0)
        return false;
    pid = strtol(name + strlen(PREFIX), NULL, 10);
    if (pid == getpid()) /* of another life of this container */
        return true;
    return pid > 0 && kill((pid_t)pid, 0) < 0 && errno == ESRCH;
}

static void remove_one(int ours, const char *name)
{
    int folder = openat(ours, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    for (int i = 0; folder >= 0 && i < STALE_TRIES; i++) { /* what was killed takes its time to go */
        remove_groups(folder, true);
        if (unlinkat(ours, name, AT_REMOVEDIR) == 0)
            break;
        poll(NULL, 0, STALE_PACE);
    }
    if (folder >= 0)
        close(folder);
}

/* They could not clean up; what is still in their groups belongs to nobody. */
static void remove_stale(int ours)
{
    DIR *dir = list(ours);
    const struct dirent *entry;

    while (dir && (entry = readdir(dir)))
        if (is_stale(entry->d_name))
            remove_one(ours, entry->d_name);
    if (dir)
        closedir(dir);
}

/* --- ours --- */

static int make_folder(int ours)
{
    char name[PROMP_CGROUP_NAME];
    int folder = -1;

    promp_cgroup_name(PREFIX, (uint64_t)getpid(), "", name);
    if (mkdirat(ours, name, 0755) == 0)
        folder = openat(ours, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder >= 0 && faccessat(folder, "cgroup.kill", W_OK, AT_EACCESS) < 0) { /* Linux before 5.14 */
        close(folder);
        folder = -1;
        unlinkat(ours, name, AT_REMOVEDIR);
    }
    return folder;
}

static bool move_down(promp_cgroup_t *group)
{
    if (mkdirat(group->folder, LEAF, 0755) < 0)
        return false;
    if (promp_cgroup_write(group->folder, LEAF "/" PROCS, "0"))
        return true;
    unlinkat(group->folder, LEAF, AT_REMOVEDIR);
    return false;
}

/* One at a time: where one cannot be had the others can. */
static bool give(int ours, int folder, const char *controller)
{
    return promp_cgroup_write(ours, ENABLE, controller) && promp_cgroup_write(folder, ENABLE, controller);
}

static void give_controllers(promp_cgroup_t *group, int ours)
{
    char there[256];

    if (!promp_cgroup_read(ours, "cgroup.controllers", there, sizeof there) ||
        (!strstr(there, "memory") && !strstr(there, "cpu") && !strstr(there, "pids"))) {
        group->why = "the node's control group has no controllers";
        return;
    }
    if (has_others(ours)) {
        group->why = "other processes stand in the node's control group";
        return;
    }
    if (!move_down(group)) {
        group->why = "the node cannot move to a control group of its own";
        return;
    }
    group->moved = true;
    group->memory = give(ours, group->folder, "+memory");
    group->cpus = give(ours, group->folder, "+cpu");
    group->processes = give(ours, group->folder, "+pids");
    if (!group->memory || !group->cpus || !group->processes)
        group->why = "not all controllers can be had in the node's control group";
}

void promp_cgroup_open_in(promp_cgroup_t *group, int ours)
{
    remove_stale(ours);
    group->folder = make_folder(ours);
    if (group->folder < 0)
        group->why = "no control groups can be made below the node's";
    else
        give_controllers(group, ours);
}

void promp_cgroup_open(promp_cgroup_t *group)
{
    promp_cgroup_place_t place;
    int ours = -1;

    *group = (promp_cgroup_t){.folder = -1, .why = "the node has no control group of version 2"};
    if (promp_cgroup_place("/proc/self", NULL, &place))
        ours = open(place.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (ours < 0)
        return;
    group->why = NULL;
    if (is_delegated(ours, strlen(place.path) == place.top))
        promp_cgroup_open_in(group, ours);
    else
        group->why = "the node's control group is not delegated to it";
    close(ours);
}

/* Up again, or our folder could not go: which takes that ours has no controllers, so not while another node below ours needs them. */
static void move_up(const promp_cgroup_t *group, int ours)
{
    static const char *const all[] = {"-memory", "-cpu", "-pids"};

    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        promp_cgroup_write(group->folder, ENABLE, all[i]);
        promp_cgroup_write(ours, ENABLE, all[i]);
    }
    promp_cgroup_write(ours, PROCS, "0");
}

void promp_cgroup_close(promp_cgroup_t *group)
{
    char name[PROMP_CGROUP_NAME];
    int ours;

    if (group->folder < 0)
        return;
    ours = openat(group->folder, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (ours >= 0 && group->moved)
        move_up(group, ours);
    remove_groups(group->folder, false);
    free(group->late);
    group->late = NULL;
    group->lates = 0;
    close(group->folder);
    group->folder = -1;
    if (ours < 0)
        return;
    unlinkat(ours, promp_cgroup_name(PREFIX, (uint64_t)getpid(), "", name), AT_REMOVEDIR);
    close(ours);
}
