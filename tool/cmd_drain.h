/* cmd_drain.h - `promp drain`: takes a node out of service, for its maintenance. */
#ifndef PROMP_TOOL_CMD_DRAIN_H
#define PROMP_TOOL_CMD_DRAIN_H

/* argv[0] is `drain`; returns the exit code. */
int promp_cmd_drain(int argc, char **argv);

#endif
