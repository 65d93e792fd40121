#include "auth_read.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth_key.h"

promp_err_t promp_auth_read_line(int fd, promp_auth_read_wait_f *wait, void *arg, char *text, size_t most,
                                 size_t *size, promp_error_t *error)
{
    for (*size = 0; *size <= most;) {
        if (wait && !wait(fd, arg))
            return promp_error_set(error, PROMP_ERR_SYSTEM, EINTR, "reading a secret");
        ssize_t n = read(fd, text + *size, 1); /* what follows the line is for others */
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return promp_error_set(error, promp_error_from_errno(errno), errno, "reading a secret");
        if (n == 0 || text[*size] == '\n')
            break;
        ++*size;
    }
    if (*size && text[*size - 1] == '\r')
        (*size)--;
    return PROMP_OK;
}

static promp_err_t not_opened(const char *source, promp_error_t *error)
{
    int system = errno;
    promp_err_t code = system == ENOENT ? PROMP_ERR_NOT_FOUND : promp_error_from_errno(system);
    return promp_error_set(error, code, system, "%s", source);
}

static promp_err_t open_source(const char *source, int *fd, promp_error_t *error)
{
    struct stat s;
    const bool given = strcmp(source, "-") == 0;
    if (given) {
        *fd = fcntl(0, F_DUPFD_CLOEXEC, 3);
    } else if (strncmp(source, "fd:", 3) == 0) {
        char *end;
        errno = 0;
        long number = strtol(source + 3, &end, 10);
        if (errno || end == source + 3 || *end || number < 0 || number > 1 << 20)
            return promp_error_set(error, PROMP_ERR_ARGUMENT, 0, "%s names no descriptor", source);
        *fd = fcntl((int)number, F_DUPFD_CLOEXEC, 3);
    } else {
        *fd = open(source, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    }
    if (*fd < 0)
        return not_opened(given ? "standard input" : source, error);
    promp_err_t code = PROMP_OK;
    if (fstat(*fd, &s) < 0)
        code = not_opened(source, error);
    else if (!given && S_ISREG(s.st_mode) && (s.st_mode & 077))
        code =
            promp_error_set(error, PROMP_ERR_KEY_READABLE, 0, "%s has mode %03o", source, s.st_mode & 0777u);
    if (code)
        close(*fd);
    return code;
}

promp_err_t promp_auth_read(const char *source, size_t most, promp_slice_t *secret, promp_error_t *error)
{
    size_t size = 0;
    int fd = -1;
    promp_err_t code = open_source(source, &fd, error);
    if (code)
        return code;
    char *text = promp_auth_secret_alloc(most + 1);
    if (text)
        code = promp_auth_read_line(fd, NULL, NULL, text, most, &size, error);
    else
        code = promp_error_set(error, PROMP_ERR_MEMORY, 0, NULL);
    close(fd);
    if (code)
        promp_auth_secret_free(text);
    else
        *secret = promp_slice(text, size);
    return code;
}

void promp_auth_read_free(promp_slice_t *secret)
{
    promp_auth_secret_free((void *)(uintptr_t)secret->data);
    *secret = promp_slice(NULL, 0);
}
