/* cmd_nodes.h - `promp status --nodes`: a cluster's nodes, for people and for programs. One thread. */
#ifndef PROMP_TOOL_CMD_NODES_H
#define PROMP_TOOL_CMD_NODES_H

#include "join_status.h"

/* MEMORY: nothing is printed. */
promp_err_t promp_cmd_nodes_table(const promp_join_nodes_t *nodes, const char *address, promp_error_t *error);
void promp_cmd_nodes_json(const promp_join_nodes_t *nodes, const char *address);

#endif
