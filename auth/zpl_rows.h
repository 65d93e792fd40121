/* zpl_rows.h - what a program can be told, as a table: a file of lines `name = "value"`, and options of the same names. Pure, but
 * for reading the file; any thread. */
#ifndef PROMP_AUTH_ZPL_ROWS_H
#define PROMP_AUTH_ZPL_ROWS_H

#include "error.h"
#include "log.h"
#include "zpl.h"

/* One thing that can be told. set: changes *into, or returns what is wrong (static); a value that is wrong changes nothing. */
typedef struct {
    const char *name;
    const char *(*set)(void *into, promp_slice_t value);
    bool repeats; /* it may stand in a file more than once */
    bool hidden;  /* not in files */
} promp_zpl_row_t;

typedef struct {
    const char *file; /* its name in the folder */
    const promp_zpl_row_t *row;
    size_t count; /* of rows, at most 64 */
} promp_zpl_rows_t;

/* Sets one thing by its name. NULL, or what is wrong (static). */
const char *promp_zpl_rows_set(const promp_zpl_rows_t *rows, const char *name, promp_slice_t value,
                               void *into);

/* Reads the text of a file into *into. CONFIG_FILE: a line, by its number, says what is not understood. */
promp_err_t promp_zpl_rows_parse(const promp_zpl_rows_t *rows, promp_slice_t text, void *into,
                                 promp_error_t *error);

/* Likewise the file of a folder (a descriptor); none there is fine. CONFIG_FILE also when others can write it. */
promp_err_t promp_zpl_rows_read(const promp_zpl_rows_t *rows, int folder, void *into, promp_error_t *error);

/* --- values --- */

/* Digits at the beginning, up to *end. False: none, or more than most. */
bool promp_zpl_rows_digits(promp_slice_t text, size_t *end, uint64_t most, uint64_t *value);

/* A number and nothing else. */
bool promp_zpl_rows_number(promp_slice_t text, uint64_t least, uint64_t most, uint64_t *value);

/* As a string that is not empty, in room bytes. */
bool promp_zpl_rows_text(promp_slice_t value, char *text, size_t room);

/* error, warning, info or debug; NULL, or what is wrong (static). */
const char *promp_zpl_rows_level(promp_slice_t value, promp_log_level_t *level);

#endif
