#include <stdio.h>
#include <unistd.h>

#include "auth_change.h"
#include "tool.h"

static const char help[] = "promp-auth revoke - ends a key or token, at once and for good\n"
                           "\n"
                           "usage: promp-auth revoke NAME...\n"
                           "\n"
                           "  --config DIR   the folder of keys\n"
                           "\n"
                           "A running broker ends the key's sessions and lets it in no more. Revoking a "
                           "token ends only the token; keys that\n"
                           "came with it stay. The broker's own key: promp-auth rotate broker --overlap 0.\n"
                           "\n"
                           "example: promp-auth revoke node7\n";

static int revoke_one(const promp_tool_t *tool, int folder, const char *name)
{
    promp_error_t error;
    size_t count;
    if (promp_auth_revoke(folder, name, tool->now, PROMP_TIME_STORE_LOCK, &count, &error))
        return promp_tool_fail(&error);
    printf(count ? "%s is revoked\n" : "%s was revoked before\n", name);
    return PROMP_TOOL_DONE;
}

static int run(promp_tool_t *tool, int argc, char **argv)
{
    static const struct option options[] = {PROMP_TOOL_OPTIONS};
    promp_error_t error;
    int folder, result = PROMP_TOOL_DONE;

    if (promp_tool_option(tool, argc, argv, options) == PROMP_TOOL_STOP)
        return tool->code;
    if (optind == argc)
        return promp_tool_wrong(tool, "a name is needed");
    if (promp_tool_open(tool, false, &folder, &error))
        return promp_tool_fail(&error);
    for (int i = optind; i < argc; i++) {
        int code = revoke_one(tool, folder, argv[i]);
        result = result ? result : code;
    }
    close(folder);
    return result ? result : promp_tool_finish();
}

const promp_tool_command_t promp_tool_revoke = {"revoke", "end a key or token, at once and for good", help,
                                                run};
