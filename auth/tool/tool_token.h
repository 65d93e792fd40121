/* tool_token.h - making a token and printing it, for `token` and `rotate`. */
#ifndef PROMP_AUTH_TOOL_TOKEN_H
#define PROMP_AUTH_TOOL_TOKEN_H

#include "tool.h"

/* Makes a token for an order and prints it; address "": as noted, or this host's name. Returns the exit code. */
int promp_tool_token_issue(const promp_tool_t *tool, promp_auth_entry_t *order, const char *address);

/* The same for a new key of an identity, whose old one expires at time end. order: see promp_auth_issue_renewal(). */
int promp_tool_token_renew(const promp_tool_t *tool, const char *name, int64_t end, promp_auth_entry_t *order,
                           const char *address);

#endif
