#include <stdio.h>
#include <unistd.h>

#include "auth_broker.h"
#include "auth_file.h"
#include "auth_store.h"
#include "tool.h"

static const char help[] =
    "promp-auth export - writes public certificates, as other programs with CURVE read them\n"
    "\n"
    "usage: promp-auth export [NAME]       one certificate to standard output (default: broker)\n"
    "       promp-auth export --to DIR     NAME.cert of the broker and of every valid key into a folder\n"
    "\n"
    "  --to DIR       the folder; made where it is missing\n"
    "  --config DIR   the folder of keys\n"
    "\n"
    "Of a name whose key is being changed it is the newer key. Nothing secret is written.\n"
    "\n"
    "example: promp-auth export broker > broker.cert\n";

/* The newest valid key of a name; tokens have no certificate. */
static const promp_auth_entry_t *newest(const promp_auth_store_t *store, const char *name, int64_t now)
{
    const promp_auth_entry_t *best = NULL;
    for (size_t i = 0; i < promp_auth_store_count(store); i++) {
        const promp_auth_entry_t *entry = promp_auth_store_at(store, i);
        if (strcmp(entry->name, name) == 0 && entry->role != PROMP_AUTH_JOIN &&
            !promp_auth_store_state(store, entry, now) && (!best || entry->created >= best->created))
            best = entry;
    }
    return best;
}

static promp_err_t find_key(const promp_auth_store_t *store, int folder, const char *name, int64_t now,
                            uint8_t key[PROMP_AUTH_KEY_SIZE], promp_error_t *error)
{
    promp_auth_broker_info_t info;
    if (strcmp(name, PROMP_AUTH_BROKER_NAME) == 0) {
        promp_err_t code = promp_auth_broker_look(folder, now, &info, error);
        if (!code)
            memcpy(key, info.key, PROMP_AUTH_KEY_SIZE);
        return code;
    }
    const promp_auth_entry_t *entry = newest(store, name, now);
    if (!entry)
        return promp_error_set(error, PROMP_ERR_NOT_FOUND, 0, "no valid key is called %s", name);
    memcpy(key, entry->key, PROMP_AUTH_KEY_SIZE);
    return PROMP_OK;
}

static promp_err_t print_one(const promp_auth_store_t *store, int folder, const char *name, int64_t now,
                             promp_error_t *error)
{
    uint8_t key[PROMP_AUTH_KEY_SIZE];
    char text[PROMP_LIMIT_KEY_FILE];
    promp_auth_key_note_t note = {0};
    size_t size;
    promp_err_t code = find_key(store, folder, name, now, key, error);
    if (code)
        return code;
    strcpy(note.name, name); /* it has been found, so it is a name */
    code = promp_auth_key_format_public(key, &note, text, &size, error);
    if (!code)
        fwrite(text, 1, size, stdout);
    return code;
}

static promp_err_t save_one(const promp_auth_store_t *store, int folder, int to, const char *name,
                            int64_t now, promp_error_t *error)
{
    uint8_t key[PROMP_AUTH_KEY_SIZE];
    promp_auth_key_note_t note = {0};
    promp_err_t code = find_key(store, folder, name, now, key, error);
    if (code)
        return code;
    strcpy(note.name, name);
    return promp_auth_key_save_public(to, name, key, &note, error);
}

static promp_err_t save_all(const promp_auth_store_t *store, int folder, const char *path, int64_t now,
                            promp_error_t *error)
{
    int to;
    promp_err_t code = promp_auth_folder_open(path, true, &to, error);
    if (code)
        return code;
    code = save_one(store, folder, to, PROMP_AUTH_BROKER_NAME, now, error);
    for (size_t i = 0; i < promp_auth_store_count(store) && !code; i++) {
        const promp_auth_entry_t *entry = promp_auth_store_at(store, i);
        if (newest(store, entry->name, now) == entry)
            code = save_one(store, folder, to, entry->name, now, error);
    }
    close(to);
    return code;
}

static int run(promp_tool_t *tool, int argc, char **argv)
{
    static const struct option options[] = {{"to", required_argument, NULL, 't'}, PROMP_TOOL_OPTIONS};
    const char *to = NULL;
    promp_auth_store_t *store;
    promp_error_t error;
    int c, folder;

    while ((c = promp_tool_option(tool, argc, argv, options)) != PROMP_TOOL_END) {
        if (c == PROMP_TOOL_STOP)
            return tool->code;
        to = optarg;
    }
    if (optind + (to ? 0 : 1) < argc)
        return promp_tool_wrong(tool, "a name or --to, not more");
    promp_err_t code = promp_tool_open(tool, false, &folder, &error);
    if (code)
        return promp_tool_fail(&error);
    code = promp_auth_store_load(folder, &store, &error);
    if (!code && to)
        code = save_all(store, folder, to, tool->now, &error);
    else if (!code)
        code = print_one(store, folder, optind < argc ? argv[optind] : PROMP_AUTH_BROKER_NAME, tool->now,
                         &error);
    if (code != PROMP_OK)
        c = promp_tool_fail(&error);
    else
        c = promp_tool_finish();
    promp_auth_store_destroy(&store);
    close(folder);
    return c;
}

const promp_tool_command_t promp_tool_export = {"export", "write public certificates", help, run};
