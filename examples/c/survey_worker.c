/* survey-worker - a native worker: its task "examine" hashes and classifies files. The manager is `survey`.
 *
 * Arguments: one list of paths, each a str, or bytes where the name is no UTF-8. Value: a list of dicts, one per path:
 *   path   as it was given
 *   kind   what the file begins like, or what it is instead of a file
 *   size   bytes, files only
 *   hash   BLAKE2b-256 of the content, files only
 *   error  why it could not be read, in words; then size and hash are missing
 * Progress goes from 0 to 100 with the files that are done.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "promp.h"
#include "survey_kind.h"

#define PIECE (256 * 1024) /* bytes read at once; the flag is looked at in between */
#define HASH  32

typedef struct {
    const char *kind;
    uint64_t size;
    uint8_t hash[HASH];
    bool hashed;
    int error; /* errno */
} finding_t;

static const char *other_kind(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFDIR:
        return "folder";
    case S_IFLNK:
        return "symbolic link";
    case S_IFIFO:
        return "fifo";
    case S_IFSOCK:
        return "socket";
    case S_IFBLK:
    case S_IFCHR:
        return "device";
    default:
        return "unknown";
    }
}

/* Reads the open file to its end. False: the task was aborted. */
static bool read_through(promp_task_t *task, int fd, uint8_t *piece, finding_t *finding)
{
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, HASH);
    for (;;) {
        if (promp_task_aborted(task))
            return false;
        ssize_t n = read(fd, piece, PIECE);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            finding->error = errno;
            return true;
        }
        if (!finding->kind)
            finding->kind = survey_kind(piece, (size_t)n);
        if (n == 0)
            break;
        crypto_generichash_update(&state, piece, (size_t)n);
        finding->size += (uint64_t)n;
    }
    crypto_generichash_final(&state, finding->hash, HASH);
    finding->hashed = true;
    return true;
}

/* False: the task was aborted. */
static bool examine_file(promp_task_t *task, const char *path, uint8_t *piece, finding_t *finding)
{
    *finding = (finding_t){0};
    struct stat st;
    if (lstat(path, &st) < 0) {
        finding->error = errno;
        return true;
    }
    if (!S_ISREG(st.st_mode)) {
        finding->kind = other_kind(st.st_mode);
        return true;
    }
    /* It may have been replaced since: never wait for a fifo, never follow a link. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) {
        finding->error = errno;
        return true;
    }
    bool go_on = read_through(task, fd, piece, finding);
    close(fd);
    return go_on;
}

static bool put(promp_value_t *dict, const char *key, promp_value_t *item)
{
    promp_value_t *k = promp_value_str(key, strlen(key));
    return promp_value_insert(dict, &k, &item) == PROMP_OK;
}

static promp_value_t *text(const char *s)
{
    return promp_value_str(s, strlen(s));
}

/* The finding as a dict; NULL without memory. */
static promp_value_t *describe(const promp_value_t *path, const finding_t *finding)
{
    size_t size;
    const uint8_t *bytes = promp_value_data(path, &size);
    promp_value_t *dict = promp_value_dict();
    bool whole =
        dict && put(dict, "path",
                    promp_value_type(path) == PROMP_VALUE_STR ? promp_value_str((const char *)bytes, size)
                                                              : promp_value_bytes(bytes, size));
    if (whole && finding->kind)
        whole = put(dict, "kind", text(finding->kind));
    if (whole && finding->hashed)
        whole = put(dict, "size", promp_value_int((int64_t)finding->size)) &&
                put(dict, "hash", promp_value_bytes(finding->hash, HASH));
    if (whole && finding->error)
        whole = put(dict, "error", text(strerror(finding->error)));
    if (!whole)
        promp_value_free(&dict);
    return dict;
}

/* The path as a C string, to be freed; NULL: it is no path, or no memory. */
static char *path_of(const promp_value_t *value)
{
    promp_value_type_t type = promp_value_type(value);
    if (type != PROMP_VALUE_STR && type != PROMP_VALUE_BYTES)
        return NULL;
    size_t size;
    const uint8_t *bytes = promp_value_data(value, &size);
    return size && !memchr(bytes, 0, size) ? strndup((const char *)bytes, size) : NULL;
}

/* Appends the description of one path to list; 0, or what the task returns. */
static int examine_path(promp_task_t *task, const promp_value_t *value, uint8_t *piece, promp_value_t *list)
{
    char *path = path_of(value);
    if (!path)
        return promp_task_fail(task, "path %zu is not the name of a file", promp_value_count(list) + 1);
    finding_t finding;
    bool go_on = examine_file(task, path, piece, &finding);
    free(path);
    if (!go_on)
        return 1;
    promp_value_t *dict = describe(value, &finding);
    if (!dict || promp_value_append(list, &dict))
        return promp_task_fail(task, "no memory");
    return 0;
}

static int examine(promp_task_t *task)
{
    const promp_value_t *paths = promp_value_at(promp_task_args(task), 0);
    if (!paths || promp_value_type(paths) != PROMP_VALUE_LIST)
        return promp_task_fail(task, "examine wants one list of paths");
    int code = 1;
    uint8_t *piece = malloc(PIECE);
    promp_value_t *list = promp_value_list();
    if (!piece || !list) {
        promp_task_fail(task, "no memory");
        goto out;
    }
    size_t count = promp_value_count(paths);
    for (size_t i = 0; i < count; i++) {
        if (examine_path(task, promp_value_at(paths, i), piece, list))
            goto out;
        promp_task_progress(task, (int)(100 * (i + 1) / count));
    }
    code = promp_task_result(task, &list) ? promp_task_fail(task, "the value is too large") : 0;
out:
    promp_value_free(&list);
    free(piece);
    return code;
}

int main(void)
{
    static const promp_task_def_t tasks[] = {{"examine", examine}, {NULL, NULL}};
    if (sodium_init() < 0)
        return 1;
    return promp_worker_run(tasks);
}
