/* pythons.h - the Python interpreters of a node. One thread. */
#ifndef PROMP_NODE_PYTHONS_H
#define PROMP_NODE_PYTHONS_H

#include "error.h"
#include "limits.h"

#define PROMP_PYTHON_VERSION 16 /* bytes of "3.11" and what may come yet */

typedef struct {
    char version[PROMP_PYTHON_VERSION]; /* "3.11" */
    char path[PROMP_LIMIT_PATH + 1];    /* absolute */
} promp_python_t;

typedef struct {
    promp_python_t python[PROMP_LIMIT_PYTHONS]; /* in the order of preference */
    size_t count;
} promp_pythons_t;

/* Runs an interpreter, named by a path or looked for in $PATH, to learn its version, for at most PROMP_TIME_PYTHON, and adds it.
 * PROGRAM_MISSING: there is none; PROGRAM_FAILED: it does not run, tell, or end in time; ARGUMENT: it is older than 3.11, or
 * there are too many; PROCESSES, DESCRIPTORS, SYSTEM. */
promp_err_t promp_pythons_add(promp_pythons_t *pythons, const char *name, promp_error_t *error);

/* The first one of this version, or the first one of all where version is empty; NULL: there is none. */
const char *promp_pythons_fit(const promp_pythons_t *pythons, promp_slice_t version);

/* Their versions, each once, with single spaces: "3.11 3.12"; returns text. */
char *promp_pythons_text(const promp_pythons_t *pythons, char text[PROMP_LIMIT_LABELS + 1]);

#endif
