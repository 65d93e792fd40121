#include "cmd_drain.h"

#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

#include "operator.h"

#define WHO "admin"

static const char help[] = "promp drain - takes a node out of service, for its maintenance\n"
                           "\n"
                           "usage: promp drain [--config DIR] NODE\n"
                           "\n"
                           "  NODE          the name of its key, as `promp status --nodes` has it\n"
                           "  --config DIR  folder of keys (default: $PROMP_CONFIG, ~/.config/promp)\n"
                           "\n"
                           "The node gets no more workers, and ends when those that it has have ended, or "
                           "its own --drain-timeout is over, as\n"
                           "after SIGTERM. Started again it serves again. This command does not wait for it: "
                           "`promp status --nodes` shows it until\n"
                           "it has ended. The folder must have joined as admin.\n"
                           "\n"
                           "example:\n"
                           "  broker$  promp-auth token admin | ssh alice@laptop promp join -\n"
                           "  laptop$  promp drain node7\n"
                           "\n"
                           "Exit codes: 0 the broker has taken it out; 1 not, a line on standard error has "
                           "the number that docs/errors.md explains;\n"
                           "2 wrong usage.\n";

static int drain(int folder, const char *name)
{
    promp_auth_joined_t joined;
    promp_join_drained_t drained;
    promp_error_t error;

    if (promp_join_drain(folder, PROMP_TIME_JOIN, name, &joined, &drained, &error))
        return promp_operator_fail(&error, WHO);
    printf("'%s' gets no more workers; it has %u", name, drained.workers);
    puts(drained.away ? ", and is told if its connection is back within 30 s" : "");
    return promp_operator_done();
}

static int wrong(const char *what, const char *which)
{
    fprintf(stderr, "promp drain: %s%s; try promp drain --help\n", what, which);
    return PROMP_OPERATOR_USAGE;
}

int promp_cmd_drain(int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
    const char *name = NULL;
    int c, folder;

    promp_auth_harden();
    opterr = 0;
    while ((c = getopt_long(argc, argv, ":", options, NULL)) != -1)
        switch (c) {
        case 'c':
            name = optarg;
            break;
        case 'h':
            fputs(help, stdout);
            return PROMP_OPERATOR_DONE;
        default:
            return wrong(c == ':' ? "a value is missing behind " : "there is no option ", argv[optind - 1]);
        }
    if (optind + 1 != argc)
        return wrong("the name of one node is needed", "");
    if (!promp_auth_key_name_valid(promp_slice_str(argv[optind])))
        return wrong("this is no name of a node: ", argv[optind]);
    folder = promp_operator_folder(name, WHO);
    if (folder < 0)
        return PROMP_OPERATOR_FAILED;
    c = drain(folder, argv[optind]);
    close(folder);
    return c;
}
