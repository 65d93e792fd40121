#include <stdio.h>
#include <unistd.h>

#include "ask.h"
#include "tool.h"

static const char help[] =
    "promp-auth passphrase - locks a secret key of this folder, changes its passphrase, or unlocks it\n"
    "\n"
    "usage: promp-auth passphrase NAME [--remove] [--old-from SOURCE] [--passphrase-from SOURCE]\n"
    "\n"
    "  NAME                      of the file NAME.cert_secret: broker, node, manager, ...\n"
    "  --remove                  unlock the key: it is then protected by the rights of its file alone\n"
    "  --old-from SOURCE         the passphrase it has, from the first line of a file (mode 0600) or "
    "descriptor (fd:N)\n"
    "  --passphrase-from SOURCE  the new one, likewise\n"
    "  --config DIR              the folder of keys\n"
    "\n"
    "What is not given is asked for at the terminal. A forgotten passphrase cannot be found again.\n"
    "\n"
    "example: promp-auth passphrase manager\n";

typedef struct {
    const char *old_source, *source;
    bool remove;
} wish_t;

static promp_err_t change(int folder, const char *name, const wish_t *wish, promp_error_t *error)
{
    promp_slice_t old = {0}, passphrase = {0};
    promp_auth_key_info_t info;
    promp_err_t code = promp_auth_key_load(folder, name, old, NULL, &info, error);
    if (!code && info.locked)
        code = promp_ask("Its passphrase", wish->old_source, false, &old, error);
    if (!code && !wish->remove)
        code = promp_ask("The new passphrase", wish->source, true, &passphrase, error);
    if (!code)
        code = promp_auth_key_relock(folder, name, old, passphrase, error);
    promp_ask_free(&passphrase);
    promp_ask_free(&old);
    return code;
}

static int run(promp_tool_t *tool, int argc, char **argv)
{
    static const struct option options[] = {{"remove", no_argument, NULL, 'r'},
                                            {"old-from", required_argument, NULL, 'o'},
                                            {"passphrase-from", required_argument, NULL, 'f'},
                                            PROMP_TOOL_OPTIONS};
    wish_t wish = {0};
    promp_error_t error;
    int c, folder;

    while ((c = promp_tool_option(tool, argc, argv, options)) != PROMP_TOOL_END)
        switch (c) {
        case 'r':
            wish.remove = true;
            break;
        case 'o':
            wish.old_source = optarg;
            break;
        case 'f':
            wish.source = optarg;
            break;
        default:
            return tool->code;
        }
    if (optind + 1 != argc || !promp_auth_key_name_valid(promp_slice_str(argv[optind])))
        return promp_tool_wrong(tool, "the name of one key is needed");
    if (wish.remove && wish.source)
        return promp_tool_wrong(tool, "--remove wants no new passphrase");
    promp_err_t code = promp_tool_open(tool, false, &folder, &error);
    if (code)
        return promp_tool_fail(&error);
    code = change(folder, argv[optind], &wish, &error);
    close(folder);
    if (code)
        return promp_tool_fail(&error);
    printf("%s is %s\n", argv[optind], wish.remove ? "unlocked" : "locked");
    return promp_tool_finish();
}

const promp_tool_command_t promp_tool_passphrase = {"passphrase", "lock a secret key, or unlock it", help,
                                                    run};
