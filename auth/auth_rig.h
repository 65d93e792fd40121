/* auth_rig.h - what the tests of this folder share: a folder of their own, files in it, entries. */
#ifndef PROMP_AUTH_RIG_H
#define PROMP_AUTH_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth_change.h"

#define NOW 1800000000 /* 2027-01-15 */

/* A folder as promp_auth_folder_open() gives it; setup and teardown for cmocka. */
extern int rig_folder;
int rig_setup(void **state);
int rig_teardown(void **state);

/* The path of a name in the folder; static, four at a time. */
const char *rig_path(const char *name);

/* Writes a file with a mode; its text, at most 16 KiB, in static memory. */
void rig_write(const char *name, unsigned mode, const char *text);
const char *rig_read(const char *name);

/* An entry with a new key; *key may be NULL, else the caller destroys it. */
promp_auth_entry_t rig_entry(const char *name, promp_auth_role_t role, promp_auth_key_t **key);

/* Puts an entry into the folder's store. */
void rig_put(const promp_auth_entry_t *entry);

/* The folder's store, which has to load. */
promp_auth_store_t *rig_load(void);

#define assert_code(call, wanted) assert_string_equal(promp_error_name(call), promp_error_name(wanted))

#endif
