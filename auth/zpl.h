/* zpl.h - the part of ZPL (RFC 4) that certificates are written in: sections of properties, two levels, read without
 * copying, so that secrets stay where the caller put them. Pure; any thread. */
#ifndef PROMP_AUTH_ZPL_H
#define PROMP_AUTH_ZPL_H

#include "base.h"

typedef struct {
    promp_slice_t rest;    /* what is not read yet */
    promp_slice_t section; /* of the last line in column 0 */
    unsigned line;         /* number of the line read last, from 1 */
} promp_zpl_t;

/* One property. The slices point into the text. */
typedef struct {
    promp_slice_t section; /* empty: a property in column 0 */
    promp_slice_t name, value;
} promp_zpl_item_t;

typedef enum { PROMP_ZPL_END, PROMP_ZPL_ITEM, PROMP_ZPL_MALFORMED } promp_zpl_result_t;

/* Starts to read; text must live as long as the reading. */
void promp_zpl_start(promp_zpl_t *zpl, promp_slice_t text);

/* Reads up to the next property that has a value. Comments, empty lines and what is nested deeper than a section's
 * properties are passed over. MALFORMED: zpl->line is the number of the line. */
promp_zpl_result_t promp_zpl_next(promp_zpl_t *zpl, promp_zpl_item_t *item);

/* Whether slice is this text. */
bool promp_zpl_is(promp_slice_t slice, const char *text);

/* Writing, into memory of the caller (guarded, where secrets are written). */
typedef struct {
    char *data;
    size_t size, room; /* bytes written, bytes there are */
    bool failed;       /* something did not fit or cannot be quoted; the text is of no use */
} promp_zpl_out_t;

/* One line as it is: a comment or the name of a section. */
void promp_zpl_line(promp_zpl_out_t *out, const char *text);

/* `    name = "value"`. A value with a quote or a control character is a failure. */
void promp_zpl_put(promp_zpl_out_t *out, const char *name, const char *value);
void promp_zpl_put_number(promp_zpl_out_t *out, const char *name, uint64_t value);

#endif
