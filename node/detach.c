#include "detach.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "limits.h"

#define LOG_MAX PROMP_MIB /* bytes; a longer log begins anew when a node starts */
#define LINE    600       /* bytes of what is told: the exit code as a digit, and a line for stderr */

static void describe(const promp_error_t *error, char *text, size_t size)
{
    snprintf(text, size, "promp-node: %d %s: %s\n", error->code, promp_error_name(error->code), error->text);
}

void promp_detach_complain(const promp_error_t *error)
{
    char text[LINE];

    describe(error, text, sizeof text);
    fputs(text, stderr);
}

int promp_detach_code(promp_err_t error)
{
    switch (error) {
    case PROMP_OK:
        return 0;
    case PROMP_ERR_CONFIG_FILE:
        return 2;
    case PROMP_ERR_NO_BROKER:
    case PROMP_ERR_KEY_MISSING:
        return 3;
    case PROMP_ERR_KEY_READABLE:
    case PROMP_ERR_KEY_FORMAT:
    case PROMP_ERR_KEY_FOLDER:
        return 4;
    case PROMP_ERR_KEY_LOCKED:
    case PROMP_ERR_KEY_PASSPHRASE:
        return 5;
    case PROMP_ERR_TOKEN_FORMAT:
    case PROMP_ERR_TOKEN_CHECKSUM:
    case PROMP_ERR_TOKEN_EXPIRED:
    case PROMP_ERR_TOKEN_REFUSED:
    case PROMP_ERR_KEY_REFUSED:
    case PROMP_ERR_KEY_ROLE:
    case PROMP_ERR_BROKER_KEY:
    case PROMP_ERR_NOT_A_BROKER:
    case PROMP_ERR_NOT_CURVE:
    case PROMP_ERR_NODE_TWICE:
    case PROMP_ERR_VERSION:
        return 6;
    default:
        return 1;
    }
}

promp_err_t promp_detach_log(int at, const char *path, promp_error_t *error)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int log = openat(at, path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    struct stat now;

    if (log >= 0 && fstat(log, &now) == 0 && now.st_size > (off_t)LOG_MAX && ftruncate(log, 0) < 0)
        close(log), log = -1;
    if (null < 0 || log < 0)
        return promp_error_set(error, promp_error_from_errno(errno), errno, "%s", path);
    dup2(null, 0);
    dup2(log, 1);
    dup2(log, 2);
    close(null);
    close(log);
    return PROMP_OK;
}

/* The first process: waits until the node is ready or has told why not. */
static int wait_ready(int from)
{
    char text[LINE + 2];
    size_t size = 0;
    ssize_t n;

    while (size < sizeof text - 1 &&
           ((n = read(from, text + size, sizeof text - 1 - size)) > 0 || (n < 0 && errno == EINTR)))
        size += n > 0 ? (size_t)n : 0;
    text[size] = '\0';
    if (!size) {
        fputs("promp-node: 1202 NODE_START: the node ended before it was ready\n", stderr);
        return 1;
    }
    fputs(text + 1, stderr);
    return text[0] - '0';
}

promp_err_t promp_detach(int *ready, bool *first, int *code, promp_error_t *error)
{
    int ends[2];
    pid_t pid;

    *first = false;
    *ready = -1;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return promp_error_set(error, promp_error_from_errno(errno), errno, "pipe");
    pid = fork();
    if (pid > 0) {
        close(ends[1]);
        *first = true;
        *code = wait_ready(ends[0]);
        close(ends[0]);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            ;
        return PROMP_OK;
    }
    close(ends[0]);
    if (pid < 0) {
        close(ends[1]);
        return promp_error_set(error, PROMP_ERR_PROCESSES, errno, "fork");
    }
    setsid();
    pid = fork();
    if (pid > 0)
        _exit(0);
    *ready = ends[1];
    return pid < 0 ? promp_error_set(error, PROMP_ERR_PROCESSES, errno, "fork") : PROMP_OK;
}

void promp_detach_tell(int ready, int code, const promp_error_t *error)
{
    char text[LINE + 1] = {(char)('0' + code), '\0'};

    if (error)
        describe(error, text + 1, LINE);
    if (write(ready, text, strlen(text)) < 0)
        return; /* who waited is gone */
}
