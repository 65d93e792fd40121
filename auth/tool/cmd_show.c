#include <stdio.h>
#include <unistd.h>

#include "auth_broker.h"
#include "auth_time.h"
#include "print.h"
#include "tool.h"
#include "z85.h"

static const char help[] =
    "promp-auth show - tells all about a key or token\n"
    "\n"
    "usage: promp-auth show NAME [--json]      NAME: of `promp-auth list`, or broker\n"
    "\n"
    "  --json         a list of one object for each key of this name (there are two while a key is changed)\n"
    "  --config DIR   the folder of keys\n"
    "\n"
    "example: promp-auth show broker\n";

static int show_broker(const promp_tool_t *tool, int folder, bool json)
{
    char z85[PROMP_Z85_KEY + 1], next[PROMP_Z85_KEY + 1], time[PROMP_AUTH_TIME_TEXT];
    promp_auth_broker_info_t info;
    promp_error_t error;
    if (promp_auth_broker_look(folder, tool->now, &info, &error))
        return promp_tool_fail(&error);
    promp_z85_encode(info.key, z85);
    promp_z85_encode(info.next, next);
    promp_auth_time_text(info.change, time);
    if (json) {
        printf("[{\"name\": \"broker\", \"role\": \"broker\", \"key\": \"%s\", \"locked\": %s, \"address\": ",
               z85, info.locked ? "true" : "false");
        printf(info.address[0] ? "\"%s\"" : "null%s", info.address);
        if (info.has_next)
            printf(", \"next\": \"%s\", \"next_locked\": %s, \"change\": \"%s\"}]\n", next,
                   info.next_locked ? "true" : "false", time);
        else
            puts(", \"next\": null, \"next_locked\": null, \"change\": null}]");
    } else {
        printf("name:     broker\nkey:      %s\nlocked:   %s\naddress:  %s\n", z85,
               info.locked ? "by a passphrase" : "no", info.address[0] ? info.address : "-");
        if (info.has_next)
            printf("next key: %s, from %s on\n", next, time);
    }
    return promp_tool_finish();
}

static int show_name(const promp_tool_t *tool, const promp_auth_store_t *store, const char *name, bool json)
{
    size_t found = 0;
    for (size_t i = 0; i < promp_auth_store_count(store); i++) {
        const promp_auth_entry_t *entry = promp_auth_store_at(store, i);
        if (strcmp(entry->name, name) != 0)
            continue;
        if (json)
            fputs(found++ ? ",\n " : "[", stdout), promp_print_json(store, entry, tool->now);
        else
            fputs(found++ ? "\n" : "", stdout), promp_print_entry(store, entry, tool->now);
    }
    if (found) {
        fputs(json ? "]\n" : "", stdout);
        return promp_tool_finish();
    }
    promp_error_t error;
    promp_error_set(&error, PROMP_ERR_NOT_FOUND, 0, "no key or token is called %s", name);
    return promp_tool_fail(&error);
}

static int show(const promp_tool_t *tool, const char *name, bool json)
{
    promp_auth_store_t *store;
    promp_error_t error;
    int folder, result;
    if (promp_tool_open(tool, false, &folder, &error))
        return promp_tool_fail(&error);
    if (strcmp(name, "broker") == 0) {
        result = show_broker(tool, folder, json);
    } else if (promp_auth_store_load(folder, &store, &error)) {
        result = promp_tool_fail(&error);
    } else {
        result = show_name(tool, store, name, json);
        promp_auth_store_destroy(&store);
    }
    close(folder);
    return result;
}

static int run(promp_tool_t *tool, int argc, char **argv)
{
    static const struct option options[] = {{"json", no_argument, NULL, 'j'}, PROMP_TOOL_OPTIONS};
    bool json = false;
    int c;
    while ((c = promp_tool_option(tool, argc, argv, options)) != PROMP_TOOL_END) {
        if (c == PROMP_TOOL_STOP)
            return tool->code;
        json = true;
    }
    if (optind + 1 != argc)
        return promp_tool_wrong(tool, "one name is needed");
    return show(tool, argv[optind], json);
}

const promp_tool_command_t promp_tool_show = {"show", "tell all about a key or token", help, run};
