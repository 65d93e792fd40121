#include "cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "limits.h"

#define PREFIX "promp-"

typedef struct {
    char text[64];
} name_t;

static name_t name_of(const char *prefix, uint64_t number, const char *file)
{
    name_t name;

    snprintf(name.text, sizeof name.text, "%s%llu%s", prefix, (unsigned long long)number, file);
    return name;
}

static bool write_to(int folder, const char *file, const char *text)
{
    int fd = openat(folder, file, O_WRONLY | O_CLOEXEC);
    bool done = fd >= 0 && write(fd, text, strlen(text)) > 0;

    if (fd >= 0)
        close(fd);
    return done;
}

/* --- where --- */

/* First line of file that begins with, and of which the rest behind begin is written to rest. */
static bool find_line(const char *file, const char *begin, const char *holds, char *rest, size_t size)
{
    char *line = NULL;
    size_t room = 0;
    bool found = false;
    FILE *f = fopen(file, "re");

    while (f && !found && getline(&line, &room, f) > 0) {
        found = strncmp(line, begin, strlen(begin)) == 0 && strstr(line, holds);
        line[strcspn(line, "\n")] = '\0';
        if (found)
            snprintf(rest, size, "%s", line + strlen(begin));
    }
    free(line);
    if (f)
        fclose(f);
    return found;
}

/* The folder of our own cgroup: "device PLACE cgroup2 ..." of the mounts, and behind it the path of our cgroup. */
static int open_own(void)
{
    char mount[PROMP_LIMIT_PATH], path[PROMP_LIMIT_PATH], whole[2 * PROMP_LIMIT_PATH];

    if (!find_line("/proc/self/cgroup", "0::", "", path, sizeof path) ||
        !find_line("/proc/self/mounts", "cgroup", " cgroup2 ", mount, sizeof mount))
        return -1;
    char *place = strchr(mount, '/');

    if (!place)
        return -1;
    place[strcspn(place, " ")] = '\0';
    snprintf(whole, sizeof whole, "%s%s", place, path);
    return open(whole, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* To an ordinary user what he may write to has been given; root may write everywhere, and looks for the mark. */
static bool is_delegated(int own)
{
    char mark;

    if (getuid() != 0)
        return faccessat(own, "cgroup.procs", W_OK, AT_EACCESS) == 0;
    return (fgetxattr(own, "trusted.delegate", &mark, 1) == 1 ||
            fgetxattr(own, "user.delegate", &mark, 1) == 1) &&
           mark == '1';
}

/* --- a node's folder --- */

static void remove_workers(int folder)
{
    int copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = copy < 0 ? NULL : fdopendir(copy);
    const struct dirent *entry;

    if (!dir && copy >= 0)
        close(copy);
    while (dir && (entry = readdir(dir)))
        if (entry->d_type == DT_DIR && entry->d_name[0] == 'w')
            unlinkat(folder, entry->d_name, AT_REMOVEDIR);
    if (dir)
        closedir(dir);
}

/* Nodes that were killed could not clean up; what is still in their cgroups belongs to nobody. */
static void remove_stale(int own)
{
    int copy = openat(own, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = copy < 0 ? NULL : fdopendir(copy);
    const struct dirent *entry;

    if (!dir && copy >= 0)
        close(copy);
    while (dir && (entry = readdir(dir))) {
        pid_t pid = (pid_t)atoi(entry->d_name + strcspn(entry->d_name, "0123456789"));
        int folder;

        if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) != 0 || pid <= 0 || kill(pid, 0) == 0 ||
            errno != ESRCH)
            continue;
        folder = openat(own, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (folder < 0)
            continue;
        write_to(folder, "cgroup.kill", "1");
        remove_workers(folder);
        close(folder);
        unlinkat(own, entry->d_name, AT_REMOVEDIR);
    }
    if (dir)
        closedir(dir);
}

int promp_cgroup_open(void)
{
    name_t name = name_of(PREFIX, (uint64_t)getpid(), "");
    int own = open_own(), folder = -1;

    if (own < 0)
        return -1;
    if (is_delegated(own)) {
        remove_stale(own);
        if (mkdirat(own, name.text, 0755) == 0)
            folder = openat(own, name.text, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (folder >= 0 && faccessat(folder, "cgroup.kill", W_OK, AT_EACCESS) < 0) { /* Linux before 5.14 */
            close(folder);
            folder = -1;
            unlinkat(own, name.text, AT_REMOVEDIR);
        }
    }
    close(own);
    return folder;
}

void promp_cgroup_close(int folder)
{
    int parent;

    if (folder < 0)
        return;
    remove_workers(folder);
    parent = openat(folder, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    close(folder);
    if (parent < 0)
        return;
    unlinkat(parent, name_of(PREFIX, (uint64_t)getpid(), "").text, AT_REMOVEDIR);
    close(parent);
}

/* --- workers --- */

void promp_cgroup_add(int folder, uint64_t serial, pid_t pid)
{
    if (folder < 0 || mkdirat(folder, name_of("w", serial, "").text, 0755) < 0)
        return;
    write_to(folder, name_of("w", serial, "/cgroup.procs").text, name_of("", (uint64_t)pid, "").text);
}

bool promp_cgroup_kill(int folder, uint64_t serial)
{
    char events[256] = "";
    int fd;

    if (folder < 0 || !write_to(folder, name_of("w", serial, "/cgroup.kill").text, "1"))
        return false;
    fd = openat(folder, name_of("w", serial, "/cgroup.events").text, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    if (read(fd, events, sizeof events - 1) < 0)
        events[0] = '\0';
    close(fd);
    return strstr(events, "populated 1");
}

void promp_cgroup_remove(int folder, uint64_t serial)
{
    if (folder >= 0)
        unlinkat(folder, name_of("w", serial, "").text, AT_REMOVEDIR);
}
