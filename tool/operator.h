/* operator.h - what the commands for operators of a cluster share: the folder with their key, errors, exit codes. */
#ifndef PROMP_TOOL_OPERATOR_H
#define PROMP_TOOL_OPERATOR_H

#include "auth_file.h"
#include "join_status.h"

enum { PROMP_OPERATOR_DONE, PROMP_OPERATOR_FAILED, PROMP_OPERATOR_USAGE }; /* exit codes */

/* Opens the folder of keys (name NULL: where it is by default), to be closed by the caller; -1: not, and all is said. who: the roles
 * that may do it, for people. */
int promp_operator_folder(const char *name, const char *who);

/* Says the error; returns the exit code. */
int promp_operator_fail(const promp_error_t *error, const char *who);

/* All has been printed: the exit code, after a look whether it could be. */
int promp_operator_done(void);

#endif
