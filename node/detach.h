/* detach.h - becoming a process of its own, while the one that the user started waits for how that goes. One thread. */
#ifndef PROMP_NODE_DETACH_H
#define PROMP_NODE_DETACH_H

#include "error.h"

/* Forks twice. OK: in the first process *first is true and *code the exit code, once the other one has told how it goes;
 * the other one goes on with *ready, where to tell it. Else *error, and *ready where there is one (-1: none). */
promp_err_t promp_detach(int *ready, bool *first, int *code, promp_error_t *error);

/* Tells who waits: ready (code 0; error, if any, is a remark), or failed with an exit code (1 to 9). */
void promp_detach_tell(int ready, int code, const promp_error_t *error);

/* From now on there is nobody to talk to but the log, a file of folder at; one that has grown long begins anew. */
promp_err_t promp_detach_log(int at, const char *path, promp_error_t *error);

/* The error as a line on stderr. */
void promp_detach_complain(const promp_error_t *error);

/* The exit code that an error of a cluster's node ends with (--help). */
int promp_detach_code(promp_err_t error);

#endif
