/* proc.h - what /proc tells about processes, and pidfds. Linux only. */
#ifndef PROMP_NODE_PROC_H
#define PROMP_NODE_PROC_H

#include <sys/types.h>

#include "base.h"

typedef struct {
    char state; /* 'R', 'S', 'Z' ... */
    pid_t parent;
    pid_t session;
    uint64_t start; /* since boot, in the kernel's ticks */
} promp_proc_t;

/* False, and errno: ENOENT or ESRCH when there is no such process (any more), or no /proc; else it could not be read. */
bool promp_proc_read(pid_t pid, promp_proc_t *proc);

/* Finds NAME=value in the environment that pid was started with and copies the value, cut to size. False: not there, or
 * not ours to read. */
bool promp_proc_env(pid_t pid, const char *name, char *value, size_t size);

/* Calls each(arg, pid) for every child of this process (children) or every process there is. */
void promp_proc_each(bool children, void (*each)(void *arg, pid_t pid), void *arg);

/* Processes that the kernel has killed for want of memory since it runs; 0 when it does not tell. */
uint64_t promp_proc_oom_kills(void);

int promp_proc_pidfd(pid_t pid); /* close-on-exec; -1 with errno */
/* 0, or -1 with errno. */
int promp_proc_signal(int pidfd, int signal);

#endif
