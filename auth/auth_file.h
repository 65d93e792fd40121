/* auth_file.h - files of keys: read only what nobody else can have written, written whole or not at all. A folder is
 * worked in by its descriptor, so nobody can swap it on the way. Any thread; no state. */
#ifndef PROMP_AUTH_FILE_H
#define PROMP_AUTH_FILE_H

#include "error.h"
#include "limits.h"

/* Writes the folder of keys into path (PROMP_LIMIT_PATH + 1 bytes): given where it is not NULL, $PROMP_CONFIG, or promp in
 * $XDG_CONFIG_HOME or ~/.config. ARGUMENT: there is none, or it is too long. */
promp_err_t promp_auth_folder_path(const char *given, char *path, promp_error_t *error);

/* Opens a folder (close-on-exec, caller closes *fd). make: creates what is missing, parents too, with mode 0700.
 * KEY_FOLDER: it belongs neither to us nor to root, or others may write there; KEY_MISSING: there is none;
 * with make instead SYSTEM, DISK_FULL: it cannot be made. */
promp_err_t promp_auth_folder_open(const char *path, bool make, int *fd, promp_error_t *error);

/* As promp_auth_folder_open, for a folder inside another. */
promp_err_t promp_auth_folder_open_at(int folder, const char *name, bool make, int *fd, promp_error_t *error);

/* Takes the lock of a folder that its writers share: the file `lock`. *lock is closed to let it go; it goes with the
 * process too. STORE_BUSY: others had it for wait milliseconds. */
promp_err_t promp_auth_folder_lock(int folder, int64_t wait, int *lock, promp_error_t *error);

/* Removes what writers that were killed have left; the lock must be held. */
void promp_auth_folder_sweep(int folder);

typedef enum {
    PROMP_AUTH_FILE_PUBLIC, /* others may read it */
    PROMP_AUTH_FILE_SECRET  /* else KEY_READABLE */
} promp_auth_file_kind_t;

/* Reads a whole regular file into data, which has room for PROMP_LIMIT_KEY_FILE bytes. It must belong to us or root and
 * be writable by nobody else (KEY_FORMAT). KEY_MISSING: there is none. */
promp_err_t promp_auth_file_read(int folder, const char *name, promp_auth_file_kind_t kind, void *data,
                                 size_t *size, promp_error_t *error);

/* Puts a file in place in one step (temporary file, fsync, rename, fsync of the folder): whoever reads, and whoever looks
 * after a crash, finds the old or the new one. mode: of the new file, whatever the umask says. */
promp_err_t promp_auth_file_write(int folder, const char *name, unsigned mode, const void *data, size_t size,
                                  promp_error_t *error);

#endif
