#include "proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Reads the beginning of a file into text, NUL-ended; returns its length, 0 when it cannot be read. */
static size_t read_start(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n;

    if (fd < 0)
        return 0;
    n = read(fd, text, size - 1);
    close(fd);
    if (n <= 0)
        errno = ESRCH; /* it ended meanwhile */
    n = n < 0 ? 0 : n;
    text[n] = '\0';
    return (size_t)n;
}

bool promp_proc_read(pid_t pid, promp_proc_t *proc)
{
    char path[64], text[1024];
    const char *name_end;
    unsigned long long start;
    int parent, session;

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    if (!read_start(path, text, sizeof text))
        return false;
    name_end = strrchr(text, ')'); /* the program's name may hold anything */
    if (!name_end ||
        sscanf(name_end + 1, " %c %d %*d %d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
               &proc->state, &parent, &session, &start) != 4) {
        errno = ESRCH;
        return false;
    }
    proc->parent = parent;
    proc->session = session;
    proc->start = start;
    return true;
}

bool promp_proc_env(pid_t pid, const char *name, char *value, size_t size)
{
    size_t name_size = strlen(name), room = 0;
    char path[64], *line = NULL;
    bool found = false;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
    file = fopen(path, "re");
    if (!file)
        return false;
    while (!found && getdelim(&line, &room, '\0', file) > 0) {
        found = strncmp(line, name, name_size) == 0 && line[name_size] == '=';
        if (found)
            snprintf(value, size, "%s", line + name_size + 1);
    }
    free(line);
    fclose(file);
    return found;
}

static bool each_listed(void (*each)(void *arg, pid_t pid), void *arg)
{
    char path[64];
    FILE *file;
    int pid;

    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    file = fopen(path, "re");
    if (!file)
        return false;
    while (fscanf(file, "%d", &pid) == 1)
        each(arg, pid);
    fclose(file);
    return true;
}

void promp_proc_each(bool children, void (*each)(void *arg, pid_t pid), void *arg)
{
    const struct dirent *entry;
    promp_proc_t proc;
    DIR *dir;

    if (children && each_listed(each, arg))
        return;
    dir = opendir("/proc");
    if (!dir)
        return;
    while ((entry = readdir(dir))) {
        pid_t pid = (pid_t)atoi(entry->d_name);

        if (pid > 0 && (!children || (promp_proc_read(pid, &proc) && proc.parent == getpid())))
            each(arg, pid);
    }
    closedir(dir);
}

uint64_t promp_proc_oom_kills(void)
{
    char text[16 * 1024];
    const char *at;

    if (!read_start("/proc/vmstat", text, sizeof text))
        return 0;
    at = strstr(text, "\noom_kill ");
    return at ? strtoull(at + strlen("\noom_kill "), NULL, 10) : 0;
}

int promp_proc_pidfd(pid_t pid)
{
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

int promp_proc_signal(int pidfd, int signal)
{
    return (int)syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0);
}
