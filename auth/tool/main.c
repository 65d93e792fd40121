/* main.c - promp-auth: makes keys and tokens, and keeps the broker's store of who may come in. */
#include <signal.h>
#include <stdio.h>
#include <time.h>

#include "tool.h"

static const promp_tool_command_t *const commands[] = {
    &promp_tool_init,   &promp_tool_token,  &promp_tool_list,   &promp_tool_show,
    &promp_tool_revoke, &promp_tool_rotate, &promp_tool_export, &promp_tool_passphrase};

#define COMMANDS (sizeof commands / sizeof *commands)

static void help(void)
{
    fputs("promp-auth - keys and tokens: who may use this broker\n"
          "\n"
          "usage: promp-auth [--config DIR] COMMAND [options]\n"
          "       promp-auth COMMAND --help\n"
          "\n",
          stdout);
    for (size_t i = 0; i < COMMANDS; i++)
        printf("  %-11s %s\n", commands[i]->name, commands[i]->summary);
    fputs(
        "\n"
        "Keys lie in DIR, $PROMP_CONFIG, or ~/.config/promp. A running broker follows every change at once.\n"
        "\n"
        "example: a broker, and a machine that works for it\n"
        "  broker$  promp-auth init --address tcp://broker.example:5599\n"
        "  broker$  promp-broker\n"
        "  broker$  promp-auth token node | ssh machine promp-node --join - --detach\n"
        "  broker$  promp-auth list\n"
        "\n"
        "exit codes: 0 done; 1 the system refused something; 2 wrong command line; 3 there is no such key;\n"
        "4 a file or folder is malformed or open to others; 5 a passphrase is missing or wrong; 6 it is "
        "there\n"
        "already; 7 another program changes the store, try again. From 1 on a line on standard error has "
        "the\n"
        "number that docs/errors.md explains.\n",
        stdout);
}

static const promp_tool_command_t *find(const char *name)
{
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

static int usage(const char *what, const char *which)
{
    fprintf(stderr, "promp-auth: %s%s; try promp-auth --help\n", what, which);
    return PROMP_TOOL_USAGE;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"version", no_argument, NULL, 'V'}, PROMP_TOOL_OPTIONS};
    promp_tool_t tool = {.now = (int64_t)time(NULL)};
    int c;

    promp_auth_harden();
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error like a full disk */
    opterr = 0;
    while ((c = getopt_long(argc, argv, "+:", options, NULL)) != -1)
        switch (c) {
        case 'c':
            tool.config = optarg;
            break;
        case 'h':
            help();
            return promp_tool_finish();
        case 'V':
            puts("promp-auth " PROMP_VERSION);
            return promp_tool_finish();
        default:
            return usage(c == ':' ? "a value is missing behind " : "there is no option ", argv[optind - 1]);
        }
    if (optind == argc)
        return usage("a command is needed", "");
    tool.command = find(argv[optind]);
    if (!tool.command)
        return usage("there is no command ", argv[optind]);
    argc -= optind;
    argv += optind;
    optind = 0; /* glibc starts anew */
    return tool.command->run(&tool, argc, argv);
}
