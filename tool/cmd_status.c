#include "cmd_status.h"

#include <getopt.h>
#include <inttypes.h>
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

static void print_table(const promp_msg_counters_t *counters, const char *address)
{
    size_t count;
    const promp_counters_row_t *row = promp_counters_rows(&count);

    printf("broker %s\n", address);
    for (size_t i = 0; i < count; i++) {
        const bool first = i == 0 || strcmp(row[i].group, row[i - 1].group) != 0;
        const uint64_t value = promp_counters_value(counters, &row[i]);

        printf("%-16s %-22s ", first ? row[i].group : "", row[i].text);
        if (row[i].kind == PROMP_COUNTERS_MILLI)
            printf("%16" PRIu64 ".%03" PRIu64 "\n", value / 1000, value % 1000);
        else
            printf("%20" PRIu64 "\n", value);
    }
}

static void print_json(const promp_msg_counters_t *counters)
{
    size_t count;
    const promp_counters_row_t *row = promp_counters_rows(&count);

    for (size_t i = 0; i < count; i++) {
        const uint64_t value = promp_counters_value(counters, &row[i]);

        printf("%s\"%s\": ", i ? ", " : "{", row[i].field);
        if (row[i].kind == PROMP_COUNTERS_MILLI)
            printf("%" PRIu64 ".%03" PRIu64, value / 1000, value % 1000);
        else
            printf("%" PRIu64, value);
    }
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
