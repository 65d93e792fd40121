/* cmd_join.h - `promp join`: brings this user into a cluster with a token. */
#ifndef PROMP_TOOL_CMD_JOIN_H
#define PROMP_TOOL_CMD_JOIN_H

/* argv[0] is `join`; returns the exit code. */
int promp_cmd_join(int argc, char **argv);

#endif
