#include <dirent.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth_file.h"
#include "auth_store_inside.h"

#define STORE   "store"
#define SETTLED 2 /* seconds after which a change has another time, on the coarsest file systems too */

char *promp_auth_store_file(const uint8_t key[PROMP_AUTH_KEY_SIZE], char name[PROMP_AUTH_STORE_FILE])
{
    sodium_bin2hex(name, PROMP_AUTH_STORE_FILE, key, PROMP_AUTH_KEY_SIZE);
    return strcat(name, ".cert");
}

static bool is_settled(const struct timespec *changed)
{
    return llabs((long long)time(NULL) - (long long)changed->tv_sec) > SETTLED;
}

static promp_auth_stamp_t stamp_of(const struct stat *s)
{
    return (promp_auth_stamp_t){s->st_dev, s->st_ino, s->st_mtim, !is_settled(&s->st_mtim)};
}

bool promp_auth_store_changed(int folder, const promp_auth_store_t *store)
{
    const promp_auth_stamp_t *old = &store->stamp;
    struct stat s;
    if (fstatat(folder, STORE, &s, 0) < 0)
        return true; /* loading tells why */
    return s.st_dev != old->device || s.st_ino != old->inode || s.st_mtim.tv_sec != old->time.tv_sec ||
           s.st_mtim.tv_nsec != old->time.tv_nsec || (old->fresh && is_settled(&old->time));
}

static bool ends_so(const char *name, const char *end)
{
    size_t size = strlen(name), tail = strlen(end);
    return size >= tail && strcmp(name + size - tail, end) == 0;
}

/* Notes what is wrong with a file; without memory it is counted only. */
static void note_problem(promp_auth_store_t *store, const char *file, const promp_error_t *error)
{
    promp_error_t whole;
    const char *detail = strstr(error->text, ": ");
    promp_error_set(&whole, PROMP_ERR_STORE_ENTRY, 0, "%s: %s", file,
                    error->code == PROMP_ERR_STORE_ENTRY && detail ? detail + 2 : error->text);
    if (store->problems < PROMP_AUTH_PROBLEMS_TOLD)
        store->problem[store->problems] = strdup(whole.text);
    store->problems++;
}

/* Whether the trouble is the file's own, so that the others can be served: its key is refused. Not so what would refuse
 * all of them: no memory, no descriptors, too many keys. */
static bool is_files_own(promp_err_t code)
{
    return code == PROMP_ERR_KEY_FORMAT || code == PROMP_ERR_STORE_ENTRY || code == PROMP_ERR_SYSTEM;
}

static promp_err_t load_file(promp_auth_store_t *store, int fd, const char *file, promp_error_t *error)
{
    char text[PROMP_LIMIT_KEY_FILE], expected[PROMP_AUTH_STORE_FILE];
    promp_auth_entry_t entry;
    size_t size;

    promp_err_t code = promp_auth_file_read(fd, file, PROMP_AUTH_FILE_PUBLIC, text, &size, error);
    if (code)
        return code;
    code = promp_auth_entry_parse(promp_slice(text, size), &entry, error);
    if (code)
        return code;
    if (strcmp(promp_auth_store_file(entry.key, expected), file) != 0)
        return promp_error_set(error, PROMP_ERR_STORE_ENTRY, 0, "the file is not named by its key");
    return promp_auth_store_add(store, &entry, error);
}

static promp_err_t load_all(promp_auth_store_t *store, DIR *dir, promp_error_t *error)
{
    promp_error_t why;
    struct dirent *entry;
    for (errno = 0; (entry = readdir(dir)); errno = 0) {
        if (entry->d_name[0] == '.' || !ends_so(entry->d_name, ".cert"))
            continue;
        promp_err_t code = load_file(store, dirfd(dir), entry->d_name, &why);
        if (is_files_own(code))
            note_problem(store, entry->d_name, &why);
        else if (code && code != PROMP_ERR_KEY_MISSING) { /* which was removed while we read */
            if (error)
                *error = why;
            return code;
        }
    }
    if (errno)
        return promp_error_set(error, promp_error_from_errno(errno), errno, "reading the store");
    return PROMP_OK;
}

promp_err_t promp_auth_store_load(int folder, promp_auth_store_t **store, promp_error_t *error)
{
    struct stat s;
    DIR *dir;
    int fd;
    promp_err_t code = promp_auth_folder_open_at(folder, STORE, false, &fd, error);
    if (code)
        return code;
    code = PROMP_ERR_MEMORY;
    *store = promp_auth_store_new();
    if (!*store)
        goto err0;
    /* The stamp is taken first: what changes while we read is then seen as a change. */
    if (fstat(fd, &s) < 0 || !(dir = fdopendir(fd))) {
        code = promp_error_from_errno(errno);
        goto err1;
    }
    (*store)->stamp = stamp_of(&s);
    code = load_all(*store, dir, error);
    closedir(dir);
    if (!code)
        code = promp_auth_store_finish(*store, error);
    if (code)
        promp_auth_store_destroy(store);
    return code;

err1:
    promp_auth_store_destroy(store);
err0:
    close(fd);
    return promp_error_set(error, code, 0, "reading the store");
}
