/* cmd_status.h - `promp status`: what a broker does at the moment. */
#ifndef PROMP_TOOL_CMD_STATUS_H
#define PROMP_TOOL_CMD_STATUS_H

/* argv[0] is `status`; returns the exit code. */
int promp_cmd_status(int argc, char **argv);

#endif
