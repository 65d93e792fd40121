#include <stdio.h>
#include <unistd.h>

#include "auth_time.h"
#include "auth_token.h"
#include "read.h"
#include "tool.h"
#include "tool_token.h"

static const char help[] =
    "promp-auth token - prints one line that lets somebody join\n"
    "\n"
    "usage: promp-auth token ROLE [options]      ROLE: manager, node, observer or admin\n"
    "\n"
    "  --uses N          how many may join with it (default 1)\n"
    "  --expires T       until when: 30m, 12h, 7d, 2w, 2026-12-31, 2026-12-31T18:00:00Z or never (default "
    "1d)\n"
    "  --name NAME       what the joining key is called (default: what the joiner says, its host)\n"
    "  --key-expires T   until when the joining key is valid (default never)\n"
    "  --label LABEL     of a node: its places have it; of a manager: its workers go to places that have one "
    "of its\n"
    "                    labels. Can be given again\n"
    "  --workers N       of a manager: at most so many at the same time; of a node: at most so many places\n"
    "  --bytes N         the broker holds at most so many bytes for it (K, M, G, T: 1024 each)\n"
    "  --address A       where the joiner finds the broker, tcp://HOST:PORT (default: as given to init)\n"
    "  --config DIR      the folder of keys\n"
    "\n"
    "The line is a secret: whoever has it can join. It goes to standard output; what it is about goes to "
    "standard\n"
    "error.\n"
    "\n"
    "example: promp-auth token node --uses 3 --label gpu > token\n";

/* One option of the order; NULL, or what is wrong with it. */
static const char *take(int c, int64_t now, promp_auth_entry_t *order)
{
    uint64_t uses;
    switch (c) {
    case 'u':
        if (!promp_read_number(optarg, 1, PROMP_LIMIT_TOKEN_USES, false, &uses))
            return "--uses wants a number from 1 to 65535";
        order->uses = (uint32_t)uses;
        return NULL;
    case 'e':
        return promp_auth_time_read(promp_slice_str(optarg), now, &order->expires) ? NULL
                                                                                   : "--expires wants a time";
    case 'k':
        return promp_auth_time_read(promp_slice_str(optarg), now, &order->key_expires)
                   ? NULL
                   : "--key-expires wants a time";
    case 'n':
        if (!promp_auth_key_name_valid(promp_slice_str(optarg)))
            return "a name has up to 64 of A-Z a-z 0-9 . _ - and begins with a letter or digit";
        strcpy(order->as, optarg);
        return NULL;
    case 'l':
        return promp_read_label(optarg, order->labels)
                   ? NULL
                   : "a label is like a name, and all of them have at most 256 bytes";
    case 'w':
        return promp_read_number(optarg, 0, UINT32_MAX, false, &order->workers) ? NULL
                                                                                : "--workers wants a number";
    default:
        return promp_read_number(optarg, 0, PROMP_AUTH_UNLIMITED - 1, true, &order->bytes)
                   ? NULL
                   : "--bytes wants a number";
    }
}

static int run(promp_tool_t *tool, int argc, char **argv)
{
    static const struct option options[] = {{"uses", required_argument, NULL, 'u'},
                                            {"expires", required_argument, NULL, 'e'},
                                            {"key-expires", required_argument, NULL, 'k'},
                                            {"name", required_argument, NULL, 'n'},
                                            {"label", required_argument, NULL, 'l'},
                                            {"workers", required_argument, NULL, 'w'},
                                            {"bytes", required_argument, NULL, 'b'},
                                            {"address", required_argument, NULL, 'a'},
                                            PROMP_TOOL_OPTIONS};
    static const uint8_t none[PROMP_AUTH_KEY_SIZE];
    const char *address = "";
    promp_auth_entry_t order;
    int c;

    promp_auth_entry_start(&order, none, PROMP_AUTH_JOIN, tool->now);
    order.uses = 1;
    order.expires = tool->now + 86400;
    while ((c = promp_tool_option(tool, argc, argv, options)) != PROMP_TOOL_END) {
        if (c == PROMP_TOOL_STOP)
            return tool->code;
        if (c == 'a') {
            address = optarg;
            continue;
        }
        const char *wrong = take(c, tool->now, &order);
        if (wrong)
            return promp_tool_wrong(tool, "%s", wrong);
    }
    if (optind + 1 != argc || !promp_read_role(argv[optind], &order.grants))
        return promp_tool_wrong(tool, "one role is needed: manager, node, observer or admin");
    if (order.expires <= tool->now)
        return promp_tool_wrong(tool, "the token would have expired already");
    return promp_tool_token_issue(tool, &order, address);
}

const promp_tool_command_t promp_tool_token = {"token", "print one line that lets somebody join", help, run};
