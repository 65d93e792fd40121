#include "ask.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "auth_key.h"

static volatile sig_atomic_t interrupted; /* the signal that came while the terminal was silent */

static void on_signal(int signal)
{
    interrupted = signal;
}

/* Waits until there is something to read; false: a signal came. Signals are let in here only, so none comes unseen between the
 * looking and the waiting. */
static bool wait_for(int fd, const sigset_t *let_in)
{
    struct pollfd item = {.fd = fd, .events = POLLIN};
    while (!interrupted && ppoll(&item, 1, NULL, let_in) < 0 && errno == EINTR)
        ;
    return !interrupted;
}

/* Reads one line, without its end, into text with room for one byte more than a passphrase may have. let_in: the signals that
 * may end it, NULL: none is waited for. */
static promp_err_t read_line(int fd, const sigset_t *let_in, char *text, size_t *size, promp_error_t *error)
{
    for (*size = 0; *size <= PROMP_LIMIT_PASSPHRASE;) {
        if (let_in && !wait_for(fd, let_in))
            return promp_error_set(error, PROMP_ERR_SYSTEM, EINTR, "reading the passphrase");
        ssize_t n = read(fd, text + *size, 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return promp_error_set(error, promp_error_from_errno(errno), errno, "reading the passphrase");
        if (n == 0 || text[*size] == '\n')
            break;
        ++*size;
    }
    if (*size && text[*size - 1] == '\r')
        (*size)--;
    if (!*size || *size > PROMP_LIMIT_PASSPHRASE)
        return promp_error_set(error, PROMP_ERR_KEY_PASSPHRASE, 0, "it has to have 1 to %d bytes",
                               PROMP_LIMIT_PASSPHRASE);
    return PROMP_OK;
}

static promp_err_t open_source(const char *source, int *fd, promp_error_t *error)
{
    struct stat s;
    if (strncmp(source, "fd:", 3) == 0) {
        char *end;
        errno = 0;
        long number = strtol(source + 3, &end, 10);
        if (errno || end == source + 3 || *end || number < 0 || number > 1 << 20)
            return promp_error_set(error, PROMP_ERR_ARGUMENT, 0, "%s names no descriptor", source);
        *fd = fcntl((int)number, F_DUPFD_CLOEXEC, 3);
    } else {
        *fd = open(source, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    }
    if (*fd < 0 || fstat(*fd, &s) < 0)
        return promp_error_set(error, errno == ENOENT ? PROMP_ERR_KEY_MISSING : promp_error_from_errno(errno),
                               errno, "%s", source);
    if (S_ISREG(s.st_mode) && (s.st_mode & 077)) {
        close(*fd);
        return promp_error_set(error, PROMP_ERR_KEY_READABLE, 0, "%s has mode %03o", source,
                               s.st_mode & 0777u);
    }
    return PROMP_OK;
}

static promp_err_t from_source(const char *source, char *text, size_t *size, promp_error_t *error)
{
    int fd = -1;
    promp_err_t code = open_source(source, &fd, error);
    if (code)
        return code;
    code = read_line(fd, NULL, text, size, error);
    close(fd);
    return code;
}

/* Asks once; signals that would end us are kept until the terminal echoes again. */
static promp_err_t ask_once(int tty, const char *prompt, char *text, size_t *size, promp_error_t *error)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    const struct sigaction noting = {.sa_handler = on_signal};
    struct sigaction old[4];
    struct termios echo, silent;
    sigset_t held, let_in;

    if (tcgetattr(tty, &echo) < 0)
        return promp_error_set(error, PROMP_ERR_SYSTEM, errno, "the terminal");
    silent = echo;
    silent.c_lflag &= ~(tcflag_t)ECHO;
    interrupted = 0;
    sigemptyset(&held);
    for (size_t i = 0; i < 4; i++)
        sigaddset(&held, signals[i]);
    sigprocmask(SIG_BLOCK, &held, &let_in);
    for (size_t i = 0; i < 4; i++)
        sigaction(signals[i], &noting, &old[i]);
    tcsetattr(tty, TCSAFLUSH, &silent);
    dprintf(tty, "%s: ", prompt);
    promp_err_t code = read_line(tty, &let_in, text, size, error);
    tcsetattr(tty, TCSAFLUSH, &echo);
    dprintf(tty, "\n");
    for (size_t i = 0; i < 4; i++)
        sigaction(signals[i], &old[i], NULL);
    sigprocmask(SIG_SETMASK, &let_in, NULL);
    if (interrupted)
        raise(interrupted);
    return code;
}

static promp_err_t from_terminal(const char *prompt, bool twice, char *text, size_t *size,
                                 promp_error_t *error)
{
    size_t again_size;
    int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (tty < 0)
        return promp_error_set(error, PROMP_ERR_KEY_LOCKED, 0,
                               "there is no terminal to ask at, use --passphrase-from");
    promp_err_t code = ask_once(tty, prompt, text, size, error);
    char *again = !code && twice ? promp_auth_secret_alloc(PROMP_LIMIT_PASSPHRASE + 1) : NULL;
    if (again) {
        code = ask_once(tty, "The same again", again, &again_size, error);
        if (!code && (again_size != *size || memcmp(again, text, *size) != 0))
            code = promp_error_set(error, PROMP_ERR_KEY_PASSPHRASE, 0, "the two are not the same");
        promp_auth_secret_free(again);
    } else if (!code && twice) {
        code = promp_error_set(error, PROMP_ERR_MEMORY, 0, NULL);
    }
    close(tty);
    return code;
}

promp_err_t promp_ask(const char *prompt, const char *source, bool twice, promp_slice_t *passphrase,
                      promp_error_t *error)
{
    size_t size = 0;
    char *text = promp_auth_secret_alloc(PROMP_LIMIT_PASSPHRASE + 1);
    if (!text)
        return promp_error_set(error, PROMP_ERR_MEMORY, 0, NULL);
    promp_err_t code =
        source ? from_source(source, text, &size, error) : from_terminal(prompt, twice, text, &size, error);
    if (code)
        promp_auth_secret_free(text);
    else
        *passphrase = promp_slice(text, size);
    return code;
}

void promp_ask_free(promp_slice_t *passphrase)
{
    promp_auth_secret_free((void *)(uintptr_t)passphrase->data);
    *passphrase = promp_slice(NULL, 0);
}
