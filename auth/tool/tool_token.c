#include "tool_token.h"

#include <stdio.h>
#include <unistd.h>

#include "auth_broker.h"
#include "auth_issue.h"
#include "auth_time.h"
#include "auth_token.h"

/* Where joiners find the broker: as asked for, as noted, or by the name of this host. */
static promp_err_t choose_address(int folder, int64_t now, const char **address,
                                  char room[PROMP_LIMIT_ADDRESS + 1], promp_error_t *error)
{
    promp_auth_broker_info_t info;
    char host[PROMP_LIMIT_ADDRESS - 16] = "";
    if (**address)
        return PROMP_OK;
    promp_err_t code = promp_auth_broker_look(folder, now, &info, error);
    if (code)
        return code;
    *address = room;
    strcpy(room, info.address);
    if (!*room) {
        gethostname(host, sizeof host - 1);
        snprintf(room, PROMP_LIMIT_ADDRESS + 1, "tcp://%s:%d", host, PROMP_AUTH_PORT);
        promp_tool_note("the token says %s, by the name of this host; --address says otherwise", room);
    }
    return PROMP_OK;
}

static void describe(const promp_auth_entry_t *order, const char *address)
{
    char time[PROMP_AUTH_TIME_TEXT];
    const bool ever = order->expires == PROMP_NEVER;
    promp_tool_note("%s for role %s%s%s, %u use%s, %s%s, broker %s", order->name,
                    promp_auth_role_text(order->grants), order->as[0] ? ", name " : "", order->as,
                    (unsigned)order->uses, order->uses == 1 ? "" : "s", ever ? "never expires" : "expires ",
                    ever ? "" : promp_auth_time_text(order->expires, time), address);
}

/* name NULL: a token of its own; else a renewal. */
static int issue(const promp_tool_t *tool, const char *name, int64_t end, promp_auth_entry_t *order,
                 const char *address)
{
    char room[PROMP_LIMIT_ADDRESS + 1];
    promp_error_t error;
    int folder;
    promp_err_t code = promp_tool_open(tool, false, &folder, &error);
    if (code)
        return promp_tool_fail(&error);
    char *text = promp_auth_secret_alloc(PROMP_LIMIT_TOKEN + 2);
    code = text ? choose_address(folder, tool->now, &address, room, &error)
                : promp_error_set(&error, PROMP_ERR_MEMORY, 0, NULL);
    if (!code && name)
        code = promp_auth_issue_renewal(folder, name, end, address, tool->now, order, text, &error);
    else if (!code)
        code = promp_auth_issue(folder, order, address, tool->now, text, &error);
    close(folder);
    if (!code) {
        describe(order, address);
        code = promp_tool_print_secret(strcat(text, "\n"), &error);
        if (code)
            promp_tool_note("nobody has the token; promp-auth revoke %s ends it", order->name);
    }
    promp_auth_secret_free(text);
    return code ? promp_tool_fail(&error) : PROMP_TOOL_DONE;
}

int promp_tool_token_issue(const promp_tool_t *tool, promp_auth_entry_t *order, const char *address)
{
    return issue(tool, NULL, 0, order, address);
}

int promp_tool_token_renew(const promp_tool_t *tool, const char *name, int64_t end, promp_auth_entry_t *order,
                           const char *address)
{
    return issue(tool, name, end, order, address);
}
