#include "cmd_status.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "auth_file.h"
#include "join_status.h"

#define USAGE 2

static const char help[] = "promp status - what the broker of the cluster does at the moment\n"
                           "\n"
                           "usage: promp status [--json] [--config DIR]\n"
                           "\n"
                           "  --json        for programs: one object; cpus in thousandths of a processor\n"
                           "  --config DIR  folder of keys (default: $PROMP_CONFIG, ~/.config/promp)\n"
                           "\n"
                           "The folder must have joined as observer or admin.\n"
                           "\n"
                           "example:\n"
                           "  broker$  promp-auth token observer | ssh alice@laptop promp join -\n"
                           "  laptop$  promp status\n"
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

    for (size_t i = 0; i < count; i++)
        printf("%s\"%s\": %" PRIu64, i ? ", " : "{", row[i].field, promp_counters_value(counters, &row[i]));
    puts("}");
}

static int fail(const promp_error_t *error)
{
    fprintf(stderr, "promp: %d %s: %s\n", (int)error->code, promp_error_name(error->code), error->text);
    if (error->code == PROMP_ERR_NO_BROKER || error->code == PROMP_ERR_KEY_MISSING)
        fputs("promp: join as observer or admin first: promp join - < token\n", stderr);
    return 1;
}

static int show(const char *folder_name, bool json)
{
    char path[PROMP_LIMIT_PATH + 1];
    promp_auth_joined_t joined;
    promp_msg_counters_t counters;
    promp_error_t error;
    int folder;
    promp_err_t code = promp_auth_folder_path(folder_name, path, &error);

    if (!code)
        code = promp_auth_folder_open(path, false, &folder, &error);
    if (code)
        return fail(&error);
    code = promp_join_status(folder, PROMP_TIME_JOIN, &joined, &counters, &error);
    close(folder);
    if (code)
        return fail(&error);
    if (json)
        print_json(&counters);
    else
        print_table(&counters, joined.address);
    if (fflush(stdout) == 0 && !ferror(stdout))
        return 0;
    promp_error_set(&error, PROMP_ERR_SYSTEM, 0, "standard output cannot be written");
    return fail(&error);
}

static int wrong(const char *what, const char *which)
{
    fprintf(stderr, "promp status: %s%s; try promp status --help\n", what, which);
    return USAGE;
}

int promp_cmd_status(int argc, char **argv)
{
    static const struct option options[] = {{"json", no_argument, NULL, 'j'},
                                            {"config", required_argument, NULL, 'c'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    const char *folder = NULL;
    bool json = false;
    int c;

    promp_auth_harden();
    opterr = 0;
    while ((c = getopt_long(argc, argv, ":", options, NULL)) != -1)
        switch (c) {
        case 'j':
            json = true;
            break;
        case 'c':
            folder = optarg;
            break;
        case 'h':
            fputs(help, stdout);
            return 0;
        default:
            return wrong(c == ':' ? "a value is missing behind " : "there is no option ", argv[optind - 1]);
        }
    return optind < argc ? wrong("one argument is too many: ", argv[optind]) : show(folder, json);
}
