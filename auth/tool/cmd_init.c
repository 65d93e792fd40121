#include <stdio.h>
#include <unistd.h>

#include "ask.h"
#include "auth_broker.h"
#include "auth_token.h"
#include "tool.h"
#include "z85.h"

static const char help[] =
    "promp-auth init - makes the broker's key and its empty store, once\n"
    "\n"
    "usage: promp-auth init [--address tcp://HOST:PORT] [--passphrase | --passphrase-from SOURCE]\n"
    "\n"
    "  --address ADDRESS         where nodes and managers find the broker; tokens carry it\n"
    "  --passphrase              lock the secret key; the passphrase is asked for at the terminal. The "
    "broker needs it\n"
    "                            at every start\n"
    "  --passphrase-from SOURCE  the same, from the first line of a file (mode 0600) or descriptor (fd:N)\n"
    "  --config DIR              the folder of keys\n"
    "\n"
    "example: promp-auth init --address tcp://broker.example:5599\n";

static int make(const promp_tool_t *tool, const char *address, bool lock, const char *source)
{
    char z85[PROMP_Z85_KEY + 1];
    promp_auth_broker_info_t info;
    promp_slice_t passphrase = {0};
    promp_error_t error;
    int folder;

    promp_err_t code = promp_tool_open(tool, true, &folder, &error);
    if (code)
        return promp_tool_fail(&error);
    if (lock || source)
        code = promp_ask("Passphrase for the broker's key", source, true, &passphrase, &error);
    if (!code)
        code = promp_auth_broker_make(folder, passphrase, address, &error);
    if (!code)
        code = promp_auth_broker_look(folder, tool->now, &info, &error);
    promp_ask_free(&passphrase);
    close(folder);
    if (code)
        return promp_tool_fail(&error);
    printf("broker's public key: %s\n", promp_z85_encode(info.key, z85));
    return promp_tool_finish();
}

static int run(promp_tool_t *tool, int argc, char **argv)
{
    static const struct option options[] = {{"address", required_argument, NULL, 'a'},
                                            {"passphrase", no_argument, NULL, 'p'},
                                            {"passphrase-from", required_argument, NULL, 'f'},
                                            PROMP_TOOL_OPTIONS};
    const char *address = "", *source = NULL;
    bool lock = false;
    int c;

    while ((c = promp_tool_option(tool, argc, argv, options)) != PROMP_TOOL_END)
        switch (c) {
        case 'a':
            address = optarg;
            break;
        case 'p':
            lock = true;
            break;
        case 'f':
            source = optarg;
            break;
        default:
            return tool->code;
        }
    if (optind < argc)
        return promp_tool_wrong(tool, "%s is too much", argv[optind]);
    if (*address && !promp_auth_address_valid(promp_slice_str(address)))
        return promp_tool_wrong(tool, "an address is tcp://HOST:PORT");
    return make(tool, address, lock, source);
}

const promp_tool_command_t promp_tool_init = {"init", "make the broker's key and its store, once", help, run};
