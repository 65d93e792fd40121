/* serve_signals.c - what the operator wants: reload, figures, the end. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "auth_read.h"
#include "notify.h"
#include "serve_inside.h"

/* --- what is configured --- */

promp_err_t promp_serve_signals_passphrase(promp_serve_t *s, promp_error_t *error)
{
    char source[sizeof s->config.passphrase];
    promp_slice_t words;

    if (s->options->passphrase_fd >= 0)
        snprintf(source, sizeof source, "fd:%d", s->options->passphrase_fd);
    else
        strcpy(source, s->config.passphrase);
    if (!*source)
        return PROMP_OK;
    promp_err_t code = promp_auth_read(source, PROMP_LIMIT_PASSPHRASE, &words, error);
    if (code)
        return code;
    if (!words.size || words.size > PROMP_LIMIT_PASSPHRASE) {
        promp_auth_read_free(&words);
        return promp_error_set(error, PROMP_ERR_KEY_PASSPHRASE, 0, "it has to have 1 to %d bytes",
                               PROMP_LIMIT_PASSPHRASE);
    }
    promp_auth_read_free(&s->passphrase);
    s->passphrase = words;
    return PROMP_OK;
}

/* Peers do not wait for whoever is to write into a pipe: what it told at the start counts. */
static bool is_pipe(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 && !S_ISREG(status.st_mode);
}

/* What cannot change while the port is open waits for the next start. */
static promp_err_t reload_config(promp_serve_t *s, promp_error_t *error)
{
    promp_config_t config;
    promp_err_t code = promp_options_config(s->options, s->folder, &config, error);

    if (code)
        return code;
    atomic_store(&s->level, (int)config.level);
    if (strcmp(config.listen, s->config.listen) != 0 || config.peers != s->config.peers ||
        config.threads != s->config.threads || config.gather != s->config.gather ||
        strcmp(config.metrics, s->config.metrics) != 0)
        promp_serve_say(s, PROMP_LOG_WARNING, PROMP_OK,
                        PROMP_CONFIG_FILE
                        ": listen, metrics, peers, threads and gather count from the next start on");
    strcpy(s->config.passphrase, config.passphrase);
    if (s->options->passphrase_fd >= 0 || is_pipe(config.passphrase))
        return PROMP_OK;
    return promp_serve_signals_passphrase(s, error);
}

static void reload(promp_serve_t *s, int64_t now)
{
    promp_error_t error = {0};

    promp_notify_reloading();
    if (reload_config(s, &error))
        promp_serve_say(s, PROMP_LOG_ERROR, error.code, "%s; what was read before counts", error.text);
    s->store_said = PROMP_OK;
    s->key_retry = s->key_retry ? now : 0;
    promp_serve_keys_reload(s, now);
    if (!s->ended)
        promp_serve_port_look(s, now);
    promp_notify("READY=1");
}

/* --- signals --- */

static void on_signal(promp_serve_t *s, uint32_t number, int64_t now)
{
    switch (number) {
    case SIGHUP:
        reload(s, now);
        break;
    case SIGUSR1:
        promp_serve_say_figures(s);
        break;
    default:
        s->ended = s->draining;
        s->draining = true;
        promp_notify("STOPPING=1");
        promp_broker_core_drain(s->core, now);
        promp_serve_do(s, now);
    }
}

void promp_serve_signals_take(promp_serve_t *s, int64_t now)
{
    struct signalfd_siginfo info;

    while (!s->ended && read(s->signals, &info, sizeof info) == sizeof info)
        on_signal(s, info.ssi_signo, now);
}

promp_err_t promp_serve_signals_hold(promp_serve_t *s, promp_error_t *error)
{
    static const int numbers[] = {SIGHUP, SIGUSR1, SIGTERM, SIGINT};
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        sigaddset(&set, numbers[i]);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error like a full disk */
    s->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    return s->signals < 0 ? promp_error_set(error, promp_error_from_errno(errno), errno, "signalfd")
                          : PROMP_OK;
}
