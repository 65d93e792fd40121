#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "auth_key.h"
#include "local.h"
#include "options_help.h"

typedef enum {
    LOCAL = 256,
    STATUS,
    STOP,
    AGENT,
    DETACH,
    STAY,
    IDLE,
    INSTANCE,
    CONFIG,
    JOIN,
    JOIN_ONLY,
    REPLACE,
    NAME,
    PASSPHRASE_FD,
    SETTING,
    VERBOSE,
    HELP,
    VERSION
} flag_t;

static const struct option flags[] = {{"local", no_argument, NULL, LOCAL},
                                      {"status", no_argument, NULL, STATUS},
                                      {"stop", no_argument, NULL, STOP},
                                      {"agent", no_argument, NULL, AGENT},
                                      {"detach", no_argument, NULL, DETACH},
                                      {"stay", no_argument, NULL, STAY},
                                      {"idle", required_argument, NULL, IDLE},
                                      {"verbose", no_argument, NULL, VERBOSE},
                                      {"instance", required_argument, NULL, INSTANCE},
                                      {"config", required_argument, NULL, CONFIG},
                                      {"join", required_argument, NULL, JOIN},
                                      {"join-only", no_argument, NULL, JOIN_ONLY},
                                      {"replace", no_argument, NULL, REPLACE},
                                      {"name", required_argument, NULL, NAME},
                                      {"passphrase-fd", required_argument, NULL, PASSPHRASE_FD},
                                      {"places", required_argument, NULL, SETTING},
                                      {"cpus", required_argument, NULL, SETTING},
                                      {"memory", required_argument, NULL, SETTING},
                                      {"gpus", required_argument, NULL, SETTING},
                                      {"labels", required_argument, NULL, SETTING},
                                      {"python", required_argument, NULL, SETTING},
                                      {"pythons", required_argument, NULL, SETTING},
                                      {"passphrase-file", required_argument, NULL, SETTING},
                                      {"drain-timeout", required_argument, NULL, SETTING},
                                      {"limit-cpus", required_argument, NULL, SETTING},
                                      {"limit-processes", required_argument, NULL, SETTING},
                                      {"log", required_argument, NULL, SETTING},
                                      {"help", no_argument, NULL, HELP},
                                      {"version", no_argument, NULL, VERSION},
                                      {NULL, 0, NULL, 0}};

static bool say(int *code, int value, const char *format, const char *what)
{
    fprintf(value ? stderr : stdout, format, what);
    *code = value;
    return false;
}

/* what: the argument that is wrong, or NULL. */
static bool wrong(int *code, const char *what, const char *why)
{
    fprintf(stderr, "promp-node: %s%s%s; try promp-node --help\n", what ? what : "", what ? ": " : "", why);
    *code = PROMP_OPTIONS_USAGE;
    return false;
}

/* After getopt_long has said '?': a short option may stand among others, so it has no argument of its own. */
static bool unknown(int *code, const char *argument)
{
    const char text[] = {'-', (char)optopt, '\0'};

    if (optopt >= LOCAL)
        return wrong(code, argument, "this option takes no value");
    return wrong(code, optopt ? text : argument, "there is no such option");
}

/* Milliseconds up to a day. */
static bool read_ms(const char *text, int64_t *ms)
{
    char *end;

    errno = 0;
    *ms = strtoll(text, &end, 10);
    return !errno && end != text && !*end && *ms >= 0 && *ms <= PROMP_TIMEOUT_MAX;
}

static bool read_descriptor(const char *text, int *fd)
{
    char *end;

    errno = 0;
    long number = strtol(text, &end, 10);
    *fd = (int)number;
    return !errno && end != text && !*end && number >= 0 && number <= 1 << 20;
}

/* NULL, or what is wrong with it. */
static const char *note(promp_options_t *options, const char *name, const char *value)
{
    promp_settings_t scratch;
    const char *why;

    scratch.python_count = 0;
    why = promp_settings_set(&scratch, name, promp_slice_str(value));
    if (!why && options->sets == PROMP_OPTIONS_SETS)
        why = "these are too many settings";
    if (why)
        return why;
    options->set[options->sets].name = name;
    options->set[options->sets].value = value;
    options->sets++;
    return NULL;
}

static bool set_mode(promp_options_t *options, promp_options_what_t what, int *code)
{
    if (options->what != PROMP_OPTIONS_CLUSTER)
        return wrong(code, NULL, "only one of --local and --status may be given");
    options->what = what;
    return true;
}

/* One option; false: all is said. */
static bool take(promp_options_t *options, int flag, const char *name, const char *argument, int *code)
{
    const char *why;

    switch (flag) {
    case LOCAL:
        return set_mode(options, PROMP_OPTIONS_LOCAL, code);
    case STATUS:
        return set_mode(options, PROMP_OPTIONS_STATUS, code);
    case STOP:
        options->stop = true;
        return true;
    case AGENT:
        return set_mode(options, PROMP_OPTIONS_AGENT, code);
    case DETACH:
        options->detach = true;
        return true;
    case STAY:
        options->idle = PROMP_NEVER;
        return true;
    case IDLE:
        return read_ms(optarg, &options->idle) || wrong(code, "--idle", "this option wants milliseconds");
    case VERBOSE:
        options->verbose = true;
        return true;
    case INSTANCE:
        options->instance = optarg;
        return true;
    case CONFIG:
        options->config = optarg;
        return true;
    case JOIN:
        options->join = optarg;
        return true;
    case JOIN_ONLY:
        options->join_only = true;
        return true;
    case REPLACE:
        options->replace = true;
        return true;
    case NAME:
        options->name = optarg;
        return promp_auth_key_name_valid(promp_slice_str(optarg)) ||
               wrong(code, "--name", "a name is made of A-Z a-z 0-9 . _ - and has 64 characters at most");
    case PASSPHRASE_FD:
        return read_descriptor(optarg, &options->passphrase_fd) ||
               wrong(code, "--passphrase-fd", "the number of a descriptor is needed");
    case SETTING:
        why = note(options, name, optarg);
        return !why || wrong(code, argument, why);
    case HELP:
        return say(code, 0, "%s", promp_options_help);
    case VERSION:
        return say(code, 0, "promp-node %s\n", promp_local_build());
    case ':':
        return wrong(code, argument, "this option needs a value");
    default:
        return unknown(code, argument);
    }
}

/* What cannot go together. */
static bool fits(const promp_options_t *options, bool idle, int *code)
{
    bool cluster = options->what == PROMP_OPTIONS_CLUSTER;

    if (options->what == PROMP_OPTIONS_AGENT)
        return true;
    if (cluster && (idle || options->instance))
        return wrong(code, NULL, "--stay, --idle and --instance are for --local");
    if (!cluster && (options->sets || options->config || options->join || options->passphrase_fd >= 0))
        return wrong(code, NULL, "options of a cluster's node do not go with --local and --status");
    if (options->stop && (options->what == PROMP_OPTIONS_STATUS || options->sets || options->join ||
                          options->detach || options->passphrase_fd >= 0))
        return wrong(code, "--stop", "it goes with --local, --instance or --config alone");
    if ((options->name || options->replace || options->join_only) && !options->join)
        return wrong(code,
                     options->name      ? "--name"
                     : options->replace ? "--replace"
                                        : "--join-only",
                     "it is for --join");
    if (options->join_only && options->detach)
        return wrong(code, "--detach", "it does not go with --join-only");
    for (size_t i = 0; i < options->sets; i++)
        if (options->passphrase_fd >= 0 && strcmp(options->set[i].name, "passphrase-file") == 0)
            return wrong(code, "--passphrase-fd", "there is --passphrase-file already");
        else if (strcmp(options->set[i].name, "pythons") == 0)
            return wrong(code, "--pythons", "there is no such option");
    return true;
}

bool promp_options_read(int argc, char *argv[], promp_options_t *options, int *code)
{
    const char *idle = getenv("PROMP_NODE_IDLE_MS");
    bool idle_given = false;
    int flag, at = 0;

    *options = (promp_options_t){.idle = PROMP_TIME_NODE_IDLE, .passphrase_fd = -1};
    if (idle && *idle && !read_ms(idle, &options->idle))
        return wrong(code, "PROMP_NODE_IDLE_MS", "this is no number of milliseconds");
    opterr = 0;
    while ((flag = getopt_long(argc, argv, ":", flags, &at)) != -1) {
        idle_given |= flag == STAY || flag == IDLE;
        if (!take(options, flag, flags[at].name, argv[optind - 1], code))
            return false;
    }
    if (optind < argc)
        return wrong(code, argv[optind], "this argument is one too many");
    return fits(options, idle_given, code);
}

promp_err_t promp_options_settings(const promp_options_t *options, int folder, promp_settings_t *settings,
                                   promp_error_t *error)
{
    bool pythons = false;

    promp_settings_start(settings);
    promp_err_t code = folder >= 0 ? promp_settings_read(folder, settings, error) : PROMP_OK;

    for (size_t i = 0; i < options->sets; i++) {
        bool python = strcmp(options->set[i].name, "python") == 0;

        if (python && !pythons)
            settings->python_count = 0; /* those of the file */
        pythons |= python;
        (void)promp_settings_set(settings, options->set[i].name, promp_slice_str(options->set[i].value));
    }
    if (options->verbose)
        settings->level = PROMP_LOG_DEBUG;
    return code;
}
