#include <stdio.h>
#include <unistd.h>

#include "ask.h"
#include "auth_broker.h"
#include "auth_time.h"
#include "tool.h"
#include "tool_token.h"
#include "z85.h"

#define OVERLAP_DEFAULT (7 * 86400) /* seconds: who is connected once a week learns the broker's next key */
#define TOKEN_LASTS     86400 /* a token for a renewal is good for so long, even if the old key is gone before */

static const char help[] =
    "promp-auth rotate - changes a key, with a time in which old and new work\n"
    "\n"
    "usage: promp-auth rotate broker [--overlap T] [--passphrase | --passphrase-from SOURCE | "
    "--no-passphrase]\n"
    "       promp-auth rotate NAME [--overlap T] [--address ADDRESS]\n"
    "\n"
    "  --overlap T               how long: 30m, 12h, 7d, 2w, or until a day or time; 0: at once (default "
    "7d)\n"
    "  --address ADDRESS         as for promp-auth token\n"
    "  --passphrase              lock the broker's new key; the passphrase is asked for. It is so by itself "
    "where the old\n"
    "                            one is locked\n"
    "  --passphrase-from SOURCE  the same, from the first line of a file (mode 0600) or descriptor (fd:N)\n"
    "  --no-passphrase           do not lock the new key\n"
    "  --config DIR              the folder of keys\n"
    "\n"
    "broker: the next key is made now and used when the overlap is over. Until then tokens carry both, and "
    "connected\n"
    "nodes and managers learn it; who was away for all of the overlap needs a new token. With 0 everybody "
    "does.\n"
    "NAME: prints a token for its new key; the old one expires when the overlap is over.\n"
    "\n"
    "example: once the node on that machine has ended\n"
    "  broker$  promp-auth rotate node7 --overlap 1d | ssh node7 promp-node --join - --replace --detach\n";

typedef struct {
    int64_t end;         /* of the overlap */
    const char *address; /* "": as noted */
    const char *source;  /* of the passphrase; NULL: the terminal */
    bool lock, plain;
} wish_t;

static promp_err_t rotate(const promp_tool_t *tool, const wish_t *wish, int folder,
                          promp_auth_broker_info_t *info, promp_error_t *error)
{
    promp_slice_t passphrase = {0};
    promp_err_t code = promp_auth_broker_look(folder, tool->now, info, error);
    if (!code && (wish->lock || wish->source || (info->locked && !wish->plain)))
        code = promp_ask("Passphrase for the broker's new key", wish->source, true, &passphrase, error);
    if (!code)
        code = promp_auth_broker_rotate(folder, passphrase, tool->now, wish->end, error);
    if (!code)
        code = promp_auth_broker_look(folder, tool->now, info, error);
    promp_ask_free(&passphrase);
    return code;
}

static int rotate_broker(const promp_tool_t *tool, const wish_t *wish)
{
    char z85[PROMP_Z85_KEY + 1], time[PROMP_AUTH_TIME_TEXT];
    promp_auth_broker_info_t info;
    promp_error_t error;
    int folder;
    promp_err_t code = promp_tool_open(tool, false, &folder, &error);
    if (code)
        return promp_tool_fail(&error);
    code = rotate(tool, wish, folder, &info, &error);
    close(folder);
    if (code)
        return promp_tool_fail(&error);
    if (info.has_next)
        printf("broker's next public key: %s, from %s on\n", promp_z85_encode(info.next, z85),
               promp_auth_time_text(info.change, time));
    else
        printf("broker's public key: %s\n", promp_z85_encode(info.key, z85));
    return promp_tool_finish();
}

static int rotate_name(const promp_tool_t *tool, const char *name, const wish_t *wish)
{
    promp_auth_entry_t order = {.expires = promp_max64(wish->end, tool->now + TOKEN_LASTS)};
    return promp_tool_token_renew(tool, name, wish->end, &order, wish->address);
}

static bool take(int c, int64_t now, wish_t *wish)
{
    switch (c) {
    case 'o':
        return promp_auth_time_read(promp_slice_str(optarg), now, &wish->end) && wish->end != PROMP_NEVER;
    case 'a':
        wish->address = optarg;
        break;
    case 'f':
        wish->source = optarg;
        break;
    case 'p':
        wish->lock = true;
        break;
    default:
        wish->plain = true;
    }
    return true;
}

static int run(promp_tool_t *tool, int argc, char **argv)
{
    static const struct option options[] = {
        {"overlap", required_argument, NULL, 'o'}, {"address", required_argument, NULL, 'a'},
        {"passphrase", no_argument, NULL, 'p'},    {"passphrase-from", required_argument, NULL, 'f'},
        {"no-passphrase", no_argument, NULL, 'n'}, PROMP_TOOL_OPTIONS};
    wish_t wish = {.end = tool->now + OVERLAP_DEFAULT, .address = ""};
    int c;
    while ((c = promp_tool_option(tool, argc, argv, options)) != PROMP_TOOL_END) {
        if (c == PROMP_TOOL_STOP)
            return tool->code;
        if (!take(c, tool->now, &wish))
            return promp_tool_wrong(tool, "--overlap wants a time");
    }
    if (optind + 1 != argc)
        return promp_tool_wrong(tool, "broker or one name is needed");
    const bool locks = wish.lock || wish.source;
    if (wish.plain && locks)
        return promp_tool_wrong(tool, "a passphrase and none");
    if (strcmp(argv[optind], "broker") == 0)
        return *wish.address ? promp_tool_wrong(tool, "--address is for names") : rotate_broker(tool, &wish);
    if (wish.plain || locks)
        return promp_tool_wrong(tool, "a passphrase is for the broker's key");
    return rotate_name(tool, argv[optind], &wish);
}

const promp_tool_command_t promp_tool_rotate = {
    "rotate", "change a key, with a time in which old and new work", help, run};
