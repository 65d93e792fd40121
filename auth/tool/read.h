/* read.h - values on the command line. Pure. */
#ifndef PROMP_AUTH_READ_H
#define PROMP_AUTH_READ_H

#include "auth_entry.h"

/* A whole number from least to most; with a unit K, M, G or T (1024 each) where units is true. */
bool promp_read_number(const char *text, uint64_t least, uint64_t most, bool units, uint64_t *value);

/* Puts one label more behind the others; false: it is none, or they are too long together. */
bool promp_read_label(const char *text, char labels[PROMP_LIMIT_KEY_LABELS + 1]);

/* manager, node, observer or admin; false: something else. */
bool promp_read_role(const char *text, promp_auth_role_t *role);

#endif
