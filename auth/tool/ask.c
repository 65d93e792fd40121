#include "ask.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <termios.h>
#include <unistd.h>

#include "auth_key.h"
#include "auth_read.h"

static volatile sig_atomic_t interrupted; /* the signal that came while the terminal was silent */

static void on_signal(int signal)
{
    interrupted = signal;
}

/* Waits until there is something to read; false: a signal came. Signals are let in here only, so none comes unseen between the
 * looking and the waiting. */
static bool wait_for(int fd, void *let_in)
{
    struct pollfd item = {.fd = fd, .events = POLLIN};
    while (!interrupted && ppoll(&item, 1, NULL, let_in) < 0 && errno == EINTR)
        ;
    return !interrupted;
}

static promp_err_t check_size(size_t size, promp_error_t *error)
{
    if (size && size <= PROMP_LIMIT_PASSPHRASE)
        return PROMP_OK;
    return promp_error_set(error, PROMP_ERR_KEY_PASSPHRASE, 0, "it has to have 1 to %d bytes",
                           PROMP_LIMIT_PASSPHRASE);
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
    promp_err_t code =
        promp_auth_read_line(tty, wait_for, &let_in, text, PROMP_LIMIT_PASSPHRASE, size, error);
    if (!code)
        code = check_size(*size, error);
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
    promp_err_t code;
    if (source) {
        code = promp_auth_read(source, PROMP_LIMIT_PASSPHRASE, passphrase, error);
        if (!code && (code = check_size(passphrase->size, error)))
            promp_auth_read_free(passphrase);
        return code;
    }
    char *text = promp_auth_secret_alloc(PROMP_LIMIT_PASSPHRASE + 1);
    if (!text)
        return promp_error_set(error, PROMP_ERR_MEMORY, 0, NULL);
    code = from_terminal(prompt, twice, text, &size, error);
    if (code)
        promp_auth_secret_free(text);
    else
        *passphrase = promp_slice(text, size);
    return code;
}

void promp_ask_free(promp_slice_t *passphrase)
{
    promp_auth_read_free(passphrase);
}
