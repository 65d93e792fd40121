#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "limits.h"
#include "local.h"

static const char help[] =
    "promp-node - starts, watches and ends the worker processes of promp on this machine\n"
    "\n"
    "usage: promp-node --local [options]    serve this user's programs on this machine\n"
    "       promp-node --status             tell whether a node serves; exit code 0: yes, 1: no\n"
    "\n"
    "  --detach          return when the node is ready, and leave it running\n"
    "  --stay            do not end when the last manager has gone\n"
    "  --idle MS         end so long after the last manager (default 10000, or $PROMP_NODE_IDLE_MS)\n"
    "  --instance NAME   a node of its own for programs with PROMP_INSTANCE=NAME (default $PROMP_INSTANCE)\n"
    "  --verbose         log what happens, too\n"
    "  --help, --version\n"
    "\n"
    "A program that uses libpromp starts its node by itself where none runs, so this is seldom typed. In "
    "the\n"
    "foreground the node prints `ready ipc://PATH` and logs to stderr; detached it logs to the file `log` "
    "beside its\n"
    "socket. SIGTERM and Ctrl-C end it in good order, workers included. --status prints the same line, or "
    "`no "
    "node`.\n"
    "\n"
    "The socket lies below $PROMP_RUNTIME_DIR, $XDG_RUNTIME_DIR/promp or /tmp/promp-UID.\n"
    "\n"
    "example: keep a node for the whole day\n"
    "  promp-node --local --stay --detach\n"
    "  promp-node --status\n"
    "  pkill -f 'promp-node --local --stay'      in the evening\n"
    "\n"
    "exit codes: 0 done, 1 failed (a line on stderr tells the number and why), 2 wrong command line\n";

typedef enum { LOCAL = 256, STATUS, AGENT, DETACH, STAY, IDLE, INSTANCE, VERBOSE, HELP, VERSION } flag_t;

static const struct option flags[] = {{"local", no_argument, NULL, LOCAL},
                                      {"status", no_argument, NULL, STATUS},
                                      {"agent", no_argument, NULL, AGENT},
                                      {"detach", no_argument, NULL, DETACH},
                                      {"stay", no_argument, NULL, STAY},
                                      {"idle", required_argument, NULL, IDLE},
                                      {"verbose", no_argument, NULL, VERBOSE},
                                      {"instance", required_argument, NULL, INSTANCE},
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

bool promp_options_read(int argc, char *argv[], promp_options_t *options, int *code)
{
    const char *idle = getenv("PROMP_NODE_IDLE_MS");
    int flag, modes = 0;

    *options = (promp_options_t){.idle = PROMP_TIME_NODE_IDLE, .level = PROMP_LOG_WARNING};
    if (idle && *idle && !read_ms(idle, &options->idle))
        return wrong(code, "PROMP_NODE_IDLE_MS", "this is no number of milliseconds");
    opterr = 0;
    while ((flag = getopt_long(argc, argv, ":", flags, NULL)) != -1)
        switch (flag) {
        case LOCAL:
        case STATUS:
        case AGENT:
            options->what = flag == LOCAL    ? PROMP_OPTIONS_LOCAL
                            : flag == STATUS ? PROMP_OPTIONS_STATUS
                                             : PROMP_OPTIONS_AGENT;
            modes++;
            break;
        case DETACH:
            options->detach = true;
            break;
        case STAY:
            options->idle = PROMP_NEVER;
            break;
        case IDLE:
            if (!read_ms(optarg, &options->idle))
                return wrong(code, "--idle", "this option wants milliseconds");
            break;
        case VERBOSE:
            options->level = PROMP_LOG_DEBUG;
            break;
        case INSTANCE:
            options->instance = optarg;
            break;
        case HELP:
            return say(code, 0, "%s", help);
        case VERSION:
            return say(code, 0, "promp-node %s\n", promp_local_build());
        case ':':
            return wrong(code, argv[optind - 1], "this option needs a value");
        default:
            return unknown(code, argv[optind - 1]);
        }
    if (optind < argc)
        return wrong(code, argv[optind], "this argument is one too many");
    if (!modes)
        return wrong(code, NULL, "--local or --status is needed");
    if (modes > 1)
        return wrong(code, NULL, "only one of --local and --status may be given");
    return true;
}
