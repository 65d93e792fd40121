#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "local.h"

static const char help[] =
    "promp-broker - the one port of a cluster: lets managers and nodes in, places workers, passes frames on\n"
    "\n"
    "usage: promp-broker [options]\n"
    "\n"
    "  --listen ADDRESS        tcp://ADDRESS:PORT; * for all interfaces, port 0 for a free one (default\n"
    "                          tcp://*:5599)\n"
    "  --config DIR            the folder of its key, its store and its file broker.zpl (default\n"
    "                          $PROMP_CONFIG, or ~/.config/promp)\n"
    "  --peers N               connections at the same time (default: as descriptors allow, at most 8192)\n"
    "  --threads N             threads that encrypt and move bytes (default 2)\n"
    "  --gather MS             after its start, nodes have so long to come back before work that nobody\n"
    "                          could do is refused (default 35000)\n"
    "  --log LEVEL             error, warning, info or debug (default info)\n"
    "  --metrics ADDRESS:PORT  tells figures by HTTP there, unencrypted and to everybody: /metrics for\n"
    "                          Prometheus, /healthz; * for all interfaces, port 0 for a free one (default:\n"
    "                          nobody is told)\n"
    "  --passphrase-file FILE  the passphrase of a locked key: first line of a file of mode 0600\n"
    "  --passphrase-fd N       likewise, from a descriptor\n"
    "  --help, --version\n"
    "\n"
    "The same names, but for --config and --passphrase-fd, may stand in DIR/broker.zpl:\n"
    "\n"
    "  listen = \"tcp://*:5599\"\n"
    "  log = \"warning\"\n"
    "\n"
    "When it serves it prints `ready tcp://ADDRESS:PORT`, and `metrics http://ADDRESS:PORT/metrics` where\n"
    "it tells figures; it logs to stderr. Changes of promp-auth count at\n"
    "once. SIGHUP reads file and store anew, SIGUSR1 writes figures to the log, SIGTERM and Ctrl-C end it:\n"
    "nodes keep their workers and wait for the next one; a second signal does not wait for anything.\n"
    "\n"
    "example: a cluster's first minute\n"
    "  promp-auth init --address tcp://broker.example:5599\n"
    "  promp-broker\n"
    "  promp-auth token node | ssh machine promp-node --join - --detach      in another terminal\n"
    "\n"
    "exit codes: 0 done, 1 failed (a line on stderr tells the number and why), 2 wrong command line or "
    "file\n";

typedef enum { SETTING = 256, CONFIG, PASSPHRASE_FD, HELP, VERSION } flag_t;

static const struct option flags[] = {{"listen", required_argument, NULL, SETTING},
                                      {"peers", required_argument, NULL, SETTING},
                                      {"threads", required_argument, NULL, SETTING},
                                      {"gather", required_argument, NULL, SETTING},
                                      {"log", required_argument, NULL, SETTING},
                                      {"metrics", required_argument, NULL, SETTING},
                                      {"passphrase-file", required_argument, NULL, SETTING},
                                      {"config", required_argument, NULL, CONFIG},
                                      {"passphrase-fd", required_argument, NULL, PASSPHRASE_FD},
                                      {"help", no_argument, NULL, HELP},
                                      {"version", no_argument, NULL, VERSION},
                                      {NULL, 0, NULL, 0}};

static bool say(int *code, const char *format, const char *what)
{
    printf(format, what);
    *code = fflush(stdout) == 0 ? 0 : 1;
    return false;
}

static bool wrong(int *code, const char *what, const char *why)
{
    fprintf(stderr, "promp-broker: %s: %s; try promp-broker --help\n", what, why);
    *code = PROMP_OPTIONS_USAGE;
    return false;
}

/* The last word about a setting counts. */
static void note(promp_options_t *options, const char *name, const char *value)
{
    size_t i = 0;

    while (i < options->sets && strcmp(options->set[i].name, name) != 0)
        i++;
    options->set[i].name = name;
    options->set[i].value = value;
    if (i == options->sets)
        options->sets++;
}

static bool read_descriptor(const char *text, int *fd)
{
    char *end;

    errno = 0;
    long number = strtol(text, &end, 10);
    *fd = (int)number;
    return !errno && end != text && !*end && number >= 0 && number <= 1 << 20;
}

bool promp_options_read(int argc, char *argv[], promp_options_t *options, int *code)
{
    promp_config_t scratch;
    const char *why;
    int flag, at = 0;

    *options = (promp_options_t){.passphrase_fd = -1};
    promp_config_start(&scratch);
    opterr = 0;
    while ((flag = getopt_long(argc, argv, ":", flags, &at)) != -1)
        switch (flag) {
        case SETTING:
            why = promp_config_set(&scratch, flags[at].name, promp_slice_str(optarg));
            if (why)
                return wrong(code, argv[optind - 1], why);
            note(options, flags[at].name, optarg);
            break;
        case CONFIG:
            options->folder = optarg;
            break;
        case PASSPHRASE_FD:
            if (!read_descriptor(optarg, &options->passphrase_fd))
                return wrong(code, "--passphrase-fd", "the number of a descriptor is needed");
            break;
        case HELP:
            return say(code, "%s", help);
        case VERSION:
            return say(code, "promp-broker %s\n", promp_local_build());
        case ':':
            return wrong(code, argv[optind - 1], "this option needs a value");
        default:
            return wrong(code, argv[optind - 1],
                         optopt >= SETTING ? "this option takes no value" : "there is no such option");
        }
    if (optind < argc)
        return wrong(code, argv[optind], "this argument is one too many");
    if (*scratch.passphrase && options->passphrase_fd >= 0)
        return wrong(code, "--passphrase-fd", "there is --passphrase-file already");
    return true;
}

promp_err_t promp_options_config(const promp_options_t *options, int folder, promp_config_t *config,
                                 promp_error_t *error)
{
    promp_config_start(config);
    promp_err_t code = promp_config_read(folder, config, error);

    for (size_t i = 0; i < options->sets; i++)
        (void)promp_config_set(config, options->set[i].name, promp_slice_str(options->set[i].value));
    return code;
}
