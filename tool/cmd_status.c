#include "cmd_status.h"

#include <getopt.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include "cmd_nodes.h"
#include "operator.h"

static const char help[] =
    "promp status - what the broker of the cluster does at the moment\n"
    "\n"
    "usage: promp status [--nodes] [--json] [--config DIR]\n"
    "\n"
    "  --nodes       the nodes, a line each: state, workers of places, what is free of what it has\n"
    "  --json        for programs: one object\n"
    "  --config DIR  folder of keys (default: $PROMP_CONFIG, ~/.config/promp)\n"
    "\n"
    "The folder must have joined as observer or admin.\n"
    "\n"
    "example:\n"
    "  broker$  promp-auth token observer | ssh alice@laptop promp join -\n"
    "  laptop$  promp status --nodes\n"
    "\n"
    "Exit codes: 0 told; 1 not, a line on standard error has the number that "
    "docs/errors.md explains; 2 wrong\n"
    "usage.\n";

#define ROW(group, label, field)                                                                             \
    {                                                                                                        \
        group, label, #field, offsetof(promp_msg_counters_t, field)                                          \
    }

static const struct {
    const char *group, *label, *name;
    size_t at;
} rows[] = {ROW("connections", "managers", managers),
            ROW("", "nodes", nodes),
            ROW("", "observers and admins", others),
            ROW("", "not yet greeted", handshakes),
            ROW("sessions", "in all", sessions),
            ROW("", "waiting for a place", waiting),
            ROW("", "of them: no such node", waiting_nowhere),
            ROW("", "asked of a node", asked),
            ROW("", "running", running),
            ROW("", "ended, record waits", ended),
            ROW("", "parent not known yet", unrooted),
            ROW("places", "of all nodes", places),
            ROW("", "in use", places_used),
            ROW("waiting here", "bytes of data", data_waiting),
            ROW("", "bytes of starts", starts_waiting),
            ROW("since its start", "workers asked for", starts),
            ROW("", "refused", starts_refused),
            ROW("", "frames passed on", relayed_frames),
            ROW("", "bytes passed on", relayed_bytes),
            ROW("", "answered: congested", congested),
            ROW("", "answered: no route", no_route),
            ROW("", "dropped: broke a rule", kicked_broken),
            ROW("", "dropped: silent", kicked_silent),
            ROW("", "dropped: key", kicked_key),
            ROW("", "workers without owner", orphans)};

#define ROWS (sizeof rows / sizeof *rows)

static uint64_t value(const promp_msg_counters_t *counters, size_t row)
{
    uint64_t number;

    memcpy(&number, (const char *)counters + rows[row].at, sizeof number);
    return number;
}

static void print_table(const promp_msg_counters_t *counters, const char *address)
{
    printf("broker %s\n", address);
    for (size_t i = 0; i < ROWS; i++)
        printf("%-16s %-22s %20" PRIu64 "\n", rows[i].group, rows[i].label, value(counters, i));
}

static void print_json(const promp_msg_counters_t *counters)
{
    for (size_t i = 0; i < ROWS; i++)
        printf("%s\"%s\": %" PRIu64, i ? ", " : "{", rows[i].name, value(counters, i));
    puts("}");
}

#define WHO "observer or admin"

static int show(int folder, bool json)
{
    promp_auth_joined_t joined;
    promp_msg_counters_t counters;
    promp_error_t error;

    if (promp_join_status(folder, PROMP_TIME_JOIN, &joined, &counters, &error))
        return promp_operator_fail(&error, WHO);
    if (json)
        print_json(&counters);
    else
        print_table(&counters, joined.address);
    return promp_operator_done();
}

static int show_nodes(int folder, bool json)
{
    promp_auth_joined_t joined;
    promp_join_nodes_t nodes;
    promp_error_t error;
    promp_err_t code = promp_join_nodes(folder, PROMP_TIME_JOIN, &joined, &nodes, &error);

    if (!code && json)
        promp_cmd_nodes_json(&nodes, joined.address);
    else if (!code)
        code = promp_cmd_nodes_table(&nodes, joined.address, &error);
    promp_join_nodes_free(&nodes);
    return code ? promp_operator_fail(&error, WHO) : promp_operator_done();
}

static int wrong(const char *what, const char *which)
{
    fprintf(stderr, "promp status: %s%s; try promp status --help\n", what, which);
    return PROMP_OPERATOR_USAGE;
}

int promp_cmd_status(int argc, char **argv)
{
    static const struct option options[] = {{"nodes", no_argument, NULL, 'n'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"config", required_argument, NULL, 'c'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    const char *name = NULL;
    bool json = false, nodes = false;
    int c, folder;

    promp_auth_harden();
    opterr = 0;
    while ((c = getopt_long(argc, argv, ":", options, NULL)) != -1)
        switch (c) {
        case 'n':
            nodes = true;
            break;
        case 'j':
            json = true;
            break;
        case 'c':
            name = optarg;
            break;
        case 'h':
            fputs(help, stdout);
            return 0;
        default:
            return wrong(c == ':' ? "a value is missing behind " : "there is no option ", argv[optind - 1]);
        }
    if (optind < argc)
        return wrong("one argument is too many: ", argv[optind]);
    folder = promp_operator_folder(name, WHO);
    if (folder < 0)
        return PROMP_OPERATOR_FAILED;
    c = nodes ? show_nodes(folder, json) : show(folder, json);
    close(folder);
    return c;
}
