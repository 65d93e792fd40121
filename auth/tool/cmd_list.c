#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "auth_store.h"
#include "print.h"
#include "tool.h"

static const char help[] =
    "promp-auth list - lists keys and tokens\n"
    "\n"
    "usage: promp-auth list [--json]\n"
    "\n"
    "  --json         a list of objects; limits and times that are not set are null\n"
    "  --config DIR   the folder of keys\n"
    "\n"
    "Files of the store that are malformed are told on standard error, and the exit code is 4 then.\n"
    "\n"
    "example: promp-auth list --json | jq -r '.[] | select(.state == \"valid\") | .name'\n";

static int by_name(const void *a, const void *b)
{
    const promp_auth_entry_t *x = *(const promp_auth_entry_t *const *)a,
                             *y = *(const promp_auth_entry_t *const *)b;
    int order = (x->role == PROMP_AUTH_JOIN) - (y->role == PROMP_AUTH_JOIN); /* tokens come last */
    if (!order)
        order = strcmp(x->name, y->name);
    return order ? order : (x->created > y->created) - (x->created < y->created);
}

static void print_all(const promp_auth_store_t *store, const promp_auth_entry_t *const *entries, int64_t now,
                      bool json)
{
    const size_t count = promp_auth_store_count(store);
    if (!json) {
        promp_print_table(store, entries, count, now);
        return;
    }
    fputs("[", stdout);
    for (size_t i = 0; i < count; i++) {
        fputs(i ? ",\n " : "", stdout);
        promp_print_json(store, entries[i], now);
    }
    puts("]");
}

static int tell_problems(const promp_auth_store_t *store)
{
    const size_t count = promp_auth_store_problems(store);
    for (size_t i = 0; i < count && promp_auth_store_problem(store, i); i++)
        promp_tool_note("%d %s: %s", PROMP_ERR_STORE_ENTRY, promp_error_name(PROMP_ERR_STORE_ENTRY),
                        promp_auth_store_problem(store, i));
    return count ? PROMP_TOOL_UNSAFE : PROMP_TOOL_DONE;
}

static int list(const promp_tool_t *tool, bool json)
{
    promp_auth_store_t *store = NULL;
    promp_error_t error;
    int folder;
    promp_err_t code = promp_tool_open(tool, false, &folder, &error);
    if (code)
        return promp_tool_fail(&error);
    code = promp_auth_store_load(folder, &store, &error);
    close(folder);
    if (code)
        return promp_tool_fail(&error);
    const size_t count = promp_auth_store_count(store);
    const promp_auth_entry_t **entries = calloc(count + 1, sizeof *entries);
    int result = PROMP_TOOL_FAILED;
    if (entries) {
        for (size_t i = 0; i < count; i++)
            entries[i] = promp_auth_store_at(store, i);
        qsort(entries, count, sizeof *entries, by_name);
        print_all(store, entries, tool->now, json);
        result = promp_tool_finish();
        int problems = tell_problems(store);
        result = result ? result : problems;
    } else {
        promp_error_set(&error, PROMP_ERR_MEMORY, 0, NULL);
        promp_tool_fail(&error);
    }
    free(entries);
    promp_auth_store_destroy(&store);
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
    if (optind < argc)
        return promp_tool_wrong(tool, "%s is too much", argv[optind]);
    return list(tool, json);
}

const promp_tool_command_t promp_tool_list = {"list", "list keys and tokens", help, run};
